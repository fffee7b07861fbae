package rpcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// The recordings' daemon: its time-out, environment and folders.
const (
	recordedTimeout     = 3 * time.Second
	recordedHTTPTimeout = 10 * time.Second
	recordedPluginDir   = "/usr/libexec/rpcd"
	recordedListDir     = "/"
	recordedCallDir     = "/tmp"
)

var recordedEnv = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "REC_MARKER=from-the-daemon", "HOME=/"}

// standardList is what the plugin of the calls prints for "list".
const standardList = `{"run":{"text":"string","number":1,"flag":true,"list":[],"table":{}},"plain":{},"one":{"a":"x"}}`

// daemon is what is held to the recordings: the stand-in, or the real one.
type daemon interface {
	Processes() int
	Spinning() int
	Done() <-chan struct{}
	// ids are its process, process group and session.
	ids() [3]int
}

// launcher starts a daemon for the time of a test. It returns when the daemon
// has listed its plugins, or with nil when it takes longer than anyone would
// wait for it.
type launcher func(t *testing.T, config Config) daemon

func (r *Rpcd) ids() [3]int {
	sid, _ := unix.Getsid(0) // of this process it does not fail
	return [3]int{os.Getpid(), unix.Getpgrp(), sid}
}

// TestConformance holds the stand-in to every recording.
func TestConformance(t *testing.T) {
	eachCase(t, func(t *testing.T, c *object) { testCase(t, c, launch) })
}

func testCase(t *testing.T, c *object, launch launcher) {
	if _, ok := c.members["plugins"]; ok {
		testList(t, c, launch)
	} else {
		testCall(t, c, launch)
	}
}

