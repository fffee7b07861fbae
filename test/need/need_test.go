package need

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorder is a test whose end is looked at. Skip and Fatalf end the goroutine,
// as those of a real test do.
type recorder struct {
	testing.TB // Nil: a method that is not replaced here panics.

	outcome, message string
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "TestOfSomebody" }

func (r *recorder) Skip(args ...any) {
	r.outcome, r.message = "skip", fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.outcome, r.message = "fatal", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run calls a need as a test would and returns how that test ended: "run",
// "skip" or "fatal", with the message.
func run(need func(testing.TB)) (outcome, message string) {
	r := &recorder{outcome: "run"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		need(r)
	}()
	<-done
	return r.outcome, r.message
}

// environment replaces every variable that the package reads.
func environment(t *testing.T, set map[string]string) {
	t.Helper()
	for _, name := range []string{envCI, envNoSkip, envVM, envOpenWrt, envSkipLog} {
		t.Setenv(name, set[name])
	}
}

// commands makes a folder with an executable of each name and puts only that
// on PATH.
func commands(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

func TestMissingCommand(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{name: "on a developer's machine", want: "skip"},
		{name: "in CI", env: map[string]string{envCI: "true"}, want: "fatal"},
		{name: "where asked for", env: map[string]string{envNoSkip: "1"}, want: "fatal"},
		{name: "a word that is no boolean counts as set", env: map[string]string{envNoSkip: "yes"}, want: "fatal"},
		{name: "switched off", env: map[string]string{envCI: "false", envNoSkip: "0"}, want: "skip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			environment(t, tt.env)
			commands(t, "ip")
			outcome, message := run(func(t testing.TB) { Command(t, "wg") })
			if outcome != tt.want {
				t.Errorf("outcome: got %s (%q), want %s", outcome, message, tt.want)
			}
			if !strings.Contains(message, "the command wg") {
				t.Errorf("the message does not name what is missing: %q", message)
			}
		})
	}
}

func TestCommandPresent(t *testing.T) {
	environment(t, map[string]string{envNoSkip: "1"})
	dir := commands(t, "wg")
	var got string
	if outcome, message := run(func(t testing.TB) { got = Command(t, "wg") }); outcome != "run" {
		t.Fatalf("outcome: got %s (%q), want run", outcome, message)
	}
	if diff := cmp.Diff(filepath.Join(dir, "wg"), got); diff != "" {
		t.Errorf("path (-want +got):\n%s", diff)
	}
}

func TestOpenWrt(t *testing.T) {
	tests := []struct {
		name    string
		env     map[string]string
		there   []string
		want    string
		message string
		paths   []string
	}{
		{
			name:    "not asked for, in CI too",
			env:     map[string]string{envCI: "true", envNoSkip: "1"},
			there:   []string{"ubusd", "netifd"},
			want:    "skip",
			message: "needs OpenWrt's ubusd, netifd; `make test-openwrt` runs it",
		},
		{
			name:    "asked for and missing",
			env:     map[string]string{envOpenWrt: "1"},
			there:   []string{"ubusd"},
			want:    "fatal",
			message: "WGNETIFD_OPENWRT=1, but OpenWrt's netifd is not on PATH",
		},
		{
			name:  "asked for and there",
			env:   map[string]string{envOpenWrt: "1"},
			there: []string{"ubusd", "netifd"},
			want:  "run",
			paths: []string{"ubusd", "netifd"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			environment(t, tt.env)
			dir := commands(t, tt.there...)
			var got []string
			outcome, message := run(func(t testing.TB) { got = OpenWrt(t, "ubusd", "netifd") })
			if diff := cmp.Diff([]string{tt.want, tt.message}, []string{outcome, message}); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			var want []string
			for _, name := range tt.paths {
				want = append(want, filepath.Join(dir, name))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVirtualMachine(t *testing.T) {
	tests := []struct {
		name     string
		env      map[string]string
		has      bool
		kernel   string
		vm       string
		messages []string
	}{
		{
			name:   "elsewhere, in CI too",
			env:    map[string]string{envCI: "true", envNoSkip: "1"},
			kernel: "skip",
			vm:     "skip",
			messages: []string{
				"needs the kernel's WireGuard; `make test-kernel` runs it",
				"needs a machine of its own; `make test-kernel` runs it",
			},
		},
		{
			name:     "elsewhere, with the module",
			has:      true,
			kernel:   "run",
			vm:       "skip",
			messages: []string{"", "needs a machine of its own; `make test-kernel` runs it"},
		},
		{
			name:     "in the machine",
			env:      map[string]string{envVM: "1"},
			has:      true,
			kernel:   "run",
			vm:       "run",
			messages: []string{"", ""},
		},
		{
			name:     "in the machine, without the module",
			env:      map[string]string{envVM: "1"},
			kernel:   "fatal",
			vm:       "run",
			messages: []string{"WGNETIFD_VM=1, but the kernel has no WireGuard", ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			environment(t, tt.env)
			kernel, ofKernel := run(func(t testing.TB) { Kernel(t, "WireGuard", tt.has) })
			vm, ofVM := run(VM)
			if diff := cmp.Diff([]string{tt.kernel, tt.vm}, []string{kernel, vm}); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.messages, []string{ofKernel, ofVM}); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSkipLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "skipped")
	environment(t, map[string]string{envSkipLog: log})
	commands(t)
	for range 2 {
		run(func(t testing.TB) { OpenWrt(t, "uci") })
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	line := "TestOfSomebody: needs OpenWrt's uci; `make test-openwrt` runs it\n"
	if diff := cmp.Diff(line+line, string(got)); diff != "" {
		t.Errorf("skip log (-want +got):\n%s", diff)
	}
}

// A skip that cannot be recorded would be one that nobody hears of.
func TestSkipLogNotWritable(t *testing.T) {
	environment(t, map[string]string{envSkipLog: filepath.Join(t.TempDir(), "no such folder", "skipped")})
	if outcome, _ := run(func(t testing.TB) { OpenWrt(t, "uci") }); outcome != "fatal" {
		t.Errorf("outcome: got %s, want fatal", outcome)
	}
}

func TestRoot(t *testing.T) {
	environment(t, nil)
	want := "run"
	if os.Geteuid() != 0 {
		want = "skip"
	}
	if outcome, message := run(Root); outcome != want {
		t.Errorf("outcome: got %s (%q), want %s", outcome, message, want)
	}
}

func TestNamespaces(t *testing.T) {
	environment(t, nil)
	// What unshare(1) of util-linux may do, Namespaces finds possible.
	want := "run"
	if err := exec.Command("unshare", "--net", "--mount", "true").Run(); err != nil {
		want = "skip"
	}
	if outcome, message := run(Namespaces); outcome != want {
		t.Errorf("outcome: got %s (%q), want %s", outcome, message, want)
	}
}

func TestTUN(t *testing.T) {
	environment(t, nil)
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	want := "run"
	if err != nil {
		want = "skip"
	} else {
		_ = f.Close() // Nothing was written.
	}
	if outcome, message := run(TUN); outcome != want {
		t.Errorf("outcome: got %s (%q), want %s", outcome, message, want)
	}
}
