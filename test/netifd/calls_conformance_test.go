package netifd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// callsCase is a line of calls.json.
type callsCase struct {
	Name           string            `json:"name"`
	Dump           json.RawMessage   `json:"dump"`
	Options        optionLines       `json:"options"`
	HandlerDoes    map[string]string `json:"handler_does"`
	IgnoresSIGTERM bool              `json:"handler_ignores_sigterm"`
	Runs           []callsRun        `json:"runs"`
	RunsTotal      int               `json:"runs_total"`
	RestartLoop    string            `json:"restart_loop"`
	Volatile       []string          `json:"volatile"`
	Steps          []callsStep       `json:"steps"`
}

// callsRun is a start of the handler, and its end.
type callsRun struct {
	Action       string            `json:"action"`
	Start        float64           `json:"start_s"`
	End          *float64          `json:"end_s"`
	Gone         *float64          `json:"gone_s"`
	Argv         []any             `json:"argv"`
	Env          []string          `json:"env"`
	EnvValues    map[string]string `json:"env_values"`
	Cwd          string            `json:"cwd"`
	Fds          []string          `json:"fds"`
	FdsSame      *bool             `json:"fds_same"`
	Stdin        *string           `json:"stdin_read"`
	OwnGroup     bool              `json:"own_process_group"`
	Umask        string            `json:"umask"`
	Exit         *int              `json:"exit"`
	Signals      [][]any           `json:"signals"`
	StillRunning *bool             `json:"still_running"`
}

type callsStep struct {
	At      float64           `json:"at_s"`
	Wait    float64           `json:"wait_s"`
	Call    []json.RawMessage `json:"call"`
	Config  json.RawMessage   `json:"config"`
	Command string            `json:"command"`
	RC      *int              `json:"rc"`
	Status  object            `json:"status"`
	TaskLog []string          `json:"task_log"`
}

// optionLines are lines of a section; of many, the first and the last are given,
// whose addresses count up between.
type optionLines []string

func (o *optionLines) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, (*[]string)(o)) == nil {
		return nil
	}
	var many struct {
		Count int
		First string
	}
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	before, rest, _ := strings.Cut(many.First, "'")
	addr, after, ok := strings.Cut(rest, "/")
	a, err := netip.ParseAddr(addr)
	if !ok || err != nil {
		return fmt.Errorf("option lines %q: no address", many.First)
	}
	for range many.Count {
		*o = append(*o, fmt.Sprintf("%s'%s/%s", before, a, after))
		a = a.Next()
	}
	return nil
}

// Seconds by which times may differ from the recorded ones.
const (
	// early is for beginnings: some recordings lie up to 0.3 s behind what
	// made a run begin.
	early = 0.4
	// late is for all times: netifd's own, 1 s and 5 s, show there. To it
	// comes how much the machine was late meanwhile.
	late = 0.2
)

// beside bounds the cases that run at a time: most of them wait, but all have
// times to keep.
var beside = make(chan struct{}, 8)

// taskLog is the file that stands for $LOG in commands.
const taskLog = "task.log"

func TestConformanceCalls(t *testing.T) {
	needNamespaces(t)
	for _, c := range readCases[callsCase](t, "calls.json") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			beside <- struct{}{}
			defer func() { <-beside }()
			newCallsRun(t, c).all()
		})
	}
}

// A callsLab is a case at work.
type callsLab struct {
	*lab
	c     callsCase
	zero  time.Time // of the recording: the reload that makes the interface
	tasks int       // lines of the task's log that earlier steps have told

	mu       sync.Mutex
	gone     map[int]time.Time // by pid: when a handler was seen to be gone
	lateness float64           // the longest time, in seconds, that a shell took to do nothing
}

func newCallsRun(t testing.TB, c callsCase) *callsLab {
	l := &callsLab{lab: newLab(t, "t0"), c: c}
	l.installHandler(handlerPlan{
		Dump: c.Dump, Does: c.HandlerDoes, IgnoresSIGTERM: c.IgnoresSIGTERM, Slow: c.RestartLoop != "",
	})
	l.write("", "config", "network")
	l.start()
	l.gone = map[int]time.Time{}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { l.watchRuns(stop) })
	watching.Go(func() { l.watchMachine(stop) })
	t.Cleanup(func() {
		close(stop)
		watching.Wait()
	})
	return l
}

// watchMachine finds out how late the machine is: a handler that does next to
// nothing takes some of the times that this takes.
func (l *callsLab) watchMachine(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
		begun := time.Now()
		if err := exec.Command("/bin/sh", "-c", ":").Run(); err != nil {
			return
		}
		l.mu.Lock()
		l.lateness = max(l.lateness, time.Since(begun).Seconds())
		l.mu.Unlock()
	}
}

