package netifd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// execFailed is the exit status of a child that could not be started.
const execFailed = 127

// maxLogLine is how long a line of a handler's output may be; what follows is
// replaced by " [...]" (libubox's stream buffer).
const maxLogLine = 4096

// A process is a place for one running program: the handler of an interface, or
// the program that the handler had netifd run.
//
// The program runs in netifd's process group, in the folder of the handlers,
// with SIGPIPE ignored, and has one pipe as stdin, stdout and stderr, of which
// it holds the end for writing. Lines from there are logged.
type process struct {
	e      *engine
	prefix string // of the log lines
	// ended is called on the loop when the program has ended by itself or by
	// a signal, with its exit status (0 if it was a signal).
	ended func(status int)

	running *child // nil: none
}

// A child is one run of a program.
type child struct {
	os  *os.Process // nil: it could not be started, and ends with execFailed
	log *os.File    // the end of the pipe for reading
	pid int
}

func (p *process) pending() bool { return p.running != nil }

// start runs a program; one that still runs in this place is killed. As netifd
// forks first, a program that cannot be executed is one that ends at once with
// 127; an error means that nothing was started.
func (p *process) start(argv, extraEnv []string) error {
	p.kill()
	env := p.e.cfg.Env
	for _, v := range extraEnv {
		env = withEnv(env, v)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start of a process: %w", err)
	}
	c := &child{log: r}
	c.os, err = execPath(argv, env, p.e.cfg.ProtoDir, w)
	w.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) {
		r.Close()
		return fmt.Errorf("start of a process: %w", err)
	}
	p.running = c
	if err != nil {
		r.Close()
		p.e.loop.post(func() { p.finish(c, execFailed) })
		return nil
	}
	c.pid = c.os.Pid
	go p.watch(c)
	return nil
}

// execPath is execvp(3) in a child whose folder is dir: a name without a slash
// is looked for in the child's PATH.
func execPath(argv, env []string, dir string, pipe *os.File) (*os.Process, error) {
	if len(argv) == 0 {
		return nil, unix.EFAULT
	}
	attr := &os.ProcAttr{Dir: dir, Env: env, Files: []*os.File{pipe, pipe, pipe}}
	if strings.Contains(argv[0], "/") {
		return execFile(argv[0], argv, attr)
	}
	path := "/usr/local/bin:/bin:/usr/bin" // the C library's default
	for _, v := range env {
		if rest, ok := strings.CutPrefix(v, "PATH="); ok {
			path = rest
		}
	}
	err := error(unix.ENOENT)
	for _, d := range filepath.SplitList(path) {
		if d == "" {
			d = "."
		}
		var proc *os.Process
		proc, err = execFile(d+"/"+argv[0], argv, attr)
		if err == nil || errors.Is(err, syscall.E2BIG) {
			return proc, err
		}
	}
	return nil, err
}

// execFile starts a program as execvp(3) does: a file that is executable and no
// program is given to the shell.
func execFile(path string, argv []string, attr *os.ProcAttr) (*os.Process, error) {
	p, err := os.StartProcess(path, argv, attr)
	if errors.Is(err, syscall.ENOEXEC) {
		args := append([]string{"/bin/sh", path}, argv[min(1, len(argv)):]...)
		p, err = os.StartProcess("/bin/sh", args, attr)
	}
	return p, err
}

// withEnv returns env with one more variable, which takes the place of one of
// the same name.
func withEnv(env []string, assignment string) []string {
	name, _, _ := strings.Cut(assignment, "=")
	out := make([]string, 0, len(env)+1)
	for _, v := range env {
		if n, _, _ := strings.Cut(v, "="); n != name {
			out = append(out, v)
		}
	}
	return append(out, assignment)
}

// watch logs what the child writes until the child ends, even when a child of
// its own still holds the pipe.
func (p *process) watch(c *child) {
	exited := make(chan int, 1)
	go func() {
		state, err := c.os.Wait()
		status := 0
		if err == nil {
			if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Exited() {
				status = ws.ExitStatus()
			}
		}
		// Wakes the reader below. It comes before the status is told:
		// drain takes the deadline back.
		_ = c.log.SetReadDeadline(time.Now())
		exited <- status
	}()
	lines := lineLogger{log: func(line string) { p.e.logf("%s (%d): %s", p.prefix, c.pid, line) }}
	buf := make([]byte, maxLogLine)
	for {
		n, err := c.log.Read(buf)
		lines.write(buf[:n])
		if err != nil {
			break
		}
	}
	status := <-exited
	drain(c.log, &lines)
	c.log.Close()
	p.e.loop.post(func() { p.finish(c, status) })
}

// drain logs what is in the pipe at this moment.
func drain(f *os.File, lines *lineLogger) {
	if f.SetReadDeadline(time.Time{}) != nil {
		return
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, maxLogLine)
	_ = raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n <= 0 {
				return true
			}
			lines.write(buf[:n])
		}
	})
}

func (p *process) finish(c *child, status int) {
	if p.running != c {
		return // killed, and forgotten
	}
	p.running = nil
	p.ended(status)
}

// kill ends the program with SIGKILL and forgets it: ended is not called.
// Children of the program live on.
func (p *process) kill() {
	c := p.running
	if c == nil {
		return
	}
	p.running = nil
	if c.os != nil {
		_ = c.os.Kill() // it may have ended meanwhile
	}
}

func (p *process) signal(sig syscall.Signal) {
	if c := p.running; c != nil && c.os != nil {
		_ = c.os.Signal(sig) // it may have ended meanwhile
	}
}

// A lineLogger cuts what a program writes into lines. An unfinished line at the
// end is not logged.
type lineLogger struct {
	log      func(line string)
	buf      []byte
	overflow bool // inside a line of which the beginning was logged
}

func (l *lineLogger) write(b []byte) {
	l.buf = append(l.buf, b...)
	for {
		end := bytes.IndexByte(l.buf, '\n')
		switch {
		case l.overflow && end >= 0:
			l.overflow = false
		case l.overflow:
			end = len(l.buf) - 1
		case end >= 0:
			l.log(cText(l.buf[:end]))
		case len(l.buf) >= maxLogLine:
			l.log(cText(l.buf[:maxLogLine]) + " [...]")
			l.overflow = true
			end = maxLogLine - 1
		default:
			return
		}
		l.buf = l.buf[end+1:]
		if len(l.buf) == 0 {
			return
		}
	}
}

// cText is what C prints of bytes as a string.
func cText(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
