package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/uci"
)

// uciObject is rpcd's object "uci", as far as LuCI's pages use it: reading, and
// changes that belong to a session until they are applied.
type uciObject struct {
	conn *ubus.Conn
	dir  uci.Dir

	mu       sync.Mutex
	sessions map[string]map[string]*staged // by session and file
	pending  *applied                      // until it is confirmed; nil: nothing is
}

func newUCI(conn *ubus.Conn) *uciObject {
	return &uciObject{conn: conn, dir: uci.Dir{Config: router.ConfigDir, Save: router.StagedDir}, sessions: map[string]map[string]*staged{}}
}

// staged are the changes of a session to one file.
type staged struct{ ops []op }

// op is one change. values are an option's: nil deletes it; list tells a list of
// one from an option.
type op struct {
	kind    string // set, add, remove, order
	section string
	typ     string
	option  string
	values  []string
	list    bool
	order   []string
}

// apply makes the change. ids are the names of anonymous sections that were made.
func (o *op) apply(p *uci.Package, ids map[string]string) error {
	name := o.section
	if id, ok := ids[name]; ok {
		name = id
	}
	switch o.kind {
	case "add":
		if p.Section(name) != nil && !o.list {
			return nil
		}
		if o.list { // anonymous
			ids[o.section] = p.AddSection(o.typ, "").Name
		} else {
			p.AddSection(o.typ, name)
		}
		return nil
	case "order":
		for i := range o.order {
			if id, ok := ids[o.order[i]]; ok {
				o.order[i] = id
			}
		}
		slices.SortStableFunc(p.Sections, func(a, b *uci.Section) int { return rank(o.order, a.Name) - rank(o.order, b.Name) })
		return nil
	}
	s := p.Section(name)
	if s == nil {
		return ubus.StatusNotFound
	}
	switch {
	case o.kind == "remove" && o.option == "":
		p.DeleteSection(s)
	case o.kind == "remove":
		s.Delete(o.option)
	case o.list:
		s.SetList(o.option, o.values...)
	default:
		s.Set(o.option, o.values[0])
	}
	return nil
}

// rank is a section's place; those that were not named stay before the others.
func rank(order []string, name string) int {
	return slices.Index(order, name)
}

func (u *uciObject) methods() []ubus.Method {
	type handler = func(context.Context, string, blobmsg.Table) (blobmsg.Table, error)
	list := []struct {
		name string
		call handler
	}{
		{"get", u.get},
		{"add", u.add},
		{"set", u.set},
		{"delete", u.remove},
		{"order", u.order},
		{"changes", u.changes},
		{"revert", u.revert},
		{"apply", u.apply},
		{"confirm", u.confirm},
		{"rollback", u.rollback},
	}
	methods := make([]ubus.Method, 0, len(list))
	for _, m := range list {
		methods = append(methods, ubus.Method{Name: m.name, Call: func(ctx context.Context, req *ubus.Request) (blobmsg.Table, error) {
			session, _ := req.Args.String("ubus_rpc_session")
			u.mu.Lock()
			defer u.mu.Unlock()
			return m.call(ctx, session, req.Args)
		}})
	}
	return methods
}

// may asks for a session's right to read or write a file.
func (u *uciObject) may(ctx context.Context, session, file, function string) error {
	if session == "" {
		return nil // somebody on the router itself
	}
	reply, err := u.conn.Call(ctx, "session", "access", blobmsg.Table{
		{Name: "ubus_rpc_session", Value: session}, {Name: "scope", Value: "uci"}, {Name: "object", Value: file}, {Name: "function", Value: function},
	})
	if err != nil {
		return err
	}
	if ok, _ := reply.Bool("access"); !ok {
		return ubus.StatusPermissionDenied
	}
	return nil
}

