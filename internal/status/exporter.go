package status

import "github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"

// StatusTable answers `status` in the shape of rpcd-mod-wireguard, which exporters
// read, with more in it. It is shorter than 900 KB: where all of it were longer,
// allowed IPs are left out, then peers.
func (s *Snapshot) StatusTable() blobmsg.Table {
	ifaces := make(blobmsg.Table, 0, len(s.Interfaces))
	var m meter
	for n := range s.Interfaces {
		i := &s.Interfaces[n]
		t := i.exported()
		if m.add(t); m.bytes > maxReply/2 {
			break
		}
		ifaces = append(ifaces, blobmsg.Field{Name: i.Name, Value: t})
	}
	without := m // the peers
	peers, all := s.exportPeers(&m, len(ifaces), true)
	if !all {
		m = without
		peers, _ = s.exportPeers(&m, len(ifaces), false)
	}
	for n := range ifaces {
		t, _ := ifaces[n].Value.(blobmsg.Table)
		if there := s.Interfaces[n].inDevice(); len(peers[n]) < there {
			t = append(t, blobmsg.Field{Name: "peers_shown", Value: len(peers[n])})
		}
		ifaces[n].Value = append(t, blobmsg.Field{Name: "peers", Value: peers[n]})
	}
	return ifaces
}

// exportPeers returns the peers of the first so many interfaces. It stops when the
// reply is full; all is false then.
func (s *Snapshot) exportPeers(m *meter, ifaces int, allowedIPs bool) (out []blobmsg.Table, all bool) {
	out = make([]blobmsg.Table, ifaces)
	for n := range out {
		out[n] = blobmsg.Table{} // exporters go through it
	}
	for n := range out {
		i := &s.Interfaces[n]
		for k := range i.Peers {
			if !i.Peers[k].InKernel {
				continue
			}
			t := i.Peers[k].exported(allowedIPs)
			if m.add(t); m.bytes > maxReply {
				return out, false
			}
			out[n] = append(out[n], blobmsg.Field{Name: i.Peers[k].PublicKey.String(), Value: t})
		}
	}
	return out, true
}

// inDevice counts the peers that the device has.
func (i *Interface) inDevice() (n int) {
	for k := range i.Peers {
		if i.Peers[k].InKernel {
			n++
		}
	}
	return n
}

// exported returns the interface without its peers. As in rpcd-mod-wireguard, what
// is not set is not there.
func (i *Interface) exported() blobmsg.Table {
	var t blobmsg.Table
	if i.Index != 0 {
		t = append(t, blobmsg.Field{Name: "ifindex", Value: i.Index})
	}
	if !i.PublicKey.IsZero() {
		t = append(t, blobmsg.Field{Name: "public_key", Value: i.PublicKey.String()})
	}
	if i.ListenPort != 0 {
		t = append(t, blobmsg.Field{Name: "listen_port", Value: int(i.ListenPort)})
	}
	if i.FwMark != 0 {
		t = append(t, blobmsg.Field{Name: "fwmark", Value: int64(i.FwMark)})
	}
	sum := i.sums()
	return append(t, blobmsg.Table{
		{Name: "up", Value: i.Up},
		{Name: "state", Value: string(i.State)},
		{Name: "reason", Value: string(i.Reason)},
		{Name: "detail", Value: plain(i.Detail, maxText)},
		{Name: "uptime", Value: i.Uptime},
		{Name: "mtu", Value: i.MTU},
		{Name: "addresses", Value: prefixArray(i.Addresses, pageBounds.addresses)},
		{Name: "peers_total", Value: len(i.Peers)},
		{Name: "peers_connected", Value: sum.connected},
		{Name: "counts", Value: sum.table()},
		{Name: "rx_bytes", Value: size(sum.rx)},
		{Name: "tx_bytes", Value: size(sum.tx)},
		{Name: "problems_total", Value: len(i.Problems)},
	}...)
}

func (p *Peer) exported(allowedIPs bool) blobmsg.Table {
	t := make(blobmsg.Table, 0, 9)
	if p.Endpoint.IsValid() {
		t = append(t, blobmsg.Field{Name: "endpoint", Value: p.Endpoint.String()})
	}
	most, handshake := 0, int64(0)
	if allowedIPs {
		most = len(p.AllowedIPs)
	}
	if !p.LastHandshake.IsZero() {
		handshake = p.LastHandshake.Unix()
	}
	t = append(t, blobmsg.Table{
		{Name: "allowed_ips", Value: prefixArray(p.AllowedIPs, most)},
		{Name: "last_handshake", Value: handshake},
		{Name: "rx_bytes", Value: size(p.RxBytes)},
		{Name: "tx_bytes", Value: size(p.TxBytes)},
	}...)
	if p.Keepalive != 0 {
		t = append(t, blobmsg.Field{Name: "persistent_keepalive_interval", Value: int(p.Keepalive)})
	}
	return append(t, blobmsg.Table{
		{Name: "name", Value: plain(p.Name, maxName)},
		{Name: "state", Value: string(p.State)},
		{Name: "reason", Value: string(p.Reason)},
	}...)
}
