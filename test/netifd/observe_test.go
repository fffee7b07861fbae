package netifd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// object is a JSON object of a recording, or of what stands in its place.
type object = map[string]any

// statusOf is the interface's status as the recordings have it: nil if there is
// no such object.
func (l *lab) statusOf(name string) object {
	t, rc := l.call("network.interface."+name, "status", nil)
	if rc != 0 {
		return nil
	}
	return toJSON(t)
}

// toJSON converts what ubus has to what encoding/json has.
func toJSON(t blobmsg.Table) object {
	var o object
	d := json.NewDecoder(bytes.NewReader(blobmsg.AppendJSON(nil, t)))
	if err := d.Decode(&o); err != nil {
		return object{"error": err.Error()}
	}
	return o
}

// notRecorded are members of the status that the recordings leave out.
var notRecorded = []string{"dynamic", "uptime", "proto", "updated", "dns_metric", "delegation"}

// trimStatus makes a status comparable: empty lists are left out, and so is what
// is not recorded unless the recording has it; times are rounded.
func trimStatus(status, recorded object) object {
	out := object{}
	for name, v := range status {
		if _, has := recorded[name]; !has && slices.Contains(notRecorded, name) {
			continue
		}
		if name == "inactive" {
			v = trimStatus(v.(object), nil)
		}
		if !isEmpty(v) {
			out[name] = v
		}
	}
	roundTimes(out)
	return out
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case object:
		return len(v) == 0
	}
	return false
}

// roundTimes rounds lifetimes above 60 s up to tens, everywhere in v.
func roundTimes(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			roundTimes(e)
		}
	case object:
		for name, e := range v {
			n, isNumber := e.(float64)
			if isNumber && n > 60 && slices.Contains([]string{"valid", "preferred", "valid_s", "preferred_s"}, name) {
				v[name] = roundTime(n)
			}
			roundTimes(e)
		}
	}
}

func roundTime(n float64) float64 { return float64((int(n) + 9) / 10 * 10) }

// kernelState is what the recordings have of a device.
type kernelState struct {
	addr, routes4, routes6 []any
	gone                   bool // there is no such device
}

// kernelState looks at a device the way the recordings were made.
func (l *lab) kernelState(dev string) kernelState {
	var links []struct {
		IfName string `json:"ifname"`
		Mac    string `json:"address"`
		Addrs  []any  `json:"addr_info"`
	}
	if !l.ipJSON(&links, "addr") {
		return kernelState{gone: true}
	}
	s := kernelState{gone: true}
	for _, link := range links {
		if link.IfName != dev {
			continue
		}
		s.gone = false
		for _, a := range link.Addrs {
			if a := a.(object); a["local"] != macAddress(link.Mac) {
				s.addr = append(s.addr, recordedAddr(a))
			}
		}
	}
	if !s.gone {
		s.routes4 = l.routesOf(dev, "-4")
		s.routes6 = l.routesOf(dev, "-6")
	}
	return s
}

// macAddress is the link-local address that the kernel makes of a hardware
// address.
func macAddress(mac string) string {
	var m [6]byte
	if n, _ := fmt.Sscanf(mac, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); n != 6 {
		return ""
	}
	a := ipAddr{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]}
	return inetNtop(a, true)
}

// foreverTime is how the kernel says "for ever".
const foreverTime = 1<<32 - 1

func recordedAddr(a object) object {
	for kernels, recorded := range map[string]string{
		"valid_life_time": "valid_s", "preferred_life_time": "preferred_s",
	} {
		if n, _ := a[kernels].(float64); n != foreverTime {
			a[recorded] = n
		}
		delete(a, kernels)
	}
	roundTimes(a)
	return a
}

func (l *lab) routesOf(dev, family string) []any {
	var all []object
	l.ipJSON(&all, family, "route", "show", "table", "all")
	var out []any
	for _, r := range all {
		typ, _ := r["type"].(string)
		dst, _ := r["dst"].(string)
		nowhere := typ == "unreachable" || typ == "blackhole" || typ == "prohibit" || typ == "throw"
		switch {
		case r["dev"] != dev && !nowhere,
			r["table"] == "local",
			r["protocol"] == "kernel" && (strings.HasPrefix(dst, "fe80:") || strings.HasPrefix(dst, "ff00:")),
			nowhere && r["protocol"] == "kernel":
			continue
		}
		if !nowhere {
			delete(r, "dev")
		}
		if flags, _ := r["flags"].([]any); len(flags) == 0 {
			delete(r, "flags")
		}
		if _, ok := r["expires"]; ok {
			r["expires"] = true
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b any) int { return cmp.Compare(routeKey(a), routeKey(b)) })
	return out
}

