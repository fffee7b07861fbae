package daemon

import (
	"errors"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/apply"
	"github.com/wgnetifd/wgnetifd/internal/plan"
	"github.com/wgnetifd/wgnetifd/uci"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// outcomeOf tells what a run changed and what was refused. before is the run before
// it, if the interface was up then.
func outcomeOf(name string, conf *schema.Interface, before, run *apply.Run, err error) outcome {
	var o outcome
	refuse := func(option, value, text string) {
		o.refused = append(o.refused, Refusal{Option: option, Value: value, Text: text})
	}
	if conf != nil {
		for _, p := range conf.Problems {
			if p.Level != schema.Note {
				refuse(p.Path(), p.ShortValue(), p.Text)
			}
		}
	}
	// A problem of the configuration is among them already.
	if err != nil && !errors.Is(err, apply.ErrNotUp) && !errors.As(err, new(*schema.Problem)) {
		refuse("network."+name, "", err.Error())
	}
	if run == nil || run.Want == nil || run.Have == nil {
		return o
	}
	for _, e := range run.Refused {
		refuse(pathOf(run.Conf, e.PublicKey), "", "the kernel refused the "+e.Error())
	}
	for _, p := range run.Failed {
		if p.Code == apply.CodeDevice && len(p.Words) == 3 {
			refuse(p.Words[0], p.Words[1], p.Words[2])
		}
	}
	o.change.peers(before, run)
	o.change.Device = deviceChanges(before, run)
	return o
}

// peers notes the peers that a run changed.
func (c *Change) peers(before, run *apply.Run) {
	moved := movedOf(before, run)
	if len(run.Changes.Peers)+len(moved) == 0 {
		return
	}
	names := namesOf(before, run, moved)
	refused := map[schema.Key]bool{}
	for _, e := range run.Refused {
		refused[e.PublicKey] = true
	}
	for n := range run.Changes.Peers {
		p := &run.Changes.Peers[n]
		if refused[p.PublicKey] {
			continue
		}
		name := names[p.PublicKey]
		if name == "" {
			name = p.PublicKey.Short()
		}
		switch {
		case p.Remove:
			c.Removed = append(c.Removed, name)
		case p.Update:
			c.Changed = append(c.Changed, name)
		default:
			c.Added = append(c.Added, name)
		}
	}
	for _, key := range moved {
		c.Changed = append(c.Changed, names[key])
	}
}

// movedOf returns the peers whose endpoints are others in the configuration than in
// the run before, and of which nothing was written: no address may be known yet.
func movedOf(before, run *apply.Run) (moved []schema.Key) {
	if before == nil {
		return nil
	}
	written := make(map[schema.Key]bool, len(run.Changes.Peers))
	for n := range run.Changes.Peers {
		written[run.Changes.Peers[n].PublicKey] = true
	}
	gone, come := changesOf(before, run)
	was := make(map[schema.Key]*schema.Peer, len(gone))
	for _, w := range gone {
		was[w.PublicKey] = w.Config
	}
	for _, w := range come {
		key, p := w.PublicKey, w.Config
		if old := was[key]; old != nil && !written[key] &&
			(old.Endpoint != p.Endpoint || !slices.Equal(old.Fallbacks, p.Fallbacks)) {
			moved = append(moved, key)
		}
	}
	return moved
}

// pathOf returns where a peer stands in the configuration.
func pathOf(conf *schema.Interface, key schema.Key) string {
	for n := range conf.Peers {
		if p := conf.Peers[n]; p.PublicKey == key && p.Active() {
			return "network." + p.Section
		}
	}
	return "network." + conf.Name // a peer that the device should lose
}

// namesOf returns what the peers that changed are called now, or, those that are no
// more, were called before; "": nobody knows.
func namesOf(before, run *apply.Run, moved []schema.Key) map[schema.Key]string {
	names := make(map[schema.Key]string, len(run.Changes.Peers)+len(moved))
	for _, key := range moved {
		names[key] = ""
	}
	for n := range run.Changes.Peers {
		names[run.Changes.Peers[n].PublicKey] = ""
	}
	rename := func(p *schema.Peer) {
		if _, changed := names[p.PublicKey]; changed {
			names[p.PublicKey] = p.Name()
		}
	}
	gone, come := changesOf(before, run)
	for _, w := range gone {
		rename(w.Config)
	}
	for _, w := range come {
		rename(w.Config)
	}
	for _, name := range names {
		if name != "" {
			continue
		}
		// Switched off, and not known before; or the device alone is another one.
		for _, p := range run.Conf.Peers {
			if names[p.PublicKey] == "" || p.Active() {
				rename(p)
			}
		}
		break
	}
	return names
}

// changesOf returns the peers of a run that those of another one came in the place of,
// and these. There may be peers in both that are the same.
func changesOf(before, run *apply.Run) (gone, come []*plan.Peer) {
	if before == nil {
		return nil, run.Want.Peers
	}
	was, now := before.Want.Peers, run.Want.Peers
	if !uci.Shares {
		return was, now
	}
	head, endWas, endNow := uci.Differ(was, now)
	return was[head:endWas], now[head:endNow]
}

func deviceChanges(before, run *apply.Run) (words []string) {
	defer func() {
		words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(run.Unset, w) })
	}()
	if run.Changes.PrivateKey != nil {
		words = append(words, "private_key")
	}
	if run.Changes.ListenPort != nil {
		words = append(words, "listen_port")
	}
	if run.Changes.FwMark != nil {
		words = append(words, "fwmark")
	}
	if run.Want.MTU != 0 && run.Want.MTU != run.Have.MTU {
		words = append(words, "mtu")
	}
	if before == nil {
		return words
	}
	if !slices.Equal(before.Want.Addresses, run.Want.Addresses) || !slices.Equal(before.Want.IP6Prefixes, run.Want.IP6Prefixes) {
		words = append(words, "addresses")
	}
	if !slices.Equal(before.Want.Routes, run.Want.Routes) || !slices.Equal(before.Want.KernelRoutes, run.Want.KernelRoutes) {
		words = append(words, "routes")
	}
	return words
}