// watchRuns looks for handlers that are gone.
func (l *callsLab) watchRuns(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(30 * time.Millisecond):
		}
		for _, e := range l.handlerEvents() {
			l.mu.Lock()
			if e.Start != nil && l.gone[e.Pid].IsZero() && syscall.Kill(e.Pid, 0) != nil {
				l.gone[e.Pid] = time.Now()
			}
			l.mu.Unlock()
		}
	}
}

func (l *callsLab) writeConfig(options []string) {
	l.t.Helper()
	text := "config interface 'e0'\n\toption proto 'elf'\n"
	for _, o := range options {
		text += "\t" + o + "\n"
	}
	l.write(text, "config", "network")
}

func (l *callsLab) all() {
	l.writeConfig(l.c.Options)
	l.zero = time.Now()
	if _, rc := l.call("network", "reload", nil); rc != 0 {
		l.t.Fatalf("reload: %d", rc)
	}
	for k := range l.c.Steps {
		s := &l.c.Steps[k]
		if k == 0 {
			s.Wait = 0.6
		}
		l.sleepUntil(s.At)
		rc, ok := l.do(s)
		if s.RC != nil && ok && rc != *s.RC {
			l.t.Errorf("step %d: return code %d, want %d", k, rc, *s.RC)
		}
		l.sleepUntil(s.At + s.Wait)
		l.settle(k, s)
	}
	l.checkRuns()
}

func (l *callsLab) sleepUntil(at float64) {
	time.Sleep(time.Until(l.zero.Add(time.Duration(at * float64(time.Second)))))
}

func (l *callsLab) do(s *callsStep) (rc int, ok bool) {
	switch {
	case s.Call != nil:
		call := slices.Clone(s.Call)
		for k := range call {
			call[k] = json.RawMessage(strings.ReplaceAll(string(call[k]), "$LOG", l.path(taskLog)))
		}
		return l.callOf(call), true
	case s.Config != nil:
		var options optionLines
		if err := json.Unmarshal(s.Config, &options); err != nil {
			l.t.Fatal(err)
		}
		if string(s.Config) == "null" {
			l.write("", "config", "network")
		} else {
			l.writeConfig(options)
		}
		_, rc = l.call("network", "reload", nil)
		return rc, true
	case s.Command != "":
		out, err := exec.Command("/bin/sh", "-c", s.Command).CombinedOutput()
		if err != nil {
			l.t.Errorf("%s: %v\n%s", s.Command, err, out)
		}
	}
	return 0, false
}

// settle waits until the status and the task's log are as recorded.
func (l *callsLab) settle(k int, s *callsStep) {
	l.t.Helper()
	for end := time.Now().Add(settleTime); ; time.Sleep(20 * time.Millisecond) {
		var got object
		if status := l.statusOf("e0"); status != nil {
			got = trimStatus(status, s.Status)
		}
		want := s.Status
		if want != nil {
			want = trimStatus(want, want)
		}
		tasks := l.fileLines(taskLog)
		diff := gocmp.Diff(want, got) + gocmp.Diff(s.TaskLog, nilIfEmpty(tasks[l.tasks:]))
		if diff == "" || time.Now().After(end) {
			if diff != "" {
				l.t.Errorf("step %d, %.2f s (-want +got):\n%s", k, time.Since(l.zero).Seconds(), diff)
			}
			l.tasks = len(tasks)
			return
		}
	}
}

func nilIfEmpty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// A seenRun is a run of the handler as it recorded itself.
type seenRun struct {
	handlerRun
	pid     int
	start   float64
	end     *float64
	exit    *int
	signals []string
	running bool
}

func (l *callsLab) seenRuns() []*seenRun {
	var runs []*seenRun
	byPid := map[int]*seenRun{}
	for _, e := range l.handlerEvents() {
		at := float64(e.Time-l.zero.UnixNano()) / 1e9
		if e.Start != nil {
			byPid[e.Pid] = &seenRun{handlerRun: *e.Start, pid: e.Pid, start: at}
			runs = append(runs, byPid[e.Pid])
		}
		r := byPid[e.Pid]
		if r == nil {
			continue
		}
		if e.Signal != "" {
			r.signals = append(r.signals, e.Signal)
		}
		if e.Exit != nil {
			r.end, r.exit = &at, e.Exit
		}
	}
	for _, r := range runs {
		r.running = r.exit == nil && syscall.Kill(r.pid, 0) == nil
	}
	if l.c.Name != "dump-call" {
		runs = slices.DeleteFunc(runs, func(r *seenRun) bool { return r.action() == "dump" })
	}
	return runs
}

func (r *seenRun) action() string {
	if len(r.Argv) > 2 {
		return r.Argv[2]
	}
	return ""
}