// routeKey is the order of the recordings: by table, then target.
func routeKey(r any) string {
	o := r.(object)
	table, _ := o["table"].(string)
	return fmt.Sprint(table, " ", o["dst"])
}

// rules is the routing rules but for the three that are always there.
func (l *lab) rules() []any {
	var out []any
	for flag, family := range map[string]string{"-4": "inet", "-6": "inet6"} {
		var rules []object
		l.ipJSON(&rules, flag, "rule")
		for _, r := range rules {
			if p, _ := r["priority"].(float64); p == 0 || p == 32766 || p == 32767 {
				continue
			}
			r["family"] = family
			out = append(out, r)
		}
	}
	return out
}

// ipJSON runs ip; it reports false where ip does.
func (l *lab) ipJSON(to any, args ...string) bool {
	out, err := exec.Command("ip", append([]string{"-j"}, args...)...).Output()
	if err != nil {
		return false
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return true
	}
	if err := json.Unmarshal(out, to); err != nil {
		l.t.Errorf("ip -j %s: %v", strings.Join(args, " "), err)
	}
	return true
}

// Members that are recorded wherever the kernel shows them. Others count where a
// recording has them.
var (
	addrMembers  = []string{"family", "local", "address", "prefixlen", "broadcast", "scope", "valid_s", "preferred_s"}
	routeMembers = []string{
		"type", "dst", "gateway", "dev", "table", "protocol", "scope", "metric", "prefsrc", "from", "flags", "metrics", "expires",
	}
	ruleMembers = []string{"priority", "src", "srclen", "dst", "dstlen", "iif", "table", "family"}
)

// asRecorded brings a list into the form of the recorded one: only members that
// count, in the same order, and shortened if that is.
func asRecorded(list []any, recorded any, members []string) any {
	shown := slices.Clone(members)
	sample, _ := recorded.([]any)
	if short, ok := recorded.(object); ok {
		sample = []any{short["first"], short["last"]}
	}
	for _, e := range sample {
		for name := range e.(object) {
			shown = append(shown, name)
		}
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		o := object{}
		for name, v := range e.(object) {
			if slices.Contains(shown, name) {
				o[name] = v
			}
		}
		out = append(out, o)
	}
	return shorten(out, recorded)
}

// shorten replaces a long list by count, first and last where the recording has
// it so.
func shorten(list []any, recorded any) any {
	if _, ok := recorded.(object); ok && len(list) > 0 {
		return object{"count": float64(len(list)), "first": list[0], "last": list[len(list)-1]}
	}
	return list
}

// sorted makes the order of a list's elements unimportant.
func sorted(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

// hotplugJSON is events as the recordings have them.
func hotplugJSON(events []HotplugEvent, iface string) []any {
	out := []any{}
	for _, h := range events {
		if h.Interface != iface {
			continue
		}
		o := object{"ACTION": h.Action}
		if h.Device != "" {
			o["DEVICE"] = h.Device
		}
		if len(h.Updated) > 0 {
			o["IFUPDATE"] = stringsJSON(h.Updated)
		}
		out = append(out, o)
	}
	return comparableEvents(out)
}

// comparableEvents leaves out what differs from run to run: the order of the
// IFUPDATE variables, and a second ifdown behind another.
func comparableEvents(events []any) []any {
	for _, e := range events {
		if names, ok := e.(object)["IFUPDATE"]; ok {
			e.(object)["IFUPDATE"] = sorted(names)
		}
	}
	return oneDown(events)
}

// oneDown makes one ifdown of two in a row. netifd tells of the second only when
// the scripts for the first have ended by then, which is a matter of
// milliseconds: the recordings call it volatile.
func oneDown(events []any) []any {
	return slices.CompactFunc(slices.Clone(events), func(a, b any) bool {
		return a.(object)["ACTION"] == "ifdown" && b.(object)["ACTION"] == "ifdown"
	})
}

func stringsJSON(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}
