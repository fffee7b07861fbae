package netifd

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	gocmp "github.com/google/go-cmp/cmp"
)

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
		l.wait("the restarts go on", func() bool {
			runs = l.seenRuns()
			return len(runs) >= 5*len(l.c.Runs)
		})
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
	slack := 5 * l.machine.late()
	l.mu.Lock()
	gone := l.gone[got.pid].Sub(l.zero).Seconds()
	l.mu.Unlock()
	check := func(what string, got, want, early float64) {
		if got < want-early-slack || got > want+late+slack {
			l.t.Errorf("%s: %s %.2f s, want %.2f s", name, what, got, want)
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
