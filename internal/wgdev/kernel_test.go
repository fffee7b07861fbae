package wgdev

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// testFamily is the number of the family "wireguard" in these tests.
const testFamily = 0x1d

// dial returns a connection to a kernel that answers each request for a device
// with what dump returns.
func dial(t *testing.T, dump func(request netlink.Message) ([]netlink.Message, error)) *kernelConn {
	t.Helper()
	family := genltest.ServeFamily(
		genetlink.Family{ID: testFamily, Version: unix.WG_GENL_VERSION, Name: unix.WG_GENL_NAME},
		func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) { panic("not for the controller") },
	)
	conn := nltest.Dial(func(requests []netlink.Message) ([]netlink.Message, error) {
		if len(requests) != 1 {
			return nil, fmt.Errorf("%d requests at once", len(requests))
		}
		request := requests[0]
		if request.Header.Type == testFamily {
			return dump(request)
		}
		var m genetlink.Message
		if err := m.UnmarshalBinary(request.Data); err != nil {
			return nil, err
		}
		answers, err := family(m, request)
		if err != nil {
			return nil, err
		}
		data, err := answers[0].MarshalBinary()
		return []netlink.Message{answer(request, 0, data)}, err
	})
	k, err := newKernelConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func answer(request netlink.Message, flags netlink.HeaderFlags, data []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Sequence: request.Header.Sequence, PID: request.Header.PID, Flags: flags},
		Data:   data,
	}
}

// multipart is a dump of several messages; those in interrupted carry the
// kernel's mark.
func multipart(request netlink.Message, messages [][]byte, interrupted ...int) ([]netlink.Message, error) {
	var out []netlink.Message
	for _, m := range messages {
		out = append(out, answer(request, 0, join([]byte{0, 1, 0, 0}, m)))
	}
	for _, n := range interrupted {
		out[n].Header.Flags |= netlink.DumpInterrupted
	}
	return nltest.Multipart(append(out, answer(request, 0, u32(0))))
}

func onePeer(n byte) []byte {
	return nested(unix.WGDEVICE_A_PEERS, nested(0, nla(unix.WGPEER_A_PUBLIC_KEY, keyBytes(n))))
}

var threePeers = [][]byte{
	join(nla(unix.WGDEVICE_A_PRIVATE_KEY, keyBytes(9)), onePeer(1)), onePeer(2), onePeer(3),
}

func TestReadRequest(t *testing.T) {
	var got netlink.Message
	k := dial(t, func(request netlink.Message) ([]netlink.Message, error) {
		got = request
		return multipart(request, threePeers)
	})
	if _, err := k.read("wg0", nil); err != nil {
		t.Fatal(err)
	}
	if want := netlink.Request | netlink.Dump; got.Header.Flags != want {
		t.Errorf("flags %v, want %v", got.Header.Flags, want)
	}
	want := join([]byte{unix.WG_CMD_GET_DEVICE, unix.WG_GENL_VERSION, 0, 0}, nla(unix.WGDEVICE_A_IFNAME, []byte("wg0\x00")))
	if string(got.Data) != string(want) {
		t.Errorf("request % x, want % x", got.Data, want)
	}
}

// A list that another program's write cut short is never believed, whichever
// message the kernel marks.
func TestReadInterrupted(t *testing.T) {
	for mark := range threePeers {
		t.Run(fmt.Sprint("message ", mark), func(t *testing.T) {
			dumps := 0
			k := dial(t, func(request netlink.Message) ([]netlink.Message, error) {
				dumps++
				if dumps <= 3 {
					short := [][]byte{threePeers[0], threePeers[1], {}} // without the third peer
					return multipart(request, short, mark)
				}
				return multipart(request, threePeers)
			})
			a, err := k.read("wg0", nil)
			if err != nil {
				t.Fatal(err)
			}
			if dumps != 4 || len(a.Peers) != 3 || a.PrivateKey != testKey(9) || !a.Exists {
				t.Errorf("after %d dumps: %+v; want 3 peers after 4", dumps, a)
			}
		})
	}
}

func TestReadAlwaysInterrupted(t *testing.T) {
	dumps := 0
	k := dial(t, func(request netlink.Message) ([]netlink.Message, error) {
		dumps++
		return multipart(request, threePeers, 1)
	})
	a, err := k.read("wg0", nil)
	if !errors.Is(err, ErrBusy) || len(a.Peers) != 0 || a.Exists {
		t.Errorf("%+v, %v; want nothing and ErrBusy", a, err)
	}
	if dumps != readTries {
		t.Errorf("%d dumps, want %d", dumps, readTries)
	}
}

func TestReadErrors(t *testing.T) {
	refuse := func(errno unix.Errno) func(netlink.Message) ([]netlink.Message, error) {
		return func(request netlink.Message) ([]netlink.Message, error) {
			request.Header.Flags = 0 // those of a request mean something else in an answer
			return nltest.Error(int(errno), []netlink.Message{request})
		}
	}
	tests := []struct {
		name string
		dump func(netlink.Message) ([]netlink.Message, error)
		is   error // nil: any
		gone bool
	}{
		{name: "no such device", dump: refuse(unix.ENODEV), is: unix.ENODEV, gone: true},
		{name: "another kind", dump: refuse(unix.EOPNOTSUPP), is: unix.EOPNOTSUPP, gone: true},
		{name: "not root", dump: refuse(unix.EPERM), is: fs.ErrPermission},
		{
			name: "what it says is cut off",
			dump: func(r netlink.Message) ([]netlink.Message, error) { return multipart(r, [][]byte{onePeer(1)[:7]}) },
		},
		{
			name: "no generic header",
			dump: func(r netlink.Message) ([]netlink.Message, error) {
				return nltest.Multipart([]netlink.Message{answer(r, 0, []byte{0}), answer(r, 0, u32(0))})
			},
		},
		{
			name: "the answer to another request",
			dump: func(r netlink.Message) ([]netlink.Message, error) {
				r.Header.Sequence++
				return multipart(r, threePeers)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := dial(t, tt.dump).read("wg0", nil)
			if err == nil || a.Exists || len(a.Peers) != 0 {
				t.Fatalf("%+v, %v; want nothing and an error", a, err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not match %v", err, tt.is)
			}
			if gone(err) != tt.gone {
				t.Errorf("gone(%v) is %v", err, !tt.gone)
			}
		})
	}
}

// The kernel has no WireGuard, or has not loaded it yet.
func TestNoFamily(t *testing.T) {
	conn := nltest.Dial(func(requests []netlink.Message) ([]netlink.Message, error) {
		return nltest.Error(int(unix.ENOENT), requests)
	})
	if _, err := newKernelConn(conn); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want one that matches fs.ErrNotExist", err)
	}
}
