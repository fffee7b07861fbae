// Package packager makes the packages and feeds of this project for opkg and apk,
// without OpenWrt's build: from the same Makefiles (package recipe), for every
// architecture of one table, the same bytes whenever it runs.
//
// Its own program is openwrt-feed/mkpackages; `make packages` runs it. Nothing of
// this is in what a router runs.
package packager
