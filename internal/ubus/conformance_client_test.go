package ubus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/ubusd/recording"
)

// TestConformanceClient has this package do what each recorded program did, play
// it what the real ubusd answered, and compares what it makes of that with what
// the program printed. Messages sent are compared too.
//
// Of the commands only `ubus monitor` has no counterpart here; hand-made clients
// are not commands and are played to the broker (test/ubusd).
func TestConformanceClient(t *testing.T) {
	played := 0
	for _, r := range recording.Load(t) {
		for i := range r.Commands {
			cmd := &r.Commands[i]
			run := runner(cmd.Argv)
			if run == nil {
				t.Logf("%s: no counterpart of %q", r.File, cmd.Argv)
				continue
			}
			played++
			t.Run(r.Name()+"/"+cmd.Conn, func(t *testing.T) {
				checkLeaks(t)
				p := play(t, r.Of(cmd.Conn))
				c, err := Dial(t.Context(), p.socket)
				if err != nil {
					t.Fatal(err)
				}
				run(t, c, p, cmd)
				c.Close()
			})
		}
	}
	if played == 0 {
		t.Error("no command was played")
	}
}

// invocation is a command line taken apart.
type invocation struct {
	simple, verbose bool
	verb            string
	args            []string
}

func parseArgv(argv []string) (v invocation) {
	rest := append(argv[1:len(argv):len(argv)], "") // no verb is the verb ""
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		switch rest[0] {
		case "-S":
			v.simple = true
		case "-v":
			v.verbose = true
		case "-t":
			rest = rest[1:]
		}
		rest = rest[1:]
	}
	v.verb, v.args = rest[0], rest[1:max(1, len(rest)-1)]
	return v
}

// runner returns what does the same as a command line, or nil.
func runner(argv []string) func(*testing.T, *Conn, *playback, *recording.Command) {
	v := parseArgv(argv)
	if argv[0] != "ubus" {
		switch {
		case v.verb == "invoke" && len(v.args) == 3 && v.args[1] == "length":
			return v.length
		case v.verb == "invoke" && len(v.args) > 3 && v.args[2] == "async":
			return v.async
		}
		return nil
	}
	switch n := len(v.args); {
	case v.verb == "list" && n <= 1:
		return v.list
	case v.verb == "call" && (n == 2 || n == 3):
		return v.call
	case v.verb == "send" && (n == 1 || n == 2):
		return v.send
	case v.verb == "listen":
		return v.listen
	case v.verb == "subscribe" && n > 0:
		return v.subscribe
	case v.verb == "wait_for" && n > 0:
		return v.waitFor
	}
	return nil // no command of ours, or a mistake that only a command line has
}

// status is the result in an exit code: the status itself, or 256 minus it.
func status(cmd *recording.Command) (Status, bool) {
	if cmd.Exit == nil {
		return StatusOK, false
	}
	if *cmd.Exit > 128 {
		return Status(256 - *cmd.Exit), true
	}
	return Status(*cmd.Exit), true
}

// inTime makes a request. Its time is over when it waits for what never comes.
func inTime(t *testing.T, cmd *recording.Command, request func(context.Context) error, waits func()) error {
	t.Helper()
	if s, _ := status(cmd); s != StatusTimeout {
		return request(t.Context())
	}
	ctx, pass := deadline(t)
	ended := make(chan error, 1)
	go func() { ended <- request(ctx) }()
	waits()
	pass()
	return receive(t, ended)
}

// exit compares a result with an exit code.
func exit(t *testing.T, cmd *recording.Command, err error) {
	t.Helper()
	want, ok := status(cmd)
	if got := StatusOf(err); ok && got != want {
		t.Errorf("%v (status %d), the program ended with %d", err, got, *cmd.Exit)
	}
}

// stdout compares what the program would print.
func stdout(t *testing.T, cmd *recording.Command, got string) {
	t.Helper()
	if !cmd.Stdout.Is(got) {
		t.Errorf("printed (-want +got):\n%s", cmp.Diff(cmd.Stdout.Whole, got))
	}
}

// same checks that the recorded messages were sent, and no others.
func same(t *testing.T, p *playback) {
	t.Helper()
	if list := p.missing(); len(list) > 0 {
		t.Errorf("not sent: %s", strings.Join(list, "\n"))
	}
	if len(p.extra) > 0 {
		t.Errorf("sent beyond the recording: %s", strings.Join(p.extra, "\n"))
	}
}

func (v invocation) list(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	path := ""
	if len(v.args) > 0 {
		path = v.args[0]
	}
	list, err := c.Lookup(t.Context(), path)
	var out strings.Builder
	for _, o := range list {
		if !v.verbose {
			out.WriteString(o.Path + "\n")
			continue
		}
		fmt.Fprintf(&out, "'%s' @%08x\n", o.Path, o.ID)
		for _, m := range o.Methods {
			args := make([]string, 0, len(m.Args))
			for _, a := range m.Args {
				args = append(args, fmt.Sprintf("%q:%q", a.Name, typeName(a.Type)))
			}
			fmt.Fprintf(&out, "\t%q:{%s}\n", m.Name, strings.Join(args, ","))
		}
	}
	exit(t, cmd, err)
	stdout(t, cmd, out.String())
	same(t, p)
}

// typeName is what `ubus -v list` calls a type.
func typeName(typ blobmsg.Type) string {
	switch typ {
	case blobmsg.TypeBool:
		return "Boolean"
	case blobmsg.TypeInt32:
		return "Integer"
	case blobmsg.TypeString:
		return "String"
	case blobmsg.TypeArray:
		return "Array"
	case blobmsg.TypeTable:
		return "Table"
	default:
		return "(unknown)"
	}
}

