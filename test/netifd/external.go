package netifd

import (
	"strconv"
	"syscall"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

const (
	// teardownLimit is how long a handler may take for teardown (proto-ext.c).
	teardownLimit = 5 * time.Second
	// abortLimit is how long a setup may live after SIGTERM.
	abortLimit = time.Second
)

// scriptState is where a protocol with a handler stands. It is not the state of
// the interface: that is pending until the handler announces something, and goes
// on being so when the handler ends without.
type scriptState int

const (
	scriptIdle scriptState = iota
	scriptSetup
	scriptAbort // setup was told to end
	scriptTeardown
)

// external is a protocol that a handler serves: it runs the handler and takes
// what it announces.
type external struct {
	iface  *iface
	proto  *protoHandler
	config blobmsg.Table // as it was when the protocol was attached
	state  scriptState

	script process // the handler
	task   process // what the handler had netifd run

	taskKilled     bool // on the handler's demand
	renewPending   bool
	restartPending bool
	lastError      int // of the task; -1 since the last setup

	limit   *timer // of teardown or abort
	checkup *timer // begin again if the interface is not up by then
	deps    []*hostDep
}

func newExternal(i *iface, h *protoHandler, config blobmsg.Table) *external {
	x := &external{iface: i, proto: h, config: config}
	x.script = process{e: i.e, prefix: i.name, ended: func(int) { x.finished(&x.script) }}
	x.task = process{e: i.e, prefix: i.name, ended: x.taskEnded}
	x.limit = newTimer(i.e.loop, func() {
		x.script.kill()
		x.task.kill()
		x.finished(nil)
	})
	x.checkup = newTimer(i.e.loop, func() {
		if i.autostart && i.state != stateUp {
			_ = x.command(commandTeardown, false)
		}
	})
	return x
}

func (x *external) handler() *protoHandler { return x.proto }

func (x *external) free() {
	x.limit.cancel()
	x.checkup.cancel()
	x.clearHostDeps()
	x.script.kill()
	x.task.kill()
}

func (x *external) command(cmd protoCommand, force bool) error {
	switch cmd {
	case commandSetup:
		return x.setup()
	case commandTeardown:
		return x.teardown()
	case commandRenew:
		return x.again("renew", flagRenew, &x.renewPending)
	default:
		return x.again("restart", flagRestart, &x.restartPending)
	}
}

func (x *external) setup() error {
	if x.state != scriptIdle {
		return errWrongMoment
	}
	x.lastError = -1
	x.clearHostDeps()
	x.state = scriptSetup
	if err := x.call("setup", nil); err != nil {
		x.state = scriptIdle
		return err
	}
	return nil
}

func (x *external) teardown() error {
	switch {
	case x.state == scriptTeardown:
		return nil
	case x.state == scriptAbort:
		return errWrongMoment
	case x.state == scriptSetup && x.script.pending():
		x.limit.set(abortLimit)
		x.script.signal(syscall.SIGTERM)
		x.task.signal(syscall.SIGTERM)
		x.renewPending, x.restartPending = false, false
		x.state = scriptAbort
		return nil
	}
	x.renewPending, x.restartPending = false, false
	x.state = scriptTeardown
	var env []string
	if x.lastError >= 0 {
		env = []string{"ERROR=" + strconv.Itoa(x.lastError)}
	}
	x.limit.set(teardownLimit)
	return x.call("teardown", env)
}

// again runs renew or restart. While the handler runs, the wish waits for its
// end, however often it comes; during a teardown it is dropped.
func (x *external) again(action string, flag protoFlags, pending *bool) error {
	if !x.proto.flags.has(flag) || x.state == scriptTeardown || x.state == scriptAbort {
		return nil
	}
	if x.script.pending() {
		*pending = true
		return nil
	}
	*pending = false
	return x.call(action, nil)
}

// call runs the handler.
func (x *external) call(action string, env []string) error {
	argv := []string{
		x.proto.script, x.proto.name, action, x.iface.name,
		string(blobmsg.AppendJSON(nil, x.config)),
	}
	if d := x.iface.mainDev.dev; d != nil {
		argv = append(argv, d.name)
	}
	return x.script.start(argv, env)
}

func (x *external) taskEnded(status int) {
	if x.state == scriptIdle || x.state == scriptSetup {
		x.lastError = status
	}
	x.finished(&x.task)
}

// finished follows the end of the handler or the task; nil is the end of both by
// force.
func (x *external) finished(p *process) {
	switch x.state {
	case scriptIdle, scriptSetup:
		x.finishedAtWork(p)
	case scriptAbort:
		if x.script.pending() || x.task.pending() {
			return
		}
		x.limit.cancel()
		x.checkup.cancel()
		x.state = scriptIdle
		_ = x.command(commandTeardown, false)
	case scriptTeardown:
		if x.script.pending() {
			return
		}
		if x.task.pending() {
			if !x.taskKilled {
				x.task.signal(syscall.SIGTERM)
			}
			return
		}
		x.limit.cancel()
		x.checkup.cancel()
		x.state = scriptIdle
		x.iface.protoEvent(protoDown)
	}
}

func (x *external) finishedAtWork(p *process) {
	if p == &x.task {
		if x.state == scriptIdle {
			x.iface.protoEvent(protoLinkLost)
		}
		_ = x.command(commandTeardown, false)
		return
	}
	if p != &x.script {
		return
	}
	switch {
	case x.restartPending:
		_ = x.command(commandRestart, false)
	case x.renewPending:
		_ = x.command(commandRenew, false)
	case !x.proto.flags.has(flagNoTask) && !x.task.pending() && x.state == scriptSetup:
		_ = x.command(commandTeardown, false)
	}
	if n, ok := intMember(x.config, "checkup_interval"); ok && n > 0 && x.state == scriptSetup {
		x.checkup.set(time.Duration(n) * time.Second)
	}
}
