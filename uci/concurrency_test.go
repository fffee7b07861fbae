package uci

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/test/need"
)

const (
	editors = 4
	edits   = 50
)

// addOptions makes one edit after the other, each of which adds an option.
func addOptions(d Dir, prefix string) error {
	for i := range edits {
		if err := d.Edit("network", func(p *Package) error {
			p.Section("wg0").Set(prefix+strconv.Itoa(i), "1")
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func wantAllEdits(t *testing.T, d Dir) {
	t.Helper()
	p, err := d.Load("network")
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for k := range editors {
		for i := range edits {
			if _, ok := p.Section("wg0").Get(fmt.Sprintf("e%d_%d", k, i)); !ok {
				lost++
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d edits are lost", lost, editors*edits)
	}
	noTemporary(t, d.Config)
}

// The lock is one on an open file, so goroutines exclude each other with it just
// as processes do. Readers never see a part of a file.
func TestEditConcurrently(t *testing.T) {
	d, _ := testDir(t, wg0)
	var writers, readers sync.WaitGroup
	for k := range editors {
		writers.Go(func() {
			if err := addOptions(d, fmt.Sprintf("e%d_", k)); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	readers.Go(func() {
		seen := 0
		for {
			p, err := d.Load("network")
			if err != nil {
				t.Error(err)
				return
			}
			if n := len(p.Section("wg0").Options); n < seen {
				t.Errorf("a reader saw %d options after %d", n, seen)
				return
			} else {
				seen = n
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	wantAllEdits(t, d)
}

// editorEnv makes this test binary one of the processes of the next test.
const editorEnv = "WGNETIFD_TEST_UCI_EDITOR"

func TestMain(m *testing.M) {
	if dir, prefix, ok := strings.Cut(os.Getenv(editorEnv), "|"); ok {
		if err := addOptions(Dir{Config: dir}, prefix); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestEditByProcesses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := testDir(t, wg0)
	var processes []*exec.Cmd
	for k := range editors {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|e%d_", editorEnv, d.Config, k))
		cmd.Stderr = new(bytes.Buffer)
		if err := cmd.Start(); errors.Is(err, syscall.ENOEXEC) {
			// An emulator runs this test, and the system does not know it.
			// TestEditConcurrently has done the same with goroutines.
			return
		} else if err != nil {
			t.Fatal(err)
		}
		processes = append(processes, cmd)
	}
	for _, cmd := range processes {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, cmd.Stderr)
		}
	}
	wantAllEdits(t, d)
}

// A writer without a lock, which libuci is while it renames its new file, must
// not have its file overwritten by what was made of the old one.
func TestEditSeesReplacement(t *testing.T) {
	d, path := testDir(t, wg0)
	calls := 0
	err := d.Edit("network", func(p *Package) error {
		if calls++; calls == 1 {
			other := filepath.Join(d.Config, "other")
			if err := os.WriteFile(other, []byte(wg0+"\toption mtu 1400\n"), 0o600); err != nil {
				return err
			}
			if err := os.Rename(other, path); err != nil {
				return err
			}
		}
		return setKey(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls != 2 {
		t.Errorf("change was called %d times, want 2", calls)
	}
	wantText(t, path, strings.Replace(wg0WithKey, "\toption private", "\toption mtu '1400'\n\toption private", 1))
	noTemporary(t, d.Config)

	always := func(p *Package) error {
		data, _ := os.ReadFile(path)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600)); err != nil {
			return err
		}
		p.AddSection("t", "")
		return nil
	}
	if err := d.Edit("network", always); !errors.Is(err, errReplaced) {
		t.Errorf("Edit = %v, want it to give up", err)
	}
	noTemporary(t, d.Config)
}

// A "uci commit" that waits for the lock has opened the file by then, and does not
// look whether it was replaced: it must read there what was written.
func TestRealCommitAfterEdit(t *testing.T) {
	uci := need.OpenWrt(t, "uci")[0]
	d, path := testDir(t, wg0)
	real := realUCI{path: uci, conf: d.Config, save: d.Save}
	if exit, _, stderr := real.run(t, []string{"set", "network.wg0.mtu=1400"}); exit != 0 {
		t.Fatal(stderr)
	}
	// Behind a reader, first Edit and then uci wait to write.
	reader, err := lockFile(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	edited := make(chan error)
	go func() { edited <- d.Edit("network", setKey) }()
	waitFor(t, func() bool { return waitForLock(os.Getpid()) })
	commit := exec.Command(uci, "-c", d.Config, "-t", d.Save, "commit", "network")
	if err := commit.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return waitForLock(commit.Process.Pid) })
	reader.Close()
	if err := errors.Join(<-edited, commit.Wait()); err != nil {
		t.Fatal(err)
	}
	wantText(t, path, strings.Replace(wg0WithKey, "'new'\n", "'new'\n\toption mtu '1400'\n", 1))
}

// waitForLock reports whether a process stands in the kernel's list of those
// that wait for a lock.
func waitForLock(pid int) bool {
	data, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[1] == "->" && fields[5] == strconv.Itoa(pid) {
			return true
		}
	}
	return false
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 10 s")
		}
	}
}
