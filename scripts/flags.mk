# How the program is compiled and linked, for the Makefile and for OpenWrt's build
# (openwrt-feed/wgnetifd): no path, no build id, no state of the checkout is in it.

GO_LINK_FLAGS := -s -w -buildid=

# No clock that is right shows a time before this: that of the commit, in seconds of
# Unix time, or else what the build takes for its own. With neither, internal/clock
# has a date in its source.
GO_LINK_BUILT := github.com/wgnetifd/wgnetifd/internal/clock.built=$(or $(shell git log -1 --format=%ct 2>/dev/null),$(SOURCE_DATE_EPOCH))

# Packages that are not in the way of speed are compiled without inlining. Those that
# handle each peer (uci, plan, the netlink messages, ubus tables), the runtime and what
# they lean on (bytes, encoding, netip, slices, strings) are inlined as usual.
GO_OURS := github.com/wgnetifd/wgnetifd
GO_COLD := github.com/godbus/... github.com/vishvananda/... github.com/mdlayher/... golang.zx2c4.com/... golang.org/x/... \
	vendor/... crypto/... net os/... path/... time context reflect fmt log bufio io/... syscall unicode/... \
	internal/bisect internal/godebug internal/poll internal/strconv strconv \
	$(addprefix $(GO_OURS)/,cmd/... proto rpcd) \
	$(addprefix $(GO_OURS)/internal/,apply bypass clock daemon endpoint history hotplug link logline netifd resolve/... \
		state status support ubus)

# Of 32-bit MIPS routers the flash is the smallest, and the configuration too: nothing
# is inlined there, the runtime included. `make docs-size` has what both ways take;
# docs/performance.md says what they cost. ARCH is OpenWrt's name in both Makefiles.
GO_COLD_LIST  := $(GO_COLD:%=-gcflags=%=-l)
GO_COLD_FLAGS := $(if $(filter mips mipsel mips_% mipsel_%,$(ARCH)),-gcflags=all=-l,$(GO_COLD_LIST))
