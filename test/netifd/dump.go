package netifd

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/wgnetifd/wgnetifd/internal/ubus/blobmsg"
)

// dumpBuffer is how much of a line netifd reads at once (handler.c).
const dumpBuffer = 511

// loadHandlers asks every handler in the folder what it is. It waits for each,
// as netifd does.
func (e *engine) loadHandlers() {
	e.handlers = handlerSet{}
	e.handlers.add(protoStatic)
	files, err := filepath.Glob(filepath.Join(e.cfg.ProtoDir, "*.sh"))
	if err != nil {
		e.logf("protocol handlers: %v", err)
	}
	slices.Sort(files)
	for _, f := range files {
		name := filepath.Base(f)
		if name[0] == '.' {
			continue // the shell's pattern does not match these
		}
		script := "./" + name
		dumps, err := e.runDump(script)
		if err != nil {
			e.logf("protocol handler %s: %v", name, err)
		}
		for _, d := range dumps {
			if h := newScriptHandler(script, d); h != nil {
				e.handlers.add(h)
			}
		}
	}
}

// runDump calls a handler with ” and dump, through the shell as popen(3) does: a
// file name with blanks does not survive that. The shell leaves PWD in the
// environment and, as OpenWrt's does, SHLVL. The handler finds nothing on stdin;
// its stderr is netifd's own.
func (e *engine) runDump(script string) ([]blobmsg.Table, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script + " '' dump"}, &os.ProcAttr{
		Dir:   e.cfg.ProtoDir,
		Env:   withEnv(e.cfg.Env, "SHLVL=0"),
		Files: []*os.File{null, w, os.Stderr},
	})
	w.Close()
	if err != nil {
		return nil, err
	}
	dumps := parseDump(r)
	_, err = p.Wait()
	return dumps, err
}

// parseDump returns the objects that netifd makes of what a handler printed.
//
// netifd reads pieces of at most 511 bytes that end with a line and gives them
// to an incremental parser. An object that is complete ends the piece: what
// follows in it is not read. A line's end inside an object ends the object,
// which is lost.
func parseDump(r io.Reader) []blobmsg.Table {
	var dumps []blobmsg.Table
	in := bufio.NewReader(r)
	var text []byte
	for {
		piece, err := readPiece(in)
		if i := bytes.IndexByte(piece, 0); i >= 0 {
			piece = piece[:i] // the rest is behind the string's end
		}
		if len(piece) > 0 {
			text = append(text, piece...)
			t, perr := blobmsg.ParseJSON(text)
			if perr == nil {
				dumps = append(dumps, t)
			}
			if perr == nil || piece[len(piece)-1] == '\n' || !beginsObject(text) {
				text = text[:0]
			}
		}
		if err != nil {
			return dumps
		}
	}
}

// readPiece is fgets(3) with netifd's buffer.
func readPiece(in *bufio.Reader) ([]byte, error) {
	var piece []byte
	for len(piece) < dumpBuffer {
		c, err := in.ReadByte()
		if err != nil {
			return piece, err
		}
		piece = append(piece, c)
		if c == '\n' {
			break
		}
	}
	return piece, nil
}

// beginsObject tells whether a text that is no object yet may become one: where
// it cannot, the parser starts again with the next piece.
func beginsObject(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\n\r")
	return len(text) == 0 || text[0] == '{' || text[0] == '/'
}
