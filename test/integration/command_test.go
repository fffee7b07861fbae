package integration

import (
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/need"
)

// output runs wgnetifd with an input and returns what it prints, which is on
// standard output alone.
func (l *lab) output(input string, args ...string) string {
	l.t.Helper()
	cmd := l.Wgnetifd(args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestKeys: genkey, genpsk and pubkey are what they are in wg(8).
func TestKeys(t *testing.T) {
	l := newLab(t, "")
	need.Command(t, "wg")
	seen := map[string]bool{}
	for range 10 {
		line := l.output("", "genkey")
		key, err := wgtypes.ParseKey(strings.TrimSuffix(line, "\n"))
		if err != nil || seen[line] {
			t.Fatalf("genkey: %v: %q", err, line)
		}
		seen[line] = true
		if key[0]&7 != 0 || key[31]&0xc0 != 64 {
			t.Errorf("genkey: not a key of Curve25519: %x", key[:])
		}
		cmd := l.Command("wg", "pubkey")
		cmd.Stdin = strings.NewReader(line)
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "pubkey", l.output(line, "pubkey"), string(want))

		psk := l.output("", "genpsk")
		if _, err := wgtypes.ParseKey(strings.TrimSuffix(psk, "\n")); err != nil || seen[psk] {
			t.Fatalf("genpsk: %v: %q", err, psk)
		}
		seen[psk] = true
	}
	bad := l.Wgnetifd("pubkey")
	bad.Stdin = strings.NewReader(private(1).String()[1:])
	if line := mustFail(t, bad); strings.Contains(line, private(1).String()[1:20]) {
		t.Errorf("the error shows the key: %s", line)
	}
}

func TestCommands(t *testing.T) {
	l := newLab(t, simple(""))
	if text := l.output("", "version"); !strings.HasPrefix(text, "wgnetifd ") || strings.Count(text, "\n") != 1 {
		t.Errorf("version: %q", text)
	}
	text := l.output("", "help")
	for _, name := range []string{"status", "up", "down", "genkey", "genpsk", "pubkey", "version", "help"} {
		if !strings.Contains(text, "  wgnetifd "+name) {
			t.Errorf("help says nothing about %s:\n%s", name, text)
		}
	}
	for _, args := range [][]string{{"bogus"}, {}, {"up"}, {"up", "a", "b"}, {"status", "--bogus"}, {"genkey", "x"}} {
		cmd := l.Wgnetifd(args...)
		out, err := cmd.Output()
		if err == nil || cmd.ProcessState.ExitCode() != 2 || len(out) > 0 {
			t.Errorf("%q: %v, exit status %d, want 2\n%s", args, err, cmd.ProcessState.ExitCode(), out)
		}
	}
	if line := mustFail(t, l.Wgnetifd("status", "nosuch")); !strings.Contains(line, "nosuch") {
		t.Errorf("status of an interface that is not there: %s", line)
	}
	if line := mustFail(t, l.Wgnetifd("up", "nosuch")); !strings.Contains(line, "nosuch") {
		t.Errorf("up of an interface that is not there: %s", line)
	}
	if text := l.output("", "status"); !strings.HasPrefix(text, "interface wg0: down") {
		t.Errorf("status of an interface that is down:\n%s", text)
	}
	equal(t, "dump", l.dump(),
		`{"name":"wireguard","config":[],"no-device":true,"no-proto-task":true,"available":true,"renew-handler":true}`+"\n")
}

// dump returns what netifd asks the handler for when it starts.
func (l *lab) dump() string {
	l.t.Helper()
	out, err := l.Handler("", "dump").Output()
	if err != nil {
		l.t.Fatal(err)
	}
	return string(out)
}
