package blobmsg

import "errors"

// Decode reads a row of attributes, as Append writes it.
func Decode(b []byte) (Table, error) { return nil, errors.New("blobmsg: decoder not there yet") }

// DecodeUnnamed is Decode for senders that leave names of table members out.
func DecodeUnnamed(b []byte) (Table, error) { return Decode(b) }
