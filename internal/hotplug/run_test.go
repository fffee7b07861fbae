package hotplug

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/logline"
)

// What one script does to itself does nothing to the others.
func TestExitCodes(t *testing.T) {
	l := newLab(t, Options{},
		"10-exit", "echo one >>$OUT/ran; exit 3",
		"20-syntax", "if then fi (",
		"30-signal", "echo three >>$OUT/ran; kill -SEGV $$",
		"40-set", "set -e; cd /; false; echo never >>$OUT/ran",
		"50-unreadable", "echo five >>$OUT/ran",
		"60-last", "echo six >>$OUT/ran")
	l.runner.Put(peerEvent(1, "a", "b"))
	l.untilFile("ran", "one\nthree\nfive\nsix\n")
	l.logged("(script=20-syntax interface=wg0 peer=")
}

// A script that hangs is ended with all that it has started, and those after it
// run.
func TestHang(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"waits", "echo $$ >>$OUT/pids; sleep 1000"},
		{"deaf", `trap "" TERM; echo $$ >>$OUT/pids; while :; do sleep 1000; done`},
		{"reads", "echo $$ >>$OUT/pids; mkfifo $OUT/fifo; read line <$OUT/fifo"},
		{"busy", "echo $$ >>$OUT/pids; while :; do :; done"},
		{"children", `echo $$ >>$OUT/pids; (trap "" TERM; sh -c 'echo $$ >>"$0"; exec sleep 1000' $OUT/pids) & sleep 1000`},
		{"writes", "echo $$ >>$OUT/pids; while :; do echo more and more; done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, Options{Timeout: 500 * time.Millisecond},
				"10-hang", c.script, "20-next", "[ -s $OUT/pids ] && echo next >>$OUT/next")
			l.runner.grace = 300 * time.Millisecond
			l.runner.linger = 300 * time.Millisecond
			for n := range 100 { // on a busy machine both may be too slow a few times
				l.runner.Put(peerEvent(n, "a", "b"))
			}
			l.until("20-next has run", func() bool { return l.file("next") != "" })
			l.stop()
			l.untilGone("pids")
			l.logged("warning: hotplug script takes too long and is ended (script=10-hang interface=wg0 peer=")
		})
	}
}

// What a script leaves in the background goes on, and nobody waits for it, even
// though it holds the script's output.
func TestBackground(t *testing.T) {
	l := newLab(t, Options{}, "10-fork", `sleep 1000 & echo $! >>$OUT/pids; echo started`, "20-next", "echo next >>$OUT/next")
	l.runner.Put(peerEvent(1, "a", "b"))
	l.untilFile("next", "next\n")
	l.logged("hotplug: started (script=10-fork")
	l.stop()
	for _, text := range strings.Fields(l.file("pids")) {
		var pid int
		if _, err := fmt.Sscan(text, &pid); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Errorf("the process in the background: %v", err)
		}
	}
	l.untilGone("pids")
}

// What was there before the deadline is read by whoever comes after it.
func TestLateReader(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close() // held, as by a process in the background
	if _, err := in.WriteString(strings.Repeat("there\n", 1000)); err != nil {
		t.Fatal(err)
	}
	if err := out.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	var text log
	lines := &output{log: logline.New(&text)}
	lines.readAll(out)
	if n := strings.Count(text.String(), "hotplug: there\n"); n != maxLines {
		t.Errorf("%d lines of %d were logged", n, maxLines)
	}
	if want := (1000 - maxLines) * len("there"); lines.dropped != want {
		t.Errorf("%d bytes were left out, want %d", lines.dropped, want)
	}
}

// The end of the context is the end of what runs; nothing of what waits runs.
func TestStop(t *testing.T) {
	l := newLab(t, Options{}, "10-hang", "echo $$ >>$OUT/pids; sleep 1000 & echo $! >>$OUT/pids; echo x >>$OUT/ran; sleep 1000", "20-next", "echo next >>$OUT/ran")
	for n := range 5 {
		l.runner.Put(peerEvent(n, "a", "b"))
	}
	l.untilFile("ran", "x\n")
	l.stop()
	l.untilGone("pids")
	l.untilFile("ran", "x\n")
	l.runner.Put(peerEvent(1, "a", "b")) // has nobody any more, and waits for nobody
}

// A process that the kernel does not let go of, as one that waits for a server
// that is gone, is left alone.
func TestUnkillable(t *testing.T) {
	l := newLab(t, Options{Timeout: 100 * time.Millisecond}, "10-stuck", "[ $STATE = b ] || exit 0; echo $$ >>$OUT/pids; sleep 1000", "20-next", "echo $STATE >>$OUT/next")
	l.runner.grace, l.runner.linger = 10*time.Millisecond, 10*time.Millisecond
	pids := make(chan int, 100)
	l.runner.signal = func(pid int, _ bool) error { pids <- pid; return nil }
	l.runner.Put(peerEvent(1, "a", "b"))
	l.untilFile("next", "b\n")
	l.logged("error: hotplug script cannot be killed and is left alone")
	l.until("10-stuck has begun", func() bool { return l.file("pids") != "" })
	_ = signalGroup(<-pids, true)
	l.untilGone("pids")
}

