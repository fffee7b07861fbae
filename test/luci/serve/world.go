package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

// network is the router's configuration before a test writes another one.
const network = `config interface 'loopback'
	option device 'lo'
	option proto 'static'
	list ipaddr '127.0.0.1/8'

config interface 'wan'
	option device 'wan'
	option proto 'static'
	list ipaddr '192.0.2.1/24'

config interface 'lan'
	option device 'lan'
	option proto 'static'
	list ipaddr '192.168.1.1/24'
`

// World is the second process: the hosts. The tests reach it at an address of its own.
//
//	POST network     the body becomes /etc/config/network; netifd and the daemon reload
//	GET  network     the file as it is
//	POST config?name=NAME   the body becomes another one of /etc/config
//	POST client?name=NAME   a device on the laptop with the body, a file of wg-quick
//	POST leave?name=NAME    without that device
//	GET  ping?to=ADDRESS    {"ok": whether the laptop gets an answer}
//	POST daemon?run=0|1     ends or starts the daemon, where there is one
type worldServer struct {
	mu     sync.Mutex
	router *router.Router
	laptop *netns.Host
	daemon *netns.Cmd
}

func world() int {
	s := &stage{}
	defer s.end()
	if err := prepare(); err != nil {
		s.Fatalf("%v", err)
	}
	host, laptop := netns.New(s, "router"), netns.New(s, "laptop")
	netns.Connect(host, "wan", laptop, "eth0")
	laptop.AddAddress("eth0", "192.0.2.2/24")
	host.AddStub("lan")
	w := &worldServer{router: router.New(s, host, network), laptop: laptop}
	for name, text := range configs {
		if err := os.WriteFile(w.router.File(name), []byte(text), 0o600); err != nil {
			s.Fatalf("%v", err)
		}
	}
	w.router.Start()
	backend := w.startBackend(s)
	w.startDaemon()
	ln, err := net.Listen("unix", socket("world"))
	if err != nil {
		s.Fatalf("%v", err)
	}
	go func() { _ = http.Serve(ln, w) }()
	if err := backend.Wait(); err != nil {
		s.Fatalf("the web server: %v", err)
	}
	return 0
}

// prepare finds the program that `make` built, and a WireGuard.
func prepare() error {
	if self, err := os.Executable(); err == nil && os.Getenv(router.EnvProgram) == "" {
		built := filepath.Join(filepath.Dir(self), "wgnetifd")
		if _, err := os.Stat(built); err == nil {
			if err := os.Setenv(router.EnvProgram, built); err != nil {
				return err
			}
		}
	}
	kernel, err := wggo.Kernel()
	if err != nil || kernel {
		return err
	}
	program, err := wggo.Program()
	if err != nil {
		return err
	}
	const bin = "/run/serve"
	if err := errors.Join(os.Mkdir(bin, 0o755), os.Symlink(program, bin+"/wireguard-go")); err != nil {
		return err
	}
	return os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func (w *worldServer) startBackend(s *stage) *netns.Cmd {
	self, err := os.Executable()
	if err != nil {
		s.Fatalf("%v", err)
	}
	cmd := w.router.Command(self)
	cmd.Args[0] = backendName
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		s.Fatalf("%v", err)
	}
	return cmd
}

// startDaemon starts `wgnetifd daemon`, if there is that.
func (w *worldServer) startDaemon() {
	out, _ := w.router.Wgnetifd("help").CombinedOutput()
	if w.daemon != nil || !strings.Contains(string(out), "daemon") {
		return
	}
	w.daemon = w.router.Wgnetifd("daemon")
	w.daemon.Stderr = os.Stderr
	if err := w.daemon.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "serve: daemon:", err)
		w.daemon = nil
	}
}

func (w *worldServer) stopDaemon() {
	if w.daemon != nil {
		_ = w.daemon.Process.Kill()
		_ = w.daemon.Wait() // killed
		w.daemon = nil
	}
}

// ServeHTTP serves the tests.
func (w *worldServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	query := r.URL.Query()
	var answer any = map[string]bool{"ok": true}
	if err == nil {
		switch r.Method + " " + strings.TrimPrefix(r.URL.Path, "/") {
		case "POST network":
			w.router.Configure(network + string(body))
			w.router.Reload()
			if w.daemon != nil {
				// Netifd tells nobody when it is only peers that have changed.
				_, _ = w.router.Call("wireguard", "reload", nil) // It may be about to begin.
			}
		case "GET network":
			var text []byte
			text, err = os.ReadFile(w.router.File("network"))
			answer = map[string]string{"text": string(text)}
		case "POST config":
			err = os.WriteFile(w.router.File(filepath.Base(query.Get("name"))), body, 0o600)
		case "POST client":
			err = w.client(query.Get("name"), string(body))
		case "POST leave":
			err = router.RemoveDevice(w.laptop, query.Get("name"))
		case "GET ping":
			answer = map[string]bool{"ok": w.ping(query.Get("to"))}
		case "POST daemon":
			if query.Get("run") == "1" {
				w.startDaemon()
			} else {
				w.stopDaemon()
			}
			answer = map[string]bool{"ok": w.daemon != nil}
		default:
			err = errors.New("there is nothing here")
		}
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(rw).Encode(answer)
}

func (w *worldServer) ping(to string) bool {
	for range 20 {
		cmd := w.laptop.Command("ping", "-n", "-c", "1", "-W", "1", to)
		var exit *exec.ExitError
		if err := cmd.Run(); err == nil {
			return true
		} else if !errors.As(err, &exit) {
			return false
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

// stage is what hosts need of a test.
type stage struct{ cleanups []func() }

var _ netns.TB = (*stage)(nil)

// Helper implements netns.TB.
func (s *stage) Helper() {}

// Fatalf ends the server.
func (s *stage) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "serve: "+format+"\n", args...)
	os.Exit(1)
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
