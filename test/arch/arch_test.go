package arch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/proto"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

// envArch names the architectures, with blanks between them, whose programs are
// in bin/NAME/wgnetifd.
const envArch = "WGNETIFD_ARCH"

// emulators are the commands that run a program of an architecture.
var emulators = map[string][]string{
	"mips_24kc":       {"qemu-mips-static", "-cpu", "24Kc", "-E", "GOMAXPROCS=1"},
	"mipsel_24kc":     {"qemu-mipsel-static", "-cpu", "24Kc", "-E", "GOMAXPROCS=1"},
	"arm_arm926ej-s":  {"qemu-arm-static", "-cpu", "arm926"},
	"aarch64_generic": {"qemu-aarch64-static", "-cpu", "cortex-a53"},
	"riscv64_generic": {"qemu-riscv64-static"},
}

// target is a program and what runs it.
type target struct {
	name     string
	emulator []string // empty for this machine's own
	program  string
}

// native builds the program for this machine.
func native(t *testing.T) target {
	t.Helper()
	program := filepath.Join(t.TempDir(), "wgnetifd")
	cmd := exec.Command(need.Command(t, "go"), "build", "-o", program, "github.com/wgnetifd/wgnetifd/cmd/wgnetifd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return target{name: "native", program: program}
}

// others returns the targets that were asked for.
func others(t *testing.T) (out []target) {
	t.Helper()
	for _, name := range strings.Fields(os.Getenv(envArch)) {
		emulator, ok := emulators[name]
		if !ok {
			t.Fatalf("%s: there is no emulator for %s", envArch, name)
		}
		need.Command(t, emulator[0])
		program, err := filepath.Abs(filepath.Join("../../bin", name, "wgnetifd"))
		if err == nil {
			_, err = os.Stat(program)
		}
		if err != nil {
			t.Fatalf("%v (`make ARCH=%s`)", err, name)
		}
		out = append(out, target{name, emulator, program})
	}
	return out
}

// run runs the program under a name and returns all that it prints, and its exit
// status.
func (g target) run(t *testing.T, stdin, argv0 string, args ...string) string {
	t.Helper()
	var cmd *exec.Cmd
	if len(g.emulator) > 0 {
		all := append(append(g.emulator[1:len(g.emulator):len(g.emulator)], "-0", argv0, g.program), args...)
		cmd = exec.Command(g.emulator[0], all...)
	} else {
		cmd = exec.Command(g.program, args...)
		cmd.Args[0] = argv0
	}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s[%v]\n", out, err)
	}
	return string(out)
}

// configDir returns a folder with a configuration of many peers, some of which are
// wrong in one way or another.
func configDir(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("config interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key 'YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='\n" +
		"\toption fwmark '0xca6c0001'\n\toption listen_port 51820\n\tlist addresses '10.9.0.1/16'\n\tlist addresses 'fd09::1/64'\n\n" +
		"config interface off\n\toption proto wireguard\n\toption disabled 1\n\n")
	for i := range 1000 {
		key := schema.Key{1, byte(i), byte(i >> 8), 7}
		fmt.Fprintf(&b, "config wireguard_wg0\n\toption description 'peer '\\''%d'\\'''\n\toption public_key '%s'\n\tlist allowed_ips '10.9.%d.%d'\n"+
			"\tlist allowed_ips 'fd09::%x/%d'\n\toption persistent_keepalive %d\n\toption endpoint_host '192.0.2.%d'\n\toption endpoint_port %d\n",
			i, key, i>>8, i&255, i, 120+i%20, 25+i*100, i%256, i*70)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// times is what differs from run to run.
var times = regexp.MustCompile(`"time":[0-9]+`)

func TestSameEverywhere(t *testing.T) {
	here := native(t)
	dir := configDir(t)
	runs := []struct {
		name, stdin, argv0 string
		args               []string
		holds              string // what the program prints on any machine
	}{
		{"dump", "", "./wgnetifd.sh", []string{"", "dump"}, proto.Dump},
		{"handler without arguments", "", "./wgnetifd.sh", nil, "exit status 1"},
		{"help", "", "wgnetifd", []string{"help"}, "wgnetifd status"},
		{"no such command", "", "wgnetifd", []string{"dance"}, "exit status 2"},
		// RFC 7748, section 6.1: the keys of Alice.
		{"pubkey", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n", "wgnetifd", []string{"pubkey"}, "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="},
		{"pubkey of no key", "x\n", "wgnetifd", []string{"pubkey"}, "exit status 1"},
		{"status", "", "wgnetifd", []string{"status", "--config", dir}, "peer '999'"},
		{"status as JSON", "", "wgnetifd", []string{"status", "--json", "--config", dir}, `"peers_total":1000`},
		{"status of one", "", "wgnetifd", []string{"status", "off", "--json", "--config", dir}, `"off":{`},
		{"rpcd list", "", "luci.wireguard", []string{"list"}, `"getWgInstances":{`},
		{"rpcd instances", `{}`, "luci.wireguard", []string{"call", "getWgInstances"}, "{"},
		{"rpcd keys", `{"privkey":"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="}`, "luci.wireguard", []string{"call", "getPublicAndPrivateKeyFromPrivate"}, "hSDwCYkwp1R0i33ctD73Wg2"},
		{"rpcd not JSON", `{"privkey":nan}`, "luci.wireguard", []string{"call", "getPublicAndPrivateKeyFromPrivate"}, "{"},
	}
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			want := times.ReplaceAllString(here.run(t, r.stdin, r.argv0, r.args...), `"time":0`)
			if !strings.Contains(want, r.holds) {
				t.Errorf("native: no %q in:\n%.2000s", r.holds, want)
			}
			for _, g := range others(t) {
				got := times.ReplaceAllString(g.run(t, r.stdin, r.argv0, r.args...), `"time":0`)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-native +%s):\n%.4000s", g.name, g.name, diff)
				}
			}
		})
	}
}

// TestKeys: a key made on one kind of machine has the same public key on another.
func TestKeys(t *testing.T) {
	here := native(t)
	for _, g := range append(others(t), here) {
		private := g.run(t, "", "wgnetifd", "genkey")
		k, err := schema.ParseKey(strings.TrimSpace(private))
		if err != nil {
			t.Fatalf("%s: genkey: %v", g.name, err)
		}
		if got, want := g.run(t, private, "wgnetifd", "pubkey"), k.PublicKey().String()+"\n"; got != want {
			t.Errorf("%s: pubkey: got %q, want %q", g.name, got, want)
		}
		if again := g.run(t, "", "wgnetifd", "genkey"); again == private {
			t.Errorf("%s: genkey makes the same key twice", g.name)
		}
	}
}

// TestEmulatorIsStrict: the other tests say something about unaligned access.
func TestEmulatorIsStrict(t *testing.T) {
	for _, g := range others(t) {
		goarch, strict := map[string]string{"mips_24kc": "mips", "mipsel_24kc": "mipsle"}[g.name]
		if !strict {
			continue
		}
		program := filepath.Join(t.TempDir(), g.name)
		cmd := exec.Command(need.Command(t, "go"), "build", "-o", program, "./testdata/unaligned")
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "GOMIPS=softfloat", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		out, err := exec.Command(g.emulator[0], append(g.emulator[1:len(g.emulator):len(g.emulator)], program)...).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("SIGBUS")) {
			t.Errorf("%s lets an unaligned access pass: %v\n%s", g.emulator[0], err, out)
		}
	}
}
