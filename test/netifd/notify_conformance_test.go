package netifd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/conformance"
)

// notifyCase is a file of notify.
type notifyCase struct {
	Name        string                     `json:"name"`
	Protocol    json.RawMessage            `json:"protocol"`
	Options     map[string]json.RawMessage `json:"options"`
	MoreConfig  string                     `json:"more_config"`
	Devices     []string                   `json:"devices"`
	HandlerDoes string                     `json:"handler_does"`
	ShownDevice string                     `json:"shown_device"`
	Steps       []notifyStep               `json:"steps"`
}

type notifyStep struct {
	Notify     json.RawMessage            `json:"notify"`
	Call       []json.RawMessage          `json:"call"`
	Command    string                     `json:"command"`
	SetOptions map[string]json.RawMessage `json:"set_options"`
	Wait       float64                    `json:"wait_s"`

	// all is the step as it stands there, with what is expected.
	all object
}

func (s *notifyStep) UnmarshalJSON(b []byte) error {
	type plain notifyStep
	if err := json.Unmarshal(b, (*plain)(s)); err != nil {
		return err
	}
	return json.Unmarshal(b, &s.all)
}

// settleTime is how long the state may take beyond the recorded time.
const settleTime = 4 * time.Second

func TestConformanceNotify(t *testing.T) {
	needNamespaces(t)
	for _, file := range notifyFiles(t, conformance.Dir(t, "netifd")) {
		runNotifyFile(t, file, false)
	}
}

// TestNotifyMore runs what the recordings shared by all leave open: further
// cases of the same form, in testdata.
func TestNotifyMore(t *testing.T) {
	needNamespaces(t)
	for _, file := range notifyFiles(t, "testdata") {
		runNotifyFile(t, file, *record && *openwrt)
	}
}

func notifyFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "notify", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no cases: %v", dir, err)
	}
	return files
}

func runNotifyFile(t *testing.T, file string, rerecord bool) {
	t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
		if rerecord {
			newNotifyRun(t, readNotifyCase(t, file)).recordCase(file)
			return
		}
		runCase(t, func(t testing.TB, _ *machine) { newNotifyRun(t, readNotifyCase(t, file)).all() })
	})
}

func readNotifyCase(t testing.TB, file string) notifyCase {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := notifyCase{Options: map[string]json.RawMessage{}}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Steps) == 0 {
		t.Fatal("a case without steps")
	}
	return c
}

// A notifyRun is a case at work.
type notifyRun struct {
	*lab
	c                 notifyCase
	hotplugs, handled int // of which steps before have been told
}

func newNotifyRun(t testing.TB, c notifyCase) *notifyRun {
	r := &notifyRun{lab: newLab(t, c.Devices...), c: c}
	r.installHandler(handlerPlan{Dump: c.Protocol, Does: map[string]string{"": c.HandlerDoes}})
	r.writeConfig()
	r.start()
	return r
}

// writeConfig writes the section e0 and the others.
func (r *notifyRun) writeConfig() {
	r.t.Helper()
	var proto struct{ Name string }
	if err := json.Unmarshal(r.c.Protocol, &proto); err != nil {
		r.t.Fatal(err)
	}
	b := fmt.Appendf(nil, "config interface 'e0'\n\toption proto '%s'\n", proto.Name)
	for _, name := range slices.Sorted(maps.Keys(r.c.Options)) {
		raw := r.c.Options[name]
		var list []string
		if json.Unmarshal(raw, &list) == nil {
			for _, v := range list {
				b = fmt.Appendf(b, "\tlist %s '%s'\n", name, v)
			}
			continue
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			r.t.Fatal(err)
		}
		if value != nil {
			b = fmt.Appendf(b, "\toption %s '%v'\n", name, value)
		}
	}
	r.write(string(b)+"\n"+r.c.MoreConfig, "config", "network")
}

func (r *notifyRun) all() {
	for k := range r.c.Steps {
		s := &r.c.Steps[k]
		rc, hasRC := r.do(s)
		if want, ok := s.all["rc"]; ok && hasRC && want != float64(rc) {
			r.t.Errorf("step %d: return code %d, want %v", k, rc, want)
		}
		wait := max(s.Wait, 0.3)
		if k == 0 {
			wait = 0.1 // netifd has set everything up when it has started
		}
		time.Sleep(time.Duration(wait * float64(time.Second)))
		r.settle(k, s)
	}
}

// do carries out a step.
func (r *notifyRun) do(s *notifyStep) (rc int, ok bool) {
	switch {
	case s.Notify != nil:
		_, rc = r.lab.call("network.interface", "notify_proto", r.message(s.Notify))
		return rc, true
	case s.Call != nil:
		return r.callOf(s.Call), true
	case s.SetOptions != nil:
		for name, v := range s.SetOptions {
			r.c.Options[name] = v
		}
		r.writeConfig()
		_, rc = r.lab.call("network", "reload", nil)
		return rc, true
	case s.Command != "":
		out, err := exec.Command("/bin/sh", "-c", s.Command).CombinedOutput()
		if err != nil {
			r.t.Errorf("%s: %v\n%s", s.Command, err, out)
		}
	}
	return 0, false
}

// callOf carries out [object, method, arguments].
func (l *lab) callOf(call []json.RawMessage) int {
	l.t.Helper()
	var path, method string
	if len(call) < 2 || json.Unmarshal(call[0], &path) != nil || json.Unmarshal(call[1], &method) != nil {
		l.t.Fatalf("a call that cannot be read: %s", call)
	}
	var args blobmsg.Table
	if len(call) > 2 {
		var err error
		if args, err = blobmsg.ParseJSON(call[2]); err != nil {
			l.t.Fatal(err)
		}
	}
	_, rc := l.call(path, method, args)
	return rc
}

