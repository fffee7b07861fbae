// Serve is a development server for LuCI's pages: the pages of luci-app behind a
// page /ubus as uhttpd has it, sessions and rights as rpcd gives them, and behind
// them a router in network namespaces of its own, with the real plugin, the real
// handler and, where the program has one, the real daemon.
//
//	serve [-listen 127.0.0.1:0] [-luci LUCI_ROOT] [-attached]
//
// It prints one line when it is ready: the address, and that of the tests. LUCI_ROOT names LuCI, an
// installed tree (www/luci-static) or its sources; without it the pages get the
// reduced modules in shim. The tests talk to the router at /test/… (world.go).
// It needs root, and touches nothing outside of its namespaces.
//
// Three processes share the work: the first one listens and passes requests on,
// the second one has the namespaces and in them the hosts, the third one is rpcd
// and the web server, in the router's network namespace.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

// Environment of the second and the third process: where their sockets are, the
// project's folder, and LuCI.
const (
	envSockets = "WGNETIFD_SERVE_SOCKETS"
	envSource  = "WGNETIFD_SERVE_SOURCE"
	envLuCI    = "LUCI_ROOT"
)

// backendName is the argv[0] of the third process.
const backendName = "serve-backend"

func main() {
	if os.Args[0] == backendName {
		exit(backend())
		return
	}
	if os.Getenv(envSockets) == "" {
		exit(front())
		return
	}
	code, err := netns.Isolate(world)
	exit(err)
	os.Exit(code)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// source returns the path of a file of the project.
func source(name string) string { return filepath.Join(os.Getenv(envSource), name) }

func socket(name string) string { return filepath.Join(os.Getenv(envSockets), name+".sock") }

// front is the first process: it listens where it was started.
func front() error {
	listen := flag.String("listen", "127.0.0.1:0", "`ADDRESS` to listen on")
	root := flag.String("source", ".", "the project's `FOLDER`")
	luci := flag.String("luci", os.Getenv(envLuCI), "LuCI's `ROOT`, installed or its sources")
	attached := flag.Bool("attached", false, "end with standard input, and so with whoever started this")
	flag.Parse()
	if os.Geteuid() != 0 {
		return fmt.Errorf("run this as root: it makes network namespaces, and changes nothing outside of them")
	}
	// Not in /tmp or /run: those are others in the namespaces.
	dir, err := os.MkdirTemp("/var/tmp", "wgnetifd-serve-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{envSockets: dir, envSource: folder, envLuCI: *luci} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	tests, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go pass(ln, socket("site"))
	go pass(tests, socket("world"))
	go func() {
		if awaitSocket(socket("site")) == nil && awaitSocket(socket("world")) == nil {
			fmt.Printf("http://%s/ http://%s/\n", ln.Addr(), tests.Addr())
		}
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if *attached {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		}()
	}
	code, err := netns.Isolate(world)
	if len(stop) > 0 {
		return nil // as it was told
	}
	if err == nil && code != 0 {
		err = fmt.Errorf("exit status %d", code)
	}
	return err
}

// pass hands connections on to a socket, byte for byte.
func pass(ln net.Listener, path string) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("unix", path)
			if err != nil {
				return
			}
			defer out.Close()
			go func() {
				_, _ = io.Copy(out, in)
				_ = out.(*net.UnixConn).CloseWrite()
			}()
			_, _ = io.Copy(in, out)
		}()
	}
}

// awaitSocket waits until somebody listens.
func awaitSocket(path string) error {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("unix", path)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}
