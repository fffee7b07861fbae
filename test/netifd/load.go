package netifd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci"
)

// readConfig returns the sections of the file network. Where the file is damaged
// netifd works with what can be read of it, without staged changes.
func (c *Config) readConfig() ([]section, error) {
	dir := uci.Dir{Config: c.ConfigDir, Save: c.StagedDir}
	pkg, err := dir.Load("network")
	if err != nil {
		file := filepath.Join(c.ConfigDir, "network")
		b, rerr := os.ReadFile(file)
		if rerr != nil {
			return nil, fmt.Errorf("network config: %w", rerr)
		}
		pkg, _ = uci.ParseLenient("network", b)
	}
	sections := make([]section, 0, len(pkg.Sections))
	for _, s := range pkg.Sections {
		options := make([]option, 0, len(s.Options))
		for _, o := range s.Options {
			if len(o.Values) > 0 || o.List {
				options = append(options, option{o.Name, o.List, o.Values})
			}
		}
		sections = append(sections, section{s.Type, s.Name, options})
	}
	return sections, nil
}

// configure reads the configuration and makes the interfaces what it says. It is
// the method reload.
func (e *engine) configure() error {
	sections, err := e.cfg.readConfig()
	if err != nil {
		e.logf("%v", err)
		return err
	}
	e.ifaces.version++
	e.configuring = true
	for k := range sections {
		if s := &sections[k]; s.typ == "interface" {
			e.loadIface(s)
		}
	}
	e.loadRoutes(sections)
	for k := range sections {
		if s := &sections[k]; s.name == "globals" {
			prefix, _ := s.get("ula_prefix")
			e.setULA(prefix)
		}
	}
	e.configuring = false
	for _, i := range slices.Clone(e.ifaces.list) {
		if i.version != e.ifaces.version && i.version != -1 {
			i.setConfigState(configRemove)
		}
	}
	e.refreshAssignments(false)
	for _, i := range slices.Clone(e.ifaces.list) {
		if i.autostart {
			i.setUp()
		}
	}
	return nil
}

// loadIface makes the interface of a section. A disabled one is not there.
func (e *engine) loadIface(s *section) {
	if v, _ := s.get("disabled"); v == "1" || v == "true" {
		return
	}
	t := appendParams(nil, s, ifaceParams)
	i := e.newIface(s.name, t, false)
	t = appendParams(t, s, i.handler.params)
	own := len(t)
	t = appendParams(t, s, deviceParams)
	i.deviceConfig = len(t) > own
	e.addIface(i, t)
}

// addDynamic is the method add_dynamic: an interface of options as ubus has
// them, which a reload leaves alone and which goes when it is down.
func (e *engine) addDynamic(name string, t blobmsg.Table) {
	e.addIface(e.newIface(name, t, true), t)
}

// loadRoutes takes the route and neighbor sections.
func (e *engine) loadRoutes(sections []section) {
	for _, i := range e.ifaces.list {
		i.configIP.begin()
	}
	for k := range sections {
		s := &sections[k]
		switch s.typ {
		case "route", "route6":
			e.addConfigRoute(appendParams(nil, s, routeParams), s.typ == "route6")
		case "neighbor", "neighbor6":
			e.addConfigNeighbor(s, s.typ == "neighbor6")
		}
	}
	for _, i := range e.ifaces.list {
		i.configIP.complete()
	}
}

var neighborParams = []param{
	{name: "interface", typ: blobmsg.TypeString},
	{name: "ipaddr", typ: blobmsg.TypeString},
	{name: "mac", typ: blobmsg.TypeString},
	{name: "proxy", typ: blobmsg.TypeBool},
	{name: "router", typ: blobmsg.TypeBool},
}

func (e *engine) addConfigNeighbor(s *section, v6 bool) {
	t := appendParams(nil, s, neighborParams)
	name, _ := stringMember(t, "interface")
	if i := e.ifaces.find(name); i != nil {
		if n := parseNeighbor(t, v6); n != nil {
			i.configIP.neighbors.add(n)
		}
	}
}
