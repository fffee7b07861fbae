package hotplug

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/logline"
)

// wrapper does for one script what hotplug-call does: the script finds the type
// of event in $1, and its own path in $script. All comes in as arguments, nothing
// is part of the text.
const wrapper = `[ -f "$3" ] && . "$3"; script=$2; set -- "$1"; . "$script"`

// process is a script that runs, the leader of its own process group.
type process struct {
	*os.Process
	output *os.File
	// exited is closed when it has ended. It is a zombie until Wait, so that the
	// number of its group stays its own until then.
	exited chan struct{}
}

// run runs one script to its end, its time-out or the context's end. Its exit
// status is nobody's business, as in hotplug-call: a fragment that ends with
// `[ "$STATE" = stale ] && …` has failed most of the time.
func (r *Runner) run(ctx context.Context, script string, env []string, log *logline.Logger) {
	p, err := r.start(script, env)
	if err != nil {
		log.Error("hotplug script cannot be started: " + err.Error())
		return
	}
	lines := &output{log: log}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines.readAll(p.output)
	}()

	timeout := time.NewTimer(r.Timeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
		log.Warn("hotplug script takes too long and is ended", "after", r.Timeout)
		r.end(p, log)
	case <-ctx.Done():
		r.end(p, log)
	}
	// What was written before the end is read at once. Who still holds the pipe
	// is a process in the background, and nobody waits for that.
	_ = p.output.SetReadDeadline(time.Now().Add(r.linger))
	<-read
	_ = p.output.Close()
	lines.end()
	select {
	case <-p.exited:
		p.reap(log)
	default:
		go func() {
			<-p.exited
			p.reap(log)
		}()
	}
}

// start starts a shell that sources the script.
func (r *Runner) start(script string, env []string) (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	argv := []string{"sh", "-c", wrapper, "/sbin/hotplug-call", "wireguard", script, r.functions}
	started, err := os.StartProcess("/bin/sh", argv, &os.ProcAttr{
		Dir: "/", Env: env, Files: []*os.File{null, in, in},
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	p := &process{started, out, make(chan struct{})}
	go func() {
		defer close(p.exited)
		for unix.Waitid(unix.P_PID, p.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
	}()
	return p, nil
}

// end ends the script and what it has started in its group, first kindly.
func (r *Runner) end(p *process, log *logline.Logger) {
	for _, kill := range []bool{false, true} {
		_ = r.signal(p.Pid, kill)
		timer := time.NewTimer(r.grace)
		select {
		case <-p.exited:
		case <-timer.C:
			if kill { // it waits for a disk or a server, and may for ever
				log.Error("hotplug script cannot be killed and is left alone", "pid", p.Pid)
			}
		}
		timer.Stop()
	}
}

func signalGroup(pid int, kill bool) error {
	if kill {
		return unix.Kill(-pid, unix.SIGKILL)
	}
	return unix.Kill(-pid, unix.SIGTERM)
}

// reap takes the exit status.
func (p *process) reap(log *logline.Logger) {
	if _, err := p.Wait(); err != nil {
		log.Error("hotplug script: " + err.Error())
	}
}

// output writes what a script says to the log, up to a bound: the log of a
// router is a few KB of memory, which other programs need too.
type output struct {
	log     *logline.Logger
	line    []byte
	lines   int
	dropped int // bytes
}

const (
	maxLines = 50
	maxLine  = 256
)

// readAll reads to the end, or to the deadline and what is there then: whoever reads
// on a busy router may get his turn only after it, and is refused what was there long
// before.
func (o *output) readAll(f *os.File) {
	if err := o.readFrom(f); !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	raw, err := f.SyscallConn()
	if err != nil || f.SetReadDeadline(time.Time{}) != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		var buffer [pipeSize / 16]byte
		for range pipeSize / len(buffer) {
			n, err := unix.Read(int(fd), buffer[:]) // does not wait
			if err != nil || n == 0 {
				break
			}
			for _, c := range buffer[:n] {
				o.add(c)
			}
		}
		return true
	})
}

// pipeSize is how much a pipe holds, in bytes (pipe(7)). A process in the background
// that goes on writing is not followed.
const pipeSize = 65536

// readFrom reads until there is an error: a script that writes more than is logged
// must not wait for a reader.
func (o *output) readFrom(f *os.File) error {
	var buffer [2048]byte
	for {
		n, err := f.Read(buffer[:])
		for _, c := range buffer[:n] {
			o.add(c)
		}
		if err != nil {
			return err
		}
	}
}

func (o *output) add(c byte) {
	switch {
	case c == '\n':
		o.flush()
	case o.lines >= maxLines || len(o.line) >= maxLine:
		o.dropped++
	default:
		o.line = append(o.line, c)
	}
}

func (o *output) flush() {
	if text := strings.TrimSpace(strings.ToValidUTF8(string(o.line), "?")); text != "" {
		o.log.Info("hotplug: " + text)
		o.lines++
	}
	o.line = o.line[:0]
}

// end logs the last line, which may have no end, and what was left out.
func (o *output) end() {
	o.flush()
	if o.dropped > 0 {
		o.log.Info("hotplug: the script wrote more than is logged", "bytes", o.dropped)
	}
}
