package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// The bytes of a real conversation (ubus/frames, call-reply).
func TestEncode(t *testing.T) {
	tests := []struct {
		name string
		m    *Message
		want string
	}{
		{"empty", New(Header{Type: Ping, Seq: 0x0102, Peer: 0x03040506}), "\x00\x03\x01\x02\x03\x04\x05\x06\x00\x00\x00\x04"},
		{
			"lookup", New(Header{Type: Lookup, Seq: 1}).String(AttrObjPath, "rec.echo"),
			"\x00\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00\x14\x02\x00\x00\x0drec.echo\x00\x00\x00\x00",
		},
		{
			"numbers", New(Header{Type: Notify}).Uint32(AttrObjID, 0xfffefdfc).Uint8(AttrActive, 1),
			"\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\x03\x00\x00\x08\xff\xfe\xfd\xfc\x09\x00\x00\x05\x01\x00\x00\x00",
		},
		{
			"list", New(Header{Type: Status}).Uint32s(AttrSubscribers, []uint32{7, 8}).Bytes(AttrData, nil),
			"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x1c\x0b\x00\x00\x14\x00\x00\x00\x08\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x08\x07\x00\x00\x04",
		},
		{
			"NUL in a string", New(Header{}).String(AttrMethod, "ab\x00c"),
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0c\x04\x00\x00\x07ab\x00\x00",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.m.Encode(MaxBlob)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeLimit(t *testing.T) {
	fill := func(n int) *Message {
		return New(Header{Type: Ping}).Bytes(AttrData, make([]byte, n-8))
	}
	if _, err := fill(MaxBlob).Encode(MaxBlob); err != nil {
		t.Errorf("exactly at the limit: %v", err)
	}
	if _, err := fill(MaxBlob + 4).Encode(MaxBlob); !errors.Is(err, ErrTooLarge) {
		t.Errorf("above the limit: error %v", err)
	}
}

func TestSetSeq(t *testing.T) {
	msg, err := New(Header{Type: Ping}).Encode(MaxBlob)
	if err != nil {
		t.Fatal(err)
	}
	SetSeq(msg, 0xabcd)
	f, err := Read(bytes.NewReader(msg), MaxBlob)
	if err != nil || f.Seq != 0xabcd {
		t.Errorf("seq %x, error %v", f.Seq, err)
	}
}

func TestRead(t *testing.T) {
	whole := "\x00\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00\x14\x02\x00\x00\x0drec.echo\x00\x00\x00\x00"
	tests := []struct {
		name string
		in   string
		want error
	}{
		{"whole", whole, nil},
		{"nothing", "", io.EOF},
		{"part of a header", whole[:5], io.ErrUnexpectedEOF},
		{"header without its blob", whole[:12], io.ErrUnexpectedEOF},
		{"cut in the blob", whole[:20], io.ErrUnexpectedEOF},
		{"length 0", "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", ErrLength},
		{"length 3", "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03", ErrLength},
		{"longest length", "\x00\x03\x00\x01\x00\x00\x00\x00\x00\xff\xff\xff", ErrLength},
		{"one too long", "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x10\x00\x01", ErrLength},
		{"limit announced, not sent", "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x10\x00\x00", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		for name, r := range map[string]io.Reader{
			"at once":   strings.NewReader(tt.in),
			"in pieces": iotest.OneByteReader(strings.NewReader(tt.in)),
		} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				f, err := Read(r, MaxBlob)
				if !errors.Is(err, tt.want) {
					t.Fatalf("error %v, want %v", err, tt.want)
				}
				if err == nil {
					if diff := cmp.Diff(tt.in, string(f.Append(nil))); diff != "" || f.Len() != len(tt.in) {
						t.Errorf("length %d (-want +got):\n%s", f.Len(), diff)
					}
				}
			})
		}
	}
}

