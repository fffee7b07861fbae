package hotplug

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/logline"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// lab is a folder of scripts and a runner.
type lab struct {
	*testing.T
	runner   *Runner
	dir, out string
	log      *log
	stop     func() // ends Run and waits for it
}

// log takes lines while a test reads them.
type log struct {
	mu   sync.Mutex
	text []byte
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// newLab makes a folder with scripts, a name and a text each. $OUT is a folder
// for what they write.
func newLab(t *testing.T, o Options, scripts ...string) *lab {
	t.Helper()
	before := runtime.NumGoroutine()
	l := &lab{T: t, dir: filepath.Join(t.TempDir(), "wire guard.d"), out: t.TempDir(), log: &log{}}
	for n := 0; n < len(scripts); n += 2 {
		l.script(scripts[n], scripts[n+1])
	}
	o.Dir, o.Log = l.dir, logline.New(l.log)
	l.runner = New(o)
	l.runner.functions = filepath.Join(l.out, "functions.sh")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.runner.Run(ctx)
	}()
	l.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Run does not end")
		}
		l.until("no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	})
	t.Cleanup(func() {
		l.stop()
		if t.Failed() {
			t.Logf("log:\n%s", l.log)
		}
	})
	return l
}

func (l *lab) script(name, text string) {
	l.Helper()
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		l.Fatal(err)
	}
	text = strings.ReplaceAll(text, "$OUT", l.out)
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text+"\n"), 0o644); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) until(what string, is func() bool) {
	l.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.Fatalf("not in %v: %s\n%s", patience, what, l.log)
		}
	}
}

// file returns what the scripts have written, empty when nothing.
func (l *lab) file(name string) string {
	text, err := os.ReadFile(filepath.Join(l.out, name))
	if err != nil && !os.IsNotExist(err) {
		l.Error(err)
	}
	return string(text)
}

func (l *lab) untilFile(name, want string) {
	l.Helper()
	l.until(fmt.Sprintf("%s is %q", name, want), func() bool { return l.file(name) == want })
}

// untilGone waits for the processes to end whose numbers are in a file, a line
// each.
func (l *lab) untilGone(name string) {
	l.Helper()
	pids := strings.Fields(l.file(name))
	if len(pids) == 0 {
		l.Errorf("no processes in %s", name)
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			l.Fatal(err)
		}
		// Who has lost its parent is reaped by process 1, or whoever plays it:
		// a zombie is gone.
		l.until("process "+text+" is gone", func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || strings.Contains(string(stat), ") Z ")
		})
	}
}

func (l *lab) logged(want string) {
	l.Helper()
	l.until("logged: "+want, func() bool { return strings.Contains(l.log.String(), want) })
}

// openFifo lets a script go on that reads from $OUT/fifo.
func (l *lab) openFifo() {
	l.Helper()
	fifo, err := os.OpenFile(filepath.Join(l.out, "fifo"), os.O_WRONLY, 0)
	if err != nil {
		l.Fatal(err)
	}
	_ = fifo.Close() // Nothing was written.
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "1")
	name := "it's \"me\"; $(touch " + t.TempDir() + "/no)`id`\nACTION=evil\n*"
	l := newLab(t, Options{}, "10-env", `tr '\0' '\n' </proc/$$/environ | sort >$OUT/all
printf %s "$NAME" >$OUT/name; pwd >$OUT/pwd; readlink /proc/$$/fd/0 >$OUT/stdin; ls /proc/$$/fd | wc -w >$OUT/fds
echo "$0 $# $1 $script" >$OUT/args; echo done >$OUT/done`)
	key := schema.Key{1, 2, 3}
	l.runner.Put(Event{Action: Peer, Interface: "wg0", Peer: key, Name: name, State: "stale", OldState: "connected", Reason: "no-answer"})
	l.untilFile("done", "done\n")
	want := strings.Split(strings.Join([]string{
		"ACTION=peer", "INTERFACE=wg0", "PEER=" + key.String(), "NAME=" + name, "STATE=stale", "OLDSTATE=connected",
		"REASON=no-answer", "HOTPLUG_TYPE=wireguard", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LOGNAME=root", "USER=root", "HOME=/",
	}, "\n"), "\n")
	got := strings.Split(strings.TrimSpace(l.file("all")), "\n")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got)\n%s", diff)
	}
	for file, want := range map[string]string{
		"name": name, "pwd": "/\n", "stdin": "/dev/null\n",
		"args": "/sbin/hotplug-call 1 wireguard " + l.dir + "/10-env\n",
	} {
		if got := l.file(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}

	l.runner.Put(Event{Action: Interface, Interface: "wg1", Peer: key, State: "up", Name: strings.Repeat("ä", 100_000) + "\x00"})
	l.untilFile("name", strings.Repeat("ä", 512))
	if got := l.file("all"); !strings.Contains(got, "\nPEER=\n") || !strings.Contains(got, "ACTION=interface\n") {
		t.Errorf("environment of an interface:\n%s", got)
	}
}

// Which files run and in which order is what the shell makes of DIR/* and of
// `test -f`.
func TestFiles(t *testing.T) {
	l := newLab(t, Options{})
	say := `printf '%s\n' "${script##*/}" >>$OUT/ran`
	for _, name := range []string{"20-b", "10 with blanks & 'quotes'", "10-a", "30-backup~", "30-x.dpkg-old", ".hidden", "B", "-n"} {
		l.script(name, say)
	}
	if err := os.Mkdir(filepath.Join(l.dir, "05-folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"40-link": "10-a", "41-broken": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(l.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l.script("99-end", say)
	if err := os.WriteFile(l.runner.functions, []byte("helper() { echo helped >>"+l.out+"/ran; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.script("98-helper", "helper")
	l.runner.Put(peerEvent(1, "a", "b"))
	l.untilFile("ran", strings.Join([]string{
		"-n", "10 with blanks & 'quotes'", "10-a", "20-b", "30-backup~", "30-x.dpkg-old", "40-link", "helped", "99-end", "B",
	}, "\n")+"\n")
}
