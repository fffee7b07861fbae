package rpcd

import (
	"context"
	"strconv"

	"github.com/wgnetifd/wgnetifd/internal/status"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// maxReply is how many bytes of JSON getWgInstances answers at most: rpcd itself
// goes off the bus, LuCI with it, when a reply has more than 1 MiB. The method
// knows no pages, so the peers behind that are left out; status has them.
const maxReply = 768 << 10

// instances is getWgInstances: what the kernel has, every scalar a string as
// `wg show all dump` prints it.
func (p *Plugin) instances(ctx context.Context, _ blobmsg.Table) (blobmsg.Table, error) {
	snap, err := p.Collect(ctx, "")
	if err != nil {
		return nil, err
	}
	var t blobmsg.Table
	left := maxReply
	for n := range snap.Interfaces {
		i := &snap.Interfaces[n]
		if !i.InKernel {
			continue
		}
		peers := blobmsg.Array{}
		for k := range i.Peers {
			if !i.Peers[k].InKernel {
				continue
			}
			peer := stockPeer(&i.Peers[k])
			if left -= len(blobmsg.AppendJSON(nil, peer)); left < 0 {
				p.Log.Warn("getWgInstances leaves peers out: there are too many for one reply, use status", "interface", i.Name)
				break
			}
			peers = append(peers, peer)
		}
		t = append(t, blobmsg.Field{Name: i.Name, Value: blobmsg.Table{
			{Name: "name", Value: i.Name},
			{Name: "public_key", Value: orNone(i.PublicKey)},
			{Name: "listen_port", Value: strconv.Itoa(int(i.ListenPort))},
			{Name: "fwmark", Value: status.FwMark(i.FwMark)},
			{Name: "peers", Value: peers},
		}})
	}
	return t, nil
}

func stockPeer(p *status.Peer) blobmsg.Table {
	endpoint, keepalive, handshake := "(none)", "off", "0"
	if p.Endpoint.IsValid() {
		endpoint = p.Endpoint.String()
	}
	if p.Keepalive != 0 {
		keepalive = strconv.Itoa(int(p.Keepalive))
	}
	if !p.LastHandshake.IsZero() {
		handshake = strconv.FormatInt(p.LastHandshake.Unix(), 10)
	}
	ips := make(blobmsg.Array, len(p.AllowedIPs))
	for n, ip := range p.AllowedIPs {
		ips[n] = ip.String()
	}
	return blobmsg.Table{
		{Name: "name", Value: p.Name},
		{Name: "public_key", Value: orNone(p.PublicKey)},
		{Name: "endpoint", Value: endpoint},
		{Name: "allowed_ips", Value: ips},
		{Name: "latest_handshake", Value: handshake},
		{Name: "transfer_rx", Value: strconv.FormatUint(p.RxBytes, 10)},
		{Name: "transfer_tx", Value: strconv.FormatUint(p.TxBytes, 10)},
		{Name: "persistent_keepalive", Value: keepalive},
	}
}

func orNone(k schema.Key) string {
	if k.IsZero() {
		return "(none)"
	}
	return k.String()
}