// testList is a case about the daemon's start.
func testList(t *testing.T, c *object, launch launcher) {
	var description string
	var plugins map[string][]json.RawMessage
	var runs []json.RawMessage
	var objects map[string]map[string]map[string]string
	var names []string
	var appears *float64
	wantProcesses := 1
	c.take("description", &description)
	c.take("plugins", &plugins)
	c.take("runs", &runs)
	c.take("objects", &objects)
	c.take("object_names", &names)
	c.take("object_appears_after_ms", &appears)
	c.take("daemon_processes", &wantProcesses)
	b := newBed(t)
	for name, list := range plugins {
		b.add(t, name, orders{List: c.parseSteps("plugins."+name, list)})
	}
	if err := c.end(); err != nil {
		t.Fatal(err)
	}
	started := startedNames(t, runs)
	for name := range plugins {
		if !slices.Contains(started, name) {
			b.spoil(t, name, description)
		}
	}

	socket := broker(t)
	watch := connect(t, socket)
	begin := time.Now()
	appeared := make(chan time.Duration, 1)
	go func() {
		var first string
		for first = range objects {
			break
		}
		if first == "" || watch.WaitFor(t.Context(), first) != nil {
			close(appeared)
			return
		}
		appeared <- time.Since(begin)
	}()
	d := launch(t, Config{
		Socket: socket, PluginDir: b.plugins(), Timeout: recordedTimeout, Env: recordedEnv, Dir: recordedListDir,
		order: func(list []string) { slices.SortFunc(list, byPlace(started)) },
	})

	gotNames, gotObjects := busObjects(t, watch)
	if diff := gocmp.Diff(names, gotNames); diff != "" {
		t.Errorf("object_names (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(objects, gotObjects); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if d != nil && d.Processes() != wantProcesses {
		t.Errorf("daemon_processes: %d, want %d", d.Processes(), wantProcesses)
	}
	if appears != nil && d != nil {
		checkTime(t, "object_appears_after_ms", <-appeared, *appears)
	} else if appears != nil {
		t.Error("object_appears_after_ms: it never does")
	}
	if d != nil {
		compareRuns(t, b, d, runs)
	}
}

// patience is how long a start may take before we look at the bus anyway.
const patience = 10 * time.Second

// launch starts the stand-in.
func launch(t *testing.T, config Config) daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var d *Rpcd
	var err error
	go func() {
		defer close(done)
		d, err = Start(ctx, config)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if d != nil {
			_ = d.Close()
		}
	})
	select {
	case <-done:
	case <-time.After(patience):
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// startedNames are the plugins that were started, in their order, which is that
// of the folder.
func startedNames(t *testing.T, runs []json.RawMessage) (names []string) {
	for _, raw := range runs {
		var run struct{ Argv []string }
		if err := json.Unmarshal(raw, &run); err != nil || len(run.Argv) == 0 {
			t.Fatalf("run %s: %v", raw, err)
		}
		names = append(names, run.Argv[0][strings.LastIndexByte(run.Argv[0], '/')+1:])
	}
	return names
}

// byPlace orders as a list does; what is not in it comes last.
func byPlace(list []string) func(a, b string) int {
	place := func(s string) int {
		if i := slices.Index(list, s); i >= 0 {
			return i
		}
		return len(list)
	}
	return func(a, b string) int { return place(a) - place(b) }
}

// busObjects are the names of all objects, and the signatures of those that
// plugins made, with types as `ubus -v list` names them.
func busObjects(t *testing.T, conn *ubus.Conn) (names []string, objects map[string]map[string]map[string]string) {
	t.Helper()
	list, err := conn.Lookup(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	types := map[blobmsg.Type]string{
		blobmsg.TypeBool: "Boolean", blobmsg.TypeInt32: "Integer", blobmsg.TypeString: "String",
		blobmsg.TypeArray: "Array", blobmsg.TypeTable: "Table",
	}
	names, objects = []string{}, map[string]map[string]map[string]string{}
	for _, o := range list {
		names = append(names, o.Path)
		if slices.Contains([]string{"rc", "session", "uci"}, o.Path) {
			continue
		}
		methods := map[string]map[string]string{}
		for _, m := range o.Methods {
			methods[m.Name] = map[string]string{}
			for _, a := range m.Args {
				name, ok := types[a.Type]
				if !ok {
					name = "(unknown)"
				}
				methods[m.Name][a.Name] = name
			}
		}
		objects[o.Path] = methods
	}
	return names, objects
}

// spoil does to a plugin's file what only the description of a case tells, for
// files that were not started.
func (b bed) spoil(t *testing.T, name, description string) {
	t.Helper()
	path := b.plugin(name)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(description, w) })
	}
	err := os.Remove(path)
	switch {
	case err != nil:
	case has("removed", "deleted"):
	case has("not executable", "no longer executable", "mode 0644"):
		err = os.WriteFile(path, []byte("#!/bin/sh\n"), 0o644)
	case has("interpreter"):
		writeProgram(t, path, "#!/nonexistent/interpreter\n", 0o755)
	case has("format", "not a program", "garbage"):
		writeProgram(t, path, "this is no program\n", 0o755)
	case has("dangling"):
		err = os.Symlink("/nonexistent/plugin", path)
	case has("directory", "folder"):
		err = os.Mkdir(path, 0o755)
	default:
		t.Fatalf("%s was not started, and the description does not say why: %q", name, description)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// compareRuns compares how plugins were started with the recording.
func compareRuns(t *testing.T, b bed, d daemon, want []json.RawMessage) {
	t.Helper()
	b.failures(t)
	got := b.runs(t)
	// In which order files stand in a folder is the file system's choice.
	place := byPlace(startedNames(t, want))
	slices.SortStableFunc(got, func(x, y sawRun) int { return place(filepath.Base(x.Argv[0]), filepath.Base(y.Argv[0])) })
	if len(got) != len(want) {
		t.Fatalf("%d plugins were started, want %d", len(got), len(want))
	}
	for i := range want {
		where := fmt.Sprintf("runs[%d]", i)
		w := newObject(where, want[i])
		stdin := w.text("stdin") // all else compareRun looks at
		if err := errors.Join(w.errs...); err != nil {
			t.Fatal(err)
		}
		compareRun(t, where, got[i].describe(b, d), got[i].Stdin, want[i], stdin)
	}
}

// compareRun compares one start: the input as a text, all else member by member.
func compareRun(t *testing.T, where string, got map[string]any, input []byte, raw json.RawMessage, stdin *text) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if stdin == nil {
		t.Errorf("%s: no input is recorded", where)
	} else if diff := stdin.diff(input); diff != "" {
		t.Errorf("%s: stdin:%s", where, diff)
	}
	maps.DeleteFunc(want, func(name string, _ any) bool {
		return slices.Contains([]string{"stdin", "stdin_b64", "stdin_sha256", "stdin_head", "stdin_tail"}, name)
	})
	// The recordings were made as root; the plugin has the daemon's user.
	for name, id := range map[string]int{"uid": os.Getuid(), "gid": os.Getgid()} {
		if want[name] == float64(0) {
			want[name] = float64(id)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", where, diff)
	}
}

// describe is a start as the recordings have it, as JSON decodes it.
func (s sawRun) describe(b bed, d daemon) map[string]any {
	argv := slices.Clone(s.Argv)
	if rest, ok := strings.CutPrefix(argv[0], b.plugins()); ok {
		argv[0] = recordedPluginDir + rest
	}
	ignored := slices.DeleteFunc(slices.Clone(s.Ignored), func(n int) bool {
		return n != int(unix.SIGPIPE) && slices.Contains(ignoredBefore, n)
	})
	text, err := json.Marshal(map[string]any{
		"argv": argv, "env": s.Env, "cwd": s.Cwd,
		"stdin_len": len(s.Stdin), "stdin_eof": s.EOF,
		"stdin_is_json": utf8.Valid(s.Stdin) && json.Valid(s.Stdin),
		"fds":           s.FDs, "umask": s.Umask, "uid": s.UID, "gid": s.GID,
		"ignored_signals": ignored, "blocked_signals": s.Blocked,
		"parent_is_daemon":             s.PPID == d.ids()[0],
		"same_process_group_as_daemon": s.PGID == d.ids()[1],
		"same_session_as_daemon":       s.SID == d.ids()[2],
	})
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		panic(err)
	}
	return m
}

// checkTime tells whether something took as long as recorded. It may take longer:
// the machine may be busy.
func checkTime(t *testing.T, what string, got time.Duration, wantMS float64) {
	t.Helper()
	want := time.Duration(wantMS * float64(time.Millisecond))
	if got < want*8/10-50*time.Millisecond {
		t.Errorf("%s: took %v, want %v", what, got, want)
	}
}

// waits is how long the plugin, and what it leaves behind, is at work.
func waits(steps []step) (total time.Duration) {
	for _, s := range steps {
		total += time.Duration(s.SleepMS+s.WaitMS+s.ChildMS) * time.Millisecond
	}
	return total
}

// start starts the daemon for the time of the test.
func start(t *testing.T, config Config) *Rpcd {
	t.Helper()
	d, err := Start(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// connect returns a client on the bus.
func connect(t *testing.T, socket string) *ubus.Conn {
	t.Helper()
	conn, err := ubus.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
