package rpcd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The plugin of the recordings wrote down how it was started and then did some
// steps. Here it is this test program, behind a shell script: Go's runtime
// changes what signals do before any code of ours runs, and a shell does not.
// What the script costs is the first argument: the kernel replaces it by the
// script's path. TestPluginIsAProgram looks at that.

// pluginMode is the first argument of this program when it is a plugin.
const pluginMode = "rpcd-test-plugin"

// writeScript writes the plugin. It finds its files beside its folder. The
// status is not read by cat: a shell that waits for a child blocks signals.
func writeScript(path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text := `#!/bin/sh
state=${0%/*/*}/state
list=$state/${0##*/}.list
if [ "$1" = list ] && [ -e "$list" ]; then exec cat "$list"; fi
while IFS= read -r line; do printf '%s\n' "$line"; done </proc/$$/status >"$state/$$.status"
cat /proc/$$/environ >"$state/$$.environ"
exec '` + self + `' ` + pluginMode + ` "$state" "$0" "$@"
`
	return os.WriteFile(path, []byte(text), 0o755)
}

// bed is the folder of one test: plugins, what they are to do, what they saw.
type bed struct{ dir string }

func newBed(t *testing.T) bed {
	t.Helper()
	b := bed{t.TempDir()}
	for _, d := range []string{b.plugins(), b.state()} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b bed) plugins() string           { return filepath.Join(b.dir, "rpcd") }
func (b bed) plugin(name string) string { return filepath.Join(b.plugins(), name) }
func (b bed) state() string             { return filepath.Join(b.dir, "state") }

// orders are what a plugin does for each of its two tasks.
type orders struct {
	List []step `json:"list"`
	Call []step `json:"call"`
	// Quiet plugins only print their list and do not write down that they did.
	Quiet bool `json:"quiet"`
}

// add puts a plugin into the folder.
func (b bed) add(t *testing.T, name string, o orders) {
	t.Helper()
	if o.Quiet && len(o.List) == 1 {
		// The script does it: it starts much faster than this program.
		if err := os.WriteFile(filepath.Join(b.state(), name+".list"), o.List[0].Print, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.List, o.Call = b.toFiles(t, o.List), b.toFiles(t, o.Call)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.state(), name+".orders"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(sharedScript, b.plugin(name)); err != nil {
		t.Fatal(err)
	}
}

// toFiles puts what is printed into files: reading megabytes out of JSON would
// take the plugin longer than a call may.
func (b bed) toFiles(t *testing.T, steps []step) []step {
	t.Helper()
	steps = slices.Clone(steps)
	for i, s := range steps {
		if s.Print == nil {
			continue
		}
		f, err := os.CreateTemp(b.state(), "*.print")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(s.Print); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		steps[i] = step{PrintFile: f.Name()}
	}
	return steps
}

// step is one thing that a plugin does; exactly one member is set.
type step struct {
	Print       []byte `json:"-"`
	PrintFile   string `json:"print_file,omitempty"` // what Print becomes for the plugin
	SleepMS     int    `json:"sleep_ms,omitempty"`
	ExitCode    *int   `json:"exit_code,omitempty"`
	RaiseSignal int    `json:"raise_signal,omitempty"`
	CloseFD     *int   `json:"close_fd,omitempty"`
	StderrBytes int    `json:"stderr_bytes,omitempty"`
	ChildMS     int    `json:"child_keeps_output_open_ms,omitempty"`
	Marker      string `json:"marker,omitempty"`
	WaitMS      int    `json:"wait_before_reading_stdin_ms,omitempty"`
	Until       string `json:"until,omitempty"` // what the test says: see bed.say
}

// sawRun is what a plugin wrote down.
type sawRun struct {
	Time    time.Time         `json:"time"` // when it had read its input
	PID     int               `json:"pid"`
	PPID    int               `json:"ppid"`
	PGID    int               `json:"pgid"`
	SID     int               `json:"sid"`
	Argv    []string          `json:"argv"`
	Env     map[string]string `json:"env"`
	Cwd     string            `json:"cwd"`
	Stdin   []byte            `json:"stdin"`
	EOF     bool              `json:"stdin_eof"`
	FDs     [][2]any          `json:"fds"`
	Umask   string            `json:"umask"`
	UID     int               `json:"uid"`
	GID     int               `json:"gid"`
	Ignored []int             `json:"ignored_signals"`
	Blocked []int             `json:"blocked_signals"`
}

// runs are all starts of plugins so far, in their order.
func (b bed) runs(t *testing.T) []sawRun {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.state(), "*.run"))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]sawRun, len(files)) // Glob sorts
	for i, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &list[i]); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
	return list
}

// markers are the names of the markers that plugins got to.
func (b bed) markers(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.state(), "*.marker"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".marker"))
	}
	return names
}

