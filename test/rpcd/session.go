package rpcd

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// NullSession is the session of those who have none. It has no rights here: on
// a router an ACL file gives it session.access and session.login.
const NullSession = "00000000000000000000000000000000"

// sessionTimeout is how long a session lives without use if nothing else is said.
const sessionTimeout = 300 * time.Second

// Grant is a right: that of a session to call a function of an object. All
// three are shell patterns except the scope.
type Grant struct {
	Scope    string // "" is "ubus"
	Object   string
	Function string
}

// AddSession makes a session with this id (32 hexadecimal digits; "" makes one
// up) and these rights, and returns the id. It ends when it is not used for the
// time-out; 0 is for ever, less is rpcd's 300 s.
func (r *Rpcd) AddSession(id string, timeout time.Duration, grants ...Grant) string {
	if timeout < 0 {
		timeout = sessionTimeout
	}
	if id == "" {
		id = newSessionID()
	}
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	s := r.sessions.add(id, int32(timeout/time.Second))
	for _, g := range grants {
		s.grant(cmp.Or(g.Scope, "ubus"), g.Object, g.Function)
	}
	return id
}

func newSessionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// sessions are all sessions by id.
type sessions struct {
	mu   sync.Mutex
	byID map[string]*session
}

type session struct {
	id      string
	timeout int32     // seconds
	expires time.Time // zero is never
	data    blobmsg.Table
	rights  []right
}

// right is one line of a session's access list. The list is in the order in
// which rpcd shows it: by scope, then by the part of the object before its
// first wildcard, then as granted.
type right struct{ scope, object, function string }

func (a right) compare(b right) int {
	return cmp.Or(strings.Compare(a.scope, b.scope), strings.Compare(a.key(), b.key()))
}

func (a right) key() string {
	if i := strings.IndexAny(a.object, "*?["); i >= 0 {
		return a.object[:i]
	}
	return a.object
}

func newSessions() *sessions {
	s := &sessions{byID: map[string]*session{}}
	s.add(NullSession, 0)
	return s
}

func (s *sessions) add(id string, timeout int32) *session {
	ses := &session{id: id, timeout: timeout}
	ses.touch()
	s.byID[id] = ses
	return ses
}

func (s *session) touch() {
	if s.timeout > 0 {
		s.expires = time.Now().Add(time.Duration(s.timeout) * time.Second)
	}
}

// get finds a session and starts its time anew.
func (s *sessions) get(id string) *session {
	ses := s.byID[id]
	if ses == nil {
		return nil
	}
	if !ses.expires.IsZero() && time.Now().After(ses.expires) {
		delete(s.byID, id)
		return nil
	}
	ses.touch()
	return ses
}

// all is every session in the order of their ids.
func (s *sessions) all() []*session {
	var list []*session
	for id := range s.byID {
		if ses := s.byID[id]; ses.expires.IsZero() || time.Now().Before(ses.expires) {
			list = append(list, ses)
		}
	}
	slices.SortFunc(list, func(a, b *session) int { return strings.Compare(a.id, b.id) })
	return list
}

// thaw is what a reload leaves of the sessions.
func (s *sessions) thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ses := range s.byID {
		ses.rights = nil
	}
}

func (s *session) grant(scope, object, function string) {
	n := right{scope, object, function}
	if slices.Contains(s.rights, n) {
		return
	}
	s.rights = append(s.rights, n)
	slices.SortStableFunc(s.rights, right.compare)
}

// revoke takes back what was granted word by word. Without object and function
// it is the whole scope.
func (s *session) revoke(scope, object, function string) {
	s.rights = slices.DeleteFunc(s.rights, func(a right) bool {
		return a.scope == scope && (object == "" && function == "" || a == right{scope, object, function})
	})
}

func (s *session) allowed(scope, object, function string) bool {
	return slices.ContainsFunc(s.rights, func(a right) bool {
		return a.scope == scope && match(a.object, object) && match(a.function, function)
	})
}

// set keeps the data in the order of their names.
func (s *session) set(f blobmsg.Field) {
	s.unset(f.Name)
	s.data = append(s.data, f)
	slices.SortFunc(s.data, func(a, b blobmsg.Field) int { return strings.Compare(a.Name, b.Name) })
}

func (s *session) unset(name string) {
	s.data = slices.DeleteFunc(s.data, func(f blobmsg.Field) bool { return f.Name == name })
}

// acls is the access list as rpcd shows it: without scopes' and objects' second
// mention, but with one object's functions in as many arrays as it takes.
func (s *session) acls() blobmsg.Table {
	list := blobmsg.Table{}
	for i, a := range s.rights {
		if i == 0 || s.rights[i-1].scope != a.scope {
			list = append(list, blobmsg.Field{Name: a.scope, Value: blobmsg.Table{}})
		}
		scope := &list[len(list)-1]
		objects := scope.Value.(blobmsg.Table)
		if n := len(objects); n == 0 || objects[n-1].Name != a.object {
			objects = append(objects, blobmsg.Field{Name: a.object, Value: blobmsg.Array{}})
		}
		object := &objects[len(objects)-1]
		object.Value = append(object.Value.(blobmsg.Array), a.function)
		scope.Value = objects
	}
	return list
}

// dump is a session as create, list and login show it.
func (s *session) dump() blobmsg.Table {
	var left int64
	if !s.expires.IsZero() {
		left = int64(time.Until(s.expires) / time.Second)
	}
	return blobmsg.Table{
		{Name: "ubus_rpc_session", Value: s.id},
		{Name: "timeout", Value: s.timeout},
		{Name: "expires", Value: left},
		{Name: "acls", Value: s.acls()},
		{Name: "data", Value: append(blobmsg.Table{}, s.data...)},
	}
}