// load reads a file with the session's changes.
func (u *uciObject) load(session, file string) (*uci.Package, error) {
	p, err := u.dir.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ubus.StatusNotFound
	}
	if err != nil {
		return nil, err
	}
	if st := u.sessions[session][file]; st != nil {
		ids := map[string]string{}
		for i := range st.ops {
			if err := st.ops[i].apply(p, ids); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// stage keeps a change, if it can be made.
func (u *uciObject) stage(session, file string, o op) error {
	if u.sessions[session] == nil {
		u.sessions[session] = map[string]*staged{}
	}
	st := u.sessions[session][file]
	if st == nil {
		st = &staged{}
		u.sessions[session][file] = st
	}
	st.ops = append(st.ops, o)
	if _, err := u.load(session, file); err != nil {
		st.ops = st.ops[:len(st.ops)-1]
		return err
	}
	return nil
}

func sectionTable(s *uci.Section, index int) blobmsg.Table {
	t := blobmsg.Table{
		{Name: ".anonymous", Value: s.Anonymous}, {Name: ".type", Value: s.Type}, {Name: ".name", Value: s.Name}, {Name: ".index", Value: int32(index)},
	}
	for _, o := range s.Options {
		if !o.List {
			t = append(t, blobmsg.Field{Name: o.Name, Value: o.Values[0]})
			continue
		}
		values := blobmsg.Array{}
		for _, v := range o.Values {
			values = append(values, v)
		}
		t = append(t, blobmsg.Field{Name: o.Name, Value: values})
	}
	return t
}

func (u *uciObject) get(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	file, _ := args.String("config")
	if err := u.may(ctx, session, file, "read"); err != nil {
		return nil, err
	}
	p, err := u.load(session, file)
	if err != nil {
		return nil, err
	}
	name, one := args.String("section")
	typ, _ := args.String("type")
	match, _ := args.Table("match")
	values := blobmsg.Table{}
	for i, s := range p.Sections {
		switch t := sectionTable(s, i); {
		case one && find(p, name) == s:
			return blobmsg.Table{{Name: "values", Value: t}}, nil
		case !one && (typ == "" || s.Type == typ) && matches(s, match):
			values = append(values, blobmsg.Field{Name: s.Name, Value: t})
		}
	}
	if one {
		return nil, ubus.StatusNotFound
	}
	return blobmsg.Table{{Name: "values", Value: values}}, nil
}

// find returns a section by its name, or by @TYPE[N]; nil where there is none.
func find(p *uci.Package, name string) *uci.Section {
	typ, number, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(name, "]"), "@"), "[")
	if !ok {
		return p.Section(name)
	}
	n, err := strconv.Atoi(number)
	if all := p.OfType(typ); err == nil && n >= 0 && n < len(all) {
		return all[n]
	}
	return nil
}

// matches says whether a section's options have these values.
func matches(s *uci.Section, match blobmsg.Table) bool {
	for _, f := range match {
		if o := s.Option(f.Name); o == nil || o.List || o.Values[0] != word(f.Value) {
			return false
		}
	}
	return true
}

// writable returns the file that arguments name, if the session may write it.
func (u *uciObject) writable(ctx context.Context, session string, args blobmsg.Table) (string, error) {
	file, _ := args.String("config")
	return file, u.may(ctx, session, file, "write")
}

func (u *uciObject) add(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	file, err := u.writable(ctx, session, args)
	if err != nil {
		return nil, err
	}
	typ, _ := args.String("type")
	name, named := args.String("name")
	if !named {
		p, err := u.load(session, file)
		if err != nil {
			return nil, err
		}
		name = p.AddSection(typ, "").Name
	}
	if err := u.stage(session, file, op{kind: "add", section: name, typ: typ, list: !named}); err != nil {
		return nil, err
	}
	values, _ := args.Table("values")
	return blobmsg.Table{{Name: "section", Value: name}}, u.setValues(session, file, name, values)
}

func (u *uciObject) set(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	file, err := u.writable(ctx, session, args)
	if err != nil {
		return nil, err
	}
	section, _ := args.String("section")
	values, _ := args.Table("values")
	return nil, u.setValues(session, file, section, values)
}

func (u *uciObject) setValues(session, file, section string, values blobmsg.Table) error {
	for _, f := range values {
		o := op{kind: "set", section: section, option: f.Name}
		switch v := f.Value.(type) {
		case blobmsg.Array:
			o.list = true
			for _, item := range v {
				o.values = append(o.values, word(item))
			}
		default:
			o.values = []string{word(v)}
		}
		if err := u.stage(session, file, o); err != nil {
			return err
		}
	}
	return nil
}

// word is a value as rpcd writes it.
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
		return "0"
	case int32:
		return strconv.Itoa(int(v))
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

func (u *uciObject) remove(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	file, err := u.writable(ctx, session, args)
	if err != nil {
		return nil, err
	}
	section, _ := args.String("section")
	options, _ := args.Strings("options")
	if option, ok := args.String("option"); ok {
		options = append(options, option)
	}
	if len(options) == 0 {
		options = []string{""}
	}
	for _, option := range options {
		if err := u.stage(session, file, op{kind: "remove", section: section, option: option}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (u *uciObject) order(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	file, err := u.writable(ctx, session, args)
	if err != nil {
		return nil, err
	}
	names, _ := args.Strings("sections")
	return nil, u.stage(session, file, op{kind: "order", order: names})
}
