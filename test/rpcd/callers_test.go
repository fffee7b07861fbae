package rpcd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// printed is the end of a command.
type printed struct {
	status         int // of the call
	exit           int
	stdout, stderr []byte
	usage          bool // its use is on standard error behind that
}

// runUbus does what the command `ubus call` does. Its own limit counts where the
// recorded command came to it; a busy machine may take longer than the others had.
func runUbus(t *testing.T, socket string, argv []string, recordedMS *float64) (p printed) {
	t.Helper()
	limit, simple, rest := ubusOptions(t, argv)
	if recordedMS == nil || *recordedMS < float64(limit.Milliseconds()) {
		limit = max(limit, 30*time.Second)
	}
	if len(rest) < 3 || len(rest) > 4 || rest[0] != "call" {
		t.Fatalf("this test does not know the command %q", argv)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	conn := connect(t, socket)

	fail := func(s ubus.Status) printed {
		p.status, p.exit = int(s), int(s)
		if !simple {
			p.exit = -int(s) & 0xff
			p.stderr = fmt.Appendf(nil, "Command failed: ubus %s (%v)\n", strings.Join(rest, " "), s)
			p.usage = s == ubus.StatusInvalidArgument // -2 means wrong use as well
		}
		return p
	}
	var arguments blobmsg.Table
	if len(rest) == 4 {
		var err error
		if arguments, err = blobmsg.ParseJSON([]byte(rest[3])); err != nil {
			return fail(ubus.StatusParseError)
		}
	}
	objects, err := conn.Lookup(ctx, rest[1])
	if err != nil || len(objects) == 0 {
		p.status, p.exit = int(ubus.StatusNotFound), int(ubus.StatusNotFound)
		if !simple {
			p.stderr = fmt.Appendf(nil, "Command failed: %v\n", ubus.StatusNotFound)
		}
		return p
	}
	err = conn.CallEach(ctx, objects[len(objects)-1].Path, rest[2], arguments, func(data blobmsg.Table) {
		if simple {
			p.stdout = blobmsg.AppendJSON(p.stdout, data)
		} else {
			p.stdout = blobmsg.AppendJSONIndent(p.stdout, data)
		}
		p.stdout = append(p.stdout, '\n')
	})
	if err != nil {
		return fail(ubus.StatusOf(err))
	}
	return p
}

func ubusOptions(t *testing.T, argv []string) (limit time.Duration, simple bool, rest []string) {
	t.Helper()
	limit = 30 * time.Second
	for rest = argv[1:]; len(rest) > 0 && strings.HasPrefix(rest[0], "-"); rest = rest[1:] {
		switch rest[0] {
		case "-S":
			simple = true
		case "-t":
			n, err := strconv.Atoi(rest[1])
			if err != nil {
				t.Fatalf("%q: %v", argv, err)
			}
			limit, rest = time.Duration(n)*time.Second, rest[1:]
		default:
			t.Fatalf("this test does not know the option %s of %q", rest[0], argv)
		}
	}
	return limit, simple, rest
}

// checkLibrary calls wg.run as the C program of the recordings did, with one
// long argument, and compares its output.
func checkLibrary(t *testing.T, socket string, want *commandResult) (status int) {
	t.Helper()
	conn := connect(t, socket)
	var stdout []byte
	err := conn.CallEach(t.Context(), "wg", "run", blobmsg.Table{{
		Name:  want.argument.Name,
		Value: strings.Repeat(want.argument.Fill, want.argument.Len),
	}}, func(data blobmsg.Table) { stdout = append(blobmsg.AppendJSON(stdout, data), '\n') })
	s := ubus.StatusOf(err)
	if errors.Is(err, ubus.ErrTooLarge) {
		s = ubus.StatusInvalidArgument // libubus's word for it
	}
	stdout = fmt.Appendf(stdout, "ret %d %v\n", int(s), s)
	if diff := want.stdout.diff(stdout); diff != "" {
		t.Errorf("stdout:%s", diff)
	}
	if diff := want.stderr.diff(nil); diff != "" || want.exit != 0 {
		t.Errorf("exit status %d and stderr %q: this test does not know how the program ends so", want.exit, want.stderr.whole)
	}
	return int(s)
}

// rawInvoke sends a hand-made call and returns the status of its end.
func rawInvoke(t *testing.T, socket, path string, attributes []byte) int {
	t.Helper()
	objects, err := connect(t, socket).Lookup(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	readMessage(t, conn) // the greeting

	const invoke, objID, status, seq = 5, 3, 1, 77
	blob := binary.BigEndian.AppendUint32(nil, objID<<24|8)
	blob = binary.BigEndian.AppendUint32(blob, objects[0].ID)
	blob = append(blob, attributes...)
	message := []byte{0, invoke, 0, seq}
	message = binary.BigEndian.AppendUint32(message, objects[0].ID)
	message = binary.BigEndian.AppendUint32(message, uint32(len(blob)+4))
	if _, err := conn.Write(append(message, blob...)); err != nil {
		t.Fatal(err)
	}
	for {
		head, blob := readMessage(t, conn)
		if head[1] != status || head[3] != seq {
			continue
		}
		for len(blob) >= 8 {
			word := binary.BigEndian.Uint32(blob)
			if word>>24 == 1 { // the attribute STATUS
				return int(binary.BigEndian.Uint32(blob[4:]))
			}
			blob = blob[(word&0xffffff+3)&^3:]
		}
		t.Fatal("a status message without a status")
	}
}

// readMessage reads one message of ubus: its header, and what is in its blob.
func readMessage(t *testing.T, r io.Reader) (head [8]byte, blob []byte) {
	t.Helper()
	var length [4]byte
	_, err := io.ReadFull(r, head[:])
	if err == nil {
		_, err = io.ReadFull(r, length[:])
	}
	if err == nil {
		blob = make([]byte, binary.BigEndian.Uint32(length[:])&0xffffff-4)
		_, err = io.ReadFull(r, blob)
	}
	if err != nil {
		t.Fatal(err)
	}
	return head, blob
}

// serveHTTP puts the page on a socket in a folder: no network is needed.
func serveHTTP(t *testing.T, busSocket string, timeout time.Duration) (socket string) {
	t.Helper()
	page, err := NewHTTP(t.Context(), busSocket, timeout)
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "http")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: page}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() {
		_ = server.Close()
		_ = page.Close()
	})
	return socket
}

