// Package plan holds what the program decides, as pure data: from
// configuration and facts to what is desired, and from what is desired and what
// is there to the difference that has to be written.
//
// Nothing in here does I/O, reads a clock or knows netlink: the same function
// is run again by setup, renew, up and the daemon, and running it twice leaves
// nothing to write the second time.
package plan
