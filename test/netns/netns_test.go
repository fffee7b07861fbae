package netns_test

import (
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

func TestIsolated(t *testing.T) {
	netns.Require(t)
	ifaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range ifaces {
		// Some modules make devices of their own in every new namespace.
		if i.Name != "lo" && i.Flags&net.FlagUp != 0 {
			t.Errorf("the fresh namespace has the interface %s, and it is up", i.Name)
		}
	}
	if pid := os.Getpid(); pid != 1 {
		t.Errorf("pid %d, want 1: what tests leave behind would not end with them", pid)
	}
	for _, dir := range []string{"/run", "/var/run"} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v, %v; want it empty", dir, entries, err)
		}
	}
	if exe, err := os.Readlink("/proc/self/exe"); err != nil || exe == "" {
		t.Errorf("/proc is not that of the namespace: %q, %v", exe, err)
	}
}

func TestHostsTalk(t *testing.T) {
	netns.Require(t)
	a, router, b := netns.New(t, "a"), netns.New(t, "router"), netns.New(t, "b")
	netns.Connect(a, "eth0", router, "lan")
	netns.Connect(b, "eth0", router, "wan")
	a.AddAddress("eth0", "192.0.2.2/24", "2001:db8::2/64")
	router.AddAddress("lan", "192.0.2.1/24", "2001:db8::1/64")
	router.AddAddress("wan", "198.51.100.1/24")
	b.AddAddress("eth0", "198.51.100.2/24")
	a.AddRoute("0.0.0.0/0", "192.0.2.1", "eth0")
	b.AddRoute("192.0.2.0/24", "198.51.100.1", "eth0")

	for _, to := range []string{"192.0.2.1", "2001:db8::1", "198.51.100.1"} {
		if err := a.Ping(to); err != nil {
			t.Error(err)
		}
	}
	router.Do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	})
	if err := a.Ping("198.51.100.2"); err != nil {
		t.Error(err)
	}
	if err := a.Ping("203.0.113.1"); err == nil {
		t.Error("an address that nobody has was answered")
	}
}

func TestDo(t *testing.T) {
	netns.Require(t)
	h := netns.New(t, "host")
	h.AddStub("only-here")
	names := func() (list []string) {
		ifaces, err := net.Interfaces()
		if err != nil {
			t.Error(err)
		}
		for _, i := range ifaces {
			list = append(list, i.Name)
		}
		return list
	}
	h.Do(func() {
		if got := names(); !slices.Contains(got, "only-here") {
			t.Errorf("the host's interfaces are %v", got)
		}
	})
	// Whatever thread runs next, it is none that stayed in the host.
	for range 50 {
		runtime.Gosched()
		if got := names(); slices.Contains(got, "only-here") {
			t.Fatalf("a thread stayed in the host: %v", got)
		}
	}
	h.Delete("only-here")
	h.Do(func() {
		if got := names(); slices.Contains(got, "only-here") {
			t.Errorf("after Delete the host's interfaces are %v", got)
		}
	})
}

func TestDoPassesTheEndOfTheTest(t *testing.T) {
	netns.Require(t)
	h := netns.New(t, "host")
	after := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Do(func() { runtime.Goexit() }) // as t.Fatal does
		after = true
	}()
	<-done
	if after {
		t.Error("Do went on after its function ended the goroutine")
	}
}

func TestCommand(t *testing.T) {
	netns.Require(t)
	h := netns.New(t, "host")
	h.AddStub("only-here")
	out, err := h.Command("cat", "/proc/net/dev").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "only-here") {
		t.Errorf("a command of the host does not see its interface:\n%s", out)
	}
	_, err = h.Command("sh", "-c", "echo the reason >&2; exit 3").Output()
	if err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error %v, want one with what the command wrote", err)
	}
	if out, err := h.Command("sh", "-c", "echo out; echo err >&2").CombinedOutput(); err != nil || string(out) != "out\nerr\n" {
		t.Errorf("CombinedOutput: %q, %v", out, err)
	}
}

// What is mounted here must not reach the machine.
func TestMountsArePrivate(t *testing.T) {
	netns.Require(t)
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " shared:") {
			t.Errorf("a shared mount: %s", line)
		}
	}
}
