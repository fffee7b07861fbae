// Package support writes what somebody who helps needs to know of a router: the
// versions, the state of the interfaces, what the next run would change, the
// configuration and the log, as one text.
//
// The text is meant to be shown in public. Everything in it goes through a [Mask]:
// keys, public addresses, names of endpoints and hardware addresses have a number in
// their place, the same throughout, so that what belongs together still can be seen.
package support
