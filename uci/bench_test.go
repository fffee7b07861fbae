package uci

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// manyPeers is a network file with an interface and n peers as LuCI writes them,
// every other one anonymous.
func manyPeers(n int) []byte {
	var b strings.Builder
	b.WriteString("\nconfig interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key 'QF6sZwJmwanlqoYouM92/PsWyrmJm0+rhIdoXBkh7lQ='\n")
	for i := range n {
		b.WriteString("\nconfig wireguard_wg0")
		if i%2 == 0 {
			fmt.Fprintf(&b, " 'peer%d'", i)
		}
		fmt.Fprintf(&b, "\n\toption description 'Laptop of Nº %d'\n", i)
		b.WriteString("\toption public_key 'qE1ZRzYteQWpYCGHV+foCIYudUOeUwgDH4njQVxqZms='\n")
		b.WriteString("\toption preshared_key '+DzLYEkAY/vG3TpNUpV1DokmK2yQ5O5uMloDIlCqVmc='\n")
		fmt.Fprintf(&b, "\tlist allowed_ips '10.%d.%d.%d/32'\n", i>>16&255, i>>8&255, i&255)
		fmt.Fprintf(&b, "\tlist allowed_ips 'fd00::%x/128'\n", i)
		b.WriteString("\toption route_allowed_ips '1'\n\toption persistent_keepalive '25'\n")
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := manyPeers(n)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("network", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoad is a file with 10,000 peers of which 1,000 have staged changes.
func BenchmarkLoad(b *testing.B) {
	root := b.TempDir()
	d := Dir{Config: root, Save: filepath.Join(root, "save")}
	var staged strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&staged, "network.peer%d.persistent_keepalive='15'\n", 2*i)
	}
	if err := os.Mkdir(d.Save, 0o700); err != nil {
		b.Fatal(err)
	}
	for path, data := range map[string][]byte{
		filepath.Join(root, "network"):   manyPeers(10_000),
		filepath.Join(d.Save, "network"): []byte(staged.String()),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Load("network"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBytes(b *testing.B) {
	p, err := Parse("network", manyPeers(10_000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		runtime.KeepAlive(p.Bytes())
	}
}
