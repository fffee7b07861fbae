package rpcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
	"github.com/wgnetifd/wgnetifd/internal/ubus/wire"
)

// listAll runs all plugins with "list", in the order of the folder, and
// publishes what they offer. It fails when the daemon ends meanwhile.
func (r *Rpcd) listAll(l *life) error {
	names, err := r.files()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(r.config.PluginDir, name)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o100 == 0 {
			continue
		}
		err = r.list(l, name, path)
		var cannot *execError
		switch {
		case errors.As(err, &cannot):
			// The parent waits for ever for the child, which goes on
			// in its place.
			r.forked(0)
		case err != nil:
			return err
		}
	}
	return nil
}

// files is the content of the folder in its own order.
func (r *Rpcd) files() ([]string, error) {
	dir, err := os.Open(r.config.PluginDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rpcd: plugins: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("rpcd: plugins: %w", err)
	}
	if r.config.order != nil {
		r.config.order(names)
	}
	return names, nil
}

// list runs one plugin and publishes its object.
func (r *Rpcd) list(l *life, name, path string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("rpcd: %w", err)
	}
	defer null.Close()
	output, writer, err := outputPipe()
	if err != nil {
		return err
	}
	c := command{
		path: path, argv: []string{path, "list"}, env: r.env(), dir: r.config.Dir,
		files: []int{rawFD(null), writer, rawFD(null)},
	}
	process, err := c.start()
	closeAll(writer)
	if err != nil {
		output.Close()
		return err
	}
	exited := r.watch(process)

	var printed listing
	printed.found = make(chan struct{})
	s := newStream(output, 1024, printed.take) // as in plugin.c
	// rpcd holds the writing end of the pipe itself and never sees the end
	// of the output. What ends its wait is the plugin's exit: the signal
	// interrupts the reading.
	select {
	case <-printed.found:
		s.close(false)
	case <-exited:
		s.close(true)
	}
	err = r.publish(l, name, printed.methods)
	<-exited
	if r.ctx.Err() != nil {
		return fmt.Errorf("rpcd: %s list: %w", path, r.ctx.Err())
	}
	return err
}

// listing reads the first JSON value that a plugin lists.
type listing struct {
	tokens  tokener
	done    bool
	found   chan struct{} // closed with done
	methods []signature   // nil is no object
}

func (p *listing) take(piece []byte) {
	if p.done {
		return
	}
	value, result := p.tokens.parse(piece)
	switch {
	case result == verdictMore, result == verdictDone && value == nil: // null
		return
	case result == verdictDone:
		table, _ := value.(blobmsg.Table)
		p.methods = readSignatures(table)
	}
	p.done = true
	close(p.found)
}

// readSignatures makes methods of their descriptions. nil is no object; an
// empty row is an object without methods.
func readSignatures(table blobmsg.Table) []signature {
	if len(table) == 0 {
		return nil
	}
	methods := []signature{}
	for _, m := range table {
		samples, ok := m.Value.(blobmsg.Table)
		if !ok {
			continue
		}
		s := signature{name: m.Name}
		for _, a := range samples {
			s.args = append(s.args, ubus.Arg{Name: a.Name, Type: sampleType(a.Value)})
		}
		methods = append(methods, s)
	}
	return methods
}

// sampleType is the type of a sample; some numbers name the width of an integer.
func sampleType(v any) blobmsg.Type {
	switch v := v.(type) {
	case blobmsg.Table:
		return blobmsg.TypeTable
	case blobmsg.Array:
		return blobmsg.TypeArray
	case string:
		return blobmsg.TypeString
	case bool:
		return blobmsg.TypeBool
	case float64:
		return blobmsg.TypeDouble
	case int64:
		return blobmsg.TypeInt64
	case int32:
		switch v {
		case 8:
			return blobmsg.TypeBool
		case 16:
			return blobmsg.TypeInt16
		case 64:
			return blobmsg.TypeInt64
		}
		return blobmsg.TypeInt32
	default:
		return blobmsg.TypeUnspec
	}
}

// publish puts a plugin's object on the bus. A path that is taken and a
// signature that the bus refuses cost the object its place and nothing else.
func (r *Rpcd) publish(l *life, name string, list []signature) error {
	if list == nil {
		return nil
	}
	methods := make([]ubus.Method, 0, len(list))
	for _, s := range list {
		if s.name == "" {
			return nil // ubusd refuses it, internal/ubus does not even try
		}
		methods = append(methods, ubus.Method{
			Name: s.name,
			Args: s.args,
			Call: func(ctx context.Context, req *ubus.Request) (blobmsg.Table, error) {
				return r.serve(ctx, l, req)
			},
		})
	}
	p, err := l.conn.Publish(r.ctx, name, methods)
	var status ubus.Status
	switch {
	case err == nil:
		l.objects = append(l.objects, p)
	case errors.Is(err, ubus.ErrDisconnected), !errors.As(err, &status):
		return fmt.Errorf("rpcd: publish %s: %w", name, err)
	}
	return nil
}

// serve answers one call.
func (r *Rpcd) serve(ctx context.Context, l *life, req *ubus.Request) (blobmsg.Table, error) {
	if err := r.whenReady(ctx, l); err != nil {
		return nil, err
	}
	answer, err := r.call(req.Object, req.Method, req.Args)
	if err == nil && replyLen(answer) > wire.MaxBlob {
		// ubusd drops a connection that sends so much. The caller is
		// not told: no status may go out on the way.
		_ = l.conn.Close()
		<-r.ctx.Done()
		return nil, r.ctx.Err()
	}
	return answer, err
}

// replyLen is the length of the data message for an answer: the outer header,
// the object's id, the header of the data, the data.
func replyLen(answer blobmsg.Table) int {
	return 4 + 8 + 4 + len(blobmsg.Append(nil, answer))
}
