package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFile: what can be wrong with a configuration file, and that it is read again
// by itself when it is right. Nothing that runs is touched meanwhile. Time is simulated,
// for how long a file stands still makes a difference.
func TestFile(t *testing.T) {
	good := wg(0, "") + steady + wgPeer("wg0", "other", 2, "")
	half := good[:strings.Index(good, "config wireguard_wg0 'other'")] // right as far as it goes
	for _, test := range []struct {
		name string
		// what is in the file when the reload comes, and the error of that
		text, want string
		// instead is what is done to the file otherwise; it is gone then, or no file.
		instead func(file string) error
	}{
		{name: "cut in a line", text: good[:len(good)-20], want: "network:"},
		{name: "cut between two lines", text: half},
		{name: "empty", want: "no sections"},
		{name: "gone", want: "no such file", instead: os.Remove},
		{name: "a link to itself", want: "symbolic links", instead: func(file string) error {
			return errors.Join(os.Remove(file), os.Symlink("network", file))
		}},
		{name: "a folder", want: "not a regular file", instead: func(file string) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, wg(0, "")+steady)
				r.alone("wg0")
				r.start()
				r.devices.Forget()
				if test.instead != nil {
					if err := test.instead(r.file()); err != nil {
						t.Fatal(err)
					}
				} else {
					r.write(test.text)
				}
				got := r.reload()
				if (got.Err == nil) != (test.want == "") || got.Err != nil && !strings.Contains(got.Err.Error(), test.want) {
					t.Errorf("error %v, want %q", got.Err, test.want)
				}
				r.reload() // the second of them is not logged again
				if n := strings.Count(r.journal.String(), "cannot be used"); test.want != "" && n != 1 {
					t.Errorf("%d lines in the log", n)
				}
				if w := r.devices.Writes(); len(w) > 0 {
					t.Errorf("wrote %+v", w)
				}
				if test.instead != nil {
					_ = os.Remove(r.file()) // It may be gone.
				}
				time.Sleep(freshTime * 3 / 4) // The rest comes when it has been tried once more.
				r.write(good)
				r.await("the other peer", func() bool { return len(r.devices.Device("wg0").Peers) == 2 })
				r.isAsConfigured("wg0")
			})
		})
	}
}

// write writes the configuration in place, at the time that it is in the test.
func (r *rig) write(network string) {
	r.t.Helper()
	if err := os.WriteFile(r.file(), []byte(network), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chtimes(r.file(), time.Now(), time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

// TestFileIsReadForAnEvent: a configuration that cannot be read when netifd tells
// that an interface is up is read later.
func TestFileIsReadForAnEvent(t *testing.T) {
	r := newRig(t, wg(0, "")+steady)
	r.withNetifd("wg0")
	r.start()
	r.netifd.up("wg0")
	r.await("wg0 up", func() bool { return r.netifd.stateOf("wg0") == "up" })
	r.netifd.handlers.Wait()
	r.awaitKept("wg0")
	if err := os.WriteFile(r.file(), []byte("config interface 'wg0"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.daemon.Connected()
	r.await("the log", func() bool { return strings.Contains(r.journal.String(), "cannot be used") })
	r.configure(wg(0, "") + wgPeer("wg0", "other", 2, ""))
	r.await("the other peer", func() bool {
		p := r.devices.Device("wg0").Peers
		return len(p) == 1 && p[0].PublicKey == keyOf(2)
	})
}
