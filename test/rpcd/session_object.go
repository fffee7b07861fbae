package rpcd

import (
	"context"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

const sidName = "ubus_rpc_session"

// sessionMethods are the methods of the object "session", from session.c.
func (r *Rpcd) sessionMethods() []ubus.Method {
	type handler func(s *sessions, req *ubus.Request) (blobmsg.Table, error)
	access := args("ubus_rpc_session:s", "scope:s", "objects:a")
	list := []struct {
		name string
		args []ubus.Arg
		call handler
	}{
		{"create", args("timeout:i"), (*sessions).create},
		{"list", args("ubus_rpc_session:s"), (*sessions).list},
		{"grant", access, (*sessions).change},
		{"revoke", access, (*sessions).change},
		{"access", args("ubus_rpc_session:s", "scope:s", "object:s", "function:s"), (*sessions).access},
		{"set", args("ubus_rpc_session:s", "values:t"), (*sessions).setValues},
		{"get", args("ubus_rpc_session:s", "keys:a"), (*sessions).getValues},
		{"unset", args("ubus_rpc_session:s", "keys:a"), (*sessions).unsetValues},
		{"destroy", args("ubus_rpc_session:s"), (*sessions).destroy},
		{"login", args("username:s", "password:s", "timeout:i"), (*sessions).login},
	}
	methods := make([]ubus.Method, 0, len(list))
	for _, m := range list {
		methods = append(methods, ubus.Method{
			Name: m.name,
			Args: m.args,
			Call: func(_ context.Context, req *ubus.Request) (blobmsg.Table, error) {
				r.sessions.mu.Lock()
				defer r.sessions.mu.Unlock()
				return m.call(r.sessions, req)
			},
		})
	}
	return methods
}

// member is the first member of that name and type, as libubox's blobmsg_parse
// picks it.
func member[T any](t blobmsg.Table, name string) (T, bool) {
	for _, f := range t {
		if v, ok := f.Value.(T); ok && f.Name == name {
			return v, true
		}
	}
	var none T
	return none, false
}

// of finds the session that a request names.
func (s *sessions) of(req *ubus.Request) (*session, error) {
	id, ok := member[string](req.Args, sidName)
	if !ok {
		return nil, ubus.StatusInvalidArgument
	}
	ses := s.get(id)
	if ses == nil {
		return nil, ubus.StatusNotFound
	}
	return ses, nil
}

func (s *sessions) create(req *ubus.Request) (blobmsg.Table, error) {
	timeout, ok := member[int32](req.Args, "timeout")
	if !ok {
		timeout = int32(sessionTimeout.Seconds())
	}
	return s.add(newSessionID(), timeout).dump(), nil
}

func (s *sessions) list(req *ubus.Request) (blobmsg.Table, error) {
	if _, ok := member[string](req.Args, sidName); !ok {
		for _, ses := range s.all() {
			if err := req.Send(ses.dump()); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	return ses.dump(), nil
}

// change is grant and revoke.
func (s *sessions) change(req *ubus.Request) (blobmsg.Table, error) {
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	scope, ok := member[string](req.Args, "scope")
	if !ok {
		scope = "ubus"
	}
	change := ses.grant
	if req.Method != "grant" {
		change = ses.revoke
	}
	objects, ok := member[blobmsg.Array](req.Args, "objects")
	if !ok {
		if req.Method == "grant" {
			return nil, nil // session.c drops the error
		}
		change(scope, "", "")
		return nil, nil
	}
	for _, o := range objects {
		var words []string
		pair, _ := o.(blobmsg.Array)
		for _, w := range pair {
			if w, ok := w.(string); ok {
				words = append(words, w)
			}
		}
		if len(words) >= 2 {
			change(scope, words[0], words[1])
		}
	}
	return nil, nil
}

func (s *sessions) access(req *ubus.Request) (blobmsg.Table, error) {
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	object, ok1 := member[string](req.Args, "object")
	function, ok2 := member[string](req.Args, "function")
	if !ok1 || !ok2 {
		return ses.acls(), nil
	}
	scope, ok := member[string](req.Args, "scope")
	if !ok {
		scope = "ubus"
	}
	return blobmsg.Table{{Name: "access", Value: ses.allowed(scope, object, function)}}, nil
}

func (s *sessions) setValues(req *ubus.Request) (blobmsg.Table, error) {
	values, ok := member[blobmsg.Table](req.Args, "values")
	if !ok {
		return nil, ubus.StatusInvalidArgument
	}
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	for _, f := range values {
		if f.Name != "" {
			ses.set(f)
		}
	}
	return nil, nil
}

// keys are the strings in the argument of that name.
func keys(req *ubus.Request) (list []string, ok bool) {
	array, ok := member[blobmsg.Array](req.Args, "keys")
	for _, k := range array {
		if k, ok := k.(string); ok {
			list = append(list, k)
		}
	}
	return list, ok
}

func (s *sessions) getValues(req *ubus.Request) (blobmsg.Table, error) {
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	values := blobmsg.Table{}
	if names, ok := keys(req); ok {
		for _, name := range names {
			if ses.data.Has(name) {
				values = append(values, blobmsg.Field{Name: name, Value: ses.data.Get(name)})
			}
		}
	} else {
		values = append(values, ses.data...)
	}
	return blobmsg.Table{{Name: "values", Value: values}}, nil
}

func (s *sessions) unsetValues(req *ubus.Request) (blobmsg.Table, error) {
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	names, ok := keys(req)
	if !ok {
		ses.data = nil
	}
	for _, name := range names {
		ses.unset(name)
	}
	return nil, nil
}

func (s *sessions) destroy(req *ubus.Request) (blobmsg.Table, error) {
	if id, _ := member[string](req.Args, sidName); id == NullSession {
		return nil, ubus.StatusPermissionDenied
	}
	ses, err := s.of(req)
	if err != nil {
		return nil, err
	}
	delete(s.byID, ses.id)
	return nil, nil
}

// login refuses everyone, as rpcd does where /etc/config/rpcd has no login.
func (s *sessions) login(req *ubus.Request) (blobmsg.Table, error) {
	_, ok1 := member[string](req.Args, "username")
	_, ok2 := member[string](req.Args, "password")
	if !ok1 || !ok2 {
		return nil, ubus.StatusInvalidArgument
	}
	return nil, ubus.StatusPermissionDenied
}
