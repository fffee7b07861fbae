package netifd

import (
	"context"
	"fmt"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// busTimeout is how long ubusd may take for an answer.
const busTimeout = 10 * time.Second

// maxNotified is the size in bytes of the largest status that netifd survives
// notifying of: with what the message has besides, ubus takes 1 MiB, and libubus
// falls over what it cannot send (ubus_notify in libubus-req.c).
const maxNotified = 1<<20 - 48

// A bus is netifd's place on ubus.
type bus struct {
	e      *engine
	conn   *ubus.Conn
	iface  *ubus.Published // network.interface
	device *ubus.Published // network.device

	// out sends notifications and events, in their order, without holding
	// the engine up.
	out *loop
}

// A busObject is the object of an interface.
type busObject struct{ published *ubus.Published }

// connectBus waits for ubusd and publishes netifd's own objects. When ubusd goes
// away, the connection is made again.
func connectBus(ctx context.Context, e *engine) (*bus, error) {
	b := &bus{e: e, conn: ubus.Open(ubus.Options{Socket: e.cfg.Socket}), out: newLoop()}
	if err := b.conn.Connected(ctx); err != nil {
		b.conn.Close()
		return nil, err
	}
	if _, err := b.conn.Publish(ctx, "network", b.networkMethods()); err != nil {
		b.conn.Close()
		return nil, err
	}
	var err error
	if b.device, err = b.conn.Publish(ctx, "network.device", b.deviceMethods()); err != nil {
		b.conn.Close()
		return nil, err
	}
	if b.iface, err = b.conn.Publish(ctx, "network.interface", b.sharedMethods()); err != nil {
		b.conn.Close()
		return nil, err
	}
	go b.out.run()
	return b, nil
}

func (b *bus) close() {
	b.out.stop()
	b.conn.Close()
	<-b.out.done
}

// method makes a method that is served on the engine's loop.
func (b *bus) method(name string, args []ubus.Arg, serve func(msg blobmsg.Table) (blobmsg.Table, error)) ubus.Method {
	return ubus.Method{Name: name, Args: args, Call: func(ctx context.Context, req *ubus.Request) (blobmsg.Table, error) {
		var answer blobmsg.Table
		var err error
		doErr := b.e.loop.do(ctx, func() {
			b.e.hearOfLinks()
			answer, err = serve(req.Args)
		})
		if b.e.dead.Load() {
			<-ctx.Done() // who dies gives no answer
			return nil, ctx.Err()
		}
		if doErr != nil {
			return nil, doErr
		}
		return answer, err
	}}
}

func (b *bus) networkMethods() []ubus.Method {
	e := b.e
	str := func(name string) ubus.Arg { return ubus.Arg{Name: name, Type: blobmsg.TypeString} }
	flag := func(name string) ubus.Arg { return ubus.Arg{Name: name, Type: blobmsg.TypeBool} }
	return []ubus.Method{
		b.method("restart", nil, func(blobmsg.Table) (blobmsg.Table, error) {
			e.restartSoon()
			return nil, nil
		}),
		b.method("reload", nil, func(blobmsg.Table) (blobmsg.Table, error) {
			if e.configure() != nil {
				return nil, ubus.StatusNotFound
			}
			return nil, nil
		}),
		b.method("add_host_route", []ubus.Arg{str("target"), flag("v6"), str("interface"), flag("exclude")}, e.addHostRoute),
		b.method("get_proto_handlers", nil, func(blobmsg.Table) (blobmsg.Table, error) {
			return e.handlers.table(), nil
		}),
		b.method("add_dynamic", []ubus.Arg{str("name")}, func(msg blobmsg.Table) (blobmsg.Table, error) {
			name, ok := stringMember(msg, "name")
			if !ok {
				return nil, ubus.StatusInvalidArgument
			}
			e.addDynamic(name, msg)
			return nil, nil
		}),
	}
}

// addHostRoute is the method add_host_route.
func (e *engine) addHostRoute(msg blobmsg.Table) (blobmsg.Table, error) {
	target, ok := stringMember(msg, "target")
	if !ok {
		return nil, ubus.StatusInvalidArgument
	}
	v6 := boolDefault(msg, "v6", false)
	var via, except *iface
	if name, ok := stringMember(msg, "interface"); ok {
		via = e.ifaces.find(name)
	}
	if boolDefault(msg, "exclude", false) {
		via, except = nil, via
	}
	host, ok := inetPton(target, v6)
	if !ok {
		return nil, ubus.StatusInvalidArgument
	}
	i := e.addTargetRoute(host, v6, via, except)
	if i == nil {
		return nil, ubus.StatusNotFound
	}
	return blobmsg.Table{{Name: "interface", Value: i.name}}, nil
}

func (b *bus) deviceMethods() []ubus.Method {
	e := b.e
	return []ubus.Method{
		b.method("status", []ubus.Arg{{Name: "name", Type: blobmsg.TypeString}}, func(msg blobmsg.Table) (blobmsg.Table, error) {
			if name, ok := stringMember(msg, "name"); ok {
				d := e.devices[name]
				if d == nil {
					return nil, ubus.StatusInvalidArgument
				}
				return d.status(), nil
			}
			return e.deviceTable(), nil
		}),
	}
}

// ifaceCalls are the methods of an interface.
var ifaceCalls = []struct {
	name  string
	serve func(i *iface, msg blobmsg.Table) (blobmsg.Table, error)
}{
	{"up", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) {
		i.setUp()
		return nil, nil
	}},
	{"down", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) {
		i.setDown()
		return nil, nil
	}},
	{"renew", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) {
		i.renew()
		return nil, nil
	}},
	{"restart", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) {
		if i.restart() != nil {
			return nil, ubus.StatusUnknownError
		}
		return nil, nil
	}},
	{"status", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) { return i.status(), nil }},
	{"prepare", func(*iface, blobmsg.Table) (blobmsg.Table, error) { return blobmsg.Table{}, nil }},
	{"dump", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) { return i.e.dump(), nil }},
	{"notify_proto", func(i *iface, msg blobmsg.Table) (blobmsg.Table, error) {
		if i.proto == nil {
			return nil, ubus.StatusNotSupported
		}
		return nil, i.proto.notify(msg)
	}},
	{"remove", func(i *iface, _ blobmsg.Table) (blobmsg.Table, error) {
		if !i.removeSoon() {
			return nil, ubus.StatusInvalidArgument
		}
		return nil, nil
	}},
	{"set_data", func(i *iface, msg blobmsg.Table) (blobmsg.Table, error) {
		i.setData(msg)
		return nil, nil
	}},
}

