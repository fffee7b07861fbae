package state

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesAreKept(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "run"))
	if got, err := d.LoadNames("wg0"); err != nil || got == nil || len(got) > 0 {
		t.Fatalf("before anything was saved: %v, %v", got, err)
	}
	want := Names{
		"vpn.example.org": netip.MustParseAddr("192.0.2.1"),
		"six.example.org": netip.MustParseAddr("2001:db8::1"),
		"nas.local":       netip.MustParseAddr("fe80::1%br-lan"),
	}
	if err := d.SaveNames("wg0", want); err != nil {
		t.Fatal(err)
	}
	if err := d.Save("wg0", sample()); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("wg0"); err != nil { // ifdown
		t.Fatal(err)
	}
	got, err := d.LoadNames("wg0")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equateAddr); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	path := filepath.Join(string(d), "wg0.names")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", before.Mode())
	}
	if err := d.SaveNames("wg0", got); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("what was saved already was written again")
	}
	if other, _ := d.LoadNames("wg1"); len(other) > 0 {
		t.Errorf("wg1 has %v", other)
	}
	for range 2 {
		if err := d.SaveNames("wg0", nil); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := os.ReadDir(string(d)); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if err := d.SaveNames("../wg0", want); err == nil {
		t.Error("a path was taken for a name")
	}
}

// TestNamesAreBounded: neither a file nor a map can make the other grow without
// end.
func TestNamesAreBounded(t *testing.T) {
	var text strings.Builder
	names := Names{}
	for n := range maxNames + 10 {
		fmt.Fprintf(&text, "n%05d.example 192.0.2.1\n", n)
		names[fmt.Sprintf("n%05d.example", n)] = netip.MustParseAddr("192.0.2.1")
	}
	if n := len(parseNames([]byte(text.String()))); n != maxNames {
		t.Errorf("%d names were read", n)
	}
	if n := strings.Count(string(names.bytes()), "\n"); n != maxNames {
		t.Errorf("%d names were written", n)
	}
	d := Dir(t.TempDir())
	long := strings.Repeat("x", maxNamesSize) + "\nlate.example 192.0.2.1\n"
	if err := os.WriteFile(filepath.Join(string(d), "wg0.names"), []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := d.LoadNames("wg0"); err != nil || len(got) > 0 {
		t.Errorf("read %v, %v behind the end", got, err)
	}
}

// FuzzNames: whatever the file holds, reading it is safe, gives only addresses
// that an endpoint may have, and what was read is saved and read the same.
func FuzzNames(f *testing.F) {
	f.Add([]byte("a.example 192.0.2.1\nb.example 2001:db8::1\nc.local fe80::1%eth0\n"))
	f.Add([]byte("a 0.0.0.0\nb ::ffff:192.0.2.1\nc ff02::1\nd fe80::1%\xff\x00\n x\ty z\n"))
	f.Add([]byte("a.example 192.0.2.1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		names := parseNames(data)
		for name, addr := range names {
			if name == "" || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr.Is4In6() {
				t.Errorf("%q has %v", name, addr)
			}
		}
		if diff := cmp.Diff(names, parseNames(names.bytes()), equateAddr); diff != "" {
			t.Errorf("read again (-first +second):\n%s", diff)
		}
	})
}
