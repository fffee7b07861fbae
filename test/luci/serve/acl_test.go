package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	plugin "github.com/wgnetifd/wgnetifd/rpcd"
	"github.com/wgnetifd/wgnetifd/test/rpcd"
	"github.com/wgnetifd/wgnetifd/test/ubusd"
	"github.com/wgnetifd/wgnetifd/uci"
)

// site's users, and what each may ask the plugin: a user who reads gets neither a
// key nor anything that changes something, and nobody what our pages do not use.
var wantMethods = map[string][]string{
	"admin": {
		"generateKeyPair", "generatePsk", "getPublicAndPrivateKeyFromPrivate", "getWgInstances", "history", "peer", "peers", "reload",
		"resolve", "status",
	},
	"reader": {"getWgInstances", "history", "peer", "peers", "status"},
	"status": {"getWgInstances", "history", "peer", "peers", "status"},
	"":       nil,
}

// lab is a bus with rpcd, the page /ubus and objects that answer everything.
type lab struct {
	rpcd *rpcd.Rpcd
	page *rpcd.HTTP
	uci  *uciObject
}

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Setenv(envSource, "../../..")
	bus, err := ubusd.Start(filepath.Join(t.TempDir(), "ubus.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	d, err := rpcd.Start(ctx, rpcd.Config{Socket: bus.Socket(), PluginDir: t.TempDir(), Without: []string{"uci"}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ubus.Dial(ctx, bus.Socket()) // Open would publish when it gets there.
	if err != nil {
		t.Fatal(err)
	}
	page, err := rpcd.NewHTTP(ctx, bus.Socket(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range []interface{ Close() error }{page, conn, d, bus} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	var objects []ubus.Method
	for _, name := range methods(t) {
		objects = append(objects, ubus.Method{Name: name, Call: func(context.Context, *ubus.Request) (blobmsg.Table, error) { return nil, nil }})
	}
	if _, err := conn.Publish(ctx, "luci.wireguard", objects); err != nil {
		t.Fatal(err)
	}
	reload := ubus.Method{Name: "reload", Call: func(context.Context, *ubus.Request) (blobmsg.Table, error) { return nil, nil }}
	if _, err := conn.Publish(ctx, "network", []ubus.Method{reload}); err != nil {
		t.Fatal(err)
	}
	u := newUCI(conn)
	u.dir = uci.Dir{Config: t.TempDir(), Save: t.TempDir()}
	for _, name := range []string{"network", "firewall", "dhcp", "system", "rpcd"} {
		if err := os.WriteFile(filepath.Join(u.dir.Config, name), []byte("config thing 'a'\n\toption x '1'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Publish(ctx, "uci", u.methods()); err != nil {
		t.Fatal(err)
	}
	return &lab{rpcd: d, page: page, uci: u}
}

// methods are those of the plugin.
func methods(t *testing.T) (names []string) {
	t.Helper()
	var out bytes.Buffer
	if err := (&plugin.Plugin{Stdout: &out}).Run(t.Context(), []string{"list"}); err != nil {
		t.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// login is a session of a user of the site; "" is nobody's.
func (l *lab) login(t *testing.T, user string) string {
	t.Helper()
	if user == "" {
		return strings.Repeat("0", 32)
	}
	w := httptest.NewRecorder()
	login(l.rpcd, w, httptest.NewRequest(http.MethodGet, "/test/login?user="+user, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("login: %s", w.Body)
	}
	return w.Body.String()
}

// call is a call of the browser: its status, or the message that it is answered
// with instead.
func (l *lab) call(t *testing.T, session, object, method, args string) string {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"call","params":[%q,%q,%q,%s]}`, session, object, method, args)
	w := httptest.NewRecorder()
	l.page.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/ubus/", strings.NewReader(body)))
	var reply struct {
		Result []any
		Error  struct{ Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if reply.Error.Message != "" {
		return reply.Error.Message
	}
	return fmt.Sprint(reply.Result[0])
}

func TestMethodsOfUsers(t *testing.T) {
	l := newLab(t)
	for user, want := range wantMethods {
		session := l.login(t, user)
		var got []string
		for _, name := range methods(t) {
			switch answer := l.call(t, session, "luci.wireguard", name, "{}"); answer {
			case "0":
				got = append(got, name)
			case "Access denied":
			default:
				t.Errorf("%q calls %s: %s", user, name, answer)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("methods of %q (-want +got):\n%s", user, diff)
		}
	}
}

func TestConfigurationOfUsers(t *testing.T) {
	l := newLab(t)
	ours, err := grantsOfFiles(true, "luci-app/root/usr/share/rpcd/acl.d/luci-app-wgnetifd.json")
	if err != nil {
		t.Fatal(err)
	}
	sessions := map[string]string{
		"admin": l.login(t, "admin"), "reader": l.login(t, "reader"), "status": l.login(t, "status"), "nobody": l.login(t, ""),
		// Who has the rights of our pages, to write too, and of no other.
		"ours": l.rpcd.AddSession("", 0, ours...),
	}
	const denied, ok, forbidden = "Access denied", "0", "6"
	for _, tt := range []struct {
		user, method, file, want string
	}{
		{"nobody", "get", "network", denied},
		{"status", "get", "network", denied},
		{"reader", "get", "network", ok},
		{"reader", "get", "rpcd", forbidden},
		{"reader", "set", "network", denied},
		{"reader", "delete", "network", denied},
		{"reader", "apply", "", denied},
		{"admin", "set", "network", ok},
		{"ours", "get", "network", ok},
		{"ours", "set", "network", ok},
		{"ours", "set", "firewall", ok},
		{"ours", "get", "dhcp", ok},
		{"ours", "set", "dhcp", forbidden},
		{"ours", "set", "system", forbidden},
		{"ours", "get", "rpcd", forbidden},
		{"ours", "delete", "rpcd", forbidden},
		{"ours", "order", "network", denied},
	} {
		args := fmt.Sprintf(`{"config":%q,"section":"a","values":{"x":"2"}}`, tt.file)
		if tt.method == "delete" {
			args = fmt.Sprintf(`{"config":%q,"section":"a"}`, tt.file)
		}
		if got := l.call(t, sessions[tt.user], "uci", tt.method, args); got != tt.want {
			t.Errorf("%s: uci %s %s: %s, want %s", tt.user, tt.method, tt.file, got, tt.want)
		}
	}
}
