package netifd

import (
	"errors"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// protoCommand is what an interface has its protocol do.
type protoCommand int

const (
	commandSetup protoCommand = iota
	commandTeardown
	commandRenew
	commandRestart
)

// protoEvent is what a protocol tells its interface.
type protoEvent int

const (
	protoUp protoEvent = iota
	protoDown
	protoLinkLost
	protoRenewed
)

// ifaceEvent is what users of an interface are told.
type ifaceEvent int

const (
	eventDown ifaceEvent = iota
	eventUp
	eventUpFailed
	eventUpdate
	eventFree
	eventReload
	eventLinkUp
	eventCreate
)

// A protoState is a protocol at work on one interface.
type protoState interface {
	handler() *protoHandler
	// command starts something. An error of setup means that it cannot be.
	command(cmd protoCommand, force bool) error
	// notify takes a notify_proto message. The error is an ubus.Status.
	notify(msg blobmsg.Table) error
	free()
}

var (
	errWrongConfig = errors.New("netifd: section cannot be used")
	errNotRunning  = errors.New("netifd: interface is neither up nor pending")
	errNoReload    = errors.New("netifd: a dynamic interface cannot begin again")
	errWrongMoment = errors.New("netifd: not possible at this moment")
)

// run gives the protocol a command; one that is done at once answers it too.
func (i *iface) run(cmd protoCommand, force bool) error {
	p := i.proto
	if err := p.command(cmd, force); err != nil || !p.handler().flags.has(flagImmediate) {
		return err
	}
	switch cmd {
	case commandSetup:
		i.protoEvent(protoUp)
	case commandTeardown:
		i.protoEvent(protoDown)
	default:
		i.protoEvent(protoRenewed)
	}
	return nil
}

// protoEvent follows what the protocol tells.
func (i *iface) protoEvent(ev protoEvent) {
	switch ev {
	case protoUp:
		i.becomeUp()
	case protoDown:
		i.becomeDown()
	case protoLinkLost:
		if i.state != stateUp {
			return
		}
		i.e.logf("Interface '%s' has lost the connection", i.name)
		i.markDown()
		i.state = stateSetup
		i.e.writeResolvConf()
	}
}

func (i *iface) becomeUp() {
	if i.state != stateSetup {
		if i.state == stateUp && i.updated != 0 {
			i.tell(eventUpdate)
		}
		return
	}
	if i.l3Dev.dev == nil {
		i.setL3Dev(i.mainDev.dev)
	}
	i.configIP.setEnabled(true)
	i.protoIP.setEnabled(true)
	i.e.kernel.flushRouteCache()
	i.state = stateUp
	i.startTime = rtime()
	i.tell(eventUp)
	i.e.logf("Interface '%s' is now up", i.name)
	i.e.writeResolvConf()
}

func (i *iface) becomeDown() {
	if i.state == stateDown {
		return
	}
	i.e.logf("Interface '%s' is now down", i.name)
	i.markDown()
	i.e.writeResolvConf()
	if i.mainDev.dev != nil && (i.configState != configNormal || !i.autostart || !i.available) {
		i.mainDev.release()
	}
	i.l3Dev.leave()
	i.followConfig()
}

// markDown takes everything out of the kernel and forgets it.
func (i *iface) markDown() {
	was := i.state
	if was == stateDown {
		return
	}
	i.carrierLost.cancel()
	i.linkUpEvent = false
	i.state = stateDown
	switch was {
	case stateUp, stateTeardown:
		i.tell(eventDown)
	case stateSetup:
		i.tell(eventUpFailed)
	}
	i.configIP.setEnabled(false)
	i.protoIP.setEnabled(false)
	i.protoIP.flushAll()
	i.flushState()
	i.e.kernel.flushRouteCache()
}

func (i *iface) flushState() {
	i.l3Dev.release()
	i.data = nil
}

// setUp is the method up.
func (i *iface) setUp() {
	if i.configState == configRemove {
		return
	}
	i.autostart = true
	if i.state != stateDown {
		return
	}
	i.clearErrors()
	problem := ""
	switch {
	case !i.available:
		problem = "NO_DEVICE"
	case i.mainDev.dev == nil:
		if i.startSetup() != nil {
			problem = "SETUP_FAILED"
		}
	case i.mainDev.claim() != nil:
		problem = "DEVICE_CLAIM_FAILED"
	default:
		i.checkState()
	}
	if problem != "" {
		i.addError("interface", problem)
	}
}

func (i *iface) startSetup() error {
	i.e.logf("Interface '%s' is setting up now", i.name)
	i.state = stateSetup
	err := i.run(commandSetup, false)
	if err != nil {
		i.markDown()
	}
	return err
}

// setDown is the method down.
func (i *iface) setDown() {
	i.autostart = false
	i.takeDown(false)
}

// takeDown starts the teardown; with force, addresses and devices do not wait for
// its end.
func (i *iface) takeDown(force bool) {
	switch was := i.state; was {
	case stateUp, stateSetup:
		i.carrierLost.cancel()
		i.state = stateTeardown
		if i.dynamic {
			i.configState = configRemove
		}
		if was == stateUp {
			i.tell(eventDown)
		}
		_ = i.run(commandTeardown, force)
		if force {
			i.flushState()
		}
	case stateDown:
		i.mainDev.release()
	}
}

// checkState starts or ends what a change of the device or the configuration
// demands.
func (i *iface) checkState() {
	link := i.linkState || i.forceLink || i.carrierLost.pending()
	switch i.state {
	case stateUp, stateSetup:
		if i.enabled && link {
			return
		}
		i.carrierLost.cancel()
		i.state = stateTeardown
		if i.dynamic {
			i.configState = configRemove
		}
		_ = i.run(commandTeardown, false)
	case stateDown:
		if i.available && i.autostart && i.enabled && link && !i.e.configuring && i.configState != configRemove {
			_ = i.startSetup()
		}
	}
}

func (i *iface) setEnabled(on bool) {
	if i.enabled == on {
		return
	}
	if on {
		i.e.logf("Interface '%s' is enabled", i.name)
	} else {
		i.e.logf("Interface '%s' is disabled", i.name)
	}
	i.enabled = on
	i.checkState()
}

func (i *iface) setLinkState(on bool) {
	if i.linkState == on {
		return
	}
	if on {
		i.e.logf("Interface '%s' has link connectivity ", i.name)
	} else {
		i.e.logf("Interface '%s' has link connectivity loss", i.name)
	}
	i.linkState = on
	if !on && i.carrierDelay > 0 && i.state == stateUp && !i.forceLink {
		i.carrierLost.set(time.Duration(i.carrierDelay) * time.Second)
		return
	}
	if on {
		i.carrierLost.cancel()
	}
	i.checkState()
	if on && i.forceLink && i.state == stateUp && !i.linkUpEvent {
		i.tell(eventLinkUp)
		i.linkUpEvent = true
	}
}

// setAvailable follows whether there is what the interface needs.
func (i *iface) setAvailable(on bool) {
	if i.available == on {
		return
	}
	i.available = on
	switch {
	case !on:
		i.takeDown(true)
	case i.autostart && !i.e.configuring:
		i.setUp()
	}
}

// renew is the method renew.
func (i *iface) renew() {
	if i.state == stateUp || i.state == stateSetup {
		_ = i.run(commandRenew, false)
	}
}

// restart is the method restart: without a handler for it, the interface begins
// again.
func (i *iface) restart() error {
	if i.state != stateUp && i.state != stateSetup {
		return errNotRunning
	}
	if i.proto.handler().flags.has(flagRestart) {
		return i.run(commandRestart, false)
	}
	if i.dynamic {
		return errNoReload
	}
	i.setConfigState(configReload)
	return nil
}

func (i *iface) mainDevEvent(ev deviceEvent) {
	switch ev {
	case deviceAdd:
		i.setAvailable(true)
	case deviceRemove:
		i.setAvailable(false)
		if d := i.mainDev.dev; d != nil && d.external && !d.sysPresent {
			i.setMainDev(nil)
		}
	case deviceUp:
		i.setEnabled(true)
	case deviceDown:
		i.setEnabled(false)
	case deviceLinkUp, deviceLinkDown:
		if i.mainDev.dev != nil {
			i.setLinkState(i.mainDev.dev.linkActive)
		}
	}
}

func (i *iface) l3DevEvent(ev deviceEvent) {
	if ev == deviceLinkDown && i.l3Dev.dev != i.mainDev.dev && i.handler.flags.has(flagL3LinkTeardown) {
		_ = i.run(commandTeardown, false)
	}
}

// setL3Dev moves what is in the kernel to another device.
func (i *iface) setL3Dev(d *device) {
	if i.l3Dev.dev == d {
		return
	}
	configOn, claimed := i.configIP.enabled, i.l3Dev.claimed
	i.configIP.setEnabled(false)
	i.protoIP.setEnabled(false)
	i.protoIP.flushAll()
	i.l3Dev.leave()
	if d == nil {
		return
	}
	i.l3Dev.use(d)
	if claimed && i.l3Dev.claim() != nil {
		return
	}
	i.configIP.setEnabled(configOn)
	i.protoIP.setEnabled(configOn)
}

func (i *iface) setMainDev(d *device) {
	claimed := i.l3Dev.claimed
	if i.mainDev.dev == d {
		return
	}
	i.setAvailable(false)
	i.mainDev.leave()
	if d == nil {
		i.setLinkState(false)
		return
	}
	i.mainDev.use(d)
	if claimed && i.l3Dev.claim() != nil {
		return
	}
	if i.l3Dev.dev == nil {
		i.setL3Dev(d)
	}
}
