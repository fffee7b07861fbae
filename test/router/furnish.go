package router

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Root is where the router's own programs are: the folders that a Debian machine
// lacks, and a router has, are here.
const Root = "/run/router"

// Where things are on a router.
const (
	ConfigDir  = "/etc/config"
	StagedDir  = "/tmp/.uci"
	StateDir   = "/var/run/wgnetifd"
	ResolvConf = "/etc/resolv.conf"

	program   = Root + "/usr/sbin/wgnetifd"
	protoDir  = Root + "/lib/netifd/proto"
	pluginDir = Root + "/usr/libexec/rpcd"
)

// hidden is where the machine's own folders are to be found.
const hidden = "/run/machine"

// furnish prepares the process's file system, once.
var furnish = sync.OnceValue(func() error {
	if err := cover("/etc", "config", "resolv.conf", "hosts"); err != nil {
		return err
	}
	if err := cover("/tmp", ".uci"); err != nil {
		return err
	}
	if err := os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644); err != nil {
		return err
	}
	for _, dir := range []string{ConfigDir, filepath.Dir(program), protoDir, pluginDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := listenForRaces(); err != nil {
		return err
	}
	if err := install(); err != nil {
		return err
	}
	for _, link := range []string{protoDir + "/wgnetifd.sh", pluginDir + "/luci.wireguard"} {
		if err := os.Symlink(program, link); err != nil {
			return err
		}
	}
	return nil
})

// cover puts an empty file system over a folder, and into it links to everything
// that the folder holds, but for some names. (Overlayfs would be less work, and
// some kernels have none.)
func cover(dir string, without ...string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	old := hidden + dir
	if err := os.MkdirAll(old, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(dir, old, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("show %s at %s: %w", dir, old, err)
	}
	mode := fmt.Sprintf("mode=%o", unixMode(st.Mode()))
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, mode); err != nil {
		return fmt.Errorf("cover %s: %w", dir, err)
	}
	entries, err := os.ReadDir(old)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(without, e.Name()) {
			continue
		}
		target := filepath.Join(old, e.Name())
		if e.Type() == fs.ModeSymlink {
			// It may be relative, and stays what it is in the same place.
			if target, err = os.Readlink(target); err != nil {
				return err
			}
		}
		if err := os.Symlink(target, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSticky != 0 {
		bits |= unix.S_ISVTX
	}
	return bits
}

// tidy removes what an earlier router has left in the paths that are the
// process's.
func tidy() error {
	if err := os.RemoveAll(ConfigDir); err != nil {
		return fmt.Errorf("is something mounted there still? %w", err)
	}
	return errors.Join(
		os.Mkdir(ConfigDir, 0o755),
		os.RemoveAll(StagedDir),
		os.RemoveAll(StateDir),
		os.WriteFile(ResolvConf, nil, 0o644),
	)
}
