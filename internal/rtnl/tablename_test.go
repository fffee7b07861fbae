package rtnl

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTableByName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rt_tables")
	if err := os.WriteFile(file, []byte("# names\n255 local\n100\tvpn # mine\n0x65 hex\nx bad\n0 zero\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{
		"": 254, "main": 254, "local": 255, "default": 253, "100": 100, "0x10": 16, "vpn": 100, "hex": 101,
		"none": 0, "bad": 0, "zero": 0, "0": 0, "-1": 0, "4294967296": 0,
	} {
		got, err := tableByName(name, file)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q is table %d, error %v; want %d", name, got, err, want)
		}
	}
	if _, err := tableByName("vpn", file+".missing"); err == nil {
		t.Error("no error without the file")
	}
}
