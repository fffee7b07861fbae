package rpcd

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// request is the arguments of a call about a session.
func request(id string, more ...blobmsg.Field) blobmsg.Table {
	return append(blobmsg.Table{{Name: sidName, Value: id}}, more...)
}

// The object does what the real one did in this conversation.
func TestSessionObject(t *testing.T) {
	t.Parallel()
	socket := broker(t)
	d := start(t, Config{Socket: socket})
	const id = "0123456789abcdef0123456789abcdef"
	d.AddSession(id, time.Hour)
	conn := connect(t, socket)
	for _, step := range []struct {
		method, arguments string
		status            ubus.Status
		answer            string // "" is a status only
	}{
		{"get", `{}`, ubus.StatusInvalidArgument, ""},
		{"get", `{"ubus_rpc_session":"1"}`, ubus.StatusNotFound, ""},
		{"get", `{"ubus_rpc_session":1}`, ubus.StatusInvalidArgument, ""},
		{"get", `{"ubus_rpc_session":"ID"}`, 0, `{"values":{}}`},
		{"set", `{"ubus_rpc_session":"ID"}`, ubus.StatusInvalidArgument, ""},
		{"set", `{"ubus_rpc_session":"ID","values":{"z":1,"a":"x","":2,"m":[true]}}`, 0, ""},
		{"get", `{"ubus_rpc_session":"ID"}`, 0, `{"values":{"a":"x","m":[true],"z":1}}`},
		{"get", `{"ubus_rpc_session":"ID","keys":["z","nope",5,"a"]}`, 0, `{"values":{"z":1,"a":"x"}}`},
		{"unset", `{"ubus_rpc_session":"ID","keys":["z"]}`, 0, ""},
		{"grant", `{"ubus_rpc_session":"ID","objects":[["wg*","run"],["b","x"],["b","y"],["short"],"no",["wg*","run"]]}`, 0, ""},
		{"grant", `{"ubus_rpc_session":"ID","scope":"access-group","objects":[["a","read"]]}`, 0, ""},
		{"access", `{"ubus_rpc_session":"ID"}`, 0, `{"access-group":{"a":["read"]},"ubus":{"b":["x","y"],"wg*":["run"]}}`},
		{"access", `{"ubus_rpc_session":"ID","object":"wgs","function":"run"}`, 0, `{"access":true}`},
		{"access", `{"ubus_rpc_session":"ID","object":"wgs","function":"go"}`, 0, `{"access":false}`},
		{"access", `{"ubus_rpc_session":"ID","scope":"uci","object":"b","function":"x"}`, 0, `{"access":false}`},
		{"revoke", `{"ubus_rpc_session":"ID","objects":[["b","x"],["wg","run"]]}`, 0, ""},
		{"access", `{"ubus_rpc_session":"ID"}`, 0, `{"access-group":{"a":["read"]},"ubus":{"b":["y"],"wg*":["run"]}}`},
		{"revoke", `{"ubus_rpc_session":"ID"}`, 0, ""},
		{"list", `{"ubus_rpc_session":"ID"}`, 0, `{"ubus_rpc_session":"ID","timeout":3600,"expires":EXPIRES,` +
			`"acls":{"access-group":{"a":["read"]}},"data":{"a":"x","m":[true]}}`},
		{"unset", `{"ubus_rpc_session":"ID"}`, 0, ""},
		{"get", `{"ubus_rpc_session":"ID"}`, 0, `{"values":{}}`},
		{"login", `{"username":"root"}`, ubus.StatusInvalidArgument, ""},
		{"login", `{"username":"root","password":""}`, ubus.StatusPermissionDenied, ""},
		{"destroy", `{"ubus_rpc_session":"` + NullSession + `"}`, ubus.StatusPermissionDenied, ""},
		{"destroy", `{"ubus_rpc_session":"ID"}`, 0, ""},
		{"destroy", `{"ubus_rpc_session":"ID"}`, ubus.StatusNotFound, ""},
		{"list", `{}`, 0, `{"ubus_rpc_session":"` + NullSession + `","timeout":0,"expires":0,"acls":{},"data":{}}`},
	} {
		arguments, err := blobmsg.ParseJSON([]byte(withID(step.arguments, id)))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := conn.Call(t.Context(), "session", step.method, arguments)
		if ubus.StatusOf(err) != step.status {
			t.Errorf("%s %s: %v, want %v", step.method, step.arguments, err, step.status)
		}
		want := withID(step.answer, id)
		if got := string(blobmsg.AppendJSON(nil, answer)); answer != nil && !equalButExpiry(want, got) || answer == nil && want != "" {
			t.Errorf("%s %s:\n got %s\nwant %s", step.method, step.arguments, got, want)
		}
	}
}

var expiry = regexp.MustCompile(`"expires":(EXPIRES|35\d\d|3600)`)

// withID puts the session's id where ID stands.
func withID(s, id string) string { return strings.ReplaceAll(s, `"ID"`, `"`+id+`"`) }

func equalButExpiry(want, got string) bool {
	return expiry.ReplaceAllString(want, "") == expiry.ReplaceAllString(got, "")
}

func TestSessionCreate(t *testing.T) {
	t.Parallel()
	socket := broker(t)
	start(t, Config{Socket: socket})
	conn := connect(t, socket)
	first, err := conn.Call(t.Context(), "session", "create", nil)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := first.String(sidName)
	if timeout, _ := first.Int("timeout"); len(id) != 32 || timeout != 300 {
		t.Errorf("session %q for %d s", id, timeout)
	}
	long := blobmsg.Table{{Name: "timeout", Value: int32(3600)}}
	if _, err := conn.Call(t.Context(), "session", "create", long); err != nil {
		t.Fatal(err)
	}
	all := 0
	count := func(blobmsg.Table) { all++ }
	if err := conn.CallEach(t.Context(), "session", "list", nil, count); err != nil || all != 3 {
		t.Errorf("%d sessions, error %v, want 3", all, err)
	}
	short, err := conn.Call(t.Context(), "session", "create", blobmsg.Table{{Name: "timeout", Value: int32(1)}})
	if err != nil {
		t.Fatal(err)
	}
	// Each look at a session lets it live on: wait without looking.
	shortID, _ := short.String(sidName)
	time.Sleep(1100 * time.Millisecond)
	if _, err := conn.Call(t.Context(), "session", "get", request(shortID)); !errors.Is(err, ubus.StatusNotFound) {
		t.Errorf("a session that has expired: %v", err)
	}
}

func TestBuiltinsAnswerNothing(t *testing.T) {
	t.Parallel()
	socket := broker(t)
	start(t, Config{Socket: socket})
	conn := connect(t, socket)
	for _, call := range [][2]string{{"uci", "get"}, {"rc", "list"}} {
		if _, err := conn.Call(t.Context(), call[0], call[1], nil); !errors.Is(err, ubus.StatusNotSupported) {
			t.Errorf("%s %s: %v", call[0], call[1], err)
		}
	}
}
