package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// bootTime is how long a kernel may take to run init. It takes two seconds, and on
	// a machine that does much else many times that.
	bootTime = 3 * time.Minute
	// boots is how often a machine is started that does not get that far: emulators
	// have faults of their own.
	boots = 3
)

// What init.sh says on the second serial port.
const (
	runsLine = "vm: runs "
	exitLine = "vm: exit "
)

// errBoot: the machine ended, or hung, before init ran the command.
var errBoot = errors.New("it did not boot")

// machine is a virtual machine.
type machine struct {
	kernel kernel
	files  string    // path of an archive that is unpacked over that of the kernel
	out    io.Writer // what the command writes
}

// run starts the machine, and returns the exit status of its command.
func (m *machine) run(ctx context.Context) (int, error) {
	dir, err := os.MkdirTemp("", "wgnetifd-vm-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	initrd := filepath.Join(dir, "initrd")
	if err := concatenate(initrd, m.kernel.base, m.files); err != nil {
		return 0, err
	}
	console := filepath.Join(dir, "console")
	for try := 1; ; try++ {
		status, err := m.boot(ctx, initrd, console)
		if err == nil {
			return status, nil
		}
		if !errors.Is(err, errBoot) || try == boots || ctx.Err() != nil {
			return 0, fmt.Errorf("%w; the kernel's last words:\n%s", err, tail(console, 40))
		}
		fmt.Fprintf(m.out, "vm: %v; once more\n", err)
	}
}

func (m *machine) boot(ctx context.Context, initrd, console string) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	boot := time.AfterFunc(bootTime, func() { cancel(errBoot) })
	defer boot.Stop()

	b := m.kernel.board
	cmd := exec.CommandContext(ctx, b.qemu, append(b.machine, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-kernel", m.kernel.image, "-initrd", initrd, "-append", "console=ttyS0 loglevel=4 oops=panic panic=-1 "+b.parameters,
		"-serial", "file:"+console, "-serial", "stdio")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	runs, status := false, -1
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // The machine is off, or the line is the last that there will be.
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, runsLine):
			runs = boot.Stop()
		case strings.HasPrefix(line, exitLine):
			if status, err = strconv.Atoi(line[len(exitLine):]); err != nil {
				status = -1
			}
		default:
			fmt.Fprintln(m.out, line)
		}
	}
	err = cmd.Wait()
	switch cause := context.Cause(ctx); {
	case status >= 0:
		return status, nil
	case !runs:
		return 0, fmt.Errorf("%w (%v) %s", errBoot, errors.Join(cause, err), bytes.TrimSpace(errs.Bytes()))
	case cause != nil:
		return 0, fmt.Errorf("the tests were stopped: %w", cause)
	default:
		return 0, fmt.Errorf("the machine ended before its tests did (%v) %s", err, bytes.TrimSpace(errs.Bytes()))
	}
}

// concatenate writes files one after the other: a kernel unpacks all archives of
// the one file that it is given.
func concatenate(to string, files ...string) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, name := range files {
		part, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, part)
		_ = part.Close() // It was only read.
		if err != nil {
			return err
		}
	}
	return nil
}

// tail returns the last lines of a file.
func tail(file string, n int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
