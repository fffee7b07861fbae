package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/test/need"
)

func TestParseLdd(t *testing.T) {
	for _, tt := range []struct {
		name, out      string
		found, missing []string
	}{
		{
			"glibc", "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibubox.so => /lib/libubox.so (0x00007f0a)\n" +
				"\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f0f)\n",
			[]string{"/lib/libubox.so", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"},
			nil,
		},
		{
			"missing", "\tlibuci.so => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlibubus.so => not found\n",
			[]string{"/lib/libc.so.6"},
			[]string{"libuci.so", "libubus.so"},
		},
		{"static", "\tstatically linked\n", nil, nil},
		{"nothing", "", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, missing := parseLdd(tt.out)
			if diff := cmp.Diff([][]string{tt.found, tt.missing}, [][]string{found, missing}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAddLibraries: each library is written once, whoever needs it, and a script
// has none.
func TestAddLibraries(t *testing.T) {
	need.Command(t, "ip")
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Fatal(err)
	}
	want, err := libraries(ip)
	if err != nil || len(want) == 0 {
		t.Fatalf("%s has the libraries %v: %v", ip, want, err)
	}
	var b bytes.Buffer
	a := newArchive(&b)
	for _, from := range []string{ip, ip, source(t)} {
		if err := a.addLibraries(from); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if got := fileNames(t, b.Bytes()); !cmp.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	if err := a.addLibraries("/nothing"); err == nil {
		t.Error("no error for a file that is not there")
	}
}

// fileNames returns the paths of an archive's regular files, in their order.
func fileNames(t *testing.T, archive []byte) (names []string) {
	t.Helper()
	for _, entry := range list(t, archive) {
		if words := strings.SplitN(entry, " ", 3); strings.HasPrefix(words[1], "100") {
			names = append(names, "/"+words[0])
		}
	}
	return names
}
