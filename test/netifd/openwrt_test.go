package netifd

import (
	"bytes"
	"context"
	"flag"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/test/need"
)

// openwrt makes the tests meet OpenWrt's own ubusd and netifd instead of the
// stand-ins: what is wrong then is the test.
var openwrt = flag.Bool("openwrt", false, "run the conformance tests against OpenWrt's own ubusd and netifd")

// startOpenWrt starts OpenWrt's programs.
func (l *lab) startOpenWrt(ctx context.Context) {
	l.t.Helper()
	programs := need.OpenWrt(l.t, "ubusd", "netifd")
	l.startProgram(programs[0], "-s", l.socket)
	for {
		if conn, err := ubus.Dial(ctx, l.socket); err == nil {
			conn.Close()
			break
		}
		if ctx.Err() != nil {
			l.t.Fatal("ubusd does not come up")
		}
		time.Sleep(10 * time.Millisecond)
	}
	script := "#!/bin/sh\nenv | tr '\\n' ' ' >> '" + l.path("hotplug") + "'\necho >> '" + l.path("hotplug") + "'\n"
	l.writeProgram(script, "hotplug.sh")
	l.startProgram(programs[1], "-S", "-s", l.socket, "-p", l.dir, "-c", l.path("config"),
		"-h", l.path("hotplug.sh"), "-r", l.path("resolv.conf"))
	conn, err := ubus.Dial(ctx, l.socket)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WaitFor(ctx, "network", "network.device", "network.interface"); err != nil {
		l.t.Fatal(err)
	}
	// It answers as soon as the handlers are asked and the interfaces made.
	if _, err := conn.Call(ctx, "network", "get_proto_handlers", nil); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) startProgram(path string, args ...string) {
	l.t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = l.env()
	cmd.Stderr = logWriter{l}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have crashed
		_ = cmd.Wait()
	})
}

// logWriter writes to a lab's log.
type logWriter struct{ l *lab }

func (w logWriter) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		w.l.log(strings.TrimSuffix(string(line), "\n"))
	}
	return len(b), nil
}

// openwrtHotplug is what the hotplug script wrote.
func (l *lab) openwrtHotplug() []HotplugEvent {
	var events []HotplugEvent
	for _, line := range l.fileLines("hotplug") {
		var h HotplugEvent
		for _, word := range strings.Fields(line) {
			name, value, _ := strings.Cut(word, "=")
			switch {
			case name == "ACTION":
				h.Action = value
			case name == "INTERFACE":
				h.Interface = value
			case name == "DEVICE":
				h.Device = value
			case strings.HasPrefix(name, "IFUPDATE_"):
				h.Updated = append(h.Updated, name)
			}
		}
		slices.Sort(h.Updated)
		events = append(events, h)
	}
	return events
}
