package rtnl

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// watchRoom is how much the kernel keeps for us, in bytes: about a thousand
	// notifications, for each takes about a KB with what the kernel needs for itself.
	// Where that is not enough, everything is read again.
	watchRoom = 1 << 20
	// watchMessage is more than the longest notification: of a link with all its
	// attributes.
	watchMessage = 32 << 10
)

// watchGroups are the kinds of changes that are watched.
var watchGroups = []int{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
}

var _ Watcher = (*System)(nil)

// Watch implements Watcher, in the network namespace of the calling thread. The
// error is that of ctx when that ended.
func (s *System) Watch(ctx context.Context, handler func(Event)) error {
	socket, err := openWatch()
	if err != nil {
		return fmt.Errorf("watch the network: %w", advise(err))
	}
	defer socket.Close()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = socket.SetReadDeadline(time.Unix(1, 0)) // The reader wakes up.
	})
	defer func() {
		if !stop() {
			<-stopped
		}
	}()
	err = (&watch{system: s, handler: handler}).run(socket)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("watch the network: %w", err)
}

// openWatch opens a socket that hears of changes. It is one that Go's runtime
// waits for: no thread is spent on it, and it can be woken up.
func openWatch() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// The smaller room that everybody gets will do as well.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchRoom) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, watchRoom)
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, group := range watchGroups {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
		}
	}
	if err != nil {
		_ = unix.Close(fd) // Nothing was written.
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// watch is one Watch.
type watch struct {
	system  *System
	handler func(Event)
	names   map[int]string // of the links, by index
}

// begin reads the names of the links and says that everything may have changed.
func (w *watch) begin() error {
	links, err := w.system.Links()
	if err != nil {
		return err
	}
	w.names = make(map[int]string, len(links))
	for _, l := range links {
		w.names[l.Index] = l.Name
	}
	w.handler(Event{Kind: EventLost})
	return nil
}

// run hands on what comes until the socket fails.
func (w *watch) run(socket *os.File) error {
	conn, err := socket.SyscallConn()
	if err == nil {
		err = w.begin()
	}
	if err != nil {
		return err
	}
	b := make([]byte, watchMessage)
	lost := false
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		err := conn.Read(func(fd uintptr) bool {
			// With MSG_TRUNC it says how long the message was, not how much of it came.
			n, from, failed = unix.Recvfrom(int(fd), b, unix.MSG_TRUNC)
			return failed != unix.EAGAIN || lost
		})
		switch {
		case err != nil: // the deadline, which the end of ctx sets
			return err
		case failed == unix.EINTR:
		case failed == unix.ENOBUFS:
			// From now on the kernel drops everything, without another word, until we have
			// taken what it keeps. What is read before that could be old again.
			lost = true
		case failed == unix.EAGAIN: // lost, and nothing is left
			lost, err = false, w.begin()
		case failed != nil:
			return os.NewSyscallError("recvfrom", failed)
		case lost, !fromKernel(from):
		case n > len(b), parseEvents(b[:n], w.tell) != nil:
			err = w.begin() // Whatever it was, it was something.
		}
		if err != nil {
			return err
		}
	}
}

// fromKernel reports whether a message is the kernel's: any process of the
// namespace can send us others.
func fromKernel(from unix.Sockaddr) bool {
	addr, ok := from.(*unix.SockaddrNetlink)
	return ok && addr.Pid == 0
}

// tell hands an event on, with the name of its link.
func (w *watch) tell(e Event) {
	switch {
	case e.Kind != EventLink:
		e.Device = w.names[e.Index]
	case e.Removed:
		delete(w.names, e.Index)
	default:
		w.names[e.Index] = e.Device
	}
	w.handler(e)
}
