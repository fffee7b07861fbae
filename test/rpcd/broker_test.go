package rpcd

import (
	"path/filepath"
	"testing"

	"github.com/wgnetifd/wgnetifd/test/ubusd"
)

// broker starts a bus for the time of the test and returns its socket.
func broker(t *testing.T) string {
	t.Helper()
	b, err := ubusd.Start(filepath.Join(t.TempDir(), "ubus.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.Socket()
}
