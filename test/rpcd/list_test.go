package rpcd

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What `ubus list -v` showed of the real rpcd for these lists.
func TestList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		print string
		want  map[string]map[string]string // nil is no object
	}{
		{`{}`, nil},
		{`[{"a":{}}]`, nil},
		{`5 `, nil},
		{`null`, nil},
		{`{"a":{`, nil},
		{`{"a":{}}]`, map[string]map[string]string{"a": {}}},
		{`null {"a":{}}`, nil}, // what follows in the same piece is lost
		{`{"a":5}`, map[string]map[string]string{}},
		{`{"":{"a":1}}`, nil},
		{`{"a":{},"":{}}`, nil},
		{`{"a":{"":1}}`, map[string]map[string]string{"a": {"": "Integer"}}},
		{`{"a":{"x":8,"y":16,"z":64,"w":32}}`, map[string]map[string]string{
			"a": {"x": "Boolean", "y": "(unknown)", "z": "(unknown)", "w": "Integer"},
		}},
	} {
		t.Run(tt.print, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add(t, "wg", orders{List: []step{{Print: []byte(tt.print)}}, Quiet: true})
			socket := broker(t)
			start(t, Config{Socket: socket, PluginDir: b.plugins(), Env: recordedEnv})
			_, objects := busObjects(t, connect(t, socket))
			if diff := cmp.Diff(tt.want, objects["wg"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// null is no end: rpcd reads on, and takes what comes in another piece.
func TestListAfterNull(t *testing.T) {
	t.Parallel()
	p := listing{found: make(chan struct{})}
	for _, piece := range []string{"null\n", "{\"a\"", ":{}}", "{\"b\":{}}"} {
		p.take([]byte(piece))
	}
	if len(p.methods) != 1 || p.methods[0].name != "a" {
		t.Errorf("methods %v, want a", p.methods)
	}
}

// What is no plugin is passed over, and a name may begin with a dot.
func TestFilesThatAreNoPlugins(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	quiet := orders{List: []step{{Print: []byte(`{"a":{}}`)}}, Quiet: true}
	b.add(t, ".hidden", quiet)
	if err := os.Mkdir(b.plugin("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nonexistent", b.plugin("dangling")); err != nil {
		t.Fatal(err)
	}
	// Only the owner's bit counts.
	replacePlugin(t, b.plugin("text"), "#!/bin/sh\necho '{\"a\":{}}'\n", 0o655)
	socket := broker(t)
	d := start(t, Config{Socket: socket, PluginDir: b.plugins(), Env: recordedEnv})
	names, _ := busObjects(t, connect(t, socket))
	if diff := cmp.Diff([]string{".hidden", "rc", "session", "uci"}, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if d.Processes() != 1 {
		t.Errorf("%d processes, want 1", d.Processes())
	}
}

// A file that cannot be executed leaves a second process for ever; it lists and
// serves what comes behind.
func TestListCannotExecute(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add(t, "before", orders{List: []step{{Print: []byte(`{"a":{}}`)}}, Quiet: true})
	replacePlugin(t, b.plugin("broken"), "garbage\n", 0o755)
	b.add(t, "wg", orders{List: []step{{Print: []byte(`{"a":{}}`)}}, Call: []step{{Print: []byte("{}")}}, Quiet: true})
	socket := broker(t)
	d := start(t, Config{Socket: socket, PluginDir: b.plugins(), Env: recordedEnv})
	conn := connect(t, socket)
	names, _ := busObjects(t, conn)
	if diff := cmp.Diff([]string{"before", "rc", "session", "uci", "wg"}, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if d.Processes() != 2 || d.Spinning() != 0 {
		t.Errorf("%d processes, %d in a loop, want 2 and none", d.Processes(), d.Spinning())
	}
	if _, err := conn.Call(t.Context(), "wg", "a", nil); err != nil {
		t.Error(err)
	}
}

// Until the last plugin is listed the built-in objects are there and do not
// answer; without an end of it Start ends with its context.
func TestStartWaitsForLists(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.add(t, "wg", orders{List: []step{{Print: []byte(`{"a":{}}`)}, {SleepMS: 60000}}, Quiet: true})
	socket := broker(t)
	conn := connect(t, socket)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		d, err := Start(ctx, Config{Socket: socket, PluginDir: b.plugins(), Env: recordedEnv})
		if err == nil {
			err = errors.Join(errors.New("it started"), d.Close())
		}
		ended <- err
	}()
	// The object is there before its plugin has exited.
	if err := conn.WaitFor(t.Context(), "wg"); err != nil {
		t.Fatal(err)
	}
	short, cancelShort := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancelShort()
	// Not always a StatusTimeout: on a busy machine the question may not be out yet.
	if _, err := conn.Call(short, "session", "list", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call meanwhile: %v, want no answer", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v", err)
	}
	eventually(t, "an empty bus", func() bool {
		names, _ := busObjects(t, conn)
		return len(names) == 0
	})
}

// A reload lists anew, keeps sessions without their rights, and shows itself in
// the environment.
func TestReload(t *testing.T) {
	t.Parallel()
	b, d, conn := calling(t, Config{}, step{Print: []byte("{}")})
	id := d.AddSession("", 0, Grant{Object: "*", Function: "*"})
	if err := os.Remove(b.plugin("wg")); err != nil {
		t.Fatal(err)
	}
	b.add(t, "other", orders{List: []step{{Print: []byte(`{"a":{}}`)}}})
	for range 2 {
		if err := d.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	names, _ := busObjects(t, conn)
	if diff := cmp.Diff([]string{"other", "rc", "session", "uci"}, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	runs := b.runs(t)
	want := map[string]string{
		"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "REC_MARKER": "from-the-daemon", "HOME": "/", "RPC_HANGUP": "1",
	}
	if diff := cmp.Diff(want, runs[len(runs)-1].Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	answer, err := conn.Call(t.Context(), "session", "access", request(id))
	if err != nil || len(answer) > 0 {
		t.Errorf("rights of the session: %v, %v; want none", answer, err)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{
		"no broker":            {Socket: t.TempDir() + "/nobody"},
		"no working directory": {Socket: broker(t), Dir: "/nonexistent"},
	} {
		if d, err := Start(t.Context(), config); err == nil {
			_ = d.Close()
			t.Errorf("started with %s", name)
		}
	}
}
