package netifd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxDeviceName is the longest name of a device.
const maxDeviceName = unix.IFNAMSIZ - 1

// deviceEvent is what users of a device are told.
type deviceEvent int

const (
	deviceAdd deviceEvent = iota
	deviceRemove
	deviceUp
	deviceDown
	deviceLinkUp
	deviceLinkDown
)

var deviceEventNames = [...]string{
	deviceAdd: "add", deviceRemove: "remove", deviceUp: "up", deviceDown: "down",
	deviceLinkUp: "link_up", deviceLinkDown: "link_down",
}

// A device is a link that an interface uses or waits for. netifd takes a device
// down and empties it when it begins to know it, and takes it up for the first
// user that claims it.
type device struct {
	e     *engine
	name  string
	index int // of the link, 0: none

	external   bool // someone else takes it up and down
	sysPresent bool
	disabled   bool
	present    bool
	active     int // number of claims
	linkActive bool
	users      []*deviceUser

	// setState takes it up or down; nil is the usual way.
	setState func(up bool) error

	mtu, oldMTU uint32 // 0: not ours to set
	ownConfig   bool   // an interface section has set mtu
	configFrom  *iface
}

// A deviceUser is an interface's hold on a device.
type deviceUser struct {
	dev     *device
	claimed bool
	event   func(ev deviceEvent)
}

// getDevice returns the device of that name; nil stands for a name that is too
// long. An alias ("@name") is a device that never comes.
func (e *engine) getDevice(name string, external bool) *device {
	if d := e.devices[name]; d != nil {
		if external && !d.external {
			d.external = true
			d.setPresent(true)
		}
		return d
	}
	if len(name) > maxDeviceName {
		e.logf("Failed to initalize device '%s'", name)
		return nil
	}
	d := &device{e: e, name: name, external: external}
	if strings.HasPrefix(name, "@") {
		d.setState = func(up bool) error {
			if up {
				return fmt.Errorf("netifd: alias %s: %w", name, unix.ENODEV)
			}
			return nil
		}
	}
	d.join()
	d.check()
	return d
}

// join makes the device known.
func (d *device) join() {
	d.e.devices[d.name] = d
	l, err := d.e.kernel.link(d.name)
	if err != nil {
		return
	}
	d.index = l.index
	if !d.external {
		d.e.kernel.clear(d)
	}
}

// check looks whether the link is there.
func (d *device) check() {
	l, err := d.e.kernel.link(d.name)
	if err != nil {
		d.setPresent(false)
		d.setLink(false)
		return
	}
	d.update(l, false)
}

// update takes over what the kernel tells of the link.
func (d *device) update(l linkState, gone bool) {
	if gone {
		l.flags = 0
	}
	if d.setState == nil {
		if d.external {
			d.disabled = l.flags&unix.IFF_UP == 0
			d.refreshPresent()
		}
		_, err := d.e.kernel.link(d.name)
		d.setPresent(err == nil)
	}
	d.setLink(l.flags&unix.IFF_LOWER_UP != 0)
}

func (d *device) setPresent(on bool) {
	if d.sysPresent == on {
		return
	}
	d.sysPresent = on
	if on {
		d.refreshPresent()
		return
	}
	d.present = false
	d.broadcast(deviceRemove)
	for _, u := range slices.Clone(d.users) {
		if u.dev == d && u.claimed {
			u.release()
		}
	}
}

func (d *device) refreshPresent() {
	if on := d.sysPresent && !d.disabled; on != d.present {
		d.present = on
		if on {
			d.broadcast(deviceAdd)
		} else {
			d.broadcast(deviceRemove)
		}
	}
}

func (d *device) setLink(up bool) {
	if d.linkActive == up {
		return
	}
	d.linkActive = up
	if up {
		d.e.logf("Network device '%s' link is up", d.name)
		d.broadcast(deviceLinkUp)
	} else {
		d.e.logf("Network device '%s' link is down", d.name)
		d.broadcast(deviceLinkDown)
	}
}

func (d *device) broadcast(ev deviceEvent) {
	for _, u := range slices.Clone(d.users) {
		if u.dev == d && u.event != nil {
			u.event(ev)
		}
	}
	d.e.bus.notifyDevice(d, ev)
}

