// Package uci reads and writes OpenWrt's configuration files, /etc/config/NAME,
// the way libuci does.
//
// [Parse] reads a file as strictly as uci, rpcd and ucode do; [ParseLenient]
// keeps what netifd keeps of a damaged one. [Package.Bytes] gives the bytes that
// libuci writes. The tests hold all of it to recordings of the real programs,
// and, where uci is installed, to the program itself.
//
// [Dir] is the folder of configuration files together with the folder of staged
// changes, those that "uci set" has saved and "uci commit" has not yet written:
//
//   - [Dir.Load] gives a file with its staged changes merged in, which is what
//     netifd, LuCI and "uci show" act on.
//   - [Dir.Edit] changes the file itself. This is what a program uses that has
//     to save something of its own: staged changes of others are neither
//     applied nor lost, and whatever goes wrong, the old file stays as it was.
//   - [Dir.Open], [Dir.Commit], [Dir.Revert] and [Dir.Changes] are uci's own two
//     steps: stage, then commit.
//
// Values are never part of an error: any of them may be a private key.
package uci
