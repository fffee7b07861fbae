package rpcd

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// callCase is a case about a call.
type callCase struct {
	description string
	via         string
	steps       []step
	notWaited   bool // the recorded answer came before their end
	noSteps     bool // the plugin does nothing because it cannot be started
	runs        []json.RawMessage
	status      *int
	hasStatus   bool
	session     string // may do everything
	limited     string // may call plain only
	invoke      string
	markers     []string
	hasMarkers  bool

	ubus, withoutS, next *commandResult
	http                 *httpResult

	before, after, later []string // object names
	alive, aliveLater    *bool
	cpuMS                *float64
	processes            *int
}

// commandResult is what the command ubus, or a C program, was called with and
// printed.
type commandResult struct {
	argv           []string
	exit           int
	stdout, stderr *text
	ms             *float64
	argument       *struct {
		Name, Fill string
		Len        int
	}
}

func readCommand(o *object) *commandResult {
	if o == nil {
		return nil
	}
	r := &commandResult{argv: o.words("argv"), stdout: o.text("stdout"), stderr: o.text("stderr")}
	if !o.take("exit", &r.exit) || r.stdout == nil || r.stderr == nil {
		o.failf("exit, stdout or stderr is missing")
	}
	o.take("ms", &r.ms)
	o.take("argument", &r.argument)
	return r
}

// httpResult is a request and its answer.
type httpResult struct {
	method, path string
	headers      map[string]string
	body         *text // nil is none

	status      int
	wantHeaders map[string]string
	wantBody    *text
	ms          *float64
}

func readHTTP(o *object) (*httpResult, []*object) {
	if o == nil {
		return nil, nil
	}
	r := &httpResult{}
	request, response := o.object("request"), o.object("response")
	o.take("ms", &r.ms)
	if request == nil || response == nil {
		o.failf("request or response is missing")
		return r, nil
	}
	request.take("method", &r.method)
	request.take("path", &r.path)
	request.take("headers", &r.headers)
	r.body = request.text("body")
	response.take("status", &r.status)
	response.take("headers", &r.wantHeaders)
	r.wantBody = response.text("body")
	return r, []*object{request, response}
}

func readCall(t *testing.T, o *object) callCase {
	t.Helper()
	var c callCase
	o.take("description", &c.description)
	o.take("via", &c.via)
	var present bool
	c.steps, present = o.takeSteps("plugin_steps")
	c.noSteps = present && len(c.steps) == 0
	if !o.take("runs", &c.runs) || !present {
		o.failf("runs or plugin_steps is missing")
	}
	c.hasStatus = o.take("ubus_status", &c.status)
	o.take("session", &c.session)
	o.take("limited_session", &c.limited)
	o.take("invoke_attributes_hex", &c.invoke)
	c.hasMarkers = o.take("markers_reached", &c.markers)
	o.take("objects_before", &c.before)
	o.take("objects_after", &c.after)
	o.take("objects_after_5s", &c.later)
	o.take("daemon_alive", &c.alive)
	o.take("daemon_alive_after_5s", &c.aliveLater)
	o.take("daemon_cpu_ms_in_5s", &c.cpuMS)
	o.take("daemon_processes", &c.processes)
	inner := []*object{o.object("ubus"), o.object("ubus_without_S"), o.object("next_call"), o.object("http")}
	c.ubus, c.withoutS, c.next = readCommand(inner[0]), readCommand(inner[1]), readCommand(inner[2])
	var parts []*object
	c.http, parts = readHTTP(inner[3])
	if err := o.end(append(inner, parts...)...); err != nil {
		t.Fatal(err)
	}
	return c
}