// takeUp sets the device's settings and takes it up, or takes it down and the
// settings back.
func (d *device) takeUp(up bool) error {
	if d.setState != nil {
		return d.setState(up)
	}
	k := d.e.kernel
	if up {
		l, err := k.link(d.name)
		if err != nil {
			d.index = 0
			return err
		}
		d.index = l.index
		if d.mtu != 0 {
			d.oldMTU = l.mtu
			_ = k.setMTU(d.index, d.mtu) // as netifd, which then leaves it
		}
	}
	if !d.external {
		if l, err := k.link(d.name); err == nil {
			_ = k.setUp(l.index, up)
		}
	}
	if !up && d.mtu != 0 && d.oldMTU != 0 {
		_ = k.setMTU(d.index, d.oldMTU)
	}
	return nil
}

// applyMTU sets what an interface section says of its device.
func (d *device) applyMTU(i *iface, mtu uint32) {
	if !i.deviceConfig && (!d.ownConfig || d.configFrom != i) {
		return
	}
	d.configFrom = i
	d.ownConfig = i.deviceConfig
	if mtu < 68 { // the least there is
		mtu = 0
	}
	if mtu == d.mtu {
		return
	}
	if !d.present {
		d.mtu = mtu
		return
	}
	d.setPresent(false)
	if d.active > 0 {
		_ = d.takeUp(false)
		d.mtu = mtu
		if d.takeUp(true) != nil {
			return
		}
	}
	d.mtu = mtu
	d.setPresent(true)
}

// use makes u a user of d; nil makes it a user of nothing.
func (u *deviceUser) use(d *device) {
	if u.dev == d {
		return
	}
	u.leave()
	if d == nil {
		return
	}
	u.dev = d
	d.users = append(d.users, u)
	if u.event == nil || !d.present {
		return
	}
	u.event(deviceAdd)
	if d.active > 0 {
		u.event(deviceUp)
	}
	if d.linkActive {
		u.event(deviceLinkUp)
	}
}

func (u *deviceUser) leave() {
	d := u.dev
	if d == nil {
		return
	}
	u.release()
	d.users = slices.DeleteFunc(d.users, func(v *deviceUser) bool { return v == u })
	u.dev = nil
	d.e.forgetDevices.set(time.Millisecond)
}

// claim has the device up as long as this user wants it.
func (u *deviceUser) claim() error {
	if u.claimed {
		return nil
	}
	d := u.dev
	if d == nil {
		return fmt.Errorf("netifd: no device: %w", unix.ENODEV)
	}
	u.claimed = true
	if d.active++; d.active != 1 {
		return nil
	}
	if err := d.takeUp(true); err != nil {
		d.active = 0
		u.claimed = false
		return err
	}
	d.broadcast(deviceUp)
	return nil
}

func (u *deviceUser) release() {
	if !u.claimed {
		return
	}
	d := u.dev
	u.claimed = false
	if d.active--; d.active > 0 {
		return
	}
	_ = d.takeUp(false) // the link may be gone
	if d.active == 0 {
		d.broadcast(deviceDown)
	}
}

// forgetUnused drops devices that nobody uses: when one is used again, it is
// taken down and emptied first.
func (e *engine) forgetUnused() {
	for name, d := range e.devices {
		if len(d.users) == 0 {
			delete(e.devices, name)
		}
	}
}

// newTunnel makes a device of the member tunnel of a message. netifd would make
// the link itself, which this one cannot: it deletes what has the name, and
// fails where the device is claimed.
func (e *engine) newTunnel(name string) *device {
	if len(name) > maxDeviceName {
		return nil
	}
	old := e.devices[name]
	if old != nil && old.setState != nil {
		return old
	}
	delete(e.devices, name)
	d := &device{e: e, name: name}
	d.setState = func(up bool) error {
		_ = e.kernel.deleteLink(name)
		if up {
			return fmt.Errorf("netifd: tunnel %s: %w", name, unix.EOPNOTSUPP)
		}
		return nil
	}
	d.join()
	d.setPresent(true)
	if old != nil {
		d.adopt(old)
	}
	return d
}

// adopt takes over the users of a device that d replaces.
func (d *device) adopt(old *device) {
	old.setPresent(false)
	for _, u := range slices.Clone(old.users) {
		u.leave()
		u.use(d)
	}
}
