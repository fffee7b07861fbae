package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// savedKey returns the private key of an interface as it stands in a file.
func savedKey(t testing.TB, file, iface string) wgtypes.Key {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "config interface '"+iface+"'")
	_, rest, _ := strings.Cut(section, "option private_key '")
	word, _, ok := strings.Cut(rest, "'")
	key, err := wgtypes.ParseKey(word)
	if !ok || err != nil {
		t.Fatalf("%s has no private key: %v\n%s", iface, err, text)
	}
	return key
}

// TestKeyIsMade: a private key that is missing, empty or 'generate' is made and
// saved, in a file that stays what it is otherwise: the link to it, its mode, and
// every other option.
func TestKeyIsMade(t *testing.T) {
	for name, option := range map[string]string{
		"missing": "", "empty": "\toption private_key ''\n", "generate": "\toption private_key 'generate'\n",
	} {
		t.Run(name, func(t *testing.T) {
			text := "\nconfig interface 'wg0'\n\toption proto 'wireguard'\n" + option + "\tlist addresses '10.0.0.1/24'\n" +
				"\nconfig interface 'lan'\n\toption proto 'none'\n\toption note 'it'\\''s'\n"
			l := newLab(t, text)
			real := filepath.Join(router.ConfigDir, "network.real")
			if err := os.Rename(l.File("network"), real); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("network.real", l.File("network")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(real, 0o640); err != nil {
				t.Fatal(err)
			}
			l.Start()
			l.AwaitUp("wg0")

			key := savedKey(t, real, "wg0")
			equal(t, "key of the device", router.ReadDevice(t, l.Host, "wg0").PrivateKey, key)
			if target, err := os.Readlink(l.File("network")); err != nil || target != "network.real" {
				t.Errorf("the link leads to %q, %v", target, err)
			}
			st, err := os.Stat(real)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mode", st.Mode().Perm(), 0o640)
			equal(t, "owner", st.Sys().(*syscall.Stat_t).Uid, 0)
			got, err := os.ReadFile(real)
			if err != nil {
				t.Fatal(err)
			}
			line := "\toption private_key '" + key.String() + "'\n"
			equal(t, "the rest of the file", strings.Replace(string(got), line, "", 1), strings.Replace(text, option, "", 1)+"\n")
			for _, entry := range l.Log() {
				if strings.Contains(entry, key.String()) {
					t.Errorf("the log has the key: %s", entry)
				}
			}

			l.handle("renew", "wg0")
			equal(t, "key after a renew", savedKey(t, real, "wg0"), key)
		})
	}
}

// TestKeysAtOnce: interfaces that are set up at the same time and all need a key
// save theirs under libuci's lock: none is lost.
func TestKeysAtOnce(t *testing.T) {
	const interfaces = 6
	var text strings.Builder
	for n := range interfaces {
		fmt.Fprintf(&text, "\nconfig interface 'wg%d'\n\toption proto 'wireguard'\n\toption private_key 'generate'\n", n)
	}
	l := newLab(t, text.String())
	l.Start()
	var up sync.WaitGroup
	for n := range interfaces {
		up.Go(func() { l.AwaitUp(fmt.Sprintf("wg%d", n)) })
	}
	up.Wait()
	seen := map[wgtypes.Key]bool{}
	for n := range interfaces {
		name := fmt.Sprintf("wg%d", n)
		key := savedKey(t, l.File("network"), name)
		equal(t, "key of "+name, router.ReadDevice(t, l.Host, name).PrivateKey, key)
		seen[key] = true
	}
	equal(t, "different keys", len(seen), interfaces)
}
