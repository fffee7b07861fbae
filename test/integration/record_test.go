package integration

import (
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// record puts itself between the control socket of a device of wireguard-go and
// those who use it. The function that it returns returns what was written to the
// device since it was called last, each write as a text of the cross-platform
// userspace protocol. The kernel's devices have no such socket; of these nothing is
// recorded.
func (l *lab) record(device string) (writes func() []string) {
	l.t.Helper()
	if l.kernel {
		return func() []string { return nil }
	}
	const dir = "/var/run/wireguard/"
	r := &recorder{real: dir + device + ".real"}
	check := func(err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", dir+device+".recorder")
	check(err)
	check(os.WriteFile(r.real, nil, 0o600))
	l.t.Cleanup(func() {
		_ = listener.Close() // also removes its path
		r.busy.Wait()
		_ = os.Remove(r.real)
	})
	// wireguard-go ends when anything happens to the inode of its socket, so that it
	// can be neither renamed nor linked to.
	for _, m := range []struct{ from, to string }{{dir + device + ".sock", r.real}, {dir + device + ".recorder", dir + device + ".sock"}} {
		check(unix.Mount(m.from, m.to, "", unix.MS_BIND, ""))
		l.t.Cleanup(func() {
			if err := unix.Unmount(m.to, unix.MNT_DETACH); err != nil {
				l.t.Error(err)
			}
		})
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return // closed
			}
			r.busy.Go(func() { r.serve(c) })
		}
	}()
	return r.take
}

type recorder struct {
	real string
	busy sync.WaitGroup

	mu     sync.Mutex
	writes []string
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writes
	r.writes = nil
	return w
}

// serve forwards one connection.
func (r *recorder) serve(client net.Conn) {
	defer client.Close()
	device, err := net.Dial("unix", r.real)
	if err != nil {
		return
	}
	defer device.Close()
	go func() {
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := device.Read(buf)
			if n > 0 {
				_, _ = client.Write(buf[:n]) // the client sees to its own errors
			}
			if err != nil {
				return
			}
		}
	}()
	var text strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		text.Write(buf[:n])
		// A request ends with an empty line.
		for {
			request, rest, whole := strings.Cut(text.String(), "\n\n")
			if !whole {
				break
			}
			text.Reset()
			text.WriteString(rest)
			if strings.HasPrefix(request, "set=1") {
				r.mu.Lock()
				r.writes = append(r.writes, request)
				r.mu.Unlock()
			}
		}
		if n > 0 {
			if _, err := device.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
