package netifd

import (
	"os"
	"os/exec"
	"slices"
)

// A HotplugEvent is what netifd calls the scripts in /etc/hotplug.d/iface for.
type HotplugEvent struct {
	// Action is ifup, ifdown, ifup-failed or ifupdate.
	Action string
	// Interface is the name of the interface.
	Interface string
	// Device is the link that its addresses are on. Only ifup and ifupdate
	// have one.
	Device string
	// Updated are the names of the variables that say what an ifupdate
	// changed: IFUPDATE_ADDRESSES, IFUPDATE_ROUTES, IFUPDATE_PREFIXES,
	// IFUPDATE_DATA.
	Updated []string
}

// Env is the event as the environment variables of a hotplug script.
func (h HotplugEvent) Env() []string {
	env := []string{"ACTION=" + h.Action, "INTERFACE=" + h.Interface}
	if h.Device != "" {
		env = append(env, "DEVICE="+h.Device)
	}
	for _, name := range h.Updated {
		env = append(env, name+"=1")
	}
	return env
}

var hotplugActions = map[ifaceEvent]string{
	eventDown: "ifdown", eventUp: "ifup", eventUpFailed: "ifup-failed", eventUpdate: "ifupdate",
}

// hotplugState is an interface's place in the queue.
type hotplugState struct {
	queued bool
	event  ifaceEvent
}

// A hotplugQueue calls scripts one after the other. An interface has at most one
// event waiting, which later ones replace, so that scripts may miss some; a
// second ifdown is heard of only when the first one's scripts have ended.
type hotplugQueue struct {
	e       *engine
	user    ifaceUser
	pending []*iface
	busy    bool   // scripts run
	current *iface // that they run for; nil when it is gone
	event   ifaceEvent
}

func (q *hotplugQueue) init(e *engine) {
	q.e = e
	q.user.event = q.follow
	e.watch(&q.user, nil)
}

func (q *hotplugQueue) follow(i *iface, ev ifaceEvent) {
	switch ev {
	case eventFree:
		if q.current == i {
			q.current = nil
		}
		q.remove(i)
	case eventUp, eventDown, eventUpFailed, eventUpdate, eventLinkUp:
		q.e.bus.notifyIface(i, ev)
		if ev != eventLinkUp { // scripts are not called for that
			q.add(i, ev)
		}
	}
}

func (q *hotplugQueue) remove(i *iface) {
	i.hotplug.queued = false
	q.pending = slices.DeleteFunc(q.pending, func(j *iface) bool { return j == i })
}

func (q *hotplugQueue) add(i *iface, ev ifaceEvent) {
	h := &i.hotplug
	switch {
	case h.queued && q.current == i:
		if ev != eventUpdate {
			h.event = ev
		}
	case h.queued:
		if h.event != eventUp || ev != eventUpdate {
			h.event = ev
		}
	case q.current != i || ev != q.event || ev == eventUpdate:
		h.event = ev
		h.queued = true
		q.pending = append(q.pending, i)
	}
	if !q.busy && q.current == nil {
		q.next()
	}
}

func (q *hotplugQueue) next() {
	if len(q.pending) == 0 {
		return
	}
	i := q.pending[0]
	q.remove(i)
	q.current, q.event, q.busy = i, i.hotplug.event, true
	h := HotplugEvent{Action: hotplugActions[q.event], Interface: i.name}
	if d := i.l3Dev.dev; d != nil && (q.event == eventUp || q.event == eventUpdate) {
		h.Device = d.name
	}
	if q.event == eventUpdate {
		h.Updated = i.updated.variables()
	}
	go func() {
		q.e.callHotplug(h)
		q.e.loop.post(func() {
			q.busy, q.current = false, nil
			q.next()
		})
	}()
}

func (f updateFlags) variables() []string {
	var names []string
	for _, v := range []struct {
		flag updateFlags
		name string
	}{
		{updatedAddresses, "IFUPDATE_ADDRESSES"},
		{updatedRoutes, "IFUPDATE_ROUTES"},
		{updatedPrefixes, "IFUPDATE_PREFIXES"},
		{updatedData, "IFUPDATE_DATA"},
	} {
		if f&v.flag != 0 {
			names = append(names, v.name)
		}
	}
	return names
}

// callHotplug runs what the configuration gives for hotplug events.
func (e *engine) callHotplug(h HotplugEvent) {
	if e.cfg.Hotplug != nil {
		e.cfg.Hotplug(h)
	}
	if e.cfg.HotplugCommand == "" {
		return
	}
	cmd := exec.Command(e.cfg.HotplugCommand, "iface")
	cmd.Env = e.cfg.Env
	for _, v := range h.Env() {
		cmd.Env = withEnv(cmd.Env, v)
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		e.logf("hotplug %s %s: %v", h.Action, h.Interface, err)
	}
}
