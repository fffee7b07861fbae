package netifd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// workshop is an engine that does nothing but run processes.
type workshop struct {
	e  *engine
	p  process
	mu sync.Mutex

	lines []string
	ended chan int
}

func newWorkshop(t *testing.T) *workshop {
	w := &workshop{ended: make(chan int, 4)}
	w.e = &engine{loop: newLoop(), cfg: Config{
		ProtoDir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH"), "GIVEN=a"},
		Log: func(line string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.lines = append(w.lines, line)
		},
	}}
	w.p = process{e: w.e, prefix: "e0", ended: func(status int) { w.ended <- status }}
	go w.e.loop.run()
	t.Cleanup(func() {
		w.do(t, w.p.kill)
		w.e.loop.stop()
		<-w.e.loop.done
	})
	return w
}

func (w *workshop) do(t *testing.T, f func()) {
	t.Helper()
	if err := w.e.loop.do(context.Background(), f); err != nil {
		t.Error(err)
	}
}

func (w *workshop) start(t *testing.T, env []string, argv ...string) {
	t.Helper()
	w.do(t, func() {
		if err := w.p.start(argv, env); err != nil {
			t.Errorf("start: %v", err)
		}
	})
}

// wait returns the status of the process; -1 if it does not end.
func (w *workshop) wait() int {
	select {
	case status := <-w.ended:
		return status
	case <-time.After(20 * time.Second):
		return -1
	}
}

// texts is the lines logged so far without their prefixes.
func (w *workshop) texts(t *testing.T) []string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var texts []string
	for _, line := range w.lines {
		prefix, text, ok := strings.Cut(line, "): ")
		if !ok || !strings.HasPrefix(prefix, "e0 (") {
			t.Errorf("line without prefix: %q", line)
		}
		texts = append(texts, text)
	}
	return texts
}

func TestProcessOutputAndStatus(t *testing.T) {
	w := newWorkshop(t)
	w.start(t, []string{"ERROR=3", "GIVEN=b"}, "sh", "-c", `pwd; echo "$GIVEN $ERROR"; echo err >&2; printf unfinished; exit 7`)
	if status := w.wait(); status != 7 {
		t.Errorf("status %d, want 7", status)
	}
	if diff := gocmp.Diff([]string{w.e.cfg.ProtoDir, "b 3", "err"}, w.texts(t)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// A child that the handler leaves behind holds the pipe; its parent's end is
// noticed all the same.
func TestProcessWithAChildThatLivesOn(t *testing.T) {
	w := newWorkshop(t)
	w.start(t, nil, "sh", "-c", "sleep 20 & echo last")
	begun := time.Now()
	if status := w.wait(); status != 0 || time.Since(begun) > 10*time.Second {
		t.Errorf("status %d after %v", status, time.Since(begun))
	}
	if diff := gocmp.Diff([]string{"last"}, w.texts(t)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestProcessThatCannotBeExecuted(t *testing.T) {
	w := newWorkshop(t)
	for name, argv := range map[string][]string{
		"missing":      {"./nosuch.sh"},
		"not in PATH":  {"nosuch-command"},
		"no arguments": {},
		"too long":     {"./elf.sh", strings.Repeat("x", 200_000)},
		"a folder":     {"."},
	} {
		if err := os.WriteFile(filepath.Join(w.e.cfg.ProtoDir, "elf.sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		w.start(t, nil, argv...)
		if status := w.wait(); status != execFailed {
			t.Errorf("%s: status %d, want %d", name, status, execFailed)
		}
	}
}

// A script without a first line that names its shell is one for /bin/sh.
func TestProcessWithoutInterpreter(t *testing.T) {
	w := newWorkshop(t)
	if err := os.WriteFile(filepath.Join(w.e.cfg.ProtoDir, "elf.sh"), []byte("echo $1 $2; exit 4\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.start(t, nil, "./elf.sh", "a", "b")
	if status := w.wait(); status != 4 {
		t.Errorf("status %d, want 4", status)
	}
	if diff := gocmp.Diff([]string{"a b"}, w.texts(t)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestProcessSignals(t *testing.T) {
	w := newWorkshop(t)
	w.start(t, nil, "sleep", "30")
	w.do(t, func() { w.p.signal(syscall.SIGTERM) })
	if status := w.wait(); status != 0 {
		t.Errorf("ended by a signal: status %d, want 0", status)
	}
	w.start(t, nil, "sleep", "30")
	w.start(t, nil, "sh", "-c", "exit 5") // takes the place of the other
	if status := w.wait(); status != 5 {
		t.Errorf("the one that was replaced was told of: %d", status)
	}
	w.start(t, nil, "sleep", "30")
	w.do(t, func() {
		w.p.kill()
		if w.p.pending() {
			t.Error("pending after kill")
		}
		w.p.signal(syscall.SIGTERM) // of nobody
	})
	select {
	case status := <-w.ended:
		t.Errorf("told of one that was killed: %d", status)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestLineLogger(t *testing.T) {
	long := strings.Repeat("x", maxLogLine)
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"lines in pieces", []string{"a", "b\nc", "d\n", "e"}, []string{"ab", "cd"}},
		{"empty lines", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"ends at NUL", []string{"a\x00b\nc\n"}, []string{"a", "c"}},
		{"too long", []string{long, "rest", "more\nnext\n"}, []string{long + " [...]", "next"}},
		{"as long as possible", []string{long[1:] + "\nnext\n"}, []string{long[1:], "next"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			l := lineLogger{log: func(line string) { got = append(got, line) }}
			for _, s := range tt.writes {
				l.write([]byte(s))
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}
