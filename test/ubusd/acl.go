package ubusd

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// right is what a rule can allow.
type right int

const (
	toCall right = iota
	toPublish
	toSubscribe
	toListen
	toSend
)

// aclRule allows a user or a group something on all paths or events of a pattern.
type aclRule struct {
	text    string // pattern without its *
	partial bool   // there was one

	user, group string // one of them, as the file has it
	uid, gid    int64  // -1: does not matter

	right   right
	methods []string      // with toCall; "*" is all
	info    blobmsg.Table // for the owner of the object, from "acl"
	hasInfo bool
}

// allowed reports whether a client has a right on a path or an event. Root has
// them all; on objects without a path everybody has.
func (b *Broker) allowed(c *client, name, method string, want right) bool {
	if c.cred.UID == 0 {
		return true
	}
	for _, r := range b.acl {
		if r.right != want || !matches(r.text, r.partial, name) || !r.concerns(c) {
			continue
		}
		if want != toCall || slices.Contains(r.methods, method) || slices.Contains(r.methods, "*") {
			return true
		}
	}
	return false
}

func (r *aclRule) concerns(c *client) bool {
	if r.uid == int64(c.cred.UID) {
		return true
	}
	return r.gid == int64(c.cred.GID) || r.gid >= 0 && slices.Contains(c.cred.Groups, uint32(r.gid))
}

// ReloadACL reads the rules again, as ubusd does on SIGHUP.
func (b *Broker) ReloadACL() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.loadACL(); err != nil {
		return fmt.Errorf("ubusd: %w", err)
	}
	return nil
}

// loadACL replaces the rules by those in the directory and tells so in an event.
// A file that is not root's (or ours), that others may write, or that is no JSON
// object is passed over, as by ubusd, which only logs it.
func (b *Broker) loadACL() error {
	files, err := filepath.Glob(filepath.Join(b.aclDir, "*.json"))
	if err != nil || len(files) == 0 {
		return err // ubusd keeps the rules it has when it finds no file
	}
	b.acl = nil
	for _, file := range files {
		st, err := os.Stat(file)
		if err != nil || !st.Mode().IsRegular() || st.Mode()&0o023 != 0 {
			continue
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); !ok ||
			(sys.Uid != 0 && int(sys.Uid) != os.Getuid()) || (sys.Gid != 0 && int(sys.Gid) != os.Getgid()) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if t, err := blobmsg.ParseJSON(data); err == nil {
			b.addRules(t)
		}
	}
	slices.SortStableFunc(b.acl, func(x, y *aclRule) int { return strings.Compare(x.text, y.text) })
	b.aclSeq++
	b.sendEvent(nil, "ubus.acl.sequence", blobmsg.Append(nil, blobmsg.Table{{Name: "sequence", Value: int32(b.aclSeq)}}))
	return nil
}

// addRules takes the rules out of one file.
func (b *Broker) addRules(t blobmsg.Table) {
	who := aclRule{uid: -1, gid: -1}
	var ok bool
	if who.user, ok = t.String("user"); ok {
		who.uid = idOf(user.Lookup(who.user))
	} else if who.group, ok = t.String("group"); ok {
		who.gid = gidOf(user.LookupGroup(who.group))
	} else {
		return
	}
	add := func(name string, r aclRule) {
		if name != "" {
			r.text, r.partial = strings.CutSuffix(name, "*")
			b.acl = append(b.acl, &r)
		}
	}
	access, _ := t.Table("access")
	for _, f := range access {
		entry, ok := f.Value.(blobmsg.Table)
		if !ok {
			continue
		}
		r := who
		methods, okMethods := entry.Array("methods")
		for _, m := range methods {
			if s, ok := m.(string); ok {
				r.methods = append(r.methods, s)
			}
		}
		r.info, r.hasInfo = entry.Table("acl")
		if _, okTags := entry.Array("tags"); okMethods || okTags || r.hasInfo {
			add(f.Name, r)
		}
	}
	for _, kind := range []struct {
		key   string
		right right
	}{{"subscribe", toSubscribe}, {"publish", toPublish}, {"listen", toListen}, {"send", toSend}} {
		list, _ := t.Array(kind.key)
		for _, v := range list {
			if s, ok := v.(string); ok {
				r := who
				r.right = kind.right
				add(s, r)
			}
		}
	}
}

// idOf is the number of a user: that of root if there is none, as in ubusd.
func idOf(u *user.User, err error) int64 {
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(u.Uid, 10, 64)
	return n
}

func gidOf(g *user.Group, err error) int64 {
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(g.Gid, 10, 64)
	return n
}

// serveACL tells a client what the rules say about its own objects, for it to
// interpret.
func (b *Broker) serveACL(c *client, f *wire.Frame, a *wire.Attrs, method string) result {
	if method != "query" {
		return invalidCommand
	}
	id, _ := a.Uint32(wire.AttrObjID)
	list := blobmsg.Array{}
	for _, o := range c.objects {
		for _, r := range b.acl {
			if !r.hasInfo || !o.named || !matches(r.text, r.partial, o.path) {
				continue
			}
			entry := blobmsg.Table{{Name: "obj", Value: o.path}}
			if r.user != "" {
				entry = append(entry, blobmsg.Field{Name: "user", Value: r.user})
			}
			if r.group != "" {
				entry = append(entry, blobmsg.Field{Name: "group", Value: r.group})
			}
			list = append(list, append(entry, blobmsg.Field{Name: "acl", Value: r.info}))
		}
	}
	reply := wire.New(wire.Header{Type: wire.Data, Seq: f.Seq, Peer: f.Peer}).
		Uint32(wire.AttrObjID, id).
		Bytes(wire.AttrData, blobmsg.Append(nil, blobmsg.Table{
			{Name: "seq", Value: int32(b.aclSeq)},
			{Name: "acl", Value: list},
		})).
		Frame()
	b.send(c, &reply)
	return statusOK
}

// peerCredentials asks the kernel who connected. Whoever runs the broker counts
// as root, so that it is of use to everybody.
func peerCredentials(conn *net.UnixConn) (Credentials, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Credentials{}, err
	}
	if credErr != nil {
		return Credentials{}, credErr
	}
	if int(cred.Uid) == os.Getuid() {
		return Credentials{User: "root", Group: "root"}, nil
	}
	return Credentials{
		UID: cred.Uid, GID: cred.Gid, Groups: groupsOf(cred.Pid),
		User: userName(cred.Uid), Group: groupName(cred.Gid),
	}, nil
}

// userName is the name of a user, or its number where it has none. ubusd refuses
// such a client.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// groupsOf reads the further groups of a process.
func groupsOf(pid int32) []uint32 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	var list []uint32
	for line := range strings.Lines(string(status)) {
		rest, ok := strings.CutPrefix(line, "Groups:")
		if !ok {
			continue
		}
		for _, field := range strings.Fields(rest) {
			if gid, err := strconv.ParseUint(field, 10, 32); err == nil {
				list = append(list, uint32(gid))
			}
		}
	}
	return list
}
