package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
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

func (u *uciObject) revert(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	if u.pending != nil {
		return nil, ubus.StatusPermissionDenied
	}
	file, ok := args.String("config")
	if !ok {
		return nil, ubus.StatusInvalidArgument
	}
	if err := u.may(ctx, session, file, "write"); err != nil {
		return nil, err
	}
	delete(u.sessions[session], file)
	return nil, nil
}

// applyTimeout is rpcd's, in seconds, where a call has none.
const applyTimeout = 60

// applied is what a session has applied and not confirmed yet: the files as they
// were before, and its changes to them.
type applied struct {
	session string
	files   map[string][]byte
	delta   map[string]*staged
	timer   *time.Timer
}

// apply writes a session's changes and has netifd read them, as rpcd does with
// `network reload`. With rollback they have to be confirmed, and nobody applies or
// reverts anything until they are.
func (u *uciObject) apply(ctx context.Context, session string, args blobmsg.Table) (blobmsg.Table, error) {
	rollback, _ := args.Bool("rollback")
	switch {
	case u.pending != nil && rollback:
		return nil, ubus.StatusPermissionDenied
	case u.pending != nil:
		u.pending.files, u.pending.delta = nil, nil // rpcd drops its copies, and applies nothing.
		return nil, nil
	}
	done, err := u.commit(session)
	if err != nil {
		return nil, err
	}
	if rollback {
		seconds := int64(applyTimeout)
		if n, ok := args.Int("timeout"); ok {
			seconds = n
		}
		u.pending = done
		done.timer = time.AfterFunc(time.Duration(seconds)*time.Second, func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			if u.pending != done {
				return
			}
			if err := u.takeBack(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, "serve: rollback:", err)
			}
		})
	}
	return nil, u.reload(ctx)
}

func (u *uciObject) commit(session string) (*applied, error) {
	done := &applied{session: session, files: map[string][]byte{}, delta: map[string]*staged{}}
	for file, st := range u.sessions[session] {
		if len(st.ops) == 0 {
			continue
		}
		old, err := os.ReadFile(filepath.Join(u.dir.Config, file))
		if err != nil {
			return nil, err
		}
		done.files[file], done.delta[file] = old, st
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
			return nil, err
		}
	}
	if len(done.files) == 0 {
		return nil, ubus.StatusNoData
	}
	delete(u.sessions, session)
	return done, nil
}

// reload is what the init script of the network does, and ours.
func (u *uciObject) reload(ctx context.Context) error {
	if _, err := u.conn.Call(ctx, "network", "reload", nil); err != nil {
		return err
	}
	_, _ = u.conn.Call(ctx, "wireguard", "reload", nil) // There may be no daemon.
	return nil
}

// mine is an error unless something waits for this session's word.
func (u *uciObject) mine(session string) error {
	switch {
	case u.pending == nil:
		return ubus.StatusNoData
	case u.pending.session != session:
		return ubus.StatusPermissionDenied
	}
	return nil
}

func (u *uciObject) confirm(_ context.Context, session string, _ blobmsg.Table) (blobmsg.Table, error) {
	if err := u.mine(session); err != nil {
		return nil, err
	}
	u.pending.timer.Stop()
	u.pending = nil
	return nil, nil
}

func (u *uciObject) rollback(ctx context.Context, session string, _ blobmsg.Table) (blobmsg.Table, error) {
	if err := u.mine(session); err != nil {
		return nil, err
	}
	return nil, u.takeBack(ctx)
}

// takeBack restores the files, and the session's changes as ones that are not
// applied: who made them may put right what is wrong with them.
func (u *uciObject) takeBack(ctx context.Context) error {
	p := u.pending
	p.timer.Stop()
	u.pending = nil
	for file, data := range p.files {
		if err := os.WriteFile(filepath.Join(u.dir.Config, file), data, 0o600); err != nil {
			return err
		}
	}
	if u.sessions[p.session] == nil {
		u.sessions[p.session] = map[string]*staged{}
	}
	maps.Copy(u.sessions[p.session], p.delta)
	return u.reload(ctx)
}
