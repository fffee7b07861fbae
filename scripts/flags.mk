# How the program is compiled and linked, for the Makefile and for OpenWrt's build
# (openwrt-feed/wgnetifd): no path, no build id, no state of the checkout is in it.

GO_LINK_FLAGS := -s -w -buildid=

# No clock that is right shows a time before this: that of the commit, in seconds of
# Unix time, or else what the build takes for its own. With neither, internal/clock
# has a date in its source.
GO_LINK_BUILT := github.com/wgnetifd/wgnetifd/internal/clock.built=$(or $(shell git log -1 --format=%ct 2>/dev/null),$(SOURCE_DATE_EPOCH))

# Packages that are not in the way of speed are compiled without inlining: 64 KB
# raw and 52 KB as `xz -9` of the mipsel binary (`make docs-size`). Our own packages, the runtime and
# what they lean on (bytes, encoding, netip, slices, strings) are inlined as usual.
GO_COLD := github.com/vishvananda/... github.com/mdlayher/... golang.zx2c4.com/... golang.org/x/... vendor/... \
	crypto/... net os/... path/... time context reflect fmt syscall internal/poll internal/strconv strconv
GO_COLD_FLAGS := $(GO_COLD:%=-gcflags=%=-l)
