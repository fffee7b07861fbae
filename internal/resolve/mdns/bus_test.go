package mdns

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/resolve"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

// patience is how long something that must happen may take on a busy machine.
const patience = time.Minute

var equateAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// checkLeaks fails the test when goroutines of it are left at its end.
func checkLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		end := time.Now().Add(patience)
		for runtime.NumGoroutine() > before {
			if time.Now().After(end) {
				buf := make([]byte, 1<<16)
				t.Errorf("goroutines are left:\n%s", buf[:runtime.Stack(buf, true)])
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// run starts a command, and ends it with the test unless stop was called before.
func run(t *testing.T, start func() error, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill() // It may have ended by itself,
			_ = cmd.Wait()         // and says that it was killed.
			if t.Failed() {
				t.Logf("%s said:\n%s", cmd.Path, &out)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// systemBus starts the real dbus-daemon at a socket.
func systemBus(t *testing.T, socket string) (stop func()) {
	t.Helper()
	return startBus(t, socket, "<type>system</type>")
}

// startBus is systemBus with a setting of its own.
func startBus(t *testing.T, socket, setting string) (stop func()) {
	t.Helper()
	need.Command(t, "dbus-daemon")
	config := filepath.Join(t.TempDir(), "bus.conf")
	if err := os.WriteFile(config, []byte(`<busconfig>
`+setting+`
<listen>unix:path=`+socket+`</listen>
<auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><allow own="*"/>
<allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy>
</busconfig>
`), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(socket) // that of one that was stopped
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog")
	stop = run(t, cmd.Start, cmd)
	eventually(t, "dbus-daemon listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return stop
}

// standIn is an Avahi that says what a test wants.
type standIn struct {
	answer func(name string, family int32) (index int32, address string, err *dbus.Error)
}

// ResolveHostName is called by godbus.
func (s *standIn) ResolveHostName(_, _ int32, name string, family int32, _ uint32) (int32, int32, string, int32, string, uint32, *dbus.Error) {
	index, address, err := s.answer(name, family)
	return index, family, name, family, address, 0, err
}

// serve puts the stand-in on the bus.
func (s *standIn) serve(t *testing.T, socket string, object any) (stop func()) {
	t.Helper()
	conn, err := dbus.Connect("unix:path=" + socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Export(object, "/", "org.freedesktop.Avahi.Server"); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName("org.freedesktop.Avahi", 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own the name: %v, %v", reply, err)
	}
	return func() { conn.Close() }
}

func lookup(r resolve.Resolver, limit time.Duration, network, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return r.LookupNetIP(ctx, network, host)
}

// reach is lookup where D-Bus and Avahi are there: on a busy machine it may take longer
// than loginTime to get onto the bus, which then counts as one that is not there.
func reach(a *Avahi, limit time.Duration, network, host string) ([]netip.Addr, error) {
	for end := time.Now().Add(patience); ; {
		got, err := lookup(a, limit, network, host)
		if !errors.Is(err, ErrUnavailable) || time.Now().After(end) {
			return got, err
		}
	}
}

// other has a method of Avahi's name with other types.
type other struct{}

// ResolveHostName is called by godbus.
func (other) ResolveHostName(_, _ int32, _ string, _ int32, _ uint32) (string, *dbus.Error) {
	return "192.0.2.1", nil
}

// TestAvahiAnswers: what Avahi may say, over the real D-Bus.
func TestAvahiAnswers(t *testing.T) {
	checkLeaks(t)
	socket := filepath.Join(t.TempDir(), "bus")
	systemBus(t, socket)
	hang := make(chan struct{})
	defer close(hang)
	s := &standIn{answer: func(name string, family int32) (int32, string, *dbus.Error) {
		fail := func(what string) (int32, string, *dbus.Error) {
			return 0, "", dbus.NewError("org.freedesktop."+what, []any{"Timeout reached"})
		}
		if family == protocolIPv6 && name == "nas.local" {
			return 7, "fe80::1", nil
		}
		switch name {
		case "nas.local":
			return 7, "192.168.1.5", nil
		case "ula.local":
			return 7, "fd00::5", nil
		case "gone.local":
			return fail("Avahi.TimeoutError")
		case "denied.local":
			return fail("DBus.Error.AccessDenied")
		case "link.local":
			return 8, "fe80::1", nil
		case "zone.local":
			return 7, "fe80::1%evil", nil
		case "word.local":
			return 7, strings.Repeat("x", 1000), nil
		}
		<-hang
		return fail("Avahi.TimeoutError")
	}}
	s.serve(t, socket, s)
	a := NewAvahi(socket)
	a.link = func(index int) (string, error) {
		if index != 7 {
			return "", errors.New("no such link")
		}
		return "br-lan", nil
	}
	for _, tt := range []struct {
		network, host, want, err string
	}{
		{"ip4", "nas.local", "192.168.1.5", ""},
		{"ip4", "nas.local.", "192.168.1.5", ""},
		{"ip6", "nas.local", "fe80::1%br-lan", ""},
		{"ip6", "ula.local", "fd00::5", ""},
		{"ip4", "gone.local", "", "lookup gone.local: nobody answers to this name"},
		{"ip4", "denied.local", "", "Avahi: Timeout reached"},
		{"ip6", "link.local", "", "the link of fe80::1 is gone: no such link"},
		{"ip6", "zone.local", "", `the answer of Avahi is no address: "fe80::1%evil"`},
		{"ip4", "word.local", "", `the answer of Avahi is no address: "` + strings.Repeat("x", 64) + `"`},
		{"ip4", "hangs.local", "", "context deadline exceeded"},
		{"ip4", "nas.example", "", `"nas.example" does not end in .local`},
	} {
		limit := patience
		if tt.host == "hangs.local" {
			limit = time.Second
		}
		begin := time.Now()
		got, err := reach(a, limit, tt.network, tt.host)
		text := ""
		if err != nil {
			text = err.Error()
		}
		var want []netip.Addr
		if tt.want != "" {
			want = []netip.Addr{netip.MustParseAddr(tt.want)}
		}
		if diff := cmp.Diff(want, got, equateAddr); diff != "" || text != tt.err {
			t.Errorf("%s %s: error %q, want %q (-want +got):\n%s", tt.network, tt.host, text, tt.err, diff)
		}
		if took := time.Since(begin); took > patience {
			t.Errorf("%s took %v", tt.host, took)
		}
	}
	for range maxLookups { // Each gives its turn back, however it ended.
		if got, err := reach(a, patience, "ip4", "nas.local"); err != nil || len(got) != 1 {
			t.Fatalf("once more: %v, %v", got, err)
		}
	}
	if _, err := reach(a, patience, "ip4", "gone.local"); !isNotFound(err) {
		t.Errorf("a name that nobody has: %v", err)
	}
}

func isNotFound(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

// TestBusComesAndGoes: neither D-Bus nor Avahi need be there, and both may be
// restarted.
func TestBusComesAndGoes(t *testing.T) {
	checkLeaks(t)
	socket := filepath.Join(t.TempDir(), "bus")
	a := NewAvahi(socket)
	unavailable := func(when string) {
		t.Helper()
		if _, err := lookup(a, patience, "ip4", "nas.local"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", when, err)
		}
	}
	s := &standIn{answer: func(string, int32) (int32, string, *dbus.Error) { return 7, "192.168.1.5", nil }}
	unavailable("no D-Bus")
	for range 2 {
		stopBus := systemBus(t, socket)
		unavailable("no Avahi")
		for range 2 {
			stopAvahi := s.serve(t, socket, s)
			if got, err := reach(a, patience, "ip4", "nas.local"); err != nil || len(got) != 1 {
				t.Errorf("with all that it takes: %v, %v", got, err)
			}
			stopAvahi()
			eventually(t, "Avahi is gone", func() bool {
				_, err := lookup(a, patience, "ip4", "nas.local")
				return errors.Is(err, ErrUnavailable)
			})
		}
		stopBus()
		unavailable("D-Bus ended")
	}
	systemBus(t, socket)
	s.serve(t, socket, other{})
	if _, err := reach(a, patience, "ip4", "nas.local"); err == nil || !strings.Contains(err.Error(), "not understood") {
		t.Errorf("an answer of other types: %v", err)
	}
}

// TestStartsNothing: a look-up does not make D-Bus start an Avahi that is installed
// and was not started by whoever administers the machine.
func TestStartsNothing(t *testing.T) {
	dir := t.TempDir()
	socket, started := filepath.Join(dir, "bus"), filepath.Join(dir, "started")
	service := "[D-BUS Service]\nName=org.freedesktop.Avahi\nExec=/bin/mkdir " + started + "\n"
	if err := os.WriteFile(filepath.Join(dir, "org.freedesktop.Avahi.service"), []byte(service), 0o600); err != nil {
		t.Fatal(err)
	}
	// A bus of type system starts services through a helper that is setuid.
	startBus(t, socket, "<type>session</type><servicedir>"+dir+"</servicedir>")
	if _, err := lookup(NewAvahi(socket), patience, "ip4", "nas.local"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without Avahi: %v", err)
	}
	if _, err := os.Stat(started); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("D-Bus has started Avahi: %v", err)
	}
}

// TestBusHangs: a bus that takes the connection and says nothing costs no more than
// the time that there is.
func TestBusHangs(t *testing.T) {
	checkLeaks(t)
	socket := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// A busy machine is late at times, but not each time: then the time may be over
	// before anything begins, too.
	for try := 1; ; try++ {
		begin := time.Now()
		_, err := lookup(NewAvahi(socket), 100*time.Millisecond, "ip4", "nas.local")
		took, unavailable := time.Since(begin), errors.Is(err, ErrUnavailable)
		if unavailable && took <= loginTime {
			break
		}
		if try == 5 || !unavailable && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("took %v: %v", took, err)
		}
	}
}

// TestFirst: the second is asked when the first is not there, and only then.
func TestFirst(t *testing.T) {
	addr := []netip.Addr{netip.MustParseAddr("192.168.1.5")}
	there := answers{addrs: addr}
	missing := answers{err: noSuchName("nas.local")}
	absent := answers{err: ErrUnavailable}
	for _, tt := range []struct {
		name string
		list First
		want []netip.Addr
		err  error
	}{
		{"none", First{}, nil, resolve.ErrNoLocal},
		{"both absent", First{absent, absent}, nil, resolve.ErrNoLocal},
		{"second", First{absent, there}, addr, nil},
		{"first", First{there, absent}, addr, nil},
		{"first does not find it", First{missing, there}, nil, missing.err},
	} {
		got, err := lookup(tt.list, time.Second, "ip4", "nas.local")
		if diff := cmp.Diff(tt.want, got, equateAddr); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

type answers struct {
	addrs []netip.Addr
	err   error
}

func (a answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return a.addrs, a.err
}
