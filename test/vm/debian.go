package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Where the packages are from. The release is the same whatever the machine's own
// is, since it has both of the kernels: 6.1 its own one, 6.12 among its updates.
const (
	mirror  = "http://deb.debian.org"
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	sources = "deb [signed-by=" + keyring + "] " + mirror + "/debian bookworm main\n" +
		"deb [signed-by=" + keyring + "] " + mirror + "/debian-security bookworm-security main\n"
)

// apt is a folder in which apt keeps lists of its own, so that neither root nor
// the machine's lists are needed, and nothing can be installed. Proxies are those
// of the machine's configuration.
type apt struct {
	dir     string
	arch    string // Debian's name of the architecture of the packages
	updated bool
}

// run runs apt-get or apt-cache on the lists in the folder.
func (a *apt) run(program string, args ...string) ([]byte, error) {
	options := []string{
		"-qq",
		"-o", "APT::Architecture=" + a.arch,
		"-o", "APT::Architectures=" + a.arch,
		"-o", "APT::Sandbox::User=", // It could not write into the folder.
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Dir::State=" + a.dir,
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache=" + a.dir,
		"-o", "Dir::Etc::sourcelist=" + filepath.Join(a.dir, "sources.list"),
		"-o", "Dir::Etc::sourceparts=/dev/null",
	}
	cmd := exec.Command(program, append(options, args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out, err
}

// fetch is run for what is downloaded. A mirror that does not answer, or that is being
// changed, does a moment later: it is asked again.
func (a *apt) fetch(args ...string) error {
	for _, pause := range []time.Duration{10 * time.Second, 30 * time.Second} {
		_, err := a.run("apt-get", args...)
		if err == nil {
			return nil
		}
		fmt.Fprintf(os.Stderr, "vm: %v; once more in %v\n", err, pause)
		time.Sleep(pause)
	}
	_, err := a.run("apt-get", args...)
	return err
}

// update gets the lists, once.
func (a *apt) update() error {
	if a.updated {
		return nil
	}
	if _, err := os.Stat(keyring); err != nil {
		return fmt.Errorf("the keys of Debian are missing (package debian-archive-keyring): %w", err)
	}
	if err := os.MkdirAll(filepath.Join(a.dir, "lists/partial"), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(a.dir, "archives/partial"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(sources), 0o644); err != nil {
		return err
	}
	// Without the option an unreachable mirror is no more than a warning.
	if err := a.fetch("-o", "APT::Update::Error-Mode=any", "update"); err != nil {
		return fmt.Errorf("%s cannot be reached, for the kernels that tests run on: %w", mirror, err)
	}
	a.updated = true
	return nil
}

// dependency returns the first dependency of a package that begins with a prefix:
// the kernel that a meta-package stands for.
func (a *apt) dependency(pkg, prefix string) (string, error) {
	if err := a.update(); err != nil {
		return "", err
	}
	out, err := a.run("apt-cache", "depends", pkg)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok && strings.HasPrefix(name, prefix) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s depends on no %s…", pkg, prefix)
}

// unpack downloads a package and unpacks it, in a folder that it returns.
func (a *apt) unpack(pkg string) (string, error) {
	if err := a.update(); err != nil {
		return "", err
	}
	if err := a.fetch("download", pkg); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(a.dir, pkg+"_*.deb"))
	if err != nil || len(files) != 1 {
		return "", errors.Join(err, fmt.Errorf("apt-get download %s: %d files", pkg, len(files)))
	}
	to := filepath.Join(a.dir, pkg)
	if out, err := exec.Command("dpkg-deb", "--extract", files[0], to).CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w\n%s", pkg, err, out)
	}
	return to, nil
}
