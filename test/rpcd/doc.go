// Package rpcd is a stand-in for OpenWrt's rpcd, as far as it runs executable
// plugins, and for the /ubus page of its web server uhttpd. Tests and the
// development server for the LuCI pages put it on a ubus broker and meet the
// plugin as the router would call it. It is held to recordings of the real
// programs: test/conformance/testdata/rpcd/exec.
//
// # What it does
//
// At its start and at [Rpcd.Reload] it runs every executable regular file of
// the plugin folder with "list", one after another, and publishes what it
// prints as a ubus object of the file's name. A sample value gives an argument
// its type; the numbers 8, 16 and 64 stand for a boolean, a 16-bit and a 64-bit
// integer. Descriptions that are no table are left out; a method without a name
// costs the object its place on the bus. There is no time limit: until the last
// plugin has exited nobody is served. A file that cannot be executed leaves a
// second daemon process ([Rpcd.Processes]), which goes on in place of the first.
//
// A call of a method runs the file with "call METHOD" and the arguments as JSON
// on standard input, cut at [StdinLimit] bytes, without a newline, then EOF.
// The plugin gets the daemon's environment, working directory, user, process
// group and session, umask 0077, SIGPIPE ignored, and pipes as standard input,
// output and error. The answer is the first JSON value that it prints, if that
// is an object; what follows it, standard error and the exit code count for
// nothing. The call ends when the plugin exits, when it has closed both its
// output and its standard error (it then runs on without a limit), or with the
// time-out, which kills it. Children that it left behind are not waited for.
// Calls run side by side. Its status is
//
//   - 0 with the object,
//   - 2 (invalid argument) for any other output, complete or not,
//   - 5 (no data) for none at all, or null,
//   - 4 (not found) when the file is gone,
//   - 6 or 9 when it cannot be executed.
//
// An answer of more than 1 MiB makes the broker drop the connection: all
// objects vanish, the caller gets no answer, and the daemon lives on without a
// bus until someone starts or reloads it.
//
// JSON is read as json-c does it, which takes more than JSON, and in pieces:
// see [blobmsg.ParseJSON] for the list.
//
// The object "session" is complete except for its login, which refuses every
// password, as rpcd does without a login section in /etc/config/rpcd; sessions
// with rights come from its methods create and grant or from [Rpcd.AddSession].
//
// [HTTP] serves uhttpd's ubus page: calls, lists and batches as JSON-RPC by
// POST, /ubus/call/OBJECT with a bearer token, and by GET /ubus/list and
// /ubus/subscribe. Rights are asked of the object "session"; the session's id
// is added to the arguments as ubus_rpc_session, and refused in them; bodies
// end at 64 KiB.
//
// # What it does not do
//
// The objects "uci" and "rc" are there with their methods, and every call of
// them answers "not supported". There are no ACL files, no logins, no plugins
// in shared libraries, no file or iwinfo object. The second answer that rpcd
// sends when a plugin could not be executed is not sent, and the second daemon
// process is only counted. More than 64 calls at a time are refused (out of
// memory), which rpcd does not do.
//
// Of uhttpd there is nothing but the ubus page: no files, no TLS, no limits on
// headers and connections. Where it answers with a broken HTTP message (a POST
// to /ubus/call/OBJECT without an object in its body) the message is whole here.
// A subscription outlives its object.
//
// The daemon is no process of its own: it runs in the test's. Two things of it
// are the whole process's: its id, which plugins see as their parent, and that
// SIGPIPE is ignored from the first Start on.
package rpcd
