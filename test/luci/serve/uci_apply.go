package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/test/router"
	"github.com/wgnetifd/wgnetifd/uci"
)

func (u *uciObject) changes(_ context.Context, session string, _ blobmsg.Table) (blobmsg.Table, error) {
	all := blobmsg.Table{}
	for _, file := range slices.Sorted(maps.Keys(u.sessions[session])) {
		list := blobmsg.Array{}
		for _, o := range u.sessions[session][file].ops {
			list = append(list, changeRows(&o)...)
		}
		all = append(all, blobmsg.Field{Name: file, Value: list})
	}
	return blobmsg.Table{{Name: "changes", Value: all}}, nil
}

// changeRows shows a change as rpcd does.
func changeRows(o *op) blobmsg.Array {
	switch {
	case o.kind == "add" && o.list:
		return blobmsg.Array{blobmsg.Array{"add", o.section, o.typ}}
	case o.kind == "add":
		return blobmsg.Array{blobmsg.Array{"set", o.section, o.typ}}
	case o.kind == "order":
		return blobmsg.Array{blobmsg.Array{"order", "", "1"}}
	case o.kind == "remove" && o.option == "":
		return blobmsg.Array{blobmsg.Array{"remove", o.section}}
	case o.kind == "remove":
		return blobmsg.Array{blobmsg.Array{"remove", o.section, o.option}}
	case !o.list:
		return blobmsg.Array{blobmsg.Array{"set", o.section, o.option, o.values[0]}}
	}
	rows := blobmsg.Array{blobmsg.Array{"remove", o.section, o.option}}
	for _, v := range o.values {
		rows = append(rows, blobmsg.Array{"list-add", o.section, o.option, v})
	}
	return rows
}

func (u *uciObject) revert(_ context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	file, _ := args.String("config")
	delete(u.sessions[session], file)
	return nil, nil
}

// apply writes a session's changes and has netifd read them, as rpcd does with
// `network reload`; what was there before is kept for a rollback.
func (u *uciObject) apply(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	if err := u.commit(session); err != nil {
		return nil, err
	}
	if rollback, _ := args.Bool("rollback"); !rollback {
		u.backup = nil
	}
	return nil, u.reload(ctx)
}

func (u *uciObject) commit(session string) error {
	u.backup = map[string][]byte{}
	for file, st := range u.sessions[session] {
		old, err := os.ReadFile(filepath.Join(router.ConfigDir, file))
		if err != nil {
			return err
		}
		u.backup[file] = old
		err = u.dir.Edit(file, func(p *uci.Package) error {
			ids := map[string]string{}
			for i := range st.ops {
				if err := st.ops[i].apply(p, ids); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	delete(u.sessions, session)
	return nil
}

// reload is what the init script of the network does, and ours.
func (u *uciObject) reload(ctx context.Context) error {
	if _, err := u.conn.Call(ctx, "network", "reload", nil); err != nil {
		return err
	}
	_, _ = u.conn.Call(ctx, "wireguard", "reload", nil) // There may be no daemon.
	return nil
}

func (u *uciObject) confirm(context.Context, string, blobmsg.Table) (blobmsg.Table, error) {
	u.backup = nil
	return nil, nil
}

func (u *uciObject) rollback(ctx context.Context, _ string, _ blobmsg.Table) (blobmsg.Table, error) {
	for file, data := range u.backup {
		if err := os.WriteFile(filepath.Join(router.ConfigDir, file), data, 0o600); err != nil {
			return nil, err
		}
	}
	u.backup = nil
	return nil, u.reload(ctx)
}
