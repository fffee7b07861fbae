package rpcd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// StdinLimit is how many bytes of the arguments a plugin can read: rpcd writes
// what an empty pipe takes and closes it.
const StdinLimit = 65536

// call runs a plugin for one call and returns its answer, or a status. An error
// that is no [ubus.Status] means that there is no answer at all.
func (r *Rpcd) call(object, method string, arguments blobmsg.Table) (blobmsg.Table, error) {
	path := filepath.Join(r.config.PluginDir, object)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, ubus.StatusNotFound
	}
	if !r.begin() {
		return nil, r.ctx.Err()
	}
	defer r.runs.Done()
	p := &run{}
	err := p.start(r, command{
		path: path,
		argv: []string{path, "call", method},
		env:  r.env(),
		dir:  r.config.Dir,
	}, blobmsg.AppendJSON(nil, arguments))
	var cannot *execError
	switch {
	case errors.As(err, &cannot):
		// The child that could not execute the file answers and goes on
		// as a daemon in an endless loop, until its parent kills it as
		// it would the plugin.
		r.forked(r.config.Timeout)
		return nil, execStatus(cannot.errno)
	case err != nil:
		return nil, err
	}
	return p.wait(r.ctx, r.config.Timeout)
}

// execStatus is exec.c's choice.
func execStatus(errno syscall.Errno) ubus.Status {
	switch errno {
	case unix.EACCES:
		return ubus.StatusPermissionDenied
	case unix.ENOTDIR, unix.EINVAL:
		return ubus.StatusInvalidArgument
	case unix.ENOENT:
		return ubus.StatusNotFound
	default:
		return ubus.StatusUnknownError
	}
}

func (r *Rpcd) env() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config.Env
}

// run is a plugin at work for a call.
type run struct {
	process *os.Process
	exited  chan struct{}
	slot    *slot
	stdout  *stream
	stderr  *stream

	tokens tokener
	value  any
	result verdict
}

// start starts the plugin with its input in the pipe.
func (p *run) start(r *Rpcd, c command, input []byte) error {
	stdin, err := inputPipe(input)
	if err != nil {
		return err
	}
	defer closeAll(stdin)
	stdout, stdoutWriter, err := outputPipe()
	if err != nil {
		return err
	}
	defer closeAll(stdoutWriter)
	stderr, stderrWriter, err := outputPipe()
	if err != nil {
		stdout.Close()
		return err
	}
	defer closeAll(stderrWriter)

	p.process, p.slot, err = r.fds.start(c, stdin, stdoutWriter, stderrWriter, [2]*os.File{stdout, stderr})
	if err != nil {
		stdout.Close()
		stderr.Close()
		return err
	}
	p.stdout = newStream(stdout, streamBuffer, p.take)
	p.stderr = newStream(stderr, streamBuffer, func([]byte) {})
	p.exited = r.watch(p.process)
	return nil
}

// watch takes a plugin from the system's list of processes when it has exited,
// and closes the channel. The end of the daemon kills it.
func (r *Rpcd) watch(process *os.Process) (exited chan struct{}) {
	exited = make(chan struct{})
	stop := context.AfterFunc(r.ctx, func() { _ = process.Kill() })
	r.runs.Go(func() {
		_, _ = process.Wait() // how it ended counts for nothing
		stop()
		close(exited)
	})
	return exited
}

// take reads the first JSON value of the output.
func (p *run) take(piece []byte) {
	if p.result == verdictNone || p.result == verdictMore {
		p.value, p.result = p.tokens.parse(piece)
	}
}

// wait waits for the end of the call.
func (p *run) wait(ctx context.Context, limit time.Duration) (blobmsg.Table, error) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()

	bothClosed := make(chan struct{})
	go func() {
		defer close(bothClosed)
		p.stdout.wait()
		p.stderr.wait()
	}()
	select {
	case <-bothClosed:
		p.closeStreams(true)
	case <-p.exited:
		p.closeStreams(true)
	case <-timeout.C:
		_ = p.process.Kill()
		p.closeStreams(false)
	case <-ctx.Done():
		p.closeStreams(false)
		return nil, ctx.Err()
	}
	return p.answer()
}

// closeStreams ends the reading; drain takes what is in the pipes already.
func (p *run) closeStreams(drain bool) {
	p.slot.release()
	p.stdout.close(drain)
	p.stderr.close(drain)
}

func (p *run) answer() (blobmsg.Table, error) {
	table, ok := p.value.(blobmsg.Table)
	switch {
	case p.result == verdictDone && ok:
		return table, nil
	case p.result == verdictNone, p.result == verdictDone && p.value == nil:
		return nil, ubus.StatusNoData
	default:
		return nil, ubus.StatusInvalidArgument
	}
}

// stream reads one pipe in pieces.
type stream struct {
	file *os.File
	size int // of a piece
	take func([]byte)
	end  chan struct{}
	once sync.Once
}

// streamBuffer is the size of rpcd's buffers: json-c sees where one ends.
const streamBuffer = 4096

func newStream(file *os.File, size int, take func([]byte)) *stream {
	s := &stream{file: file, size: size, take: take, end: make(chan struct{})}
	go func() {
		defer close(s.end)
		buf := make([]byte, size)
		for {
			n, err := s.file.Read(buf)
			if n > 0 {
				s.take(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

// wait waits until the plugin, and whoever has it from the plugin, has closed
// the other end, or close was called.
func (s *stream) wait() { <-s.end }

// close ends the reading. With drain it first takes what lies in the pipe.
func (s *stream) close(drain bool) {
	s.once.Do(func() {
		_ = s.file.SetReadDeadline(time.Now())
		<-s.end
		if drain {
			s.drain()
		}
		s.file.Close()
	})
}

func (s *stream) drain() {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, s.size)
	_ = conn.Control(func(fd uintptr) {
		for {
			n, err := unix.Read(int(fd), buf)
			if err == unix.EINTR {
				continue
			}
			if err != nil || n == 0 {
				return
			}
			s.take(buf[:n])
		}
	})
}
