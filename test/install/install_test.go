package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/internal/packager/ipk"
	"github.com/wgnetifd/wgnetifd/proto"
	"github.com/wgnetifd/wgnetifd/test/need"
	"github.com/wgnetifd/wgnetifd/test/netns"
	testrouter "github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/test/wggo"
)

// everything is the names of the packages, those first that depend on others.
func everything(m *manager) (names []string) {
	for name := range m.installed {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

// rank: translations go before the pages, and the pages before the program.
func rank(name string) int {
	for n, begin := range []string{"luci-i18n-", "luci-app-"} {
		if strings.HasPrefix(name, begin) {
			return n
		}
	}
	return 2
}

// TestEveryPackage installs and removes every package that there is: just the files
// of the packages come, with their modes and root's, and the service is enabled; and
// nothing is left of them.
func TestEveryPackage(t *testing.T) {
	f := start(t)
	dir := f.old
	if named := os.Getenv(envPackages); named != "" {
		dir = named
	}
	archs, err := os.ReadDir(filepath.Join(dir, "opkg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(archs) == 0 {
		t.Fatalf("%s: there are no packages", dir)
	}
	for _, a := range archs {
		t.Run(a.Name(), func(t *testing.T) {
			// Programs of others are not run here.
			m := newManager(t, netns.New(t, "router"), a.Name(), "EMULATOR=true")
			before := snapshot(t)
			m.install(packagesOf(t, filepath.Join(dir, "opkg", a.Name()))...)
			if len(m.installed) < 2 {
				t.Fatalf("%d packages", len(m.installed))
			}
			want := map[string]string{}
			for path, line := range before {
				want[path] = line
			}
			for _, p := range m.installed {
				addFiles(t, want, p)
			}
			want["/etc/rc.d/S19wgnetifd"] = "Lrwxrwxrwx 0:0 -> ../init.d/wgnetifd"
			if diff := cmp.Diff(want, withoutHashes(snapshot(t), want)); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
			m.remove(everything(m)...)
			if diff := cmp.Diff(before, m.left(before)); diff != "" {
				t.Errorf("after removal (-before +after):\n%s", diff)
			}
		})
	}
}

// addFiles adds what a package installs to a snapshot.
func addFiles(t *testing.T, to map[string]string, p *ipk.Package) {
	t.Helper()
	for n := range p.Files {
		e := &p.Files[n]
		path := resolved(t, "/"+e.Path)
		if _, there := to[path]; there && e.IsDir() {
			continue
		} else if there {
			t.Errorf("%s was there before", path)
		}
		line := e.Mode.String() + " 0:0"
		if e.Target != "" {
			line += " -> " + e.Target
		}
		to[path] = line
	}
}

// withoutHashes cuts the hashes off where the other snapshot has none.
func withoutHashes(s, other map[string]string) map[string]string {
	for path, line := range s {
		if want := other[path]; want != line && strings.HasPrefix(line, want+" ") {
			s[path] = want
		}
	}
	return s
}

// TestSignatures: signify of OpenBSD accepts the lists of all feeds.
func TestSignatures(t *testing.T) {
	f := start(t)
	signify := need.Command(t, "signify-openbsd")
	public, err := filepath.Glob(filepath.Join(f.old, "keys", "*[0-9a-f]"))
	if err != nil || len(public) != 1 {
		t.Fatalf("the public key: %v, %v", public, err)
	}
	lists, err := filepath.Glob(filepath.Join(f.old, "opkg/*/Packages"))
	if err != nil || len(lists) < 2 {
		t.Fatalf("the lists: %v, %v", lists, err)
	}
	for _, l := range lists {
		if out, err := exec.Command(signify, "-V", "-p", public[0], "-x", l+".sig", "-m", l).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", l, err, out)
		}
	}
	if exec.Command(signify, "-V", "-p", public[0], "-x", lists[0]+".sig", "-m", public[0]).Run() == nil {
		t.Error("signify accepts anything")
	}
}

// TestEmulated runs the installed program of other processors: as handler, as the
// pages' backend, and as the daemon that the package's script starts.
func TestEmulated(t *testing.T) {
	f := start(t)
	for arch, emulator := range emulators {
		if arch == native {
			continue
		}
		t.Run(arch, func(t *testing.T) {
			program := need.Command(t, emulator[0])
			emulator := append([]string{program}, emulator[1:]...)
			host := netns.New(t, "router")
			b := startBus(t)
			m := newManager(t, host, arch, "EMULATOR="+strings.Join(emulator, " "))
			before := snapshot(t)
			m.install(packagesOf(t, filepath.Join(f.old, "opkg", arch))...)
			run := func(stdin, path string, args ...string) string {
				t.Helper()
				c := host.Command(emulator[0], slices.Concat(emulator[1:], []string{"-0", path, path}, args)...)
				c.Stdin = strings.NewReader(stdin)
				out, err := c.Output()
				if err != nil {
					t.Error(err)
				}
				return string(out)
			}
			if got := run("", "/lib/netifd/proto/wgnetifd.sh", "", "dump"); strings.TrimSpace(got) != proto.Dump {
				t.Errorf("the handler says %q", got)
			}
			if got := run("", "/usr/libexec/rpcd/luci.wireguard", "list"); !strings.Contains(got, `"getWgInstances":{`) {
				t.Errorf("the backend lists %q", got)
			}
			// RFC 7748, section 6.1: the keys of Alice.
			call := run(`{"privkey":"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="}`,
				"/usr/libexec/rpcd/luci.wireguard", "call", "getPublicAndPrivateKeyFromPrivate")
			if !strings.Contains(call, "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=") {
				t.Errorf("the backend answers %q", call)
			}
			if got := run("", "/usr/sbin/wgnetifd", "version"); !strings.Contains(got, older) {
				t.Errorf("version: %q", got)
			}
			b.awaitDaemon(t, 0)
			m.remove(everything(m)...)
			if diff := cmp.Diff(before, m.left(before)); diff != "" {
				t.Errorf("after removal (-before +after):\n%s", diff)
			}
		})
	}
}

// TestReloadsRPCD: rpcd lets go of rpcd-mod-wireguard, whose place on ubus is the
// daemon's, when the program comes, though no page of LuCI comes with it, and is left
// alone by an upgrade. What its script says is no reason to fail.
func TestReloadsRPCD(t *testing.T) {
	f := start(t)
	m := newManager(t, netns.New(t, "router"), native, "EMULATOR=true")
	for _, step := range []struct{ dir, want string }{{f.old, "reload\n"}, {f.new, ""}} {
		if err := os.RemoveAll(rpcdCalls); err != nil {
			t.Fatal(err)
		}
		m.install(packagesOf(t, filepath.Join(step.dir, "opkg", native), "wgnetifd_")...)
		got, err := os.ReadFile(rpcdCalls)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if string(got) != step.want {
			t.Errorf("rpcd was asked to %q, not %q", got, step.want)
		}
	}
	m.remove(everything(m)...)
}

// key returns the n-th of private keys that are all different.
func key(n int) wgtypes.Key { return wgtypes.Key{0: byte(n) << 3, 4: 0xa5, 31: 64} }

// TestLife goes through what a user does: tunnels are configured, the packages come,
// the network is restarted, a newer version comes while packets flow, the packages
// go.
func TestLife(t *testing.T) {
	f := start(t)
	wggo.Require(t)
	host, far := netns.New(t, "router"), netns.New(t, "far")
	netns.Connect(host, "wan", far, "eth0")
	host.AddAddress("wan", "192.0.2.1/24")
	far.AddAddress("eth0", "192.0.2.2/24")
	configure(t)
	port := 51821
	testrouter.AddDevice(t, far, "wgfar", farConfig(key(2), port), "10.0.0.2/24")

	r := &router{Host: host, t: t, bus: startBus(t)}
	t.Cleanup(r.stop)
	r.restart()
	m := newManager(t, host, native)
	before := snapshot(t)

	// The packages come. Nothing is restarted by itself.
	m.install(packagesOf(t, filepath.Join(f.old, "opkg", native))...)
	if !strings.Contains(m.printed.String(), "/etc/init.d/network restart") {
		t.Errorf("who installs is not told what to type:\n%s", &m.printed)
	}
	daemon := r.bus.awaitDaemon(t, 0)
	if r.up("wg0") {
		t.Fatal("wg0 is up without a restart of the network")
	}
	r.restart()
	await(t, "wg0 up", func() bool { return r.up("wg0") })
	if err := far.Ping("10.0.0.1"); err != nil {
		t.Fatalf("%v\n%s", err, r.lines())
	}
	if got := output(t, host, "{}", "/usr/libexec/rpcd/luci.wireguard", "call", "getWgInstances"); !strings.Contains(got, key(2).PublicKey().String()) {
		t.Errorf("the pages' backend does not show the peer: %s", got)
	}
	if got := output(t, host, "", "/usr/sbin/wgnetifd", "status", "wg0"); !strings.Contains(got, "connected") {
		t.Errorf("status: %s", got)
	}

	// A newer version comes, from one daemon to the next, without losing a packet.
	stop := flood(t, far, "10.0.0.1")
	m.install(packagesOf(t, filepath.Join(f.new, "opkg", native))...)
	next := r.bus.awaitDaemon(t, daemon)
	stop()
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", next))
	if err != nil || strings.Contains(program, "deleted") {
		t.Errorf("the daemon runs %s, %v", program, err)
	}
	if got := output(t, host, "", "/usr/sbin/wgnetifd", "version"); !strings.Contains(got, newer) {
		t.Errorf("version: %s", got)
	}
	changeKeepalive(t, host)

	// They go. The tunnel stays.
	stop = flood(t, far, "10.0.0.1")
	m.remove(everything(m)...)
	stop()
	if diff := cmp.Diff(before, m.left(before)); diff != "" {
		t.Errorf("after removal (-before +after):\n%s", diff)
	}
	if _, err := os.Stat("/var/run/wgnetifd"); err == nil {
		t.Error("/var/run/wgnetifd is left")
	}
	if _, taken := r.bus.broker.Owner("wireguard"); taken {
		t.Error("somebody is on the bus as wireguard still")
	}
	testrouter.ReadDevice(t, host, "wg0")
}
