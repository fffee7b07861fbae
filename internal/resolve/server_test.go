package resolve

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is how long an answer that must come may take on a busy machine.
const patience = 20 * time.Second

// record is what a name has.
type record struct {
	four, six []netip.Addr
	// mute types are never answered for.
	mute map[dnsmessage.Type]bool
	// before is sent first; it gets the right answer and makes something of it.
	before func(right []byte) []byte
	// truncated answers over UDP are empty and say that they are cut.
	truncated bool
	code      dnsmessage.RCode
}

// server is a name server on loopback, over UDP and TCP.
type server struct {
	t       *testing.T
	records map[string]record
	udp     net.PacketConn
	tcp     net.Listener
	running sync.WaitGroup

	mu    sync.Mutex
	asked map[string]int // by "NAME TYPE"
}

// serve starts a server at an address, "127.0.0.1:0" for any port.
func serve(t *testing.T, address string, records map[string]record) *server {
	t.Helper()
	s := &server{t: t, records: records, asked: map[string]int{}}
	var err error
	if s.udp, err = net.ListenPacket("udp", address); err != nil {
		t.Fatal(err)
	}
	if s.tcp, err = net.Listen("tcp", s.udp.LocalAddr().String()); err != nil {
		t.Fatal(err)
	}
	s.running.Go(s.datagrams)
	s.running.Go(s.streams)
	t.Cleanup(func() {
		s.udp.Close()
		s.tcp.Close()
		s.running.Wait()
	})
	return s
}

func (s *server) address() string { return s.udp.LocalAddr().String() }

// resolver asks the server, whichever one the machine's resolv.conf names.
func (s *server) resolver() Resolver {
	f := &Follower{path: s.t.TempDir() + "/resolv.conf"}
	f.dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.address())
	}
	return f
}

// together is a resolver that is asked for both families, and has both answers at the
// same time: Names goes on with one of them when the other comes half a second later,
// which it does on a busy machine.
type together struct {
	Resolver
	asked sync.WaitGroup
}

func atOnce(r Resolver) *together {
	t := &together{Resolver: r}
	t.asked.Add(2)
	return t
}

func (t *together) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	addrs, err := t.Resolver.LookupNetIP(ctx, network, host)
	t.asked.Done()
	t.asked.Wait()
	return addrs, err
}

func (s *server) questions(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[what]
}

func (s *server) datagrams() {
	buf := make([]byte, 2048)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		for _, out := range s.answer(buf[:n], true) {
			_, _ = s.udp.WriteTo(out, from) // The one who asked may be gone.
		}
	}
}

func (s *server) streams() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() {
			defer conn.Close()
			var size [2]byte
			if _, err := io.ReadFull(conn, size[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(conn, query); err != nil {
				return
			}
			for _, out := range s.answer(query, false) {
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
			}
		})
	}
}

// answer returns the messages that answer a query.
func (s *server) answer(query []byte, udp bool) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		s.t.Errorf("a query that is none: %x", query)
		return nil
	}
	q := m.Questions[0]
	s.mu.Lock()
	s.asked[q.Name.String()+" "+q.Type.String()]++
	s.mu.Unlock()
	r, known := s.records[q.Name.String()]
	if r.mute[q.Type] {
		return nil
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: r.code},
		Questions: m.Questions,
	}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
	switch {
	case udp && r.truncated:
		reply.Truncated = true
	case q.Type == dnsmessage.TypeA:
		for _, a := range r.four {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		}
	case q.Type == dnsmessage.TypeAAAA:
		for _, a := range r.six {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	right, err := reply.Pack()
	if err != nil {
		s.t.Errorf("pack: %v", err)
		return nil
	}
	if r.before != nil {
		return [][]byte{r.before(right), right}
	}
	return [][]byte{right}
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}
