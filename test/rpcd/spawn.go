package rpcd

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// command is a plugin to be started.
type command struct {
	path string
	argv []string
	env  []string
	dir  string
	// files are the descriptors that the plugin gets, by number; -1 is none.
	files []int
}

// execError is that a file cannot be executed, and why.
type execError struct {
	path  string
	errno syscall.Errno
}

func (e *execError) Error() string { return "rpcd: execute " + e.path + ": " + e.errno.Error() }

// start forks and executes it. The error is an execError where the file cannot
// be executed.
//
// The plugin's umask has to be 0077 while that of this process, whose tests
// write files of their own, stays. Linux keeps the umask with the working
// directory in a structure that a thread can have for itself.
func (c *command) start() (*os.Process, error) {
	type result struct {
		pid int
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- result{err: fmt.Errorf("rpcd: a umask for plugins: unshare: %w", err)}
			return
		}
		unix.Umask(0o077)
		attr := &syscall.ProcAttr{Dir: c.dir, Env: c.env}
		for _, fd := range c.files {
			attr.Files = append(attr.Files, uintptr(fd)) // -1 closes
		}
		pid, err := syscall.ForkExec(c.path, c.argv, attr)
		if errno, ok := err.(syscall.Errno); ok {
			err = &execError{c.path, errno}
		}
		done <- result{pid, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, r.err
	}
	return os.FindProcess(r.pid)
}

// pipe makes a pipe that no other child gets.
func pipe() (reader, writer int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, fmt.Errorf("rpcd: pipe: %w", err)
	}
	return p[0], p[1], nil
}

// outputPipe makes one whose reading end Go's poller takes.
func outputPipe() (reader *os.File, writer int, err error) {
	r, w, err := pipe()
	if err != nil {
		return nil, -1, err
	}
	if err := unix.SetNonblock(r, true); err != nil {
		closeAll(r, w)
		return nil, -1, fmt.Errorf("rpcd: pipe: %w", err)
	}
	return os.NewFile(uintptr(r), "|0"), w, nil
}

// inputPipe makes one that holds as much of the input as is read of it.
func inputPipe(input []byte) (reader int, err error) {
	r, w, err := pipe()
	if err != nil {
		return -1, err
	}
	defer closeAll(w)
	input = input[:min(len(input), StdinLimit)]
	if err = unix.SetNonblock(w, true); err == nil && len(input) > 0 {
		var n int
		if n, err = unix.Write(w, input); err == nil && n < len(input) {
			err = errors.New("the system's pipes hold less than 64 KiB (see fs.pipe-user-pages-soft)")
		}
	}
	if err != nil {
		closeAll(r)
		return -1, fmt.Errorf("rpcd: input of a plugin: %w", err)
	}
	return r, nil
}

// fdTable is which descriptors rpcd would have open for the plugins that run.
// They are not closed on exec, so that a plugin started meanwhile gets them
// under the same numbers.
type fdTable struct {
	mu   sync.Mutex
	open map[int]*os.File
}

// firstFD is the first that rpcd has free: below are its standard files, the
// event loop, the pipe that wakes it and the bus.
const firstFD = 7

// slot is what one running plugin takes of the table.
type slot struct {
	table *fdTable
	fds   []int
}

// start starts a plugin whose pipes get the numbers that rpcd's have, and hands
// those of others down to it.
func (t *fdTable) start(c command, stdin, stdout, stderr int, kept [2]*os.File) (*os.Process, *slot, error) {
	t.mu.Lock() // no file of the table is closed meanwhile
	defer t.mu.Unlock()
	top := 2
	for fd := range t.open {
		top = max(top, fd)
	}
	c.files = make([]int, top+1)
	for fd := range c.files {
		c.files[fd] = -1
		if f := t.open[fd]; f != nil {
			c.files[fd] = rawFD(f)
		}
	}
	copy(c.files, []int{stdin, stdout, stderr})
	process, err := c.start()
	if err != nil {
		return nil, nil, err
	}
	// Of the three pipes rpcd keeps the ends that it reads from.
	free := t.lowest(6)
	s := &slot{table: t, fds: []int{free[2], free[4]}}
	if t.open == nil {
		t.open = map[int]*os.File{}
	}
	t.open[free[2]], t.open[free[4]] = kept[0], kept[1]
	return process, s, nil
}

func (t *fdTable) lowest(n int) []int {
	var free []int
	for fd := firstFD; len(free) < n; fd++ {
		if _, taken := t.open[fd]; !taken {
			free = append(free, fd)
		}
	}
	return free
}

// release takes them from all that start later. It comes before they are closed.
func (s *slot) release() {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for _, fd := range s.fds {
		delete(s.table.open, fd)
	}
	s.fds = nil
}

// rawFD is the descriptor of f without making it blocking, as f.Fd would.
func rawFD(f *os.File) int {
	fd := -1
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(p uintptr) { fd = int(p) })
	}
	return fd
}

// closeAll closes descriptors.
func closeAll(fds ...int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
