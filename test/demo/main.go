// Demo shows the main job of wgnetifd on any Linux machine: netifd, in the form
// of its stand-in, brings up a WireGuard interface from /etc/config/network, a
// laptop connects to it, and packets go through the tunnel.
//
// `make demo` runs it, as root. All of it happens in namespaces of the process's
// own and goes with it, however it ends. The exit status is 0 when everything was
// as it should be.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

// Exit statuses; that of an interrupt is what a shell makes of SIGINT.
const (
	exitFailed      = 1
	exitInterrupted = 130
)

func main() {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "demo: run this as root (sudo make demo): it makes network namespaces, and changes nothing outside of them")
		os.Exit(exitFailed)
	}
	code, err := netns.Isolate(run)
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		code = exitFailed
	}
	os.Exit(code)
}

// run is the demo within its namespaces, which end with the process.
func run() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "\ndemo: interrupted; hosts, interfaces and processes of the demo are gone")
		// As first process of its namespace it takes all others with it.
		syscall.Exit(exitInterrupted)
	}()
	s := &stage{}
	defer s.end()
	if err := prepare(); err != nil {
		s.Fatalf("%v", err)
	}
	s.play()
	return 0
}

// prepare finds the program that `make` built, and a WireGuard.
func prepare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	built := filepath.Join(filepath.Dir(self), "wgnetifd")
	if _, err := os.Stat(built); err == nil && os.Getenv(router.EnvProgram) == "" {
		if err := os.Setenv(router.EnvProgram, built); err != nil {
			return err
		}
	}
	kernel, err := wggo.Kernel()
	if err != nil || kernel {
		return err
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the kernel has no WireGuard, and wireguard-go needs a TUN device: %w", err)
	}
	program, err := wggo.Program()
	if err := errors.Join(err, tun.Close()); err != nil {
		return err
	}
	// It is in Go's build cache, maybe under another name.
	const bin = "/run/demo"
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(program, filepath.Join(bin, "wireguard-go")); err != nil {
		return err
	}
	return os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// stage is what hosts need of a test.
type stage struct{ cleanups []func() }

var _ netns.TB = (*stage)(nil)

// Helper implements netns.TB.
func (s *stage) Helper() {}

// Fatalf ends the demo, and with it all that it made.
func (s *stage) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "\ndemo: FAILED: "+format+"\n", args...)
	os.Exit(exitFailed)
}

// Cleanup has f run at the end.
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *stage) end() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}

// show prints text indented, as what a file or a command says.
func show(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		fmt.Print("    ", line)
	}
	fmt.Println()
}

// say prints a paragraph.
func say(lines ...string) { fmt.Print(strings.Join(lines, "\n"), "\n\n") }
