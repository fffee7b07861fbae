package netifd

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
)

// writeResolvConf writes the name servers of all interfaces that are up, if the
// configuration gives a file for them. A file that would stay the same is left
// alone.
func (e *engine) writeResolvConf() {
	if e.cfg.ResolvConf == "" {
		return
	}
	text := e.resolvConf()
	if old, err := os.ReadFile(e.cfg.ResolvConf); err == nil && bytes.Equal(old, text) {
		return
	}
	tmp := e.cfg.ResolvConf + ".tmp"
	err := os.WriteFile(tmp, text, 0o644)
	if err == nil {
		err = os.Rename(tmp, e.cfg.ResolvConf)
	}
	if err != nil {
		e.logf("name servers: %v", err)
	}
}

func (e *engine) resolvConf() []byte {
	var up []*iface
	for _, i := range e.ifaces.list {
		if i.state == stateUp && i.hasDNS() {
			up = append(up, i)
		}
	}
	slices.SortStableFunc(up, func(a, b *iface) int {
		return cmp.Or(cmp.Compare(a.dnsMetric, b.dnsMetric), cmp.Compare(a.metric, b.metric), cmp.Compare(a.name, b.name))
	})
	var b bytes.Buffer
	for _, i := range up {
		fmt.Fprintf(&b, "# Interface %s\n", i.name)
		i.configIP.writeDNS(&b)
		if !i.protoIP.noDNS {
			i.protoIP.writeDNS(&b)
		}
	}
	return b.Bytes()
}

func (i *iface) hasDNS() bool {
	for _, s := range []*ipSettings{&i.configIP, &i.protoIP} {
		if len(s.dnsServers.items) > 0 || len(s.dnsSearch.items) > 0 {
			return true
		}
	}
	return false
}

func (s *ipSettings) writeDNS(b *bytes.Buffer) {
	for _, d := range s.dnsServers.items {
		b.WriteString("nameserver " + inetNtop(d.value.addr, d.value.v6))
		linkLocal := d.value.v6 && d.value.addr[0] == 0xfe && d.value.addr[1]&0xc0 == 0x80
		if dev := s.iface.l3Dev.dev; linkLocal && dev != nil {
			b.WriteString("%" + dev.name)
		}
		b.WriteByte('\n')
	}
	for _, d := range s.dnsSearch.items {
		b.WriteString("search " + d.value + "\n")
	}
}
