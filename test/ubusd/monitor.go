package ubusd

import (
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// monitor is a client that gets a copy of every message.
type monitor struct {
	client *client
	seq    uint16
}

// serveMonitor is the object behind `ubus monitor`. Only root may use it.
func (b *Broker) serveMonitor(c *client, _ *wire.Frame, _ *wire.Attrs, method string) result {
	if c.cred.UID != 0 || c.cred.GID != 0 {
		return permissionDenied
	}
	switch method {
	case "add":
		b.monitorOff(c)
		b.monitors = append(b.monitors, &monitor{client: c})
		return statusOK
	case "remove":
		b.monitorOff(c)
		return statusOK
	default:
		return methodNotFound
	}
}

func (b *Broker) monitorOff(c *client) {
	b.monitors = slices.DeleteFunc(b.monitors, func(m *monitor) bool { return m.client == c })
}

// monitorMessage shows all monitors a message that came from a client, or that is
// sent to it.
func (b *Broker) monitorMessage(c *client, f *wire.Frame, sent bool) {
	if len(b.monitors) == 0 {
		return
	}
	var flag uint8
	if sent {
		flag = 1
	}
	copied := wire.New(wire.Header{Type: wire.Monitor}).
		Uint32(wire.MonitorClient, c.id).
		Uint32(wire.MonitorPeer, f.Peer).
		Uint32(wire.MonitorSeq, uint32(f.Seq)).
		Uint32(wire.MonitorType, uint32(f.Type)).
		Uint8(wire.MonitorSend, flag).
		Bytes(wire.MonitorData, f.Blob[4:]).
		Frame()
	for _, m := range b.monitors {
		m.seq++
		copied.Seq = m.seq
		b.send(m.client, &copied)
	}
}
