package netifd

import (
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// ifaceState is where an interface stands.
type ifaceState int

const (
	stateDown     ifaceState = iota
	stateSetup               // the protocol works on it; shown as pending
	stateUp                  //
	stateTeardown            // the protocol takes it down
)

// configState is what to do with an interface when it is down.
type configState int

const (
	configNormal configState = iota
	configReload             // begin again with the new configuration
	configRemove
)

// updateFlags are what a message changed.
type updateFlags uint

const (
	updatedAddresses updateFlags = 1 << iota
	updatedRoutes
	updatedPrefixes
	updatedData
)

// An ifaceError is an entry of errors in the status.
type ifaceError struct {
	subsystem, code string
	data            []string
}

// An iface is an interface of the configuration, or a dynamic one.
type iface struct {
	e       *engine
	name    string
	version int // of the configuration that has it; -1 survives all

	// As configured.
	config          blobmsg.Table // all options that are known, as the protocol gets them
	device          string        // option device or ifname
	zone            string
	jail            string // the container that has it: netifd does not start it
	jailDevice      string
	tags            blobmsg.Array
	deviceConfig    bool // has options of a device
	forceLink       bool
	renewOnTopology bool
	configAutostart bool
	carrierDelay    uint32 // seconds
	metric          int32
	dnsMetric       int32
	ip4table        uint32
	ip6table        uint32
	handler         *protoHandler
	dynamic         bool
	assign

	// As it is.
	state          ifaceState
	configState    configState
	available      bool // there is what it needs: a device, or a protocol that says so
	autostart      bool
	enabled        bool // its device is up
	linkState      bool // its device has a carrier
	linkUpEvent    bool
	policyRulesSet bool
	startTime      int64 // rtime
	updated        updateFlags
	errors         []ifaceError
	data           []blobmsg.Field // by name

	proto      protoState
	mainDev    deviceUser // of the configuration
	l3Dev      deviceUser // that addresses and routes are on
	users      []*ifaceUser
	protoIP    ipSettings
	configIP   ipSettings
	hostRoutes vlist[*devRoute]

	carrierLost   *timer
	remove        *timer
	removeStep    func() // what remove does next; nil: nothing is planned
	removePending bool

	hotplug hotplugState
	object  busObject
}

// assign is what an interface wants of delegated IPv6 prefixes.
type assign struct {
	assignLength  uint32 // 0: nothing
	assignHint    int32  // -1: no matter where
	assignWeight  int32
	assignClasses []string
	assignID      string // random, eui64, or ""
	assignFixedID ipAddr
}

func (a *assign) equal(b *assign) bool {
	return a.assignLength == b.assignLength && a.assignHint == b.assignHint &&
		a.assignWeight == b.assignWeight && a.assignID == b.assignID &&
		a.assignFixedID == b.assignFixedID && slices.Equal(a.assignClasses, b.assignClasses)
}

// An ifaceUser is told of the events of one interface or, without one, of all.
type ifaceUser struct {
	iface *iface
	event func(i *iface, ev ifaceEvent)
}

// watch makes u a user of i; nil stands for all interfaces.
func (e *engine) watch(u *ifaceUser, i *iface) {
	if i == nil {
		e.allUsers = slices.Insert(e.allUsers, 0, u)
		return
	}
	u.iface = i
	i.users = slices.Insert(i.users, 0, u)
	if i.state == stateUp {
		u.event(i, eventUp)
	}
}

func (e *engine) unwatch(u *ifaceUser) {
	same := func(v *ifaceUser) bool { return v == u }
	if u.iface != nil {
		u.iface.users = slices.DeleteFunc(u.iface.users, same)
	}
	e.allUsers = slices.DeleteFunc(e.allUsers, same)
	u.iface = nil
}

// tell calls the users of an interface. Those that one of them removes are not
// called.
func (i *iface) tell(ev ifaceEvent) {
	for _, u := range slices.Clone(i.users) {
		if slices.Contains(i.users, u) {
			u.event(i, ev)
		}
	}
	for _, u := range slices.Clone(i.e.allUsers) {
		if slices.Contains(i.e.allUsers, u) {
			u.event(i, ev)
		}
	}
	if ev == eventUp {
		i.errors = nil
	}
}

// addError adds an entry to errors. A protocol with lasterror has one at most.
func (i *iface) addError(subsystem, code string, data ...string) {
	if i.proto != nil && i.proto.handler().flags.has(flagLastError) && i.proto.handler() != i.handler {
		return
	}
	if i.handler.flags.has(flagLastError) {
		i.errors = nil
	}
	i.errors = append(i.errors, ifaceError{subsystem, code, data})
}

// clearErrors forgets the errors, except those of a protocol with lasterror that
// goes on.
func (i *iface) clearErrors() {
	if i.proto != nil && i.proto.handler().flags.has(flagLastError) && i.proto.handler() == i.handler {
		return
	}
	i.errors = nil
}

// addData sets a member of data.
func (i *iface) addData(f blobmsg.Field) {
	if f.Name == "" {
		return
	}
	at, found := slices.BinarySearchFunc(i.data, f, func(a, b blobmsg.Field) int {
		return strings.Compare(a.Name, b.Name)
	})
	if found {
		if sameValue(i.data[at].Value, f.Value) {
			return
		}
		i.data[at] = f
	} else {
		i.data = slices.Insert(i.data, at, f)
	}
	i.updated |= updatedData
}

// setData is the method set_data.
func (i *iface) setData(t blobmsg.Table) {
	i.updated = 0
	for _, f := range t {
		i.addData(f)
	}
	if i.updated != 0 && i.state == stateUp {
		i.tell(eventUpdate)
	}
}

// An ifaceList is the interfaces by name.
type ifaceList struct {
	list    []*iface
	version int // of the configuration
}

func (l *ifaceList) search(name string) (int, bool) {
	return slices.BinarySearchFunc(l.list, name, func(i *iface, name string) int {
		return strings.Compare(i.name, name)
	})
}

func (l *ifaceList) find(name string) *iface {
	if at, found := l.search(name); found {
		return l.list[at]
	}
	return nil
}

func (l *ifaceList) insert(i *iface) {
	at, _ := l.search(i.name)
	l.list = slices.Insert(l.list, at, i)
}

func (l *ifaceList) delete(i *iface) {
	if at, found := l.search(i.name); found && l.list[at] == i {
		l.list = slices.Delete(l.list, at, at+1)
	}
}