// httpAnswer is an answer as it came.
type httpAnswer struct {
	status  int
	headers map[string]string // by lower-case name
	body    []byte
}

// roundTrip sends a request as it stands and reads the answer.
func roundTrip(t *testing.T, socket, request string) httpAnswer {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	// The header is kept as it came: net/http takes some lines away.
	var head bytes.Buffer
	method, _, _ := strings.Cut(request, " ")
	r := bufio.NewReader(io.TeeReader(conn, &head))
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	a := httpAnswer{status: response.StatusCode, headers: map[string]string{}}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	lines, _, _ := strings.Cut(head.String(), "\r\n\r\n")
	for _, line := range strings.Split(lines, "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ":")
		a.headers[strings.ToLower(name)] = strings.TrimSpace(value)
	}
	return a
}

// recordedHeaders are those that the recordings keep where they came; of all
// others they say nothing.
var recordedHeaders = []string{"connection", "content-type", "transfer-encoding"}

// checkHTTP sends the request of a case and compares the answer.
func checkHTTP(t *testing.T, c callCase, socket string) {
	t.Helper()
	h := c.http
	var request strings.Builder
	fmt.Fprintf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n", h.method, h.path)
	for name, value := range h.headers {
		fmt.Fprintf(&request, "%s: %s\r\n", name, value)
	}
	if h.body != nil {
		body, err := h.body.bytes()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&request, "Content-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		request.WriteString("\r\n")
	}

	limit := time.Duration(0) // the default: not reached there, nor here on a busy machine
	if h.ms != nil && *h.ms >= float64(recordedHTTPTimeout.Milliseconds()) {
		limit = recordedHTTPTimeout
	}
	page := serveHTTP(t, socket, limit)
	begin := time.Now()
	got := roundTrip(t, page, request.String())
	took := time.Since(begin)
	if got.status != h.status {
		t.Errorf("status %d, want %d", got.status, h.status)
	}
	headers := map[string]string{}
	for _, name := range recordedHeaders {
		if value, ok := got.headers[name]; ok {
			headers[name] = value
		}
	}
	for name := range h.wantHeaders {
		headers[name] = got.headers[name]
	}
	if diff := gocmp.Diff(h.wantHeaders, headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if h.wantBody == nil {
		t.Error("no body is recorded")
	} else if diff := h.wantBody.diff(got.body); diff != "" {
		t.Errorf("body:%s", diff)
	}
	if h.ms != nil {
		checkTime(t, "request", took, *h.ms)
	}
	checkHTTPStatus(t, c, got.body)
}

var resultStatus = regexp.MustCompile(`^\{"jsonrpc":"2\.0","id":[^{}]*,"result":\[(\d+)[,\]]`)

// checkHTTPStatus compares the status in the answer; a JSON-RPC error is none,
// and of a batch none is recorded.
func checkHTTPStatus(t *testing.T, c callCase, body []byte) {
	t.Helper()
	if !c.hasStatus {
		return
	}
	// The answer need not be JSON.
	var got *int
	if m := resultStatus.FindSubmatch(body); m != nil {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		got = &n
	}
	if diff := gocmp.Diff(c.status, got); diff != "" {
		t.Errorf("ubus_status (-want +got):\n%s", diff)
	}
}
