package rpcd

import (
	"context"
	"errors"
	"fmt"

	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// ask passes a call on to the daemon, with the arguments of the samples and no
// others: uhttpd's session is nobody's business there. ok is false when the kernel
// has to answer: there is no daemon, or it does not know what is meant, which the
// kernel may.
func (p *Plugin) ask(ctx context.Context, method string, args, samples blobmsg.Table) (reply blobmsg.Table, ok bool) {
	reply, err := p.daemon(ctx, method, args, samples)
	if err != nil && !errors.Is(err, ubus.StatusNotFound) && !errors.Is(err, status.ErrNoDaemon) {
		p.Log.Warn("the daemon does not answer, the kernel does", "method", method, "error", err)
	}
	return reply, err == nil
}

func (p *Plugin) daemon(ctx context.Context, method string, args, samples blobmsg.Table) (blobmsg.Table, error) {
	if p.Daemon == nil {
		return nil, status.ErrNoDaemon
	}
	var known blobmsg.Table
	for _, s := range samples {
		if v := args.Get(s.Name); v != nil {
			known = append(known, blobmsg.Field{Name: s.Name, Value: v})
		}
	}
	return p.Daemon.Call(ctx, method, known)
}

// peers answers `peers`, and `status` of the page before there was a daemon.
func (p *Plugin) peers(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	q, err := status.ParseQuery(args)
	if err != nil {
		return nil, err
	}
	if reply, ok := p.ask(ctx, "peers", args, status.QueryArgs); ok {
		return reply, nil
	}
	snap, err := p.Collect(ctx, q.Interface)
	if err != nil {
		return nil, err
	}
	return snap.PeersTable(q)
}

func (p *Plugin) peer(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	ref, err := status.ParsePeerRef(args)
	if err != nil {
		return nil, err
	}
	if reply, ok := p.ask(ctx, "peer", args, status.PeerRefArgs); ok {
		return reply, nil
	}
	snap, err := p.Collect(ctx, ref.Interface)
	if err != nil {
		return nil, err
	}
	return snap.PeerTable(ref, nil)
}

// The rest only the daemon can do.

func (p *Plugin) history(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	return p.only(ctx, "history", args, "interface", "public_key", "step")
}

func (p *Plugin) reload(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	return p.only(ctx, "reload", args, "interface")
}

func (p *Plugin) resolve(ctx context.Context, args blobmsg.Table) (blobmsg.Table, error) {
	return p.only(ctx, "resolve", args, "interface", "public_key")
}

func (p *Plugin) only(ctx context.Context, method string, args blobmsg.Table, names ...string) (blobmsg.Table, error) {
	var samples blobmsg.Table
	for _, name := range names {
		word, err := status.Word(args, name)
		if err != nil {
			return nil, err
		}
		if name == "public_key" && word != "" {
			if _, err := schema.ParseKey(word); err != nil {
				return nil, fmt.Errorf("public_key: %w", err)
			}
		}
		samples = append(samples, blobmsg.Field{Name: name, Value: ""})
	}
	reply, err := p.daemon(ctx, method, args, samples)
	switch {
	case errors.Is(err, status.ErrNoDaemon): // whatever ubus says of it
		return nil, err
	case errors.Is(err, ubus.StatusNotFound):
		return nil, errors.New("there is no such interface or peer, or nothing is known of it yet")
	case errors.Is(err, ubus.StatusInvalidArgument):
		return nil, errors.New("the daemon does not understand the arguments")
	}
	return reply, err
}
