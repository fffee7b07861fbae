package rpcd

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/wgnetifd/wgnetifd/internal/ubus"
	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

const (
	// DefaultHTTPTimeout is uhttpd's limit for a call.
	DefaultHTTPTimeout = 60 * time.Second
	// BodyLimit is the longest body in bytes that uhttpd's ubus page takes.
	BodyLimit = 65536

	prefix    = "/ubus"
	jsonType  = "application/json"
	keepAlive = "timeout=20"
)

// HTTP is uhttpd's page /ubus. It takes part in the bus as a client of its own,
// so that it outlives the daemon.
type HTTP struct {
	conn    *ubus.Conn
	timeout time.Duration
}

// NewHTTP returns the page for the broker at a socket. timeout ends a call, and
// half of it the question for the right to make it (uhttpd -t); 0 is
// DefaultHTTPTimeout. It fails when ctx ends before there is a broker.
func NewHTTP(ctx context.Context, socket string, timeout time.Duration) (*HTTP, error) {
	if timeout == 0 {
		timeout = DefaultHTTPTimeout
	}
	h := &HTTP{conn: ubus.Open(ubus.Options{Socket: socket}), timeout: timeout}
	if err := h.conn.Connected(ctx); err != nil {
		return nil, fmt.Errorf("rpcd: http: %w", err)
	}
	return h, nil
}

// Close leaves the bus.
func (h *HTTP) Close() error { return h.conn.Close() }

// ServeHTTP serves /ubus and what is below it.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(r.RequestURI, "?") // as sent, not decoded
	below, ok := strings.CutPrefix(path, prefix)
	if !ok || below != "" && below[0] != '/' {
		text := "The requested URL " + html.EscapeString(r.RequestURI) + " was not found on this server."
		sendText(w, r, http.StatusNotFound, "Not Found", text)
		return
	}
	switch r.Method {
	case http.MethodGet:
		h.get(w, r, below)
	case http.MethodPost:
		h.post(w, r, below)
	case http.MethodOptions:
		w.Header().Set("Content-Length", "0")
		sendHeader(w, r, http.StatusOK, jsonType)
	default:
		sendText(w, r, http.StatusBadRequest, "Bad Request", "Invalid Request")
	}
}

// sendHeader writes the header that uhttpd does; "" is no content type. A
// connection that it was asked to close it closes.
func sendHeader(w http.ResponseWriter, r *http.Request, code int, contentType string) {
	head := w.Header()
	head["Date"] = nil
	head["Content-Type"] = nil
	if contentType != "" {
		head.Set("Content-Type", contentType)
	}
	if r.Close || !r.ProtoAtLeast(1, 1) || head.Get("Connection") == "close" {
		head.Set("Connection", "close")
	} else {
		head.Set("Connection", "Keep-Alive")
		head.Set("Keep-Alive", keepAlive)
	}
	w.WriteHeader(code)
	flush(w)
}

// flush sends what was written as a chunk of its own.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

func sendText(w http.ResponseWriter, r *http.Request, code int, title, text string) {
	sendHeader(w, r, code, "text/html")
	_, _ = io.WriteString(w, "<h1>"+title+"</h1>"+text)
}

func sendJSON(w http.ResponseWriter, v any) {
	_, _ = w.Write(blobmsg.AppendJSON(nil, v))
	flush(w)
}

// get serves the requests without a body.
func (h *HTTP) get(w http.ResponseWriter, r *http.Request, below string) {
	if below == "/list" {
		h.getList(w, r, "")
		return
	}
	if path, ok := strings.CutPrefix(below, "/list/"); ok {
		h.getList(w, r, path)
		return
	}
	if path, ok := strings.CutPrefix(below, "/subscribe/"); ok {
		h.subscribe(w, r, path)
		return
	}
	sendHeader(w, r, http.StatusNotFound, "")
}

// getList shows the methods of one object, or of all by object.
func (h *HTTP) getList(w http.ResponseWriter, r *http.Request, path string) {
	objects, err := h.conn.Lookup(r.Context(), path)
	if err != nil {
		sendHeader(w, r, http.StatusInternalServerError, jsonType)
		sendJSON(w, statusTable(ubus.StatusOf(err)))
		return
	}
	list := blobmsg.Table{}
	for _, o := range objects {
		if path == "" {
			list = append(list, blobmsg.Field{Name: o.Path, Value: methodTable(o)})
		} else {
			list = append(list, methodTable(o)...)
		}
	}
	sendHeader(w, r, http.StatusOK, jsonType)
	sendJSON(w, list)
}

// statusTable is a status as uhttpd shows it.
func statusTable(s ubus.Status) blobmsg.Table {
	return blobmsg.Table{{Name: "code", Value: int32(s)}, {Name: "message", Value: s.Error()}}
}

// methodTable is an object's methods with uhttpd's names for types.
func methodTable(o ubus.Object) blobmsg.Table {
	list := blobmsg.Table{}
	for _, m := range o.Methods {
		arguments := blobmsg.Table{}
		for _, a := range m.Args {
			arguments = append(arguments, blobmsg.Field{Name: a.Name, Value: typeName(a.Type)})
		}
		list = append(list, blobmsg.Field{Name: m.Name, Value: arguments})
	}
	return list
}

func typeName(t blobmsg.Type) string {
	switch t {
	case blobmsg.TypeBool:
		return "boolean"
	case blobmsg.TypeInt32:
		return "number"
	case blobmsg.TypeString:
		return "string"
	case blobmsg.TypeArray:
		return "array"
	case blobmsg.TypeTable:
		return "object"
	default:
		return "unknown"
	}
}

// subscribe streams an object's notifications until the client goes.
func (h *HTTP) subscribe(w http.ResponseWriter, r *http.Request, path string) {
	refuse := func(v blobmsg.Table) {
		sendHeader(w, r, http.StatusOK, jsonType)
		sendJSON(w, v)
	}
	if !h.allowed(r.Context(), bearer(r), path, ":subscribe") {
		// The number is -EACCES, the text the C library's.
		refuse(blobmsg.Table{{Name: "code", Value: int32(-13)}, {Name: "message", Value: "Permission denied"}})
		return
	}
	if _, err := h.lookup(r.Context(), path); err != nil {
		refuse(statusTable(ubus.StatusNotFound))
		return
	}
	events := make(chan []byte)
	s, err := h.conn.Subscribe(r.Context(), path, func(method string, data blobmsg.Table) {
		event := append([]byte("event: "+method+"\ndata: "), blobmsg.AppendJSON(nil, data)...)
		select {
		case events <- append(event, "\n\n"...):
		case <-r.Context().Done():
		}
	})
	if err != nil {
		refuse(statusTable(ubus.StatusOf(err)))
		return
	}
	defer s.Close()
	sendHeader(w, r, http.StatusOK, "text/event-stream")
	for {
		select {
		case event := <-events:
			_, _ = w.Write(event)
			flush(w)
		case <-r.Context().Done():
			return
		}
	}
}

// bearer is the session in the header, or the one of those who have none.
func bearer(r *http.Request) string {
	const scheme = "bearer "
	auth := r.Header.Get("Authorization")
	if len(auth) >= len(scheme) && strings.EqualFold(auth[:len(scheme)], scheme) {
		return auth[len(scheme):]
	}
	return NullSession
}