// message is the argument of notify_proto that a step stands for.
func (r *notifyRun) message(raw json.RawMessage) blobmsg.Table {
	r.t.Helper()
	msg, err := blobmsg.ParseJSON(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	for k := range msg {
		if t, ok := msg[k].Value.(blobmsg.Table); ok && t.Has("generate") {
			msg[k].Value = generateRoutes(t, msg[k].Name == "routes6")
		}
	}
	if !msg.Has("interface") && !strings.Contains(r.c.Name, "bad-interface-missing") {
		msg = append(msg, blobmsg.Field{Name: "interface", Value: "e0"})
	}
	return msg
}

// generateRoutes makes the routes that {"generate": N, "first_host": F} stands for.
func generateRoutes(t blobmsg.Table, v6 bool) blobmsg.Array {
	n, _ := t.Int("generate")
	first, _ := t.Int("first_host")
	base, mask := netip.MustParseAddr("10.100.0.0"), "32"
	if v6 {
		base, mask = netip.MustParseAddr("2001:db8:1::1"), "128"
	}
	sum := new(big.Int).SetBytes(base.AsSlice())
	sum.Add(sum, big.NewInt(first))
	list := make(blobmsg.Array, 0, n)
	for range n {
		a, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, base.BitLen()/8)))
		list = append(list, blobmsg.Table{{Name: "target", Value: a.String()}, {Name: "netmask", Value: mask}})
		sum.Add(sum, big.NewInt(1))
	}
	return list
}

// settle waits until everything is as recorded.
func (r *notifyRun) settle(k int, s *notifyStep) {
	r.t.Helper()
	for end := time.Now().Add(settleTime); ; time.Sleep(50 * time.Millisecond) {
		hotplug, lines := r.hotplugEvents(), r.fileLines(linesFile)
		want, got := r.compare(s, hotplug[r.hotplugs:], lines[r.handled:])
		diff := gocmp.Diff(want, got)
		if diff == "" || time.Now().After(end) {
			if diff != "" {
				r.t.Errorf("step %d (-want +got):\n%s", k, diff)
			}
			r.hotplugs, r.handled = len(hotplug), len(lines)
			return
		}
	}
}

// compare puts the recorded state beside the present one, in the same form.
func (r *notifyRun) compare(s *notifyStep, hotplug []HotplugEvent, lines []string) (want, got object) {
	want, got = object{}, object{}
	if recorded, has := s.all["status"]; has {
		want["status"], got["status"] = r.compareStatus(recorded)
	}
	dev := "t0"
	if r.c.ShownDevice != "" {
		dev = r.c.ShownDevice
	}
	compareKernel(want, got, s.all, r.kernelState(dev))
	if t1, ok := s.all["t1"].(object); ok {
		w, g := object{}, object{}
		compareKernel(w, g, t1, r.kernelState("t1"))
		want["t1"], got["t1"] = w, g
	}
	recorded, _ := s.all["rules"].([]any)
	want["rules"] = sorted(append([]any{}, recorded...))
	got["rules"] = sorted(asRecorded(r.rules(), recorded, ruleMembers))
	if recorded, has := s.all["hotplug"].([]any); has {
		want["hotplug"], got["hotplug"] = comparableEvents(recorded), hotplugJSON(hotplug, "e0")
	}
	recorded, _ = s.all["handler"].([]any)
	want["handler"], got["handler"] = append([]any{}, recorded...), stringsJSON(lines)
	return want, got
}

func (r *notifyRun) compareStatus(recorded any) (want, got any) {
	want = recorded
	w, _ := recorded.(object)
	if rc, ok := w["rc"]; ok {
		_, have := r.lab.call("network.interface.e0", "status", nil)
		return rc, float64(have)
	}
	status := r.statusOf("e0")
	if status == nil || w == nil {
		return want, status
	}
	g := trimStatus(status, w)
	for name, v := range g {
		if list, ok := v.([]any); ok {
			g[name] = shorten(list, w[name])
		}
	}
	return trimStatus(w, w), g
}

// compareKernel takes the members addr, routes4 and routes6.
func compareKernel(want, got, recorded object, k kernelState) {
	for _, part := range []struct {
		name    string
		list    []any
		members []string
	}{
		{"addr", k.addr, addrMembers}, {"routes4", k.routes4, routeMembers}, {"routes6", k.routes6, routeMembers},
	} {
		w, has := recorded[part.name]
		if !has {
			continue
		}
		want[part.name] = sorted(w)
		if k.gone {
			got[part.name] = nil
		} else {
			got[part.name] = sorted(asRecorded(part.list, w, part.members))
		}
	}
}

// A recording must not be passed over for the lack of something to compare: what
// the steps have, the test must know.
func TestNotifyStepsAreUnderstood(t *testing.T) {
	known := []string{
		"step", "notify", "call", "command", "set_options", "wait_s", "rc", "status",
		"addr", "routes4", "routes6", "t1", "rules", "hotplug", "handler",
		"differs_in", "volatile", "description", "note", // say nothing of this netifd
	}
	for _, file := range notifyFiles(t, conformance.Dir(t, "netifd")) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct{ Steps []object }
		if err := json.NewDecoder(bytes.NewReader(b)).Decode(&c); err != nil {
			t.Fatal(err)
		}
		for k, s := range c.Steps {
			for name := range s {
				if !slices.Contains(known, name) {
					t.Errorf("%s: step %d has a member %q that no test looks at", filepath.Base(file), k, name)
				}
			}
		}
	}
}
