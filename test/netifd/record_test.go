package netifd

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"time"
)

// record makes the tests write what they see into the files of this package's
// testdata, in place of what they expect. It is for use with -openwrt: a
// recording of the stand-in would say nothing.
var record = flag.Bool("record", false, "with -openwrt: record the cases in testdata anew")

// recordCase runs a case and writes its file. In a recording, steps without a
// time of their own get more of it than they need later.
func (r *notifyRun) recordCase(file string) {
	for k := range r.c.Steps {
		s := &r.c.Steps[k]
		rc, hasRC := r.do(s)
		time.Sleep(time.Duration(max(s.Wait, 0.5) * float64(time.Second)))
		hotplug, lines := r.hotplugEvents(), r.fileLines(linesFile)
		seen := r.observe(hotplug[r.hotplugs:], lines[r.handled:])
		r.hotplugs, r.handled = len(hotplug), len(lines)
		if hasRC {
			seen["rc"] = rc
		}
		for _, op := range []string{"step", "notify", "call", "command", "set_options", "wait_s"} {
			if v, ok := s.all[op]; ok {
				seen[op] = v
			}
		}
		s.all = seen
	}
	r.rewrite(file)
}

// observe is the present state in the form of the recordings.
func (r *notifyRun) observe(hotplug []HotplugEvent, lines []string) object {
	o := object{"status": object{"rc": 4}, "hotplug": hotplugJSON(hotplug, "e0")}
	if status := r.statusOf("e0"); status != nil {
		o["status"] = trimStatus(status, nil)
	}
	dev := "t0"
	if r.c.ShownDevice != "" {
		dev = r.c.ShownDevice
	}
	observeKernel(o, r.kernelState(dev))
	if slices.Contains(r.c.Devices, "t1") {
		t1 := object{}
		observeKernel(t1, r.kernelState("t1"))
		o["t1"] = t1
	}
	if rules := r.rules(); len(rules) > 0 {
		o["rules"] = sorted(asRecorded(rules, nil, ruleMembers))
	}
	if len(lines) > 0 {
		o["handler"] = stringsJSON(lines)
	}
	return o
}

func observeKernel(o object, k kernelState) {
	o["addr"], o["routes4"], o["routes6"] = nil, nil, nil
	if !k.gone {
		o["addr"] = sorted(asRecorded(k.addr, nil, addrMembers))
		o["routes4"] = sorted(asRecorded(k.routes4, nil, routeMembers))
		o["routes6"] = sorted(asRecorded(k.routes6, nil, routeMembers))
	}
}

// rewrite replaces the steps of a file, a step a line.
func (r *notifyRun) rewrite(file string) {
	b, err := os.ReadFile(file)
	var all map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	delete(all, "steps")
	var out bytes.Buffer
	encode := func(v any) {
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			r.t.Fatal(err)
		}
		out.Truncate(out.Len() - 1) // the newline
	}
	out.WriteString("{")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		encode(name)
		out.WriteString(": ")
		encode(all[name])
		out.WriteString(",\n ")
	}
	out.WriteString(`"steps": [`)
	for k := range r.c.Steps {
		if k > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n  ")
		encode(r.c.Steps[k].all)
	}
	out.WriteString("\n ]}\n")
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		r.t.Fatal(err)
	}
}
