// Package schema is what the program knows about WireGuard's options in
// /etc/config/network: every option once, with its type, default, check and
// help text, and the typed configuration of an interface that is read with it.
package schema