// say lets plugins go on that wait for this word.
func (b bed) say(t *testing.T, word string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.state(), word+".said"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pluginMain is the plugin: args are its state folder, then its own.
func pluginMain(args []string) int {
	state, argv := args[0], args[1:]
	var o orders
	text, err := os.ReadFile(filepath.Join(state, filepath.Base(argv[0])+".orders"))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	steps, quiet := o.Call, false
	if len(argv) > 1 && argv[1] == "list" {
		steps, quiet = o.List, o.Quiet
	}
	if err == nil && !quiet {
		for _, s := range steps {
			time.Sleep(time.Duration(s.WaitMS) * time.Millisecond)
		}
		err = record(state, argv)
	}
	for _, s := range steps {
		if err == nil {
			err = s.do(state)
		}
	}
	if err != nil {
		// Neither standard output nor standard error is the test's.
		name := filepath.Join(state, fmt.Sprintf("%d.failed", os.Getpid()))
		_ = os.WriteFile(name, []byte(err.Error()), 0o600)
		return 99
	}
	return 0
}

// record reads the input and writes down how the plugin was started.
func record(state string, argv []string) error {
	pid := os.Getpid()
	sid, err := unix.Getsid(0)
	if err != nil {
		return err
	}
	saw := sawRun{
		PID: pid, PPID: os.Getppid(), PGID: unix.Getpgrp(), SID: sid,
		Argv: argv, UID: os.Getuid(), GID: os.Getgid(), FDs: inheritedFDs(),
	}
	mask := unix.Umask(0)
	unix.Umask(mask)
	saw.Umask = fmt.Sprintf("%04o", mask)
	if saw.Cwd, err = os.Getwd(); err != nil {
		return err
	}
	status, err := os.ReadFile(filepath.Join(state, strconv.Itoa(pid)+".status"))
	if err != nil {
		return err
	}
	saw.Ignored = signalSet(string(status), "SigIgn")
	saw.Blocked = signalSet(string(status), "SigBlk")
	environ, err := os.ReadFile(filepath.Join(state, strconv.Itoa(pid)+".environ"))
	if err != nil {
		return err
	}
	saw.Env = map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(environ), "\x00"), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		saw.Env[name] = value
	}
	saw.Stdin, err = io.ReadAll(os.Stdin)
	saw.EOF = err == nil
	saw.Time = time.Now()

	text, err := json.Marshal(saw)
	if err != nil {
		return err
	}
	name := filepath.Join(state, fmt.Sprintf("%020d-%d", saw.Time.UnixNano(), pid))
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name+".run")
}

// inheritedFDs are the open descriptors that came with the start: what this
// program has opened since closes on exec.
func inheritedFDs() [][2]any {
	list := [][2]any{}
	for fd := range 1024 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		kind, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			kind = err.Error()
		}
		if name, _, ok := strings.Cut(kind, ":["); ok {
			kind = name // pipe, socket
		}
		list = append(list, [2]any{fd, kind})
	}
	return list
}

// signalSet is a set of signals in a /proc/PID/status.
func signalSet(status, name string) []int {
	set := []int{}
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return []int{-1}
		}
		for i := range 64 {
			if bits>>i&1 != 0 {
				set = append(set, i+1)
			}
		}
	}
	return set
}

// do does the step; some do not come back.
func (s step) do(state string) error {
	switch {
	case s.PrintFile != "":
		text, err := os.ReadFile(s.PrintFile)
		write(1, text)
		return err
	case s.StderrBytes > 0:
		write(2, []byte(strings.Repeat("e", s.StderrBytes)))
	case s.SleepMS > 0:
		time.Sleep(time.Duration(s.SleepMS) * time.Millisecond)
	case s.Until != "":
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(state, s.Until+".said")); err == nil {
				return nil
			}
		}
		return fmt.Errorf("nobody said %q", s.Until)
	case s.CloseFD != nil:
		return unix.Close(*s.CloseFD)
	case s.Marker != "":
		return os.WriteFile(filepath.Join(state, s.Marker+".marker"), nil, 0o600)
	case s.ChildMS > 0:
		child := exec.Command("sleep", strconv.FormatFloat(float64(s.ChildMS)/1000, 'f', 3, 64))
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		return child.Start()
	case s.ExitCode != nil:
		os.Exit(*s.ExitCode)
	case s.RaiseSignal > 0:
		// Go's runtime handles signals, a shell does not.
		kill := fmt.Sprintf("kill -%d $$", s.RaiseSignal)
		return syscall.Exec("/bin/sh", []string{"sh", "-c", kill}, nil)
	}
	return nil
}

// write writes all of it, or as much as anyone reads.
func write(fd int, text []byte) {
	for len(text) > 0 {
		n, err := unix.Write(fd, text)
		if err != nil {
			return
		}
		text = text[n:]
	}
}

// failures are errors of the plugins themselves.
func (b bed) failures(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.state(), "*.failed"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		t.Errorf("plugin: %s", text)
	}
}
