package integration

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
)

// secrets are the keys of TestSecrets that nobody may see, in every spelling that
// a program of ours or wireguard-go could give them.
func secrets() (list []string) {
	for _, k := range [...][32]byte{private(us), psk, private(40)} {
		key := hex.EncodeToString(k[:])
		list = append(list, key, strings.ToUpper(key))
	}
	return append(list, private(us).String(), psk.String(), private(40).String())
}

// noSecret looks for keys in what somebody can read.
func noSecret(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range secrets() {
		if strings.Contains(text, s) {
			t.Errorf("%s holds the secret %s:\n%.300s", what, s, text)
		}
	}
}

// stopWhenUp has the handlers stopped that run when an interface comes up, until they
// are sent SIGCONT: by themselves they end before a busy machine gets to look at them.
// The function that it returns returns their process ids, once the interface is up.
func (l *lab) stopWhenUp(iface string) (stopped func() []string) {
	var pids []string
	up := make(chan struct{})
	l.OnLog(func(line string) {
		if line != "Interface '"+iface+"' is now up" {
			return
		}
		l.OnLog(nil)
		defer close(up)
		// Netifd has not answered yet to what the handler told it.
		pids = handlers(l.t)
		for _, pid := range pids {
			signal(l.t, pid, unix.SIGSTOP)
		}
	})
	return func() []string {
		<-up
		return pids
	}
}

// signal sends a signal to a process.
func signal(t testing.TB, pid string, s unix.Signal) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = unix.Kill(n, s)
	}
	if err != nil {
		t.Errorf("signal %v to process %s: %v", s, pid, err)
	}
}

// TestSecrets: private and preshared keys are in no command line or environment,
// while the handler runs and of what it starts, in no line of a log and in no
// answer; and no file of ours can be read by others.
func TestSecrets(t *testing.T) {
	l := newLab(t, simple(peerSection("qr", 40, fmt.Sprintf(`
	option private_key '%s'
	option preshared_key '%s'
	option endpoint_host 'silent.example'
	list allowed_ips '10.7.0.0/33'
`, private(40), psk))+peerSection("ok", 41, fmt.Sprintf("\toption preshared_key '%s'\n\toption endpoint_host 'silent.example'\n", psk))+
		peerSection("spoilt", 42, fmt.Sprintf("\toption preshared_key '%sx'\n", psk))))
	l.farSimple()
	l.nameServer(nil) // The handler waits for it.
	stopped := l.stopWhenUp("wg0")
	l.Start()
	l.AwaitUp("wg0")
	running := stopped()
	if len(running) == 0 {
		t.Fatal("the handler does not run any more")
	}
	handler := running[0]
	if !l.kernel {
		running = append(running, processes(t, "wireguard-go\x00wg0\x00")...)
		if len(running) < 2 {
			t.Fatal("no process of wireguard-go is to be seen")
		}
	}
	for _, pid := range running {
		for _, file := range []string{"cmdline", "environ"} {
			data, err := os.ReadFile(filepath.Join("/proc", pid, file))
			if err != nil {
				t.Fatal(err)
			}
			if file == "cmdline" && len(data) == 0 {
				t.Errorf("process %s has ended", pid)
			}
			noSecret(t, file+" of process "+pid, string(data))
		}
	}
	signal(t, handler, unix.SIGCONT)
	l.awaitHandlers()
	l.StartRpcd()
	mustPing(t, l.far, "10.0.0.1")
	l.handle("setup", "wg0")

	noSecret(t, "the log", strings.Join(l.Log(), "\n"))
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"status", "wg0"}} {
		out, err := l.Wgnetifd(args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), public(them).String()) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		noSecret(t, strings.Join(args, " "), string(out))
	}
	for _, call := range [][2]string{
		{"network.interface.wg0", "status"},
		{"network.interface", "dump"},
		{"luci.wireguard", "getWgInstances"},
		{"luci.wireguard", "status"},
		{"luci.wireguard", "peers"},
	} {
		reply, err := l.Call(call[0], call[1], nil)
		text := string(blobmsg.AppendJSON(nil, reply))
		if err != nil || !strings.Contains(text, "wg0") {
			t.Errorf("%v: %v: %s", call, err, text)
		}
		noSecret(t, fmt.Sprint(call), text)
	}
	err := filepath.WalkDir(router.StateDir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, st.Mode())
		}
		data, err := os.ReadFile(path)
		noSecret(t, path, string(data))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
