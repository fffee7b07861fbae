// Package daemon keeps WireGuard interfaces as their configuration says while the
// world around them changes: `wgnetifd daemon`.
//
// A keeper, one goroutine for each interface of the configuration, is the only one
// who decides about it. What it hears of (a new configuration, a change of uplinks,
// the answer of a name server, a clock that was set) waits in its inbox; what comes
// twice before it is looked at counts once. It reads the device when somebody needs
// it, has an [endpoint.Machine] for each peer say what is to be written, and lets
// package apply write it, under the lock that it shares with the handler.
//
// The daemon holds nothing that the next one could not find in the kernel, in UCI,
// or in /var/run/wgnetifd: it may be killed at any instant.
package daemon
