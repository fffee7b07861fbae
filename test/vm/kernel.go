package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// kernel is a kernel that machines can be started with.
type kernel struct {
	board  *board
	image  string // path of the compressed kernel
	base   string // path of an archive with busybox and the modules
	series string // such as 6.12
}

// The files of a kernel in the cache.
const (
	imageFile  = "vmlinuz"
	baseFile   = "base.cpio"
	seriesFile = "series"
	sumsFile   = "SHA256SUMS"
)

// cacheDir returns the folder in which kernels stay from run to run.
func cacheDir() (string, error) {
	if dir := os.Getenv("WGNETIFD_VM_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for kernels (name one in WGNETIFD_VM_CACHE): %w", err)
	}
	return filepath.Join(dir, "wgnetifd", "vm"), nil
}

// prepare returns the kernels of packages for a board, from the cache where it has
// them. Another process that does the same is waited for.
func prepare(cache string, b *board, packages []string) ([]kernel, error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", cache, err)
	}
	work, err := os.MkdirTemp(cache, "work-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	debian := &apt{dir: work, arch: b.arch}

	// What is made of the same package depends on these as well.
	recipe := sha256.Sum256([]byte(sources + strings.Join(b.modules, " ")))
	var list []kernel
	for _, pkg := range packages {
		dir := filepath.Join(cache, pkg+"-"+hex.EncodeToString(recipe[:4]))
		k, err := load(b, dir)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(os.Stderr, "vm: %v; it is made again\n", err)
			}
			fmt.Printf("vm: download %s\n", pkg)
			if err := build(debian, b, pkg, dir); err != nil {
				return nil, fmt.Errorf("%s: %w", pkg, err)
			}
			if k, err = load(b, dir); err != nil {
				return nil, err
			}
		}
		list = append(list, k)
	}
	return list, nil
}

// load returns a kernel of the cache, if its files are what they were.
func load(b *board, dir string) (kernel, error) {
	want, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return kernel{}, err
	}
	have, err := sums(dir)
	if err != nil {
		return kernel{}, err
	}
	if have != string(want) {
		return kernel{}, fmt.Errorf("%s is damaged", dir)
	}
	series, err := os.ReadFile(filepath.Join(dir, seriesFile))
	if err != nil {
		return kernel{}, err
	}
	return kernel{
		board:  b,
		image:  filepath.Join(dir, imageFile),
		base:   filepath.Join(dir, baseFile),
		series: string(series),
	}, nil
}

// sums returns the checksums of a kernel's files, as sha256sum(1) writes them.
func sums(dir string) (string, error) {
	var b strings.Builder
	for _, name := range []string{imageFile, baseFile, seriesFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), name)
	}
	return b.String(), nil
}

// build makes a kernel's folder in the cache. It is there whole, or not at all.
func build(debian *apt, b *board, pkg, dir string) error {
	const prefix = "linux-image-"
	image, err := debian.dependency(pkg, prefix)
	if err != nil {
		return err
	}
	release := strings.TrimPrefix(image, prefix) // as uname -r has it
	root, err := debian.unpack(image)
	if err != nil {
		return err
	}
	busybox := filepath.Join(debian.dir, "busybox-static")
	if _, err := os.Stat(busybox); errors.Is(err, fs.ErrNotExist) {
		if busybox, err = debian.unpack("busybox-static"); err != nil {
			return err
		}
	}

	made := filepath.Join(debian.dir, pkg)
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(root, "boot", imageFile+"-"+release), filepath.Join(made, imageFile)); err != nil {
		return err
	}
	if err := writeBase(filepath.Join(made, baseFile), b, root, release, filepath.Join(busybox, "bin/busybox")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, seriesFile), []byte(series(release)), 0o644); err != nil {
		return err
	}
	text, err := sums(made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, sumsFile), []byte(text), 0o644); err != nil {
		return err
	}
	return replace(dir, made, pkg)
}

// replace puts a folder into the cache, in place of all that were made of the
// same package.
func replace(dir, made, pkg string) error {
	const hash = "-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
	old, err := filepath.Glob(filepath.Join(filepath.Dir(dir), pkg+hash))
	if err != nil {
		return err
	}
	for _, o := range old {
		if err := os.RemoveAll(o); err != nil {
			return err
		}
	}
	return os.Rename(made, dir)
}

// series returns the first two numbers of a kernel's release.
func series(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// writeBase writes the archive with busybox and the modules of a kernel package
// that was unpacked.
func writeBase(file string, b *board, root, release, busybox string) (err error) {
	// Packages come without the list of what depends on what. Under this name kmod
	// is depmod, whose own folder only root has on PATH.
	depmod := exec.Command("kmod", "-b", root, release)
	depmod.Args[0] = "depmod"
	if out, err := depmod.CombinedOutput(); err != nil {
		return fmt.Errorf("depmod: %w\n%s", err, out)
	}
	modules := filepath.Join(root, "lib/modules", release)
	deps, err := os.ReadFile(filepath.Join(modules, "modules.dep"))
	if err != nil {
		return err
	}
	builtin, err := os.ReadFile(filepath.Join(modules, "modules.builtin"))
	if err != nil {
		return err
	}
	order, err := loadOrder(string(deps), string(builtin), b.modules)
	if err != nil {
		return err
	}

	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a := newArchive(f)
	a.device("dev/console", 5, 1) // Linux opens it for init before /dev is mounted.
	a.device("dev/null", 1, 3)
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	a.program("bin/busybox", program)
	var names strings.Builder
	for _, m := range order {
		data, err := readModule(filepath.Join(modules, m))
		if err != nil {
			return err
		}
		name := moduleName(m) + ".ko"
		a.text("modules/"+name, string(data))
		fmt.Fprintln(&names, name)
	}
	a.text("modules/order", names.String())
	return a.close()
}

// readModule returns a module as it was before the package compressed it.
func readModule(file string) ([]byte, error) {
	if !strings.HasSuffix(file, ".xz") {
		return os.ReadFile(file)
	}
	out, err := exec.Command("xz", "--decompress", "--stdout", file).Output()
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", file, err)
	}
	return out, nil
}
