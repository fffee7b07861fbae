package rpcd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// calling is a bed with the plugin "wg" and a daemon that published it.
func calling(t *testing.T, config Config, steps ...step) (b bed, d *Rpcd, conn *ubus.Conn) {
	t.Helper()
	b = newBed(t)
	b.add(t, "wg", orders{List: []step{{Print: []byte(standardList)}}, Call: steps, Quiet: true})
	config.Socket, config.PluginDir, config.Env = broker(t), b.plugins(), recordedEnv
	d = start(t, config)
	return b, d, connect(t, config.Socket)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// The kernel hands a program the arguments as they were given, which the script
// of the other tests cannot show.
func TestPluginIsAProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "wg")
	if err := os.Symlink(self, plugin); err != nil {
		t.Fatal(err)
	}
	socket := broker(t)
	start(t, Config{Socket: socket, PluginDir: dir, Env: []string{argvMode + "=1"}})
	answer, err := connect(t, socket).Call(t.Context(), "wg", "run it", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := answer.Strings("argv")
	if diff := cmp.Diff([]string{plugin, "call", "run it"}, got); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
}

// showArgv is the plugin of TestPluginIsAProgram.
func showArgv() int {
	if os.Args[1] == "list" {
		write(1, []byte(`{"run it":{}}`))
		return 0
	}
	text, err := json.Marshal(map[string][]string{"argv": os.Args})
	if err != nil {
		return 1
	}
	write(1, text)
	return 0
}

// A plugin that has closed its output and its standard error has answered; it
// runs on, beyond the time-out as well.
func TestCallEndsWithBothOutputs(t *testing.T) {
	t.Parallel()
	one, two := 1, 2
	const limit = 10 * time.Second
	b, _, conn := calling(t, Config{Timeout: limit},
		step{Print: []byte(`{"a":1}`)}, step{CloseFD: &one}, step{CloseFD: &two},
		step{Until: "go"}, step{Marker: "lived"})
	begin := time.Now()
	answer, err := conn.Call(t.Context(), "wg", "run", nil)
	if err != nil || answer.Get("a") != int32(1) {
		t.Errorf("answer %v, error %v", answer, err)
	}
	if len(b.markers(t)) > 0 {
		t.Error("the answer came when the plugin had ended")
	}
	time.Sleep(time.Until(begin.Add(limit + time.Second)))
	b.say(t, "go")
	eventually(t, "the end of the plugin", func() bool { return len(b.markers(t)) == 1 })
}

// rpcd does not close its ends of the pipes on exec: a plugin gets those of the
// plugins that run. The numbers were seen on the real one.
func TestPluginsInheritPipes(t *testing.T) {
	t.Parallel()
	b, _, conn := calling(t, Config{}, step{Print: []byte("{}")}, step{Until: "go"})
	ended := make(chan error, 3)
	for i := range 3 {
		go func() {
			_, err := conn.Call(t.Context(), "wg", "run", nil)
			ended <- err
		}()
		eventually(t, "a start", func() bool { return len(b.runs(t)) > i })
	}
	want := [][]int{{0, 1, 2}, {0, 1, 2, 9, 11}, {0, 1, 2, 9, 10, 11, 13}}
	for i, r := range b.runs(t) {
		var got []int
		for _, fd := range r.FDs {
			got = append(got, int(fd[0].(float64)))
			if fd[1] != "pipe" {
				t.Errorf("run %d: descriptor %v is no pipe", i, fd)
			}
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("run %d: descriptors (-want +got):\n%s", i, diff)
		}
	}
	b.say(t, "go")
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A file that cannot be executed any more is told in the status, and leaves a
// second daemon process in an endless loop.
func TestCallCannotExecute(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       ubus.Status
	}{
		{"not executable", "#!/bin/sh\n", 0o644, ubus.StatusPermissionDenied},
		{"no interpreter", "#!/nonexistent/sh\n", 0o755, ubus.StatusNotFound},
		{"no program", "garbage\n", 0o755, ubus.StatusUnknownError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, d, conn := calling(t, Config{})
			replacePlugin(t, b.plugin("wg"), tt.text, tt.mode)
			_, err := conn.Call(t.Context(), "wg", "run", nil)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if d.Processes() != 2 || d.Spinning() != 1 {
				t.Errorf("%d processes, %d in a loop, want 2 and 1", d.Processes(), d.Spinning())
			}
		})
	}
}

// The endless loop ends with the time-out of the call.
func TestLoopEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	replacePlugin(t, b.plugin("wg"), "garbage\n", 0o755)
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Minute
		d := &Rpcd{config: Config{PluginDir: b.plugins(), Timeout: limit, Env: recordedEnv, Dir: "/"}, processes: 1}
		if _, err := d.call("wg", "run", nil); !errors.Is(err, ubus.StatusUnknownError) {
			t.Errorf("error %v, want %v", err, ubus.StatusUnknownError)
		}
		for _, want := range []struct {
			after               time.Duration
			processes, spinning int
		}{{limit - 1, 2, 1}, {1, 1, 0}} {
			time.Sleep(want.after)
			synctest.Wait()
			if d.Processes() != want.processes || d.Spinning() != want.spinning {
				t.Errorf("%d processes, %d in a loop, want %d and %d",
					d.Processes(), d.Spinning(), want.processes, want.spinning)
			}
		}
	})
}

// replacePlugin puts a file in a plugin's place by renaming: what was there may
// be a link to the script of all tests.
func replacePlugin(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	writeProgram(t, path+".new", text, mode)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// writeProgram writes a file that is to be executed at once. No other test starts a
// child meanwhile: as long as that has not executed its own program, it has this
// file open for writing, and nobody can execute it (golang/go#22315).
func writeProgram(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// The longest answer that the bus takes is delivered, one byte more takes the
// daemon off it.
func TestAnswerLimit(t *testing.T) {
	t.Parallel()
	// The message: its header, the object's id, the headers of data, member
	// and name, the string and its NUL.
	const longest = 1<<20 - 4 - 8 - 4 - 4 - 4 - 1
	for _, tt := range []struct {
		name string
		len  int
		ok   bool
	}{{"longest", longest, true}, {"longer", longest + 1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, d, conn := calling(t, Config{},
				step{Print: []byte(`{"s":"` + strings.Repeat("x", tt.len) + `"}`)})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				eventually(t, "the loss of the bus", func() bool { return !d.OnBus() || ctx.Err() != nil })
				cancel()
			}()
			answer, err := conn.Call(ctx, "wg", "run", nil)
			s, _ := answer.String("s")
			if tt.ok != (err == nil && len(s) == tt.len) || tt.ok != d.OnBus() {
				t.Errorf("%d bytes, error %v, on the bus %v", len(s), err, d.OnBus())
			}
			select {
			case <-d.Done():
				t.Error("the daemon has ended")
			default:
			}
		})
	}
}

// Close leaves no plugin behind.
func TestCloseEndsPlugins(t *testing.T) {
	t.Parallel()
	b, d, conn := calling(t, Config{}, step{SleepMS: 60000}, step{Marker: "lived"})
	go func() { _, _ = conn.Call(t.Context(), "wg", "run", nil) }()
	eventually(t, "the start of the plugin", func() bool { return len(b.runs(t)) == 1 })
	begin := time.Now()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("Close took %v", took)
	}
	if len(b.markers(t)) > 0 {
		t.Error("the plugin was not killed")
	}
}

func TestReplyLen(t *testing.T) {
	t.Parallel()
	if got := replyLen(blobmsg.Table{}); got != 16 {
		t.Errorf("an empty answer is %d bytes, want 16", got)
	}
}
