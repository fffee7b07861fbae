package status

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/uci/schema"
)

const (
	// DefaultLimit is how many peers a page holds when nobody says.
	DefaultLimit = 100
	// MaxLimit is how many it holds at most.
	MaxLimit = 500
)

// ErrArgument is matched by errors about an argument of a method.
var ErrArgument = errors.New("wrong argument")

// argumentError says what is right for an argument.
type argumentError struct{ name, text string }

func (e *argumentError) Error() string        { return e.name + ": " + e.text }
func (e *argumentError) Is(target error) bool { return target == ErrArgument }

// Query selects the peers of a page. The zero Query is the first page of all.
type Query struct {
	Interface string  // empty: all
	States    []State // none: all
	Text      string  // empty: all
	Sort      Sort    // empty: SortSection
	Reverse   bool
	Offset    int
	Limit     int // 0: DefaultLimit
	// NoPeers: only the interfaces are asked for.
	NoPeers bool
}

// Sort is an order of peers, a word of the argument `sort`.
type Sort string

// The orders of peers.
const (
	SortSection   Sort = "section" // as in the file
	SortName      Sort = "name"
	SortState     Sort = "state"     // what needs somebody first
	SortHandshake Sort = "handshake" // latest first, never last
	SortRx        Sort = "rx"        // most first
	SortTx        Sort = "tx"
	SortEndpoint  Sort = "endpoint" // by address, none last
)

// QueryArgs are samples of the arguments of `peers`: their kinds are the
// arguments' types.
var QueryArgs = blobmsg.Table{
	{Name: "interface", Value: ""},
	{Name: "state", Value: ""},
	{Name: "text", Value: ""},
	{Name: "sort", Value: ""},
	{Name: "reverse", Value: false},
	{Name: "offset", Value: 0},
	{Name: "limit", Value: 0},
}

// ParseQuery reads the arguments of `peers`. Those that it does not know do not
// matter. Its errors match ErrArgument.
func ParseQuery(args blobmsg.Table) (q Query, err error) {
	q.Interface, err = Word(args, "interface")
	if err == nil {
		q.Text, err = Word(args, "text")
	}
	if err == nil {
		err = q.parseStates(args)
	}
	if err == nil {
		err = q.parseSort(args)
	}
	if err == nil {
		q.Offset, err = number(args, "offset")
	}
	if err == nil && args.Get("limit") != nil {
		q.Limit, err = number(args, "limit")
		q.NoPeers = q.Limit == 0
	}
	return q, err
}

func (q *Query) parseStates(args blobmsg.Table) error {
	list, err := Word(args, "state")
	if err != nil {
		return err
	}
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' }) {
		s := State(word)
		if s.rank() == len(states) {
			return &argumentError{"state", "one or more of " + wordList(states[:]) + " are right here"}
		}
		q.States = append(q.States, s)
	}
	return nil
}

func (q *Query) parseSort(args blobmsg.Table) error {
	word, err := Word(args, "sort")
	if err != nil {
		return err
	}
	q.Sort = Sort(word)
	if q.Sort != "" && q.Sort != SortSection && compare(q.Sort) == nil {
		return &argumentError{"sort", "one of " + wordList([]Sort{
			SortSection, SortName, SortState, SortHandshake, SortRx, SortTx, SortEndpoint,
		}) + " is right here"}
	}
	if args.Get("reverse") != nil {
		n, isInt := args.Int("reverse")
		b, isBool := args.Bool("reverse")
		if !isInt && !isBool {
			return &argumentError{"reverse", "true or false is right here"}
		}
		q.Reverse = b || n != 0
	}
	return nil
}

// Word returns an argument that is a text, empty when it is not there. Its error
// matches ErrArgument.
func Word(args blobmsg.Table, name string) (string, error) {
	switch v := args.Get(name).(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", &argumentError{name, "a text is right here"}
}

// number returns a count among the arguments, 0 when it is not there.
func number(args blobmsg.Table, name string) (int, error) {
	if args.Get(name) == nil {
		return 0, nil
	}
	n, ok := args.Int(name)
	if !ok || n < 0 || n > math.MaxInt32 {
		return 0, &argumentError{name, "a whole number from 0 on is right here"}
	}
	return int(n), nil
}

func wordList[T ~string](words []T) string {
	var b strings.Builder
	for n, w := range words {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// ErrNoPeer: the interface has no such peer.
var ErrNoPeer = errors.New("the interface has no such peer")

// PeerRef names one peer: by its public key, or by its section. With both it is the
// section's that has the key, and otherwise whichever has the key: the numbers of
// sections without names change.
type PeerRef struct {
	Interface string
	PublicKey schema.Key // zero: Section alone counts
	Section   string
}

// PeerRefArgs are samples of the arguments of `peer`.
var PeerRefArgs = blobmsg.Table{
	{Name: "interface", Value: ""},
	{Name: "public_key", Value: ""},
	{Name: "section", Value: ""},
}

// ParsePeerRef reads the arguments of `peer`. Its errors match ErrArgument.
func ParsePeerRef(args blobmsg.Table) (ref PeerRef, err error) {
	if ref.Interface, err = Word(args, "interface"); err != nil {
		return ref, err
	}
	if ref.Interface == "" {
		return ref, &argumentError{"interface", "the name of an interface is right here"}
	}
	key, err := Word(args, "public_key")
	if err != nil {
		return ref, err
	}
	if ref.Section, err = Word(args, "section"); err != nil {
		return ref, err
	}
	switch {
	case key != "":
		if ref.PublicKey, err = schema.ParseKey(key); err != nil {
			return ref, &argumentError{"public_key", err.Error()}
		}
	case ref.Section == "":
		return ref, &argumentError{"public_key", "the public key of a peer, or its section, is right here"}
	}
	return ref, nil
}

// Find returns the peer that is meant. The error is ErrNoInterface or ErrNoPeer,
// wrapped, or why the interface could not be read.
func (s *Snapshot) Find(ref PeerRef) (*Interface, *Peer, error) {
	i := s.find(ref.Interface)
	if i == nil {
		return nil, nil, fmt.Errorf("%s: %w", cut(ref.Interface, maxName), ErrNoInterface)
	}
	var found *Peer
	for n := range i.Peers {
		p := &i.Peers[n]
		if !ref.PublicKey.IsZero() && p.PublicKey != ref.PublicKey {
			continue
		}
		if p.Section == ref.Section && p.Section != "" {
			return i, p, nil
		}
		// Of several sections with the key one may be in use.
		if !ref.PublicKey.IsZero() && (found == nil || p.InKernel && !found.InKernel) {
			found = p
		}
	}
	if found == nil && i.Reason == InterfaceReasonUnreadable {
		// It may be there all the same.
		return i, nil, fmt.Errorf("%s: %s", i.Name, i.Detail)
	}
	if found == nil {
		return i, nil, fmt.Errorf("%s: %w", i.Name, ErrNoPeer)
	}
	return i, found, nil
}

func (s *Snapshot) find(name string) *Interface {
	for n := range s.Interfaces {
		if s.Interfaces[n].Name == name {
			return &s.Interfaces[n]
		}
	}
	return nil
}
