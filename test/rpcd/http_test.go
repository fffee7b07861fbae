package rpcd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

const testSession = "0123456789abcdef0123456789abcdef"

const (
	parseError  = `{"jsonrpc":"2.0","id":ID,"error":{"code":-32700,"message":"Parse error"}}`
	noObject    = `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Object not found"}}`
	denied      = `{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Access denied"}}`
	badParams   = `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid parameters"}}`
	answered    = `{"jsonrpc":"2.0","id":1,"result":[0,{"ok":true}]}`
	answeredObj = `{"jsonrpc":"2.0","id":1,"result":{"ok":true}}`
	justSession = `{"ubus_rpc_session":"SID"}`
)

// rpcCall is a request of the method "call" with these parameters.
func rpcCall(params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"call","params":[` + params + `]}`
}

// The answers are those of the real uhttpd, but for the plugin's.
var httpTests = []struct {
	request string // method, path and body
	session bool   // in the header
	status  int    // 0 is 200
	want    string
	stdin   string // "" is no call
}{
	// GET
	{"GET /ubus/list/wg", false, 0, `{"run":{"text":"string","number":"number","flag":"boolean","list":"array","table":"object"},"plain":{},"one":{"a":"string"}}`, ""},
	{"GET /ubus/list/rc?x=1", false, 0, `{"list":{"name":"string","skip_running_check":"boolean"},"init":{"name":"string","action":"string"}}`, ""},
	{"GET /ubus/list/nope", false, 500, `{"code":4,"message":"Not found"}`, ""},
	{"GET /ubus", false, 404, "", ""},
	{"GET /ubus/", false, 404, "", ""},
	{"GET /ubus/subscribe/wg", false, 0, `{"code":-13,"message":"Permission denied"}`, ""},
	{"GET /ubus/subscribe/nope", true, 0, `{"code":4,"message":"Not found"}`, ""},
	{"GET /nothere", false, 404, "<h1>Not Found</h1>The requested URL /nothere was not found on this server.", ""},
	{"GET /ubusx", false, 404, "<h1>Not Found</h1>The requested URL /ubusx was not found on this server.", ""},

	// other methods
	{"OPTIONS /ubus", false, 0, "", ""},
	{"PUT /ubus {}", false, 400, "<h1>Bad Request</h1>Invalid Request", ""},
	{"DELETE /ubus", false, 400, "<h1>Bad Request</h1>Invalid Request", ""},

	// bodies that are no request
	{"POST /ubus ", false, 0, parseError, ""},
	{"POST /ubus {}", false, 0, parseError, ""},
	{"POST /ubus/ {}", false, 0, parseError, ""},
	{"POST /ubus 5", false, 0, parseError, ""},
	{"POST /ubus null", false, 0, parseError, ""},
	{`POST /ubus "x"`, false, 0, parseError, ""},
	{`POST /ubus {"jsonrpc":"1.0","id":3,"method":"list"}`, false, 0, strings.Replace(parseError, "ID", "3", 1), ""},
	{`POST /ubus {"jsonrpc":2.0,"id":3,"method":"list"}`, false, 0, strings.Replace(parseError, "ID", "3", 1), ""},
	{`POST /ubus {"jsonrpc":"2.0","id":3}`, false, 0, strings.Replace(parseError, "ID", "3", 1), ""},
	{"POST /ubus/x {}", false, 404, "", ""},

	// list
	{`POST /ubus {"jsonrpc":"2.0","id":{"a":[1,null]},"method":"list"}`, false, 0, `{"jsonrpc":"2.0","id":{"a":[1,null]},"result":["rc","session","uci","wg"]}`, ""},
	{`POST /ubus {"jsonrpc":"2.0","method":"list"}`, false, 0, `{"jsonrpc":"2.0","id":null,"result":["rc","session","uci","wg"]}`, ""},
	{`POST /ubus {"jsonrpc":"2.0","id":1.5,"method":"list","params":"wg"}`, false, 0, `{"jsonrpc":"2.0","id":1.500000,"result":["rc","session","uci","wg"]}`, ""},
	{`POST /ubus {"jsonrpc":"2.0","id":1,"method":"list","params":[]}`, false, 0, `{"jsonrpc":"2.0","id":1,"result":{}}`, ""},
	{`POST /ubus {"jsonrpc":"2.0","id":1,"method":"list","params":["","nope",5,null,"r*"]}`, false, 0, `{"jsonrpc":"2.0","id":1,"result":{"rc":{"list":{"name":"string","skip_running_check":"boolean"},"init":{"name":"string","action":"string"}}}}`, ""},

	// call
	{"POST /ubus " + rpcCall(``), false, 0, strings.Replace(parseError, "ID", "1", 1), ""},
	{"POST /ubus " + rpcCall(`"SID","wg","run"`), false, 0, strings.Replace(parseError, "ID", "1", 1), ""},
	{"POST /ubus " + rpcCall(`"SID","wg","run",[]`), false, 0, strings.Replace(parseError, "ID", "1", 1), ""},
	{"POST /ubus " + rpcCall(`null,"wg","run",{}`), false, 0, strings.Replace(parseError, "ID", "1", 1), ""},
	{"POST /ubus " + rpcCall(`"SID","wg","run",{},"extra"`), false, 0, answered, justSession},
	{"POST /ubus " + rpcCall(`5,"SID",null,"wg",[],"run",{"a":1}`), false, 0, answered, `{"a":1,"ubus_rpc_session":"SID"}`},
	{"POST /ubus " + rpcCall(`"SID","w*","run",{}`), false, 0, answered, justSession},
	{"POST /ubus " + rpcCall(`"SID","","run",{}`), false, 0, noObject, ""},
	{"POST /ubus " + rpcCall(`"SID","wg","",{}`), false, 0, `{"jsonrpc":"2.0","id":1,"result":[3]}`, ""},
	{"POST /ubus " + rpcCall(`"","wg","run",{}`), true, 0, denied, ""},
	{"POST /ubus " + rpcCall(`"SID","wg","run",{"a":1,"ubus_rpc_session":1}`), false, 0, badParams, ""},
	{"POST /ubus " + rpcCall(`"SID","wg","run",{"a":{"ubus_rpc_session":1}}`), false, 0, answered, `{"a":{"ubus_rpc_session":1},"ubus_rpc_session":"SID"}`},
	{"POST /ubus " + rpcCall(`"SID","wg","run",{}`) + " trailing", false, 0, answered, justSession},
	{"POST /ubus \n" + rpcCall(`'SID','wg','run',{},`), false, 0, answered, justSession},
	{"POST /ubus " + strings.TrimSuffix(rpcCall(`"SID","wg","run",{}`), "}"), false, 0, parseError, ""},
	{`POST /ubus {"jsonrpc":"2.0","id":7,"id":1,"method":"call","params":["SID","wg","run",{"a":1,"a":2}]}`, false, 0, answered, `{"a":2,"ubus_rpc_session":"SID"}`},
	{"POST /ubus " + rpcCall(`"SID","session","access",{}`), false, 0, `{"jsonrpc":"2.0","id":1,"result":[0,{"ubus":{"*":["*"]}}]}`, ""},
	{"POST /ubus " + rpcCall(`"SID","session","get",{"ubus_rpc_session":"SID"}`), false, 0, badParams, ""},

	// batches
	{"POST /ubus []", false, 0, "[]", ""},
	{"POST /ubus [null,[],5]", false, 0, "[" + parseError + "," + parseError + "," + parseError + "]", ""},
	{"POST /ubus [" + rpcCall(`"SID","wg","nope",{}`) + "," + rpcCall(`"SID","wg","run",{}`) + "]", false, 0, `[{"jsonrpc":"2.0","id":1,"result":[3]},` + answered + "]", justSession},

	// /ubus/call
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1,"method":"run","params":{"x":1}}`, true, 0, answeredObj, `{"x":1,"ubus_rpc_session":"SID"}`},
	{`POST /ubus/call/wg?x=1 {"jsonrpc":"2.0","id":1,"method":"run"}`, true, 0, answeredObj, justSession},
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1,"method":"run","params":[1,{}]}`, true, 0, answeredObj, `{1,{},"ubus_rpc_session":"SID"}`},
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1,"method":"run","params":"abc"}`, true, 0, answeredObj, justSession},
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1,"method":"run","params":{"ubus_rpc_session":"x"}}`, true, 0, badParams, ""},
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1,"method":"nope"}`, true, 0, `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"Method not found"}}`, ""},
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1,"method":"run"}`, false, 0, denied, ""},
	{`POST /ubus/call/nope {"jsonrpc":"2.0","id":1,"method":"run"}`, true, 0, noObject, ""},
	{`POST /ubus/call/ {"jsonrpc":"2.0","id":1,"method":"run"}`, true, 0, noObject, ""},
	{`POST /ubus/call/wg {"jsonrpc":"2.0","id":1}`, true, 0, strings.Replace(parseError, "ID", "1", 1), ""},
	{"POST /ubus/call {}", true, 404, "", ""},
}

// withSession puts the session, and the id of what has none, into their places.
func withSession(s string) string {
	return strings.NewReplacer("SID", testSession, `"id":ID`, `"id":null`).Replace(s)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	b, d, _ := calling(t, Config{}, step{Print: []byte(`{"ok":true}`)})
	d.AddSession(testSession, 0, Grant{Object: "*", Function: "*"})
	page := serveHTTP(t, d.config.Socket, 0)
	for _, tt := range httpTests {
		before := len(b.runs(t))
		got := roundTrip(t, page, rawRequest(withSession(tt.request), tt.session))
		if want := max(tt.status, http.StatusOK); got.status != want {
			t.Errorf("%s: status %d, want %d", tt.request, got.status, want)
		}
		if diff := cmp.Diff(withSession(tt.want), string(got.body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.request, diff)
		}
		var stdin string
		for _, r := range b.runs(t)[before:] {
			stdin += string(r.Stdin)
		}
		if diff := cmp.Diff(withSession(tt.stdin), stdin); diff != "" {
			t.Errorf("%s: input (-want +got):\n%s", tt.request, diff)
		}
	}
}

// rawRequest writes a request of the form "METHOD PATH BODY".
func rawRequest(s string, session bool) string {
	method, rest, _ := strings.Cut(s, " ")
	path, body, hasBody := strings.Cut(rest, " ")
	head := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	if session {
		head += "Authorization: bEARER " + testSession + "\r\n"
	}
	if hasBody {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return head + "\r\n" + body
}

// Where a body ends, and what becomes of the connection.
func TestHTTPBodies(t *testing.T) {
	t.Parallel()
	socket := broker(t)
	start(t, Config{Socket: socket})
	page := serveHTTP(t, socket, 0)
	for _, tt := range []struct {
		name, body string
		connection string
	}{
		{"at the limit", `{"a":"` + strings.Repeat("x", BodyLimit-8) + `"}`, "Keep-Alive"},
		{"over the limit", `{"a":"` + strings.Repeat("x", BodyLimit-7) + `"}`, "close"},
		{"more in another piece", "{}" + strings.Repeat(" ", 5000), "close"},
		{"more in the same piece", "{}" + strings.Repeat(" ", 500), "Keep-Alive"},
	} {
		got := roundTrip(t, page, rawRequest("POST /ubus "+tt.body, false))
		if got.headers["connection"] != tt.connection || string(got.body) != withSession(parseError) {
			t.Errorf("%s: connection %q, %s", tt.name, got.headers["connection"], got.body)
		}
	}
	for _, tt := range []struct {
		request string
		want    map[string]string
	}{
		{"POST /ubus HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", map[string]string{
			"connection": "close", "content-type": "application/json", "transfer-encoding": "chunked",
		}},
		{"POST /ubus HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", map[string]string{
			"connection": "close", "content-type": "application/json",
		}},
		{"OPTIONS /ubus HTTP/1.1\r\nHost: x\r\n\r\n", map[string]string{
			"connection": "Keep-Alive", "keep-alive": "timeout=20", "content-type": "application/json", "content-length": "0",
		}},
		{"GET /ubus HTTP/1.1\r\nHost: x\r\n\r\n", map[string]string{
			"connection": "Keep-Alive", "keep-alive": "timeout=20", "transfer-encoding": "chunked",
		}},
	} {
		got := roundTrip(t, page, tt.request)
		if diff := cmp.Diff(tt.want, got.headers); diff != "" {
			t.Errorf("%q: headers (-want +got):\n%s", tt.request, diff)
		}
	}
}

// A session with a right gets an object's notifications.
func TestHTTPSubscribe(t *testing.T) {
	t.Parallel()
	socket := broker(t)
	d := start(t, Config{Socket: socket})
	d.AddSession(testSession, 0, Grant{Object: "talker", Function: ":subscribe"})
	conn := connect(t, socket)
	object, err := conn.Publish(t.Context(), "talker", nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("unix", serveHTTP(t, socket, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, rawRequest("GET /ubus/subscribe/talker", true)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	eventually(t, "the subscription", object.HasSubscribers)
	for i := range 2 {
		if err := object.Notify(t.Context(), "said", blobmsg.Table{{Name: "n", Value: i}}); err != nil {
			t.Fatal(err)
		}
	}
	const want = "event: said\ndata: {\"n\":0}\n\nevent: said\ndata: {\"n\":1}\n\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
	_ = client.Close()
	eventually(t, "the end of the subscription", func() bool { return !object.HasSubscribers() })
}

// An object that gives no answer is not waited for longer than the time-out.
func TestHTTPTimeout(t *testing.T) {
	t.Parallel()
	b, d, _ := calling(t, Config{}, step{SleepMS: 60000})
	d.AddSession(testSession, 0, Grant{Object: "wg", Function: "*"})
	// Half of the time-out is the limit for the question whether the call is allowed.
	page := serveHTTP(t, d.config.Socket, 10*time.Second)
	got := roundTrip(t, page, rawRequest("POST /ubus "+withSession(rpcCall(`"SID","wg","run",{}`)), false))
	const want = `{"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"ubus request timed out"}}`
	if string(got.body) != want || len(b.runs(t)) > 1 {
		t.Errorf("%s after %d starts", got.body, len(b.runs(t)))
	}
}

func TestHTTPWithoutADaemon(t *testing.T) {
	t.Parallel()
	socket := broker(t)
	page := serveHTTP(t, socket, 0)
	conn := connect(t, socket)
	if _, err := conn.Publish(t.Context(), "wg", []ubus.Method{}); err != nil {
		t.Fatal(err)
	}
	got := roundTrip(t, page, rawRequest("POST /ubus "+withSession(rpcCall(`"SID","wg","run",{}`)), false))
	if string(got.body) != denied {
		t.Errorf("without sessions: %s", got.body)
	}
}
