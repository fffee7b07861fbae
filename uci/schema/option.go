package schema

// Spec describes one option of /etc/config/network for people: what the README
// shows, and what LuCI's forms and `wgnetifd help` take their texts from.
type Spec struct {
	Name string
	// Type in words, with its range.
	Type string
	// List is set where several values are allowed: as a UCI list, or as one
	// string of values with blanks or commas between them.
	List bool
	// Secret values never reach a log, an error, a reply or argv.
	Secret bool
	// Default in words; empty: none.
	Default string
	// Help says what the option is for, in one or two sentences.
	Help string
	// Netifd is set for options that netifd itself reads and acts on. They are
	// read here only as far as routes and `wgnetifd up` need them.
	Netifd bool
	// Daemon is set for options that take a running daemon: without one they are
	// checked and have no effect, but that setup takes the first endpoint of a peer
	// that has an address at all.
	Daemon bool
}

// option is an option of a section whose typed form is T. set takes one value
// (of a list: each value in turn) into t; the error that it returns says what
// is right, without the value. A note accepts the value and says what was made
// of it.
type option[T any] struct {
	Spec
	set func(t *T, value string) error
}

// note is an error of a setter that does not refuse the value.
type note string

func (n note) Error() string { return string(n) }

// InterfaceOptions returns the options of a section `config interface` with
// `option proto 'wireguard'`, in the order of the documentation.
func InterfaceOptions() []Spec { return specs(interfaceOptions) }

// PeerOptions returns the options of a section `config wireguard_IFACE`, in the
// order of the documentation.
func PeerOptions() []Spec { return specs(peerOptions) }

func specs[T any](options []option[T]) []Spec {
	out := make([]Spec, len(options))
	for i := range options {
		out[i] = options[i].Spec
	}
	return out
}

func byName[T any](options []option[T]) map[string]*option[T] {
	m := make(map[string]*option[T], len(options))
	for i := range options {
		m[options[i].Name] = &options[i]
	}
	return m
}
