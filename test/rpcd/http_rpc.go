package rpcd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// fault is an error of uhttpd's own in a JSON-RPC answer.
type fault struct {
	code    int32
	message string
}

// The faults of uhttpd's ubus.c that it uses.
var (
	faultParse    = &fault{-32700, "Parse error"}
	faultMethod   = &fault{-32601, "Method not found"}
	faultParams   = &fault{-32602, "Invalid parameters"}
	faultInternal = &fault{-32603, "Internal error"}
	faultObject   = &fault{-32000, "Object not found"}
	faultAccess   = &fault{-32002, "Access denied"}
	faultTimeout  = &fault{-32003, "ubus request timed out"}
)

// rpcAnswer is a whole answer.
func rpcAnswer(id any, name string, value any) blobmsg.Table {
	return blobmsg.Table{
		{Name: "jsonrpc", Value: "2.0"},
		{Name: "id", Value: id},
		{Name: name, Value: value},
	}
}

func (f *fault) answer(id any) blobmsg.Table {
	return rpcAnswer(id, "error", blobmsg.Table{
		{Name: "code", Value: f.code},
		{Name: "message", Value: f.message},
	})
}

// post serves JSON-RPC: /ubus for calls with a session, lists and batches, and
// /ubus/call/OBJECT.
func (h *HTTP) post(w http.ResponseWriter, r *http.Request, below string) {
	body, ok := readBody(r.Body)
	if !ok {
		// The rest of the body is never read.
		w.Header().Set("Connection", "close")
		sendHeader(w, r, http.StatusOK, jsonType)
		sendJSON(w, faultParse.answer(nil))
		return
	}
	object, isCall := strings.CutPrefix(below, "/call/")
	switch {
	case below == "" || below == "/":
		sendHeader(w, r, http.StatusOK, jsonType)
		if batch, ok := body.(blobmsg.Array); ok {
			h.batch(w, r, batch)
			return
		}
		sendJSON(w, h.request(r.Context(), body))
	case isCall:
		sendHeader(w, r, http.StatusOK, jsonType)
		sendJSON(w, h.objectCall(r.Context(), object, bearer(r), body))
	default:
		sendHeader(w, r, http.StatusNotFound, "")
	}
}

// readBody parses a body in pieces of the size of uhttpd's buffer; nil is none,
// or an incomplete one. ok is false when it is too long, or goes on in another
// piece after the JSON value has ended.
func readBody(body io.Reader) (value any, ok bool) {
	var tokens tokener
	var length int
	buf := make([]byte, streamBuffer)
	for {
		n, err := io.ReadFull(body, buf)
		length += n
		if n > 0 && (value != nil || length > BodyLimit) {
			return nil, false
		}
		if n > 0 {
			value, _ = tokens.parse(buf[:n])
		}
		if err != nil {
			return value, true
		}
	}
}

func (h *HTTP) batch(w http.ResponseWriter, r *http.Request, requests blobmsg.Array) {
	_, _ = io.WriteString(w, "[")
	for i, request := range requests {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		sendJSON(w, h.request(r.Context(), request))
	}
	_, _ = io.WriteString(w, "]")
}

// rpcRequest is what every request must have.
type rpcRequest struct {
	id     any
	method string
	params any
}

// parseRequest reads a request; the id is there even if it is none.
func parseRequest(v any) (req rpcRequest, ok bool) {
	t, ok := v.(blobmsg.Table)
	if !ok {
		return req, false
	}
	req.id, req.params = t.Get("id"), t.Get("params")
	version, _ := member[string](t, "jsonrpc")
	req.method, ok = member[string](t, "method")
	return req, ok && version == "2.0"
}

func (h *HTTP) request(ctx context.Context, v any) blobmsg.Table {
	req, ok := parseRequest(v)
	switch {
	case !ok:
		return faultParse.answer(req.id)
	case req.method == "list":
		return rpcAnswer(req.id, "result", h.list(ctx, req.params))
	case req.method != "call":
		return faultMethod.answer(req.id)
	}
	p, ok := parseParams(req.params)
	if !ok {
		return faultParse.answer(req.id)
	}
	data, status, f := h.invoke(ctx, p.session, p.object, p.function, p.arguments)
	if f != nil {
		return f.answer(req.id)
	}
	result := blobmsg.Array{int32(status)}
	if len(data) > 0 {
		result = append(result, data)
	}
	return rpcAnswer(req.id, "result", result)
}