// A message that claims to be long does not get its memory before it comes.
func TestReadTakesMemoryAsItComes(t *testing.T) {
	head := "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x10\x00\x00"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 16
	for range times {
		if _, err := Read(strings.NewReader(head), MaxBlob); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 4*readChunk {
		t.Errorf("%d bytes for a message of which only the header came", got)
	}
}

func TestReadLarge(t *testing.T) {
	msg, err := New(Header{Type: Data, Seq: 3}).Bytes(AttrData, bytes.Repeat([]byte("wire"), 200_000)).Encode(MaxBlob)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(iotest.HalfReader(bytes.NewReader(msg)), MaxBlob)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Append(nil), msg) {
		t.Error("another message came out")
	}
}

func TestParse(t *testing.T) {
	f := New(Header{}).
		Uint32(AttrObjID, 1).
		Uint32(AttrObjID, 2). // the last counts
		String(AttrMethod, "m").
		Bytes(AttrStatus, []byte{1, 2}). // wrong size: passed over
		Bytes(AttrObjPath, []byte("no NUL")).
		Bytes(AttrData, nil).
		Bytes(AttrTarget, []byte{1}).
		Bytes(Attr(99), []byte("unknown")).
		Uint32s(AttrSubscribers, []uint32{5, 6}).
		Frame()
	a := Parse(f.Blob)
	if id, ok := a.Uint32(AttrObjID); id != 2 || !ok {
		t.Errorf("object id %d, %v", id, ok)
	}
	if s, ok := a.String(AttrMethod); s != "m" || !ok {
		t.Errorf("method %q, %v", s, ok)
	}
	for _, id := range []Attr{AttrStatus, AttrObjPath, AttrUser} {
		if a.Has(id) {
			t.Errorf("attribute %d is there: %x", id, a.Bytes(id))
		}
	}
	if !a.Has(AttrData) || len(a.Bytes(AttrData)) != 0 {
		t.Error("empty data is data")
	}
	if v, ok := a.Uint32(AttrTarget); ok {
		t.Errorf("a target of one byte is %d", v)
	}
	if v, ok := a.Uint8(AttrNoReply); ok {
		t.Errorf("a missing flag is %d", v)
	}
	if diff := cmp.Diff([]uint32{5, 6}, a.Uint32s(AttrSubscribers)); diff != "" {
		t.Errorf("subscribers (-want +got):\n%s", diff)
	}
}

func TestParseBroken(t *testing.T) {
	for name, blob := range map[string]string{
		"nothing":            "",
		"half a header":      "\x00\x00",
		"length 0":           "\x00\x00\x00\x10\x02\x00\x00\x00rec.",
		"past the end":       "\x00\x00\x00\x10\x02\x00\x00\x40rec\x00",
		"only padding":       "\x00\x00\x00\x06\x00\x00",
		"length 3":           "\x00\x00\x00\x08\x02\x00\x00\x03",
		"list cut in a list": "\x00\x00\x00\x0c\x0b\x00\x00\x08\x00\x00\x00\x40",
	} {
		t.Run(name, func(t *testing.T) {
			a := Parse([]byte(blob))
			if s, ok := a.String(AttrObjPath); ok {
				t.Errorf("a path: %q", s)
			}
			if list := a.Uint32s(AttrSubscribers); len(list) > 0 {
				t.Errorf("subscribers: %v", list)
			}
		})
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[Type]string{Hello: "HELLO", Monitor: "MONITOR", 12: "TYPE_12", 255: "TYPE_255"} {
		if got := typ.String(); got != want {
			t.Errorf("%d is %q, want %q", uint8(typ), got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x00\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00\x14\x02\x00\x00\x0drec.echo\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03"))
	f.Add([]byte("\x07\xff\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10\x0b\x00\x00\x0c\x00\x00\x00\x08\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 4096
		r := bytes.NewReader(b)
		var out []byte
		for {
			m, err := Read(r, limit)
			if err != nil {
				break
			}
			if len(m.Blob) < attrLen || len(m.Blob) > limit {
				t.Fatalf("blob of %d bytes", len(m.Blob))
			}
			out = m.Append(out)
			a := Parse(m.Blob)
			for id := Attr(0); id < attrCount; id++ {
				a.Uint32(id)
				a.Uint8(id)
				a.String(id)
				a.Uint32s(id)
			}
		}
		if !bytes.HasPrefix(b, out) {
			t.Fatalf("read %x, given %x", out, b)
		}
	})
}