// sharedMethods are those of network.interface: the methods of all interfaces,
// which the member interface names.
func (b *bus) sharedMethods() []ubus.Method {
	var methods []ubus.Method
	name := []ubus.Arg{{Name: "interface", Type: blobmsg.TypeString}}
	for _, c := range ifaceCalls {
		if c.name == "dump" {
			methods = append(methods, b.method(c.name, nil, func(blobmsg.Table) (blobmsg.Table, error) {
				return b.e.dump(), nil
			}))
			continue
		}
		methods = append(methods, b.method(c.name, name, func(msg blobmsg.Table) (blobmsg.Table, error) {
			name, ok := stringMember(msg, "interface")
			if !ok {
				return nil, ubus.StatusInvalidArgument
			}
			i := b.e.ifaces.find(name)
			if i == nil {
				return nil, ubus.StatusNotFound
			}
			return c.serve(i, msg)
		}))
	}
	return methods
}

// dump is the status of all interfaces.
func (e *engine) dump() blobmsg.Table {
	list := blobmsg.Array{}
	for _, i := range e.ifaces.list {
		list = append(list, append(blobmsg.Table{{Name: "interface", Value: i.name}}, i.status()...))
	}
	return blobmsg.Table{{Name: "interface", Value: list}}
}

// publishIface puts the object of an interface on the bus.
func (b *bus) publishIface(i *iface) {
	var methods []ubus.Method
	for _, c := range ifaceCalls {
		methods = append(methods, b.method(c.name, nil, func(msg blobmsg.Table) (blobmsg.Table, error) {
			return c.serve(i, msg)
		}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	var err error
	if i.object.published, err = b.conn.Publish(ctx, "network.interface."+i.name, methods); err != nil {
		b.e.logf("interface %s: %v", i.name, err)
	}
}

func (o *busObject) remove() {
	if o.published == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	_ = o.published.Remove(ctx) // without a connection there is nothing to remove
	o.published = nil
}

// notifyIface tells subscribers and listeners of an event.
func (b *bus) notifyIface(i *iface, ev ifaceEvent) {
	if action := hotplugActions[ev]; ev == eventUp || ev == eventDown {
		data := blobmsg.Table{{Name: "action", Value: action}, {Name: "interface", Value: i.name}}
		b.send(func(ctx context.Context) error { return b.conn.SendEvent(ctx, "network.interface", data) })
	}
	typ := "interface.update"
	if ev == eventDown {
		typ = "interface.down"
	}
	data := append(blobmsg.Table{{Name: "interface", Value: i.name}}, i.status()...)
	if size := len(blobmsg.Append(nil, data)); size > maxNotified {
		b.e.crash(fmt.Errorf("%w: %s with the status of %s in %d bytes", ErrCrashed, typ, i.name, size))
		return
	}
	for _, p := range []*ubus.Published{b.iface, i.object.published} {
		if p != nil && p.HasSubscribers() {
			b.send(func(ctx context.Context) error { return p.Notify(ctx, typ, data) })
		}
	}
}

func (b *bus) notifyDevice(d *device, ev deviceEvent) {
	if !b.device.HasSubscribers() {
		return
	}
	data := blobmsg.Table{
		{Name: "name", Value: d.name},
		{Name: "auth_status", Value: false},
		{Name: "present", Value: d.present},
		{Name: "active", Value: d.active > 0},
		{Name: "link_active", Value: d.linkActive},
	}
	b.send(func(ctx context.Context) error { return b.device.Notify(ctx, deviceEventNames[ev], data) })
}

func (b *bus) send(f func(ctx context.Context) error) {
	b.out.post(func() {
		ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
		defer cancel()
		if err := f(ctx); err != nil {
			b.e.logf("%v", err)
		}
	})
}
