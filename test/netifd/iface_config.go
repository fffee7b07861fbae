package netifd

import (
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// maxCarrierDelay is the longest grace period after a lost carrier, in seconds.
const maxCarrierDelay = 3600

// newIface makes an interface of the options that netifd itself knows.
func (e *engine) newIface(name string, t blobmsg.Table, dynamic bool) *iface {
	i := &iface{e: e, name: name, dynamic: dynamic}
	i.mainDev.event = i.mainDevEvent
	i.l3Dev.event = i.l3DevEvent
	i.protoIP.init(i)
	i.configIP.init(i)
	i.configIP.enabled = false
	i.hostRoutes = newVlist(compareRoutes, i.protoIP.updateRoute)
	i.carrierLost = newTimer(e.loop, func() {
		if !i.linkState {
			i.checkState()
		}
	})
	i.remove = newTimer(e.loop, func() { i.removeStep() })

	i.zone, _ = stringMember(t, "zone")
	i.handler = protoNone
	if proto, ok := stringMember(t, "proto"); ok {
		if h := e.handlers.get(proto); h != nil {
			i.handler = h
		} else {
			i.addError("proto", "INVALID_PROTO")
		}
	}
	i.autostart = boolDefault(t, "auto", true)
	i.configAutostart = i.autostart
	if i.jail, _ = stringMember(t, "jail"); i.jail != "" {
		i.autostart = false
	}
	var ok bool
	if i.jailDevice, ok = stringMember(t, "jail_device"); !ok {
		i.jailDevice, _ = stringMember(t, "jail_ifname")
	}
	i.renewOnTopology = boolDefault(t, "renew", true)
	i.forceLink = boolDefault(t, "force_link", i.handler.flags.has(flagForceLink))
	if n, ok := intMember(t, "carrier_loss_delay"); ok {
		i.carrierDelay = min(uint32(n), maxCarrierDelay)
	}
	i.protoIP.noDefaultRoute = !boolDefault(t, "defaultroute", true)
	i.protoIP.noDNS = !boolDefault(t, "peerdns", true)
	i.protoIP.noDelegation = !boolDefault(t, "delegate", true)
	i.configIP.addDNS(t)
	i.dnsMetric, _ = intMember(t, "dns_metric")
	i.metric, _ = intMember(t, "metric")
	if name, ok := stringMember(t, "ip4table"); ok {
		i.ip4table, _ = routeTable(name)
	}
	if name, ok := stringMember(t, "ip6table"); ok {
		i.ip6table, _ = routeTable(name)
	}
	i.assign = e.parseAssign(i.name, t)
	return i
}

// addDNS adds the name servers and search domains of the members dns and
// dns_search.
func (s *ipSettings) addDNS(t blobmsg.Table) {
	servers, _ := arrayMember(t, "dns")
	for _, v := range servers {
		text, ok := v.(string)
		if !ok {
			continue
		}
		if a, ok := inetPton(text, false); ok {
			s.dnsServers.add(dnsServer{false, a})
		} else if a, ok := inetPton(text, true); ok {
			s.dnsServers.add(dnsServer{true, a})
		}
	}
	domains, _ := arrayMember(t, "dns_search")
	for _, v := range domains {
		if text, ok := v.(string); ok {
			s.dnsSearch.add(text)
		}
	}
}

func (e *engine) parseAssign(iface string, t blobmsg.Table) assign {
	a := assign{assignHint: -1}
	if n, ok := intMember(t, "ip6assign"); ok {
		if uint32(n) <= 64 {
			a.assignLength = uint32(n)
		} else {
			e.logf("Invalid ip6assign value %d for interface '%s'", uint32(n), iface)
		}
	}
	a.assignFixedID[15] = 1
	if id, ok := stringMember(t, "ip6ifaceid"); ok {
		switch fixed, isAddr := inetPton(id, true); {
		case id == "random" || id == "eui64":
			a.assignID = id
		case isAddr && [8]byte(fixed[:8]) == [8]byte{}:
			a.assignFixedID = fixed
		default:
			e.logf("Failed to parse ip6ifaceid for interface '%s', falling back to iface id 1.", iface)
		}
	}
	if hint, ok := stringMember(t, "ip6hint"); ok && a.assignLength != 0 {
		n, _ := strtoul(hint, 16)
		a.assignHint = int32(n &^ (1<<(64-a.assignLength) - 1))
	}
	classes, _ := arrayMember(t, "ip6class")
	for _, v := range classes {
		if text, ok := v.(string); ok {
			a.assignClasses = append(a.assignClasses, text)
		}
	}
	a.assignWeight, _ = intMember(t, "ip6weight")
	return a
}

// addIface puts an interface with its whole configuration beside the others, or
// changes the one of that name.
func (e *engine) addIface(i *iface, config blobmsg.Table) {
	i.config = config
	i.device, _ = stringMember(config, "device")
	if i.device == "" {
		i.device, _ = stringMember(config, "ifname")
	}
	i.tags, _ = arrayMember(config, "tags")
	i.version = e.ifaces.version
	if old := e.ifaces.find(i.name); old != nil {
		old.version = e.ifaces.version
		old.change(i)
		i = old
	} else {
		e.ifaces.insert(i)
		i.tell(eventCreate)
		i.begin()
		e.bus.publishIface(i)
	}
	if i.dynamic {
		i.version = -1 // a reload leaves it
	}
}

// begin attaches the protocol and the device.
func (i *iface) begin() {
	i.setProto(i.handler.attach(i, i.config))
	i.claimDevice()
}

func (i *iface) setProto(p protoState) {
	if i.proto != nil {
		i.proto.free()
	}
	i.state = stateDown
	i.proto = p
}

func (i *iface) claimDevice() {
	if i.device != "" && !i.handler.flags.has(flagNoDevice) {
		if d := i.e.getDevice(i.device, false); d != nil {
			if !i.handler.flags.has(flagNoDeviceConfig) {
				mtu, _ := intMember(i.config, "mtu")
				d.applyMTU(i, uint32(mtu))
			}
			i.setMainDev(d)
		}
	}
	if i.handler.flags.has(flagInitAvailable) {
		i.setAvailable(true)
	}
}

// change takes over the configuration of next. Only what the protocol has
// announced, the device, the protocol, the zone and auto make the interface begin
// again; metric and tables are changed in the kernel.
func (i *iface) change(next *iface) {
	if i.configState == configRemove {
		i.configState = configNormal
	}
	reload := i.deviceChanged(next) || i.device != next.device || i.handler != next.handler ||
		!sameParams(i.config, next.config, i.handler.params) || i.zone != next.zone
	i.config, i.tags = next.config, next.tags
	if i.configAutostart != next.configAutostart {
		reload = reload || i.configAutostart
		i.autostart = next.configAutostart
	}
	i.jail, i.jailDevice = next.jail, next.jailDevice
	if i.jail != "" {
		i.autostart = false
	}
	i.zone, i.device, i.dynamic = next.zone, next.device, next.dynamic
	i.deviceConfig, i.configAutostart = next.deviceConfig, next.configAutostart
	i.handler = next.handler
	i.forceLink, i.carrierDelay = next.forceLink, next.carrierDelay
	i.dnsMetric, i.renewOnTopology = next.dnsMetric, next.renewOnTopology
	delegation := i.protoIP.noDelegation != next.protoIP.noDelegation
	i.protoIP.noDelegation = next.protoIP.noDelegation
	i.protoIP.noDNS = next.protoIP.noDNS
	i.configIP.dnsServers.replace(&next.configIP.dnsServers)
	i.configIP.dnsSearch.replace(&next.configIP.dnsSearch)
	ip := i.metric != next.metric || i.protoIP.noDefaultRoute != next.protoIP.noDefaultRoute ||
		i.ip4table != next.ip4table || i.ip6table != next.ip6table
	i.metric, i.protoIP.noDefaultRoute = next.metric, next.protoIP.noDefaultRoute
	i.ip4table, i.ip6table = next.ip4table, next.ip6table
	if !i.assign.equal(&next.assign) {
		i.assign = next.assign
		i.e.refreshAssignments(true)
	}
	if !reload {
		before := i.mainDev.dev
		i.claimDevice()
		reload = i.mainDev.dev != before
	}
	if reload {
		i.clearErrors()
		i.setConfigState(configReload)
		return
	}
	if ip {
		configOn, protoOn := i.configIP.enabled, i.protoIP.enabled
		i.configIP.setEnabled(false)
		i.protoIP.setEnabled(false)
		i.protoIP.setEnabled(protoOn)
		i.configIP.setEnabled(configOn)
	}
	if delegation {
		i.protoIP.updateDelegation()
	}
	i.e.writeResolvConf()
	if i.mainDev.dev != nil {
		i.checkState()
	}
}

// deviceChanged tells whether the device's options in the section changed.
func (i *iface) deviceChanged(next *iface) bool {
	switch {
	case i.mainDev.dev == nil:
		return false
	case i.deviceConfig != next.deviceConfig:
		return true
	}
	return next.deviceConfig && !sameParams(i.config, next.config, deviceParams)
}

// setConfigState does something with the interface as soon as it is down.
func (i *iface) setConfigState(s configState) {
	i.configState = s
	if i.state == stateDown {
		i.followConfig()
	} else {
		i.takeDown(false)
	}
}

// followConfig does what was waiting for the interface to be down.
func (i *iface) followConfig() {
	s := i.configState
	i.configState = configNormal
	switch s {
	case configReload:
		i.tell(eventReload)
		i.cleanState()
		i.begin()
	case configRemove:
		i.configState = configRemove
		if !i.removePending {
			i.removePending = true
			i.removeStep = i.finishRemove
			i.remove.set(time.Millisecond)
		}
		return
	}
	if i.autostart {
		i.setUp()
	}
}

func (i *iface) finishRemove() {
	if i.configState != configRemove { // configured again meanwhile
		i.removePending = false
		i.removeStep = nil
		return
	}
	i.tell(eventFree)
	i.remove.cancel()
	i.carrierLost.cancel()
	for _, u := range slices.Clone(i.users) {
		i.e.unwatch(u)
	}
	i.configIP.flushAll()
	i.cleanState()
	i.object.remove()
	i.e.ifaces.delete(i)
}

// cleanState gives up protocol and devices.
func (i *iface) cleanState() {
	i.setAvailable(false)
	i.flushState()
	i.clearErrors()
	i.setProto(nil)
	i.setMainDev(nil)
	i.setL3Dev(nil)
}

// removeSoon is the method remove: the interface goes a moment later, for the
// answer's sake. It reports false when that is planned already.
func (i *iface) removeSoon() bool {
	if i.removeStep != nil {
		return false
	}
	i.removeStep = func() { i.setConfigState(configRemove) }
	i.remove.set(100 * time.Millisecond)
	return true
}
