package integration

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/wgnetifd/wgnetifd/test/router"
)

// dnsServer is a name server on the router that says what a test wants, over UDP
// and TCP. It is silent about names that it does not have.
type dnsServer struct {
	t testing.TB

	mu    sync.Mutex
	names map[string]dnsName
	asked map[string]int
}

// dnsName is what a name has.
type dnsName struct {
	// addrs in the order in which they are answered; none: there is no such name.
	addrs []netip.Addr
	// before makes messages of the right answer, which go out in front of it.
	before func(right []byte) [][]byte
	// code is the answer's; 0: right.
	code dnsmessage.RCode
	// together: the answers for both families go out one right after the other. On a
	// slow machine with much to answer the second comes too late otherwise
	// (resolve.Names waits half a second for it), and only one family is tried.
	together bool
}

// startNameServer starts one on an address of the router.
func (l *lab) startNameServer(address string) *dnsServer {
	l.t.Helper()
	s := &dnsServer{t: l.t, names: map[string]dnsName{}, asked: map[string]int{}}
	var udp net.PacketConn
	var tcp net.Listener
	var err error
	l.Do(func() {
		if udp, err = net.ListenPacket("udp", address+":53"); err == nil {
			tcp, err = net.Listen("tcp", address+":53")
		}
	})
	if err != nil {
		l.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { s.datagrams(udp) })
	running.Go(func() { s.streams(tcp) })
	l.t.Cleanup(func() {
		_, _ = udp.Close(), tcp.Close()
		running.Wait()
	})
	return s
}

// replaceResolvConf puts another file in the place of resolv.conf, as netifd does.
func (l *lab) replaceResolvConf(servers ...string) {
	l.t.Helper()
	var b strings.Builder
	for _, s := range servers {
		b.WriteString("nameserver " + s + "\n")
	}
	const other = router.ResolvConf + ".new"
	err := os.WriteFile(other, []byte(b.String()), 0o644)
	if err == nil {
		err = os.Rename(other, router.ResolvConf)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// put gives a name addresses; without any there is no such name.
func (s *dnsServer) put(name string, addrs ...string) { s.set(name, dnsName{addrs: addrsOf(addrs...)}) }

func (s *dnsServer) set(name string, what dnsName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = what
}

// silence has no name answered for any more.
func (s *dnsServer) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.names)
}

// questions returns how often a name was asked for.
func (s *dnsServer) questions(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func addrsOf(list ...string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func (s *dnsServer) datagrams(conn net.PacketConn) {
	type packet struct {
		message []byte
		to      net.Addr
	}
	held := map[string][]packet{}
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		name, messages, together := s.answer(buf[:n], true)
		packets := held[name]
		for _, m := range messages {
			packets = append(packets, packet{m, from})
		}
		if together && len(held[name]) == 0 {
			held[name] = packets
			continue
		}
		delete(held, name)
		for _, p := range packets {
			_, _ = conn.WriteTo(p.message, p.to) // Who asks will ask again.
		}
	}
}

func (s *dnsServer) streams(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		var size [2]byte
		if _, err = io.ReadFull(conn, size[:]); err == nil {
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err = io.ReadFull(conn, query); err == nil {
				_, messages, _ := s.answer(query, false)
				for _, m := range messages {
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
				}
			}
		}
		conn.Close()
	}
}

// maxDatagram is how many addresses fit into an answer over UDP.
const maxDatagram = 20

// answer returns the name that a query is about, the messages that answer it, and
// whether they are to go out with those for the other family.
func (s *dnsServer) answer(query []byte, datagram bool) (name string, messages [][]byte, together bool) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		s.t.Errorf("a query that is none: %x", query)
		return "", nil, false
	}
	q := m.Questions[0]
	name = strings.TrimSuffix(q.Name.String(), ".")
	s.mu.Lock()
	s.asked[name]++
	what, known := s.names[name]
	s.mu.Unlock()
	if !known {
		return name, nil, false
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: what.code},
		Questions: m.Questions,
	}
	if len(what.addrs) == 0 && what.code == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
	for _, a := range what.addrs {
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	if datagram && len(reply.Answers) > maxDatagram {
		reply.Truncated, reply.Answers = true, nil
	}
	right, err := reply.Pack()
	if err != nil {
		s.t.Errorf("pack: %v", err)
		return name, nil, false
	}
	if datagram && what.before != nil {
		return name, append(what.before(right), right), what.together
	}
	return name, [][]byte{right}, what.together
}

// wrongAnswers makes of an answer what an attacker or a broken server may send: all
// of it says an address that is none of the name's.
func wrongAnswers(right []byte) (out [][]byte) {
	for _, spoil := range []func(m *dnsmessage.Message){
		func(m *dnsmessage.Message) { m.ID ^= 1 },
		func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("other.example.") },
		func(m *dnsmessage.Message) { m.Response = false },
	} {
		var m dnsmessage.Message
		if err := m.Unpack(right); err != nil {
			panic(err)
		}
		for _, a := range m.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				body.A = [4]byte{192, 0, 2, 66}
			case *dnsmessage.AAAAResource:
				body.AAAA[15] = 0x66
			}
		}
		spoil(&m)
		wrong, err := m.Pack()
		if err != nil {
			panic(err)
		}
		out = append(out, wrong)
	}
	return append(out, []byte{0xff, 0, 1}, nil)
}