// testCall is a case about a call and its answer.
func testCall(t *testing.T, o *object, launch launcher) {
	c := readCall(t, o)
	c.lengthen()
	b := newBed(t)
	b.add(t, "wg", orders{List: []step{{Print: []byte(standardList)}}, Call: c.steps, Quiet: true})
	socket := broker(t)
	bus := connect(t, socket)
	d := launch(t, Config{
		Socket: socket, PluginDir: b.plugins(), Timeout: c.timeout(), Env: recordedEnv, Dir: recordedCallDir,
	})
	if d == nil {
		t.Fatal("the daemon does not come up")
	}
	for id, g := range map[string]Grant{
		c.session: {Object: "*", Function: "*"},
		c.limited: {Object: "wg", Function: "plain"},
	} {
		if r, ok := d.(*Rpcd); ok && id != "" {
			r.AddSession(id, 0, g)
		}
	}
	if c.noSteps {
		b.spoil(t, "wg", c.description)
	}
	checkNames := func(what string, want []string) {
		if want == nil {
			return
		}
		got, _ := busObjects(t, bus)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	checkNames("objects_before", c.before)

	call(t, c, socket)
	c.checkNotWaited(t, b.runs(t))
	if c.processes != nil && d.Processes() != *c.processes {
		t.Errorf("daemon_processes: %d, want %d", d.Processes(), *c.processes)
	}
	if c.hasMarkers {
		b.waitForEnd(t, c.steps)
		want := slices.Sorted(slices.Values(c.markers))
		if diff := gocmp.Diff(want, b.markers(t), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("markers_reached (-want +got):\n%s", diff)
		}
	}
	compareRuns(t, b, d, c.runs)
	checkNames("objects_after", c.after)
	checkAlive(t, "daemon_alive", d, c.alive)
	if c.later != nil || c.aliveLater != nil || c.cpuMS != nil {
		time.Sleep(5 * time.Second)
		checkNames("objects_after_5s", c.later)
		checkAlive(t, "daemon_alive_after_5s", d, c.aliveLater)
	}
	if c.cpuMS != nil && (*c.cpuMS > 2500) != (d.Spinning() > 0) {
		t.Errorf("daemon_cpu_ms_in_5s: %v recorded, %d processes in an endless loop", *c.cpuMS, d.Spinning())
	}
	for _, r := range []*commandResult{c.withoutS, c.next} {
		if r != nil {
			checkCommand(t, socket, r)
		}
	}
}

func checkAlive(t *testing.T, what string, d daemon, want *bool) {
	t.Helper()
	alive := true
	select {
	case <-d.Done():
		alive = false
	default:
	}
	if want != nil && *want != alive {
		t.Errorf("%s: %v, want %v", what, alive, *want)
	}
}

// waitForEnd waits until the plugins have ended, but not much longer than their
// steps take: what they reach by then they reach.
func (b bed) waitForEnd(t *testing.T, steps []step) {
	t.Helper()
	deadline := time.Now().Add(waits(steps) + 20*time.Second)
	for _, r := range b.runs(t) {
		for unix.Kill(r.PID, 0) == nil && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// answered is how long the recorded answer took; ok is false where none was.
func (c callCase) answered() (took time.Duration, ok bool) {
	var ms *float64
	if c.ubus != nil {
		ms = c.ubus.ms
	}
	if c.http != nil {
		ms = c.http.ms
	}
	if ms == nil {
		return 0, false
	}
	return time.Duration(*ms * float64(time.Millisecond)), true
}

// lengthen makes what the recorded daemon did not wait for last much longer: then
// a busy machine's late answer comes before the end of it all the same.
func (c *callCase) lengthen() {
	const longer = 5
	took, ok := c.answered()
	c.notWaited = ok && took+500*time.Millisecond < waits(c.steps)
	for n := range c.steps {
		if c.notWaited {
			c.steps[n].SleepMS *= longer
			c.steps[n].ChildMS *= longer
			c.steps[n].WaitMS *= longer
		}
	}
}

// timeout is the daemon's limit for the call. On a busy machine a plugin has to
// come as far as the recorded one before it ends.
func (c *callCase) timeout() time.Duration {
	const never = time.Minute // not reached there, nor here
	took, ok := c.answered()
	switch {
	case waits(c.steps) < recordedTimeout, ok && took < recordedTimeout:
		return never
	case c.notWaited: // it was what ended the call: the steps last much longer here
		return 3 * recordedTimeout
	default:
		return recordedTimeout
	}
}

// checkNotWaited tells whether the answer came before the end of what the
// recorded daemon did not wait for either. The plugin has been at work since it
// wrote down its start; how long it took to get there does not matter.
func (c callCase) checkNotWaited(t *testing.T, runs []sawRun) {
	t.Helper()
	if !c.notWaited || len(runs) == 0 {
		return
	}
	if took := time.Since(runs[len(runs)-1].Time); took >= waits(c.steps) {
		t.Errorf("the answer came after %v: it waited for what the plugin did", took)
	}
}

// call makes the call of the case and compares what the caller sees.
func call(t *testing.T, c callCase, socket string) {
	t.Helper()
	switch {
	case c.via == "ubus" && c.ubus != nil:
		checkStatus(t, c, checkCommand(t, socket, c.ubus))
	case c.via == "http" && c.http != nil:
		checkHTTP(t, c, socket)
	case c.via == "library" && c.ubus != nil && c.ubus.argument != nil:
		checkStatus(t, c, checkLibrary(t, socket, c.ubus))
	case c.via == "raw" && c.invoke != "":
		attributes, err := hex.DecodeString(c.invoke)
		if err != nil {
			t.Fatal(err)
		}
		checkStatus(t, c, rawInvoke(t, socket, "wg", attributes))
	default:
		t.Fatalf("cannot make a call via %q from what is recorded", c.via)
	}
}

// checkStatus compares the status that a caller got. null is no answer, for
// which libubus has a status of its own, or a call that was never made.
func checkStatus(t *testing.T, c callCase, got int) {
	t.Helper()
	const timeout, parseError = 7, 12
	switch {
	case !c.hasStatus:
	case c.status == nil && got != timeout && got != parseError:
		t.Errorf("ubus_status: %d, want no answer", got)
	case c.status != nil && got != *c.status:
		t.Errorf("ubus_status: %d, want %d", got, *c.status)
	}
}

// checkCommand runs the command ubus and compares its output. It returns the
// call's status.
func checkCommand(t *testing.T, socket string, want *commandResult) (status int) {
	t.Helper()
	begin := time.Now()
	got := runUbus(t, socket, want.argv, want.ms)
	took := time.Since(begin)
	if got.exit != want.exit {
		t.Errorf("%q: exit status %d, want %d", want.argv, got.exit, want.exit)
	}
	if diff := want.stdout.diff(got.stdout); diff != "" {
		t.Errorf("%.200q: stdout:%s", want.argv, diff)
	}
	// What the command says about its own use is not the daemon's.
	wantStderr, usage, hasUsage := strings.Cut(string(want.stderr.whole), "Usage: ubus")
	if want.stderr.long || hasUsage && usage == "" {
		t.Fatalf("cannot compare this stderr: %+v", want.stderr)
	}
	if hasUsage != got.usage || wantStderr != string(got.stderr) {
		t.Errorf("%.200q: stderr %q, usage %v, want %q, %v", want.argv, got.stderr, got.usage, wantStderr, hasUsage)
	}
	if want.ms != nil {
		checkTime(t, strings.Join(want.argv[:min(3, len(want.argv))], " "), took, *want.ms)
	}
	return got.status
}