func (l *callsLab) checkRuns() {
	l.t.Helper()
	runs := l.seenRuns()
	loop := l.c.RestartLoop != ""
	if loop {
		if len(runs) < 5*len(l.c.Runs) {
			l.t.Errorf("%d runs: the restarts do not go on", len(runs))
		}
		runs = runs[:min(len(runs), len(l.c.Runs))]
	}
	var got, want []string
	for _, r := range runs {
		got = append(got, r.action())
	}
	for _, r := range l.c.Runs {
		want = append(want, r.Action)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		l.t.Fatalf("runs (-want +got):\n%s", diff)
	}
	for k, r := range runs {
		l.checkRun(fmt.Sprintf("run %d (%s)", k, r.action()), &l.c.Runs[k], r)
		if !loop {
			l.checkTimes(fmt.Sprintf("run %d (%s)", k, r.action()), &l.c.Runs[k], r)
		}
	}
}

// checkRun compares what the handler was given and how it ended.
func (l *callsLab) checkRun(name string, want *callsRun, got *seenRun) {
	l.t.Helper()
	l.checkArgv(name, want.Argv, got.Argv)
	type given struct {
		Env           []string
		Cwd           string
		Fds           []string
		OwnGroup      bool
		Umask, Stdin  string
		FdsSame       bool
		Exit, Signals any
	}
	if *openwrt { // Debian's shell has none
		want.Env = slices.DeleteFunc(slices.Clone(want.Env), func(name string) bool { return name == "SHLVL" })
	}
	w := given{Env: want.Env, Cwd: l.path("proto", want.Cwd), Fds: want.Fds, OwnGroup: want.OwnGroup, Umask: want.Umask}
	g := given{Cwd: got.Cwd, Fds: got.Fds, OwnGroup: got.OwnGroup, Umask: got.Umask}
	for name := range got.Env {
		g.Env = append(g.Env, name)
	}
	slices.Sort(g.Env)
	if want.FdsSame != nil {
		w.FdsSame, g.FdsSame = *want.FdsSame, got.FdsSame
	}
	if want.Stdin != nil {
		w.Stdin, g.Stdin = *want.Stdin, got.handlerRun.Stdin
	}
	if len(l.c.Volatile) == 0 {
		w.Exit, g.Exit = want.Exit, got.exit
		var signals []string
		for _, s := range want.Signals {
			signals = append(signals, fmt.Sprint(s[0]))
		}
		w.Signals, g.Signals = signals, got.signals
	}
	if diff := gocmp.Diff(w, g); diff != "" {
		l.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	for name, value := range want.EnvValues {
		if got.Env[name] != value {
			l.t.Errorf("%s: %s=%q, want %q", name, name, got.Env[name], value)
		}
	}
	if want.StillRunning != nil && len(l.c.Volatile) == 0 && got.running != *want.StillRunning {
		l.t.Errorf("%s: still running: %v, want %v", name, got.running, *want.StillRunning)
	}
}

// checkArgv compares arguments, of which long ones are recorded by their ends.
func (l *callsLab) checkArgv(name string, want []any, got []string) {
	l.t.Helper()
	for k, w := range want {
		if k >= len(got) {
			break
		}
		if long, ok := w.(object); ok {
			head, _ := long["head"].(string)
			tail, _ := long["tail"].(string)
			if long["len"] != float64(len(got[k])) || !strings.HasPrefix(got[k], head) || !strings.HasSuffix(got[k], tail) {
				l.t.Errorf("%s: argument %d has %d characters and begins with %.100q, want %v",
					name, k, len(got[k]), got[k], long)
			}
		} else if w != got[k] {
			l.t.Errorf("%s: argument %d is\n%s, want\n%s", name, k, got[k], w)
		}
	}
	if len(want) != len(got) {
		l.t.Errorf("%s: %d arguments, want %d: %q", name, len(got), len(want), got)
	}
}

// checkTimes compares the beginning of a run, and its length or the time from
// what ended it to its disappearance.
func (l *callsLab) checkTimes(name string, want *callsRun, got *seenRun) {
	l.t.Helper()
	l.mu.Lock()
	slack := 4 * l.lateness
	gone := l.gone[got.pid].Sub(l.zero).Seconds()
	l.mu.Unlock()
	check := func(what string, got, want, early float64) {
		if got < want-early-slack || got > want+late+slack {
			l.t.Errorf("%s: %s %.2f s, want %.2f s (the machine was up to %.2f s late)", name, what, got, want, slack)
		}
	}
	if got.action() != "dump" { // comes before the time that counts
		check("started at", got.start, want.Start, early)
	}
	if want.End != nil && got.end != nil {
		check("took", *got.end-got.start, *want.End-want.Start, late)
	}
	if want.Gone != nil {
		check("gone at", gone, *want.Gone, early)
	}
}
