package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// site serves files and the pages of LuCI that the tests open.
type site struct {
	uci   *uciObject
	roots []string // of /www, the first one that has a file counts
	real  bool     // the modules are LuCI's own
}

// views are the pages by what stands behind /cgi-bin/luci/.
var views = map[string]string{
	"admin/network/network":  "network/interfaces",
	"admin/status/wireguard": "wgnetifd/status",
}

func newSite(u *uciObject) (*site, error) {
	s := &site{uci: u, roots: []string{source("luci-app/htdocs")}}
	luci := os.Getenv(envLuCI)
	if luci == "" {
		s.roots = append(s.roots, source("test/luci/shim"))
		return s, nil
	}
	s.real = true
	for _, pattern := range []string{"www", "htdocs", "modules/*/htdocs", "themes/*/htdocs", "libs/*/htdocs", "applications/*/htdocs"} {
		found, err := filepath.Glob(filepath.Join(luci, pattern))
		if err != nil {
			return nil, err
		}
		s.roots = append(s.roots, found...)
	}
	if len(s.roots) == 1 {
		return nil, errors.New(luci + ": this is neither an installed LuCI (www/luci-static) nor its sources")
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	path, isPage := strings.CutPrefix(r.URL.Path, "/cgi-bin/luci/")
	switch {
	case !isPage:
		s.file(w, r)
	case views[path] != "":
		s.page(w, r, path)
	case strings.HasPrefix(path, "admin/translations/"):
		s.translations(w, strings.TrimPrefix(path, "admin/translations/"))
	case strings.HasPrefix(path, "admin/uci/"):
		s.apply(w, r, strings.TrimPrefix(path, "admin/uci/"))
	case path == "admin/menu":
		fmt.Fprint(w, `{}`)
	default:
		http.NotFound(w, r)
	}
}

func (s *site) file(w http.ResponseWriter, r *http.Request) {
	for _, root := range s.roots {
		name := filepath.Join(root, filepath.Clean("/"+r.URL.Path))
		if st, err := os.Stat(name); err == nil && !st.IsDir() {
			http.ServeFile(w, r, name)
			return
		}
	}
	if r.URL.Path == "/luci-static/resources/uqr.js" {
		serveQR(w)
		return
	}
	http.NotFound(w, r)
}

// serveQR serves LuCI's library for QR codes where LuCI has none: it is the npm
// package uqr, and so is this, in LuCI's clothes.
func serveQR(w http.ResponseWriter) {
	script, err := os.ReadFile(source("test/luci/node_modules/uqr/dist/index.cjs"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/javascript")
	fmt.Fprintf(w, "'use strict';\n'require baseclass';\nvar exports = {};\n%s\nreturn baseclass.extend({ renderSVG: exports.renderSVG });\n", script)
}

// page is what LuCI's header, view and footer templates make.
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}" data-darkmode="{{.Dark}}">
<head>
<meta charset="utf-8">
<title>{{.Title}}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/luci-static/bootstrap/cascade.css">
<link rel="stylesheet" media="only screen and (max-device-width: 854px)" href="/luci-static/bootstrap/mobile.css">
<link rel="icon" href="data:,">
<script src="/cgi-bin/luci/admin/translations/{{.Lang}}"></script>
<script src="/luci-static/resources/cbi.js"></script>
</head>
<body class="lang_{{.Lang}}" data-page="{{.Page}}">
<header><a class="brand" href="/">router</a><ul class="nav" id="topmenu"></ul><div id="indicators" class="pull-right"></div></header>
<div id="maincontent" class="container">
<div id="tabmenu"></div>
<script src="/luci-static/resources/luci.js"></script>
<script>L = new LuCI({{.Env}});</script>
<div id="view"><div class="spinning">Loading</div>
<script>L.require('ui').then(function(ui) { ui.instantiateView({{.View}}); });</script>
</div>
</div>
</body>
</html>
`))

func (s *site) page(w http.ResponseWriter, r *http.Request, path string) {
	session := ""
	if c, err := r.Cookie("sysauth"); err == nil {
		session = c.Value
	}
	query := r.URL.Query()
	lang, dark := "en", "false"
	for _, c := range r.Cookies() {
		switch c.Name {
		case "lang":
			lang = c.Value
		case "dark":
			dark = c.Value
		}
	}
	parts := strings.Split(path, "/")
	readonly := query.Has("readonly")
	if c, err := r.Cookie("readonly"); err == nil && c.Value == "1" {
		readonly = true
	}
	env := map[string]any{
		"media": "/luci-static/bootstrap", "resource": "/luci-static/resources", "scriptname": "/cgi-bin/luci", "pathinfo": "/" + path,
		"documentroot": "/www", "requestpath": parts, "dispatchpath": parts, "pollinterval": 1, "ubuspath": "/ubus/",
		"sessionid": session, "token": "token", "apply_rollback": 30, "apply_holdoff": 1, "apply_timeout": 5, "apply_display": 0.1,
		"nodespec": map[string]any{"satisfied": true, "readonly": readonly, "title": path},
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err := page.Execute(w, map[string]any{
		"Lang": lang, "Dark": dark, "Title": path, "Page": strings.Join(parts, "-"), "Env": env, "View": views[path],
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
	}
}

// translations serves the translation as LuCI's scripts take it: by a hash of
// the text that cbi.js has, and which is computed there.
func (s *site) translations(w http.ResponseWriter, lang string) {
	w.Header().Set("Content-Type", "application/javascript")
	list := map[string]string{}
	if lang != "en" {
		data, err := os.ReadFile(source("luci-app/po/" + filepath.Base(lang) + "/wgnetifd.po"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		list = messages(string(data))
	}
	text, err := json.Marshal(list)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, `(function() {
	var list = %s, made = null;
	Object.defineProperty(window, 'TR', { configurable: true, get: function() {
		if (!made && typeof(sfh) == 'function') {
			made = {};
			for (var k in list) made[sfh(k)] = list[k];
		}
		return made || {};
	}, set: function() {} });
})();`, text)
}

// apply serves the requests of ui.changes.apply.
func (s *site) apply(w http.ResponseWriter, r *http.Request, what string) {
	session := ""
	if c, err := r.Cookie("sysauth"); err == nil {
		session = c.Value
	}
	ctx := context.WithoutCancel(r.Context())
	s.uci.mu.Lock()
	defer s.uci.mu.Unlock()
	var err error
	switch what {
	case "apply_rollback", "apply_unchecked":
		_, err = s.uci.apply(ctx, session, blobmsg.Table{{Name: "timeout", Value: int32(30)}, {Name: "rollback", Value: what == "apply_rollback"}})
	case "confirm":
		_, err = s.uci.confirm(ctx, session, nil)
	case "revert":
		for file := range s.uci.sessions[session] {
			if _, err = s.uci.revert(ctx, session, blobmsg.Table{{Name: "config", Value: file}}); err != nil {
				break
			}
		}
	}
	switch {
	case errors.Is(err, ubus.StatusNoData):
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, ubus.StatusPermissionDenied):
		w.WriteHeader(http.StatusForbidden)
	case err != nil:
		fmt.Fprintln(os.Stderr, "serve:", err)
		w.WriteHeader(http.StatusInternalServerError)
	case what == "apply_rollback":
		fmt.Fprint(w, `{"token":"token"}`)
	}
}
