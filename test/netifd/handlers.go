package netifd

import (
	"maps"
	"slices"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// protoFlags are what a protocol says about itself.
type protoFlags uint

const (
	flagImmediate      protoFlags = 1 << iota // up as soon as setup returns
	flagNoDevice                              // no-device
	flagInitAvailable                         // available
	flagRenew                                 // renew-handler
	flagForceLink                             // needs no carrier unless told
	flagLastError                             // lasterror
	flagL3LinkTeardown                        // teardown-on-l3-link-down
	flagNoTask                                // no-proto-task
	flagNoDeviceConfig                        // no-device-config
	flagRestart                               // restart-handler
)

func (f protoFlags) has(g protoFlags) bool { return f&g != 0 }

// A protoHandler is a protocol that interfaces can have.
type protoHandler struct {
	name   string
	flags  protoFlags
	params []param
	// validated is false where the announced options were none or unusable:
	// get_proto_handlers shows no list then.
	validated bool
	script    string // how a shell-style handler is called: "./NAME.sh"
	attach    func(i *iface, config blobmsg.Table) protoState
}

// protoNone is what an interface has whose protocol is "none" or unknown.
var protoNone = &protoHandler{
	name:  "none",
	flags: flagImmediate,
	attach: func(*iface, blobmsg.Table) protoState {
		return noneState{}
	},
}

type noneState struct{}

func (noneState) handler() *protoHandler           { return protoNone }
func (noneState) command(protoCommand, bool) error { return nil }
func (noneState) notify(blobmsg.Table) error       { return ubus.StatusNotSupported }
func (noneState) free()                            {}

// protoFlagNames are the members of a dump that netifd knows; only the JSON
// value true sets one.
var protoFlagNames = map[string]protoFlags{
	"no-device":                flagNoDevice,
	"no-device-config":         flagNoDeviceConfig,
	"no-proto-task":            flagNoTask,
	"available":                flagInitAvailable,
	"renew-handler":            flagRenew,
	"restart-handler":          flagRestart,
	"lasterror":                flagLastError,
	"teardown-on-l3-link-down": flagL3LinkTeardown,
}

// newScriptHandler makes a protocol of one object that a handler printed for
// dump. It returns nil for an object without a name.
func newScriptHandler(script string, dump blobmsg.Table) *protoHandler {
	name, ok := stringMember(dump, "name")
	if !ok {
		return nil
	}
	h := &protoHandler{name: name, script: script}
	h.attach = func(i *iface, config blobmsg.Table) protoState {
		return newExternal(i, h, config)
	}
	for key, flag := range protoFlagNames {
		if boolDefault(dump, key, false) {
			h.flags |= flag
		}
	}
	if config, ok := arrayMember(dump, "config"); ok {
		h.params, h.validated = parseParams(config)
	}
	return h
}

// parseParams reads the announced options. One element that is not
// [name, type, …] with a type from 0 to 8 makes netifd drop them all.
func parseParams(config blobmsg.Array) (params []param, ok bool) {
	for _, e := range config {
		pair, _ := e.(blobmsg.Array)
		if len(pair) < 2 {
			return nil, false
		}
		name, isString := pair[0].(string)
		typ, isInt := jsonInt(pair[1])
		if !isString || !isInt || typ < 0 || typ > int64(blobmsg.TypeDouble) {
			return nil, false
		}
		p := param{typ: blobmsg.Type(typ)}
		p.name, p.check, _ = strings.Cut(name, ":")
		params = append(params, p)
	}
	return params, true
}

func jsonInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// handlerSet is the protocols by name; the first of a name stays.
type handlerSet map[string]*protoHandler

func (s handlerSet) add(h *protoHandler) {
	if _, taken := s[h.name]; !taken {
		s[h.name] = h
	}
}

func (s handlerSet) get(name string) *protoHandler {
	if name == protoNone.name {
		return protoNone
	}
	return s[name]
}

// table is the answer to get_proto_handlers.
func (s handlerSet) table() blobmsg.Table {
	var t blobmsg.Table
	for _, name := range slices.Sorted(maps.Keys(s)) {
		h := s[name]
		var v blobmsg.Table
		if h.validated {
			check := blobmsg.Table{}
			for _, p := range h.params {
				check = append(check, blobmsg.Field{Name: p.name, Value: p.validation()})
			}
			v = append(v, blobmsg.Field{Name: "validate", Value: check})
		}
		for _, f := range []struct {
			name string
			flag protoFlags
		}{
			{"immediate", flagImmediate},
			{"no_device", flagNoDevice},
			{"init_available", flagInitAvailable},
			{"renew_available", flagRenew},
			{"force_link_default", flagForceLink},
			{"last_error", flagLastError},
			{"teardown_on_l3_link_down", flagL3LinkTeardown},
			{"no_task", flagNoTask},
		} {
			v = append(v, blobmsg.Field{Name: f.name, Value: h.flags.has(f.flag)})
		}
		t = append(t, blobmsg.Field{Name: name, Value: v})
	}
	return t
}

func (p param) validation() string {
	if p.check != "" {
		return p.check
	}
	switch p.typ {
	case blobmsg.TypeArray:
		return "list(string)"
	case blobmsg.TypeInt32:
		return "uinteger"
	case blobmsg.TypeBool:
		return "bool"
	}
	return "string"
}