// params are the parameters of a call.
type params struct {
	session, object, function string
	arguments                 blobmsg.Table
}

// parseParams finds three strings and a table, in this order, and passes over
// all that stands between and behind them.
func parseParams(v any) (p params, ok bool) {
	list, _ := v.(blobmsg.Array)
	words := []*string{&p.session, &p.object, &p.function}
	for _, e := range list {
		if s, isString := e.(string); isString && len(words) > 0 {
			*words[0], words = s, words[1:]
		}
		if t, isTable := e.(blobmsg.Table); isTable && len(words) == 0 {
			p.arguments = t
			return p, true
		}
	}
	return p, false
}

// list is the names of all objects, or the methods of those that are named.
func (h *HTTP) list(ctx context.Context, v any) any {
	paths, ok := v.(blobmsg.Array)
	if !ok {
		names := blobmsg.Array{}
		objects, _ := h.conn.Lookup(ctx, "")
		for _, o := range objects {
			names = append(names, o.Path)
		}
		return names
	}
	list := blobmsg.Table{}
	for _, p := range paths {
		path, _ := p.(string)
		objects, _ := h.lookup(ctx, path)
		for _, o := range objects {
			list = append(list, blobmsg.Field{Name: o.Path, Value: methodTable(o)})
		}
	}
	return list
}

// objectCall serves /ubus/call/OBJECT. Its arguments may be anything: members
// of an array become arguments without a name, others none.
func (h *HTTP) objectCall(ctx context.Context, object, session string, v any) blobmsg.Table {
	req, ok := parseRequest(v)
	if !ok {
		return faultParse.answer(req.id)
	}
	var arguments blobmsg.Table
	switch p := req.params.(type) {
	case blobmsg.Table:
		arguments = p
	case blobmsg.Array:
		for _, e := range p {
			arguments = append(arguments, blobmsg.Field{Value: e})
		}
	}
	data, status, f := h.invoke(ctx, session, object, req.method, arguments)
	switch {
	case f != nil:
		return f.answer(req.id)
	case status != ubus.StatusOK:
		return rpcAnswer(req.id, "error", statusTable(status))
	case len(data) == 0:
		return rpcAnswer(req.id, "result", nil)
	default:
		return rpcAnswer(req.id, "result", data)
	}
}

// lookup is the bus's, but the empty path is none.
func (h *HTTP) lookup(ctx context.Context, path string) ([]ubus.Object, error) {
	if path == "" {
		return nil, ubus.StatusNotFound
	}
	objects, err := h.conn.Lookup(ctx, path)
	if err == nil && len(objects) == 0 {
		err = ubus.StatusNotFound
	}
	return objects, err
}

// allowed asks for a right of a session.
func (h *HTTP) allowed(ctx context.Context, session, object, function string) bool {
	ctx, cancel := context.WithTimeout(ctx, h.timeout/2)
	defer cancel()
	answer, err := h.conn.Call(ctx, "session", "access", blobmsg.Table{
		{Name: sidName, Value: session},
		{Name: "object", Value: object},
		{Name: "function", Value: function},
	})
	allowed, _ := member[bool](answer, "access")
	return err == nil && allowed
}

// invoke makes a call for a session. Of a path that ends in * uhttpd calls the
// last object.
func (h *HTTP) invoke(ctx context.Context, session, path, method string, arguments blobmsg.Table) (blobmsg.Table, ubus.Status, *fault) {
	objects, err := h.lookup(ctx, path)
	if err != nil {
		return nil, 0, faultObject
	}
	if !h.allowed(ctx, session, path, method) {
		return nil, 0, faultAccess
	}
	if arguments.Has(sidName) {
		return nil, 0, faultParams
	}
	arguments = append(arguments[:len(arguments):len(arguments)], blobmsg.Field{Name: sidName, Value: session})

	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	var data blobmsg.Table
	err = h.conn.CallEach(ctx, objects[len(objects)-1].Path, method, arguments, func(t blobmsg.Table) {
		data = append(data, t...)
	})
	var status ubus.Status
	switch {
	case err == nil:
		return data, ubus.StatusOK, nil
	case ctx.Err() != nil:
		return nil, 0, faultTimeout
	case errors.Is(err, ubus.ErrDisconnected) || !errors.As(err, &status):
		return nil, 0, faultInternal
	default:
		return data, status, nil
	}
}
