package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/test/rpcd"
)

// configs are the other configuration files.
var configs = map[string]string{
	"luci": `config core 'main'
	option lang 'auto'
	option mediaurlbase '/luci-static/bootstrap'

config internal 'languages'

config internal 'themes'

config internal 'apply'
`,
	"system": "config system\n\toption hostname 'router.example.org'\n",
	"firewall": `config defaults
	option input 'REJECT'

config zone
	option name 'lan'
	option input 'ACCEPT'
	option output 'ACCEPT'
	option forward 'ACCEPT'
	list network 'lan'

config zone
	option name 'wan'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'
	option masq '1'
	list network 'wan'

config forwarding
	option src 'lan'
	option dest 'wan'
`,
	"ddns":     "",
	"dhcp":     "",
	"wireless": "",
}

// backend is the third process: rpcd and the web server.
func backend() error {
	ctx := context.Background()
	d, err := rpcd.Start(ctx, rpcd.Config{
		Socket: ubus.DefaultSocket, PluginDir: filepath.Join(router.Root, "usr/libexec/rpcd"), Without: []string{"uci"},
	})
	if err != nil {
		return err
	}
	conn, err := ubus.Dial(ctx, ubus.DefaultSocket) // Open would publish when it gets there.
	if err != nil {
		return err
	}
	u := newUCI(conn)
	if _, err := conn.Publish(ctx, "uci", u.methods()); err != nil {
		return err
	}
	if err := publishBoard(ctx, conn); err != nil {
		return err
	}
	page, err := rpcd.NewHTTP(ctx, ubus.DefaultSocket, 0)
	if err != nil {
		return err
	}
	s, err := newSite(u)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/ubus", page)
	mux.Handle("/ubus/", page)
	mux.HandleFunc("/test/login", func(w http.ResponseWriter, r *http.Request) { login(d, w, r) })
	mux.Handle("/", s)
	ln, err := net.Listen("unix", socket("site"))
	if err != nil {
		return err
	}
	return http.Serve(ln, mux)
}

// aclFile is one of /usr/share/rpcd/acl.d.
type aclFile map[string]struct {
	Read, Write map[string]json.RawMessage
}

// login gives a session to whom it is asked for: `admin` has all rights of the
// ACL files, `reader` those to read, `status` those to read of ours alone.
func login(d *rpcd.Rpcd, w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("user")
	grants, err := grantsOf(user)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	id := d.AddSession("", 0, grants...)
	readonly := "1" // what LuCI finds out of the groups of rights
	if user == "admin" {
		readonly = "0"
	}
	http.SetCookie(w, &http.Cookie{Name: "sysauth", Value: id, Path: "/"})
	http.SetCookie(w, &http.Cookie{Name: "readonly", Value: readonly, Path: "/"})
	if next := r.URL.Query().Get("next"); next != "" {
		http.Redirect(w, r, next, http.StatusFound)
		return
	}
	fmt.Fprint(w, id)
}

// grantsOf applies ACL files as rpcd does at a login (session.c).
func grantsOf(user string) ([]rpcd.Grant, error) {
	files := []string{"luci-app/root/usr/share/rpcd/acl.d/luci-app-wgnetifd.json"}
	if user != "status" {
		files = append(files, "test/luci/serve/acl.json")
	}
	return grantsOfFiles(user == "admin", files...)
}

// grantsOfFiles are the rights to read of ACL files of the project, and those to
// write if they are wanted.
func grantsOfFiles(write bool, files ...string) ([]rpcd.Grant, error) {
	var out []rpcd.Grant
	for _, name := range files {
		data, err := os.ReadFile(source(name))
		if err != nil {
			return nil, err
		}
		var file aclFile
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for group, rights := range file {
			out = append(out, scopes(group, "read", rights.Read)...)
			if write {
				out = append(out, scopes(group, "write", rights.Write)...)
			}
		}
	}
	return out, nil
}

func scopes(group, perm string, rights map[string]json.RawMessage) []rpcd.Grant {
	out := []rpcd.Grant{{Scope: "access-group", Object: group, Function: perm}}
	for scope, raw := range rights {
		var objects map[string][]string
		var list []string
		if json.Unmarshal(raw, &objects) == nil {
			for object, functions := range objects {
				for _, f := range functions {
					out = append(out, rpcd.Grant{Scope: scope, Object: object, Function: f})
				}
			}
		} else if json.Unmarshal(raw, &list) == nil {
			for _, object := range list {
				out = append(out, rpcd.Grant{Scope: scope, Object: object, Function: perm})
			}
		}
	}
	return out
}