func (v invocation) call(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	args := blobmsg.Table{}
	if len(v.args) > 2 {
		var err error
		if args, err = blobmsg.ParseJSON([]byte(v.args[2])); err != nil {
			exit(t, cmd, StatusParseError)
			same(t, p)
			return
		}
	}
	var out []byte
	err := inTime(t, cmd, func(ctx context.Context) error {
		return c.CallEach(ctx, v.args[0], v.args[1], args, func(data blobmsg.Table) {
			if v.simple {
				out = blobmsg.AppendJSON(out, data)
			} else {
				out = blobmsg.AppendJSONIndent(out, data)
			}
			out = append(out, '\n')
		})
	}, func() {
		eventually(t, "everything has been sent", func() bool { return len(p.missing()) == 0 })
		p.caughtUp(t)
	})
	exit(t, cmd, err)
	stdout(t, cmd, string(out))
	if errors.Is(err, StatusNotFound) && !p.knows(v.args[0]) {
		// The program goes on without an id when the lookup says that all
		// is well but shows no object, and calls whatever it has there.
		return
	}
	same(t, p)
}

func (v invocation) send(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	var data blobmsg.Table
	if len(v.args) > 1 {
		var err error
		if data, err = blobmsg.ParseJSON([]byte(v.args[1])); err != nil {
			exit(t, cmd, StatusParseError)
			return
		}
	}
	exit(t, cmd, c.SendEvent(t.Context(), v.args[0], data))
	same(t, p)
}

// printed collects the lines that `ubus listen` and `ubus subscribe` print.
type printed struct {
	mu  sync.Mutex
	out string
}

func (o *printed) add(name string, data blobmsg.Table) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out += fmt.Sprintf("{ %q: %s }\n", name, show(data))
}

// becomes waits for what the program printed and that no more comes.
func (o *printed) becomes(t *testing.T, p *playback, cmd *recording.Command) {
	t.Helper()
	read := func() string {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.out
	}
	eventually(t, "all lines are there", func() bool { return len(read()) >= len(cmd.Stdout.Whole) })
	stdout(t, cmd, read())
	eventually(t, "everything has been sent", func() bool { return len(p.missing()) == 0 })
}

func (v invocation) listen(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	patterns := v.args
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	var out printed
	for _, pattern := range patterns {
		if _, err := c.Listen(t.Context(), pattern, out.add); err != nil {
			// The program ends with 255 whatever the reason, and names it
			// only without -S.
			want := "Error while registering for event '" + pattern + "': " + StatusOf(err).Error() + "\n"
			if cmd.Exit == nil || *cmd.Exit != 255 || cmd.Stderr != want && !v.simple {
				t.Errorf("%v, the program said %q", err, cmd.Stderr)
			}
			return
		}
	}
	out.becomes(t, p, cmd)
}

// subscribe differs in one thing: Subscribe waits for an object that is missing.
func (v invocation) subscribe(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	var out printed
	for _, path := range v.args {
		s, err := c.Subscribe(t.Context(), path, out.add)
		if err != nil {
			t.Fatal(err)
		}
		if missing := strings.HasSuffix(cmd.Stderr, "Not found\n"); missing && s.Active() {
			t.Errorf("subscribed to %s, the program said %q", path, cmd.Stderr)
		}
	}
	out.becomes(t, p, cmd)
}

func (v invocation) waitFor(t *testing.T, c *Conn, _ *playback, cmd *recording.Command) {
	exit(t, cmd, inTime(t, cmd, func(ctx context.Context) error { return c.WaitFor(ctx, v.args...) }, func() { awaitWaitFor(t) }))
}

// length is the C library's client with a string of some length.
func (v invocation) length(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	n, err := strconv.Atoi(v.args[2])
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Call(t.Context(), v.args[0], "length", blobmsg.Table{{Name: "s", Value: strings.Repeat("q", n)}})
	if errors.Is(err, ErrTooLarge) {
		err = StatusInvalidArgument // what libubus makes of it
	}
	out := ""
	if got != nil {
		out = show(got) + "\n"
	}
	stdout(t, cmd, out+fmt.Sprintf("ret %d %s\n", StatusOf(err), StatusOf(err).Error()))
	same(t, p)
}

// async is the C library's client with several calls at once.
func (v invocation) async(t *testing.T, c *Conn, p *playback, cmd *recording.Command) {
	var group sync.WaitGroup
	var mu sync.Mutex
	var got []string
	for pair := range slices.Chunk(v.args[3:], 2) {
		ms, err := strconv.Atoi(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			data, err := c.Call(t.Context(), v.args[0], v.args[1], blobmsg.Table{{Name: "ms", Value: ms}, {Name: "tag", Value: pair[0]}})
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s\ndone %d\n", show(data), StatusOf(err)))
		})
	}
	group.Wait()
	// Which of two calls is sent first is the scheduler's choice.
	slices.Sort(got)
	want := strings.SplitAfter(cmd.Stdout.Whole, "\n")
	var pairs []string
	for pair := range slices.Chunk(want[:len(want)-1], 2) {
		pairs = append(pairs, strings.Join(pair, ""))
	}
	slices.Sort(pairs)
	if diff := cmp.Diff(pairs, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list := p.missing(); len(list) > 0 {
		t.Errorf("not sent: %v", list)
	}
}
