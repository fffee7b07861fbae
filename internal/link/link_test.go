package link

import (
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/test/netns"
)

func TestMain(m *testing.M) { netns.Main(m) }

// TestLinks compares with what the library's own links say.
func TestLinks(t *testing.T) {
	netns.Require(t)
	h := netns.New(t, "h")
	h.AddStub("eth0")
	h.Do(func() {
		var s Socket
		defer s.Close()
		if err := s.Add("br0", "bridge"); err != nil {
			t.Fatal(err)
		}
		if err := s.Add("br0", "bridge"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("made twice: %v", err)
		}
		if err := s.Add("x0", "no-such-kind"); !errors.Is(err, unix.EOPNOTSUPP) {
			t.Errorf("a kind that nobody knows: %v", err)
		}
		br, err := s.ByName("br0")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.SetMTU(br.Index, 1380), s.SetUp(br.Index, true)); err != nil {
			t.Fatal(err)
		}
		list, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		want, err := h.Links().LinkList()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != len(want) {
			t.Fatalf("%d links, want %d", len(list), len(want))
		}
		for n, w := range want {
			a, l := w.Attrs(), list[n]
			if l.Index != a.Index || l.Name != a.Name || l.MTU != a.MTU || l.Up != (a.RawFlags&unix.IFF_UP != 0) ||
				(l.Kind != w.Type() && w.Type() != "device") || (w.Type() == "device") != (l.Kind == "") {
				t.Errorf("got %+v, want %+v of kind %s", l, a, w.Type())
			}
			for _, get := range []func() (*Link, error){
				func() (*Link, error) { return s.ByName(l.Name) }, func() (*Link, error) { return s.ByIndex(l.Index) },
			} {
				if one, err := get(); err != nil || *one != l {
					t.Errorf("alone it is %+v, %v", one, err)
				}
			}
		}
		if br, _ = s.ByName("br0"); !br.Up || br.MTU != 1380 || br.Kind != "bridge" {
			t.Errorf("br0 is %+v", br)
		}
		if err := errors.Join(s.SetUp(br.Index, false), s.Delete(br.Index)); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{s.Delete(br.Index), s.SetUp(br.Index, true), s.SetMTU(0, 1), s.Delete(-1)} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("of a link that is gone: %v", err)
			}
		}
		for _, name := range []string{"br0", "", "a-name-of-16-ch."} {
			if l, err := s.ByName(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %+v, %v", name, l, err)
			}
		}
	})
}

// FuzzParse: whatever bytes come, they are refused or read, never read beyond.
func FuzzParse(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(make([]byte, 16), []byte{8, 0, 3, 0, 'l', 'o', 0, 0, 8, 0, 4, 0, 1, 2, 3, 4})
	f.Add(make([]byte, 16), []byte{16, 0, 18, 0, 10, 0, 1, 0, 'b', 'r', 'i', 'd', 'g', 'e', 0, 0})
	f.Add(make([]byte, 16), []byte{2, 0, 18, 0})
	f.Fuzz(func(t *testing.T, head, attrs []byte) {
		l, err := parse(append(head, attrs...))
		if (l == nil) == (err == nil) {
			t.Errorf("%+v, %v", l, err)
		}
	})
}
