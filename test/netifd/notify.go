package netifd

import (
	"syscall"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// The actions of notify_proto.
const (
	actionUpdateLink = iota
	actionRunCommand
	actionKillCommand
	actionError
	actionBlockRestart
	actionSetAvailable
	actionHostDependency
	actionSetupFailed
)

const (
	maxCommand = 62 // arguments of a task
	maxEnv     = 30 // variables for it
	maxError   = 15 // strings of an error
)

// notify takes a notify_proto message.
func (x *external) notify(msg blobmsg.Table) error {
	action, ok := intMember(msg, "action")
	if !ok {
		return ubus.StatusInvalidArgument
	}
	switch action {
	case actionUpdateLink:
		return x.updateLink(msg)
	case actionRunCommand:
		return x.runTask(msg)
	case actionKillCommand:
		return x.killTask(msg)
	case actionError:
		return x.announceError(msg)
	case actionBlockRestart:
		x.iface.autostart = false
		return nil
	case actionSetAvailable:
		on, ok := boolMember(msg, "available")
		if !ok {
			return ubus.StatusInvalidArgument
		}
		x.iface.setAvailable(on)
		return nil
	case actionHostDependency:
		return x.addHostDep(msg)
	case actionSetupFailed:
		return x.setupFailed()
	}
	return ubus.StatusInvalidArgument
}

// ending tells whether the handler was told to end what it has set up: messages
// are not welcome then.
func (x *external) ending() bool { return x.state == scriptTeardown || x.state == scriptAbort }

// updateLink takes the state of the interface: everything that is not in the
// message goes, unless it says keep.
func (x *external) updateLink(msg blobmsg.Table) error {
	i := x.iface
	if x.ending() {
		return ubus.StatusPermissionDenied
	}
	up, ok := boolMember(msg, "link-up")
	if !ok {
		return ubus.StatusInvalidArgument
	}
	if !up {
		i.protoEvent(protoLinkLost)
		return nil
	}
	external := boolDefault(msg, "address-external", false)
	keep := boolDefault(msg, "keep", false) && i.state == stateUp && i.l3Dev.dev != nil
	if !keep {
		if err := x.useDevice(msg, external); err != nil {
			return err
		}
	}
	i.updated = 0
	if !keep {
		i.protoIP.begin()
	}
	i.protoIP.applyNotified(msg, external)
	for _, l := range []struct {
		name string
		add  func(list blobmsg.Array, v6 bool)
		v6   bool
	}{
		{"routes", i.protoIP.addRoutes, false},
		{"routes6", i.protoIP.addRoutes, true},
		{"neighbor", i.protoIP.addNeighbors, false},
		{"neighbor6", i.protoIP.addNeighbors, true},
	} {
		if list, ok := arrayMember(msg, l.name); ok {
			l.add(list, l.v6)
		}
	}
	i.protoIP.addDNS(msg)
	data, _ := tableMember(msg, "data")
	for _, f := range data {
		i.addData(f)
	}
	i.protoIP.complete()
	if !x.ending() {
		i.protoEvent(protoUp)
		x.state = scriptIdle
	}
	return nil
}

// useDevice makes the announced device the one that addresses are on. A device
// that is not there cannot be claimed.
func (x *external) useDevice(msg blobmsg.Table, external bool) error {
	i := x.iface
	d := i.mainDev.dev
	if name, ok := stringMember(msg, "ifname"); ok {
		if _, tunnel := tableMember(msg, "tunnel"); tunnel {
			d = i.e.newTunnel(name)
		} else {
			d = i.e.getDevice(name, external)
		}
	}
	if d == nil {
		return ubus.StatusInvalidArgument
	}
	i.setL3Dev(d)
	if i.l3Dev.claim() != nil {
		return ubus.StatusUnknownError
	}
	d.setPresent(true)
	return nil
}

// runTask starts the program that stands for the connection: its end ends the
// interface.
func (x *external) runTask(msg blobmsg.Table) error {
	if x.ending() {
		return ubus.StatusPermissionDenied
	}
	command, ok := arrayMember(msg, "command")
	if !ok {
		return ubus.StatusInvalidArgument
	}
	argv, ok := stringList(command, maxCommand)
	if !ok {
		return ubus.StatusInvalidArgument
	}
	vars, _ := arrayMember(msg, "env")
	env, ok := stringList(vars, maxEnv)
	if !ok {
		return ubus.StatusInvalidArgument
	}
	x.taskKilled = false
	if err := x.task.start(argv, env); err != nil {
		x.iface.e.logf("%s: %v", x.iface.name, err) // netifd says OK all the same
	}
	return nil
}

// stringList takes a list of at most limit strings and nothing else.
func stringList(list blobmsg.Array, limit int) ([]string, bool) {
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok || len(out) == limit {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func (x *external) killTask(msg blobmsg.Table) error {
	sig := syscall.SIGTERM
	if n, ok := intMember(msg, "signal"); ok && uint32(n) <= 31 {
		sig = syscall.Signal(n)
	}
	if x.task.pending() {
		if sig == syscall.SIGTERM || sig == syscall.SIGKILL {
			x.taskKilled = true
		}
		x.task.signal(sig)
	}
	return nil
}

func (x *external) announceError(msg blobmsg.Table) error {
	list, _ := arrayMember(msg, "error")
	texts, ok := stringList(list, maxError)
	if !ok || len(texts) == 0 {
		return ubus.StatusInvalidArgument
	}
	x.iface.addError(x.proto.name, texts[0], texts[1:]...)
	return nil
}

// setupFailed begins again at once.
func (x *external) setupFailed() error {
	switch x.state {
	case scriptIdle:
		x.iface.protoEvent(protoLinkLost)
	case scriptSetup:
	default:
		return ubus.StatusPermissionDenied
	}
	_ = x.command(commandTeardown, false)
	return nil
}
