// Package install holds tests of the packages as a router has them: built by
// internal/packager, installed, run from where they are installed, upgraded under a
// running tunnel and removed.
//
// The router is a folder. It looks like this machine, by links, except where
// OpenWrt's folders are; the tests change their root to it, and it is gone with
// their namespaces. In testdata is as much of OpenWrt's base files as the scripts of
// a package call: what procd would run is run at once.
//
// Packages are installed by OpenWrt's opkg where that is on PATH, otherwise by a
// stand-in that is as strict and keeps the same database, so that the scripts of the
// packages find what they look for.
//
// WGNETIFD_PACKAGES names a folder that `make packages` has filled: every package in
// it is installed and removed, in place of those that the tests build
// (`make test-packages`).
package install
