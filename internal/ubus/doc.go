// Package ubus talks to ubusd, OpenWrt's message bus, over its socket: it calls
// methods of other programs' objects, publishes objects, and follows
// notifications and events.
//
// A [Conn] is made by [Dial], for a program that does one thing and ends, or by
// [Open], for a daemon: that one outlives ubusd and everybody on the bus. procd,
// netifd and ubusd are restarted under a daemon; objects, subscriptions and
// listeners are then made again.
//
// What was found out about ubus that callers should know:
//
//   - A callee that dies during a call, or a subscriber during a notification,
//     gives no answer at all, and ubusd says nothing. Every call has a deadline.
//   - ubusd closes the connection of a client that sends a message of more than
//     1 MiB, and silently drops messages for a client that has 1 MiB of them
//     waiting. Messages that are too large are refused here, before they are
//     sent; handlers never hold up the reading.
//   - Ids of objects are random and change when an object is published again:
//     this package names objects by path.
package ubus
