package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wgnetifd/wgnetifd/test/wggo"
)

// initScript is the first process of a machine.
//
//go:embed init.sh
var initScript []byte

// programs are what tests call beside busybox's applets.
var programs = []string{"avahi-daemon", "dbus-daemon", "ip", "ping", "wg"}

// Where programs that tests would build are in a machine.
const (
	ownProgram  = "/built/wgnetifd"
	userProgram = "/built/wireguard-go"
)

// testPackage is a package whose tests run in a machine.
type testPackage struct {
	path   string // import path
	dir    string // its folder, here and in the machine
	binary string // its test binary, here
}

// goCommand runs the go command for static programs, which run wherever a
// kernel does.
func goCommand(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		err = fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, err
}

// compile builds the test binaries of packages into a folder.
func compile(work string, patterns []string) ([]testPackage, error) {
	// Packages without tests have nothing to run.
	const format = `{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}`
	out, err := goCommand(append([]string{"list", "-f", format}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var list []testPackage
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		binary := filepath.Join(work, strings.ReplaceAll(path, "/", "_")+".test")
		if _, err := goCommand("test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary, path); err != nil {
			return nil, err
		}
		list = append(list, testPackage{path, dir, binary})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no tests in %s", strings.Join(patterns, " "))
	}
	return list, nil
}

// writeCommand writes the archive of a machine that runs a command, with what more
// adds.
func writeCommand(file, command string, more func(a *archive) error) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a := newArchive(f)
	a.program("init", initScript)
	a.text("command", command)
	if err := more(a); err != nil {
		return err
	}
	return a.close()
}

// writeFiles writes the archive with all that tests need of the machine.
func writeFiles(file, work string, packages []testPackage, command string) error {
	return writeCommand(file, command, func(a *archive) error {
		a.text("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
		a.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\navahi:x:101:101::/:/bin/false\n")
		a.text("etc/group", "root:x:0:\navahi:x:101:\n")
		for _, p := range packages {
			a.folder(p.dir)
			a.copy(guestBinary(p), p.binary)
			// Tests look for it in their own folder, and conformance in that of its source.
			if data := filepath.Join(p.dir, "testdata"); isFolder(data) {
				a.copy(data, data)
			}
		}
		for _, name := range programs {
			if err := addProgram(a, name); err != nil {
				return err
			}
		}
		return addBuilt(a, work)
	})
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// guestBinary returns the path of a test binary in a machine.
func guestBinary(p testPackage) string { return "/tests/" + filepath.Base(p.binary) }

// addProgram copies a program of this machine with its libraries.
func addProgram(a *archive, name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%w (`make setup` installs it)", err)
	}
	a.copy("/usr/bin/"+name, path)
	return a.addLibraries(path)
}

// addBuilt builds what tests would build, and adds it.
func addBuilt(a *archive, work string) error {
	own := filepath.Join(work, "wgnetifd")
	if _, err := goCommand("build", "-trimpath", "-ldflags=-s -w", "-o", own, "github.com/wgnetifd/wgnetifd/cmd/wgnetifd"); err != nil {
		return err
	}
	a.copy(ownProgram, own)
	user, err := wggo.Program()
	if err != nil {
		return err
	}
	a.copy(userProgram, user)
	return nil
}
