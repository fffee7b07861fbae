package uci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// faults gives a disk for every step of a replacement, on which that step fails.
func faults() map[string]struct {
	disk disk
	err  error
} {
	type fault = struct {
		disk disk
		err  error
	}
	all := make(map[string]fault)
	broken := func(name string, err error, breakIt func(*disk)) {
		d := realDisk
		breakIt(&d)
		all[name] = fault{d, err}
	}
	broken("folder is read-only", syscall.EROFS, func(d *disk) {
		d.create = func(string, string) (*os.File, error) { return nil, syscall.EROFS }
	})
	broken("disk is full at once", syscall.ENOSPC, func(d *disk) {
		d.write = func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC }
	})
	broken("disk is full in the middle", syscall.ENOSPC, func(d *disk) {
		d.write = func(f *os.File, data []byte) (int, error) {
			n, _ := f.Write(data[:len(data)/2])
			return n, syscall.ENOSPC
		}
	})
	broken("owner", syscall.EPERM, func(d *disk) {
		d.chown = func(*os.File, int, int) error { return syscall.EPERM }
	})
	broken("mode", syscall.EPERM, func(d *disk) {
		d.chmod = func(*os.File, fs.FileMode) error { return syscall.EPERM }
	})
	broken("sync", syscall.EIO, func(d *disk) {
		d.sync = func(*os.File) error { return syscall.EIO }
	})
	broken("rename", syscall.EXDEV, func(d *disk) {
		d.rename = func(string, string) error { return syscall.EXDEV }
	})
	return all
}

// Whatever step fails, the old file is there as it was, and nothing else.
func TestFaultsLeaveTheFile(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			d, path := testDir(t, wg0)
			if name == "owner" {
				need.Root(t) // else the owner is never another one
				if err := os.Chown(path, 1234, 1234); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := stat(t, path)
			d.disk = &fault.disk
			unchanged := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, fault.err) || !strings.Contains(err.Error(), path+" is left as it was") {
					t.Errorf("%s = %v, want %v and what it means", what, err, fault.err)
				}
				wantText(t, path, wg0)
				if after, _ := stat(t, path); !os.SameFile(before, after) {
					t.Errorf("%s: the file is another one", what)
				}
				noTemporary(t, d.Config)
			}
			unchanged("Edit", d.Edit("network", setKey))
			unchanged("Import", d.Import("network", []byte("config t 's'\n")))

			c, err := d.Open("network")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.Set("wg0", "mtu", "1400"), c.Save()); err != nil {
				t.Fatal(err)
			}
			unchanged("Commit", d.Commit("network"))
			wantText(t, d.staged("network"), "network.wg0.mtu='1400'\n")

			if err := d.Import("fresh", []byte("config t 's'\n")); name != "owner" && err == nil {
				t.Error("Import of a new file did not fail")
			} else if _, statErr := os.Stat(filepath.Join(d.Config, "fresh")); err != nil && !errors.Is(statErr, fs.ErrNotExist) {
				t.Error("a failed Import leaves an empty file")
			}
			d.disk = nil
			if err := d.Edit("network", setKey); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			wantText(t, path, wg0WithKey)
		})
	}
}

// When the folder cannot be synced the new file is there, but that is not sure to
// outlive a power failure.
func TestFaultAfterRename(t *testing.T) {
	d, path := testDir(t, wg0)
	broken := realDisk
	broken.syncDir = func(string) error { return syscall.EIO }
	d.disk = &broken
	err := d.Edit("network", setKey)
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "was written") {
		t.Errorf("Edit = %v", err)
	}
	wantText(t, path, wg0WithKey)
	noTemporary(t, d.Config)
}

// The same on a file system that is really full.
func TestDiskFull(t *testing.T) {
	need.Namespaces(t)
	d, path := testDir(t, wg0)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("uci-test", d.Config, "tmpfs", 0, "size=16k,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(d.Config, syscall.MNT_DETACH) })
	d.Save = filepath.Join(d.Config, "save")
	if err := os.WriteFile(path, []byte(wg0), 0o600); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 20<<10)
	if err := d.Edit("network", func(p *Package) error {
		p.Section("wg0").Set("description", large)
		return nil
	}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Edit = %v, want ENOSPC", err)
	}
	wantText(t, path, wg0)
	noTemporary(t, d.Config)

	c, err := d.Open("network")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Set("wg0", "mtu", "1400"), c.Save()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Set("wg0", "description", large), c.Save()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Save = %v, want ENOSPC", err)
	}
	wantText(t, d.staged("network"), "network.wg0.mtu='1400'\n")
}

// A process that may not write gets an error before anything was tried.
func TestReadOnlyFile(t *testing.T) {
	d, path := testDir(t, wg0)
	if os.Geteuid() == 0 {
		// Root may write to anything but a read-only file system.
		need.Namespaces(t)
		if err := syscall.Mount(d.Config, d.Config, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(d.Config, syscall.MNT_DETACH) })
		if err := syscall.Mount("", d.Config, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := d.Edit("network", setKey); !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Edit = %v", err)
	}
	if _, err := d.Load("network"); err != nil {
		t.Errorf("Load = %v", err)
	}
	wantText(t, path, wg0)
}
