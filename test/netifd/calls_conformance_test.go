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
	// comes how late the machine was.
	late = 0.25
)

// taskLog is the file that stands for $LOG in commands.
const taskLog = "task.log"

func TestConformanceCalls(t *testing.T) {
	needNamespaces(t)
	for _, c := range readCases[callsCase](t, "calls.json") {
		t.Run(c.Name, func(t *testing.T) {
			runCase(t, func(t testing.TB, m *machine) { newCallsRun(t, c, m).all() })
		})
	}
}

// A callsLab is a case at work.
type callsLab struct {
	*lab
	c     callsCase
	zero  time.Time // of the recording: the reload that makes the interface
	tasks int       // lines of the task's log that earlier steps have told

	machine *machine

	mu   sync.Mutex
	gone map[int]time.Time // by pid: when a handler was seen to be gone
}

func newCallsRun(t testing.TB, c callsCase, m *machine) *callsLab {
	l := &callsLab{lab: newLab(t, "t0"), c: c, machine: m}
	l.installHandler(handlerPlan{
		Dump: c.Dump, Does: c.HandlerDoes, IgnoresSIGTERM: c.IgnoresSIGTERM, Slow: c.RestartLoop != "",
	})
	l.write("", "config", "network")
	l.start()
	l.gone = map[int]time.Time{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		l.watchRuns(stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	return l
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
