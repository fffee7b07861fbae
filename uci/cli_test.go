package uci

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// command is the program "uci" on top of this package: the commands with the
// exit codes and the output of the real one, so that both can be driven with the
// same arguments and compared.
type command struct {
	dir      Dir
	noCommit bool // -P
	stdout   bytes.Buffer
	stderr   string
}

// run runs one command line without the word "uci" and options.
func (c *command) run(argv []string) (exit int) {
	c.stdout.Reset()
	c.stderr = ""
	if len(argv) == 0 {
		return 0
	}
	name, args := strings.ToLower(argv[0]), argv[1:]
	switch name {
	case "get", "set", "add_list", "del_list", "del", "delete", "ren", "rename", "reorder", "revert":
		if len(args) != 1 {
			return 255
		}
		return c.onSection(name, args[0])
	case "show", "changes", "export", "commit":
		switch len(args) {
		case 0:
			return c.onAll(name)
		case 1:
			return c.onPackage(name, args[0])
		}
		return 255
	case "add":
		if len(args) != 2 {
			return 255
		}
		return c.add(args[0], args[1])
	case "import":
		return 255 // needs standard input
	}
	return 255
}

// code is libuci's error code, and text what "uci" prints for it.
func code(err error) (code int, text string) {
	var parse *ParseError
	switch {
	case err == nil:
		return 0, ""
	case errors.As(err, &parse), errors.Is(err, ErrSyntax):
		return 5, "Parse error"
	case errors.Is(err, ErrInvalid):
		return 2, "Invalid argument"
	case errors.Is(err, ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotRegular):
		return 3, "Entry not found"
	}
	return 4, "I/O error"
}

func (c *command) fail(err error) int {
	if err == nil {
		return 0
	}
	_, text := code(err)
	c.stderr = "uci: " + text + "\n"
	return 1
}

func (c *command) add(pkg, typ string) int {
	cursor, err := c.dir.Open(pkg)
	if err == nil {
		var id string
		if id, err = cursor.Add(typ); err == nil {
			err = cursor.Save()
		}
		if err == nil {
			fmt.Fprintln(&c.stdout, id)
		}
	}
	c.fail(err)
	exit, _ := code(err)
	return exit
}

func (c *command) onSection(name, arg string) int {
	r, err := parseRef(arg)
	if err != nil {
		return c.fail(err)
	}
	cursor, err := c.dir.Open(r.pkg)
	if err != nil {
		return c.fail(err)
	}
	if r.extended && r.section == "" {
		return c.fail(ErrInvalid)
	}
	if _, err := cursor.Package.target(r.section, r.option); err != nil {
		return c.fail(err)
	}
	switch name {
	case "get":
		if r.hasValue {
			return 1
		}
		return c.get(cursor, r)
	case "revert":
		if r.hasValue {
			return 1
		}
		_ = c.dir.Revert(r.pkg, r.section, r.option) // uci does not look either
		return 0
	case "set", "add_list", "del_list", "ren", "rename":
		if !r.hasValue {
			// libuci looks for the thing first when it renames.
			t, _ := cursor.Package.target(r.section, r.option)
			if strings.HasPrefix(name, "ren") && !t.complete {
				return c.fail(ErrNotFound)
			}
			return c.fail(ErrInvalid)
		}
		do := map[string]func(section, option, value string) error{
			"set": cursor.Set, "add_list": cursor.AddList, "del_list": cursor.DelList,
			"ren": cursor.Rename, "rename": cursor.Rename,
		}[name]
		err = do(r.section, r.option, r.value)
	case "reorder":
		t, _ := cursor.Package.target(r.section, "")
		if t.s == nil || !r.hasValue {
			return c.fail(ErrNotFound)
		}
		position, _, _ := leadingInt(r.value)
		err = cursor.Reorder(r.section, int(position))
	default:
		if !r.hasValue {
			err = cursor.Delete(r.section, r.option)
			break
		}
		if _, _, ok := leadingInt(r.value); !ok && strings.TrimLeft(r.value, " \t\r\n") != "" {
			return 1
		}
		err = cursor.DeleteValue(r.section, r.option, r.value)
	}
	if err == nil {
		err = cursor.Save()
	}
	return c.fail(err)
}

func (c *command) get(cursor *Cursor, r ref) int {
	if r.section == "" {
		return 0
	}
	s, o, err := cursor.Get(r.section, r.option)
	switch {
	case err != nil:
		return c.fail(err)
	case o == nil:
		fmt.Fprintln(&c.stdout, s.Type)
	case !o.List:
		fmt.Fprintln(&c.stdout, o.Values[0])
	default:
		c.list(o, false)
	}
	return 0
}

func (c *command) list(o *Option, quote bool) {
	for i, v := range o.Values {
		if i > 0 {
			c.stdout.WriteByte(' ')
		}
		if quote || strings.ContainsAny(v, " \t\r\n") {
			c.stdout.Write(appendQuoted(nil, v))
		} else {
			c.stdout.WriteString(v)
		}
	}
	c.stdout.WriteByte('\n')
}

func (c *command) onAll(name string) int {
	entries, err := os.ReadDir(c.dir.config())
	if err != nil || len(entries) == 0 {
		return c.fail(ErrNotFound)
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".") && validType(e.Name()) {
			c.onPackage(name, e.Name())
		}
	}
	return 0
}

func (c *command) onPackage(name, arg string) int {
	r, err := parseRef(arg)
	if err != nil {
		return c.fail(err)
	}
	cursor, err := c.dir.Open(r.pkg)
	if err != nil {
		return c.fail(err)
	}
	if r.extended && r.section == "" {
		return c.fail(ErrInvalid)
	}
	t, err := cursor.Package.target(r.section, r.option)
	if err != nil {
		return c.fail(err)
	}
	switch name {
	case "commit":
		if !c.noCommit {
			return c.fail(c.dir.Commit(r.pkg))
		}
	case "export":
		c.stdout.Write(cursor.Package.Export())
	case "changes":
		changes, err := c.dir.Changes(r.pkg)
		if err != nil {
			return c.fail(err)
		}
		c.changes(r.pkg, changes)
	case "show":
		if !t.complete {
			return c.fail(ErrNotFound)
		}
		c.show(cursor.Package, t)
	}
	return 0
}

func (c *command) show(p *Package, t target) {
	if t.s != nil {
		if t.o != nil {
			c.showOption(p, t.s.Name, t.o)
		} else {
			c.showSection(p, t.s.Name, t.s)
		}
		return
	}
	count := make(map[string]int)
	for _, s := range p.Sections {
		name := s.Name
		if s.Anonymous {
			name = fmt.Sprintf("@%s[%d]", s.Type, count[s.Type])
		}
		count[s.Type]++
		c.showSection(p, name, s)
	}
}

func (c *command) showSection(p *Package, name string, s *Section) {
	fmt.Fprintf(&c.stdout, "%s.%s=%s\n", p.Name, name, s.Type)
	for _, o := range s.Options {
		c.showOption(p, name, o)
	}
}

func (c *command) showOption(p *Package, name string, o *Option) {
	fmt.Fprintf(&c.stdout, "%s.%s.%s=", p.Name, name, o.Name)
	c.list(o, true)
}

func (c *command) changes(pkg string, changes []Change) {
	for _, ch := range changes {
		text := ch.String()
		if ch.op == opDelete {
			fmt.Fprintf(&c.stdout, "-%s.%s\n", pkg, text[1:])
		} else {
			fmt.Fprintf(&c.stdout, "%s.%s%s\n", pkg, text, appendQuoted(nil, ch.value))
		}
	}
}