// In a burst, every peer's last change arrives as long as there is room, and the
// log says what was lost.
func TestBurst(t *testing.T) {
	l := newLab(t, Options{Limit: 100}, "10-gate", `[ "$INTERFACE" = gate ] && { echo in >$OUT/gate; read line <$OUT/fifo; }
echo "$INTERFACE $OLDSTATE $STATE" >>$OUT/ran`)
	if err := unix.Mkfifo(l.out+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	l.runner.Put(Event{Action: Interface, Interface: "gate", OldState: "a", State: "b"})
	l.untilFile("gate", "in\n")
	begin := time.Now()
	for n := range 1000 { // 50 peers, 20 changes each
		e := peerEvent(n%50, fmt.Sprint(n/50), fmt.Sprint(n/50+1))
		e.Interface = fmt.Sprint("wg", n%50)
		l.runner.Put(e)
	}
	for n := range 60 { // and 60 more
		l.runner.Put(Event{Action: Interface, Interface: fmt.Sprint("more", n), OldState: "up", State: "down"})
	}
	t.Logf("1,060 events put in %v", time.Since(begin))
	l.openFifo()
	want := "gate a b\n"
	for n := 10; n < 50; n++ {
		want += fmt.Sprintf("wg%d 0 20\n", n)
	}
	for n := range 60 {
		want += fmt.Sprintf("more%d up down\n", n)
	}
	l.untilFile("ran", want)
	l.logged("warning: hotplug scripts are slower than changes come: the oldest changes were dropped (dropped=10)")
}

// Without scripts nothing runs and nothing is logged; a script that is installed
// later runs for the next event.
func TestNoScripts(t *testing.T) {
	l := newLab(t, Options{Limit: 10})
	for n := range 1000 {
		l.runner.Put(peerEvent(n, "a", "b"))
	}
	idle := func() bool {
		l.runner.mu.Lock()
		defer l.runner.mu.Unlock()
		return l.runner.queue.events == nil
	}
	l.until("no event waits", idle)
	if l.runner.Any() {
		t.Error("there are scripts without a folder")
	}
	l.script(".hidden", "echo hidden >>$OUT/ran")
	if l.runner.Any() {
		t.Error("a hidden file is a script")
	}
	l.runner.Put(peerEvent(1, "a", "b"))
	l.until("no event waits", idle)
	if got := l.log.String(); got != "" {
		t.Errorf("logged:\n%s", got)
	}
	l.script("10-late", "echo $STATE >>$OUT/ran")
	if !l.runner.Any() {
		t.Error("there is no script")
	}
	l.runner.Put(peerEvent(1, "b", "c"))
	l.untilFile("ran", "c\n")
	l.stop()

	// A folder that is none is said once.
	l = newLab(t, Options{})
	if err := os.WriteFile(l.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.runner.Put(peerEvent(1, "a", "b"))
		l.until("no event waits", idle)
	}
	l.logged("warning: hotplug scripts cannot be read: open ")
	l.stop()
	if n := strings.Count(l.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines logged:\n%s", n, l.log)
	}
}

// The output is logged, so much of it, and cannot forge lines.
func TestOutput(t *testing.T) {
	l := newLab(t, Options{},
		"10-few", `printf 'one\n\n  two  \r\n\033[31mred\377\nlast'; echo wrong >&2`,
		"20-long", "head -c 100000 /dev/zero | tr '\\0' x",
		"30-many", "n=0; while [ $n -lt 3000 ]; do echo line $n; n=$((n+1)); done",
		"40-end", "echo >>$OUT/end")
	l.runner.Put(Event{Action: Interface, Interface: "wg0", State: "up"})
	l.untilFile("end", "\n")
	l.stop()
	got := l.log.String()
	var want strings.Builder
	for _, text := range []string{"one", "two", " [31mred?", "lastwrong"} {
		fmt.Fprintf(&want, "hotplug: %s (script=10-few interface=wg0)\n", text)
	}
	fmt.Fprintf(&want, "hotplug: %s (script=20-long interface=wg0)\n", strings.Repeat("x", 256))
	fmt.Fprintf(&want, "hotplug: the script wrote more than is logged (script=20-long interface=wg0 bytes=%d)\n", 100_000-256)
	for n := range 50 {
		fmt.Fprintf(&want, "hotplug: line %d (script=30-many interface=wg0)\n", n)
	}
	if !strings.HasPrefix(got, want.String()) {
		t.Errorf("got\n%s\nwant\n%s", got, want.String())
	}
	if rest := got[min(len(got), want.Len()):]; strings.Count(rest, "\n") != 1 || !strings.Contains(rest, "more than is logged") {
		t.Errorf("and then:\n%s", rest)
	}
}
