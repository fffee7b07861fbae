package integration

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

// traffic is packets that one host sends to another, which sends each back.
type traffic struct {
	t          testing.TB
	here, echo net.PacketConn
	sent       atomic.Uint64
	received   atomic.Uint64
	last       atomic.Uint64 // the highest number that has come back; they begin with 1
	stop       chan struct{}
	sending    sync.WaitGroup
	busy       sync.WaitGroup
}

// startTraffic has a host send packets to an address of another, some a second, and
// returns when the first has come back.
func startTraffic(t testing.TB, from, to *netns.Host, address string) *traffic {
	t.Helper()
	tr := &traffic{t: t, stop: make(chan struct{})}
	var err error
	to.Do(func() { tr.echo, err = net.ListenPacket("udp", net.JoinHostPort(address, "7")) })
	if err == nil {
		from.Do(func() { tr.here, err = net.ListenPacket("udp", ":0") })
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tr.end()
		tr.sending.Wait()
		tr.busy.Wait()
	})
	dst, err := net.ResolveUDPAddr("udp", tr.echo.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	tr.busy.Go(tr.reflect)
	tr.busy.Go(tr.receive)
	tr.sending.Go(func() { tr.send(dst) })
	tr.flows("at the beginning")
	return tr
}

func (tr *traffic) reflect() {
	buf := make([]byte, 64)
	for {
		n, from, err := tr.echo.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = tr.echo.WriteTo(buf[:n], from) // what is lost is seen at the other end
		}
	}
}

func (tr *traffic) receive() {
	buf, seen := make([]byte, 64), map[uint64]bool{}
	for {
		n, _, err := tr.here.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if number := binary.BigEndian.Uint64(buf); err == nil && n == 8 && !seen[number] {
			seen[number] = true
			tr.received.Add(1)
			tr.last.Store(max(tr.last.Load(), number))
		}
	}
}

// interval is between two packets: short enough for some in each change, long
// enough for an emulated processor.
const interval = 20 * time.Millisecond

func (tr *traffic) send(to net.Addr) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tr.stop:
			return
		case <-tick.C:
		}
		_, _ = tr.here.WriteTo(binary.BigEndian.AppendUint64(nil, tr.sent.Add(1)), to) // as above
	}
}

// flows waits until a packet that was not sent yet has come back.
func (tr *traffic) flows(when string) {
	tr.t.Helper()
	before := tr.sent.Load()
	for deadline := time.Now().Add(patience); tr.last.Load() <= before; time.Sleep(interval) {
		if time.Now().After(deadline) {
			tr.t.Fatalf("no packet comes back %s", when)
		}
	}
}

func (tr *traffic) end() {
	select {
	case <-tr.stop:
	default:
		close(tr.stop)
	}
	_, _ = tr.here.Close(), tr.echo.Close()
}

// late is when a packet that has not come back is lost.
const late = 5 * time.Second

// lost ends the traffic and returns how many packets were sent, and how many of
// them never came back.
func (tr *traffic) lost() (sent, lost uint64) {
	tr.t.Helper()
	close(tr.stop)
	tr.sending.Wait() // one may be about to be sent
	sent = tr.sent.Load()
	for deadline := time.Now().Add(late); tr.received.Load() < sent && time.Now().Before(deadline); time.Sleep(interval) {
	}
	lost = sent - tr.received.Load()
	tr.end()
	return sent, lost
}
