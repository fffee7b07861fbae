package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/netifd"
	"github.com/wgnetifd/wgnetifd/test/netns"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// patience is how long something may take that does not depend on anybody else.
const patience = 60 * time.Second

// bus is the router's ubusd, and a client of it.
type bus struct {
	broker *ubusd.Broker
	conn   *ubus.Conn
}

func startBus(t *testing.T) *bus {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(ubus.DefaultSocket), 0o755); err != nil {
		t.Fatal(err)
	}
	broker, err := ubusd.Start(ubus.DefaultSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := ubus.Dial(ctx, ubus.DefaultSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &bus{broker, conn}
}

func (b *bus) call(object, method string) (blobmsg.Table, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return b.conn.Call(ctx, object, method, nil)
}

// await waits until a condition holds; what says which.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	log, _ := os.ReadFile("/run/wgnetifd.log") // there may be none
	t.Fatalf("in %v: not %s; the daemon's log:\n%s", patience, what, log)
}

// awaitDaemon waits until a daemon answers on the bus, which is not the one with the
// process id before, and returns its own.
func (b *bus) awaitDaemon(t *testing.T, before int) (pid int) {
	t.Helper()
	await(t, "a daemon on the bus", func() bool {
		text, err := os.ReadFile("/run/wgnetifd.pid")
		if err != nil {
			return false
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || pid == before {
			return false
		}
		_, err = b.call("wireguard", "status")
		return err == nil
	})
	return pid
}

// router is a host with netifd.
type router struct {
	*netns.Host
	t   *testing.T
	bus *bus

	netifd *netifd.Netifd
	mu     sync.Mutex
	log    []string
}

// restart is `/etc/init.d/network restart`.
func (r *router) restart() {
	r.t.Helper()
	r.stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for taken := true; taken && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		_, taken = r.bus.broker.Owner("network")
	}
	var err error
	r.Do(func() {
		r.netifd, err = netifd.Start(ctx, netifd.Config{Log: func(line string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.log = append(r.log, line)
		}})
	})
	if err != nil {
		r.t.Fatalf("start netifd: %v", err)
	}
}

// stop ends netifd, which takes its interfaces down before.
func (r *router) stop() {
	if r.netifd == nil {
		return
	}
	if _, err := r.bus.call("network.interface.wg0", "down"); err == nil {
		await(r.t, "wg0 down", func() bool { return !r.up("wg0") })
	}
	_ = r.netifd.Close()
	r.netifd = nil
}

func (r *router) up(iface string) bool {
	reply, err := r.bus.call("network.interface."+iface, "status")
	return err == nil && strings.Contains(string(blobmsg.AppendJSON(nil, reply)), `"up":true`)
}

func (r *router) lines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.log, "\n")
}

// flood pings from a host 50 times a second until the returned function is called,
// which reports how many answers came, and fails for each that did not.
func flood(t *testing.T, from *netns.Host, address string) (stop func()) {
	t.Helper()
	out, err := os.CreateTemp("/run", "ping")
	if err != nil {
		t.Fatal(err)
	}
	c := from.Command("ping", "-n", "-i", "0.02", address)
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	answers := func() (numbers []int) {
		text, _ := os.ReadFile(out.Name()) // nothing read, no answers
		for line := range strings.Lines(string(text)) {
			_, rest, ok := strings.Cut(line, "icmp_seq=")
			number, after, _ := strings.Cut(rest, " ")
			if n, err := strconv.Atoi(number); ok && err == nil && strings.Contains(after, "time=") {
				numbers = append(numbers, n)
			}
		}
		return numbers
	}
	await(t, "an answer to a ping", func() bool { return len(answers()) > 10 })
	return func() {
		t.Helper()
		last := len(answers())
		await(t, "answers to pings afterwards", func() bool { return len(answers()) > last+10 })
		_ = c.Process.Kill()
		_ = c.Wait()
		got := map[int]bool{}
		most := 0
		for _, n := range answers() {
			got[n] = true
			most = max(most, n)
		}
		var lost []string
		for n := 1; n <= most; n++ {
			if !got[n] {
				lost = append(lost, fmt.Sprint(n))
			}
		}
		t.Logf("%d answers to %d pings", len(got), most)
		if len(lost) > 0 {
			t.Errorf("of %d packets, these were lost: %s", most, strings.Join(lost, " "))
		}
		_ = os.Remove(out.Name())
	}
}
