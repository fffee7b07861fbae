# wgnetifd: build, tests and checks. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The tools of `make lint`. They run at these versions by `go run`, so that
# go.mod holds what the product stands on and nothing else. shellcheck is
# Debian's: no module proxy has it, and an older one misses what this one finds.
GOFUMPT        := go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK    := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
SHELLCHECK_MIN := 0.9.0

# The packages whose bytes must not depend on the machine: their tests run on
# 32-bit big-endian MIPS too, which is what many routers are.
BIG_ENDIAN_PACKAGES := ./uci/... ./internal/plan/... ./internal/ubus/blobmsg/... ./internal/ubus/wire/... \
	./internal/state/... ./internal/clock ./internal/status ./internal/history ./internal/logline ./rpcd ./proto
BIG_ENDIAN          := GOOS=linux GOARCH=mips GOMIPS=softfloat CGO_ENABLED=0

# Tests that mount file systems: the emulator makes no namespaces for that.
BIG_ENDIAN_SKIP := ^Test(DiskFull|ReadOnlyFile)$$

# The tests of netlink's messages, in packages whose other tests need a kernel.
MESSAGE_PACKAGES := ./internal/wgdev ./internal/rtnl
MESSAGE_TESTS    := ^Test(Parse.*|ReadRequest|ReadInterrupted|ReadErrors|NoFamily|ActualOf|UserError|EndpointAttributes|Message|Hops)$$

# The whole program runs emulated on each kind of processor that routers have,
# the oldest of its kind that we build for.
TEST_ARCH := mips_24kc mipsel_24kc arm_arm926ej-s aarch64_generic riscv64_generic

# The packages whose tests meet the kernel's own WireGuard, in virtual machines,
# and Debian's packages of the kernels: 6.1 and 6.12.
KERNEL_PACKAGES := ./internal/link ./internal/rtnl ./internal/bypass ./internal/wgdev ./test/netns ./test/integration
KERNELS         ?= linux-image-cloud-amd64,linux-image-6.12-cloud-amd64

# OpenWrt's programs that `make test-openwrt` meets.
OPENWRT_PROGRAMS := ubusd ubus netifd rpcd uci

# What a binary for a small router may take: bytes raw, and as `xz -9`.
SIZE_ARCH  ?= mipsel_24kc
SIZE_LIMIT := 5700000
XZ_LIMIT   := 1220000
IPK_LIMIT  := 1600000
SIZE_IPK   := build/size/opkg/mipsel_24kc/wgnetifd_*_mipsel_24kc.ipk

BENCH    ?= .
FUZZTIME ?= 10s

# Packages tested side by side; the namespaces and the userspace WireGuard of
# one want a core each.
TEST_PARALLEL ?= 2
TEST_FLAGS    := -vet=off -count=1 -timeout 10m -p $(TEST_PARALLEL)

# The same source, version and Go make the same binary, byte for byte, wherever
# it is built: no path, no build id, no state of the checkout is in it. The flags
# are shared with the feed's Makefile.
include scripts/flags.mk
export GOFLAGS := -buildvcs=false
VERSION        ?= $(or $(if $(wildcard .git),$(shell git describe --tags --always --dirty 2>/dev/null | sed 's/^v//')),unknown)
LDFLAGS        := $(GO_LINK_FLAGS) -X main.version=$(VERSION) -X $(GO_LINK_BUILT)
GCFLAGS        := $(GO_COLD_FLAGS)

# One table says what each OpenWrt architecture is built with.
ARCH_TABLE := scripts/openwrt-arch.txt
ifneq ($(ARCH),)
  BUILD_ENV := $(shell awk -v arch='$(ARCH)' '$$1 == arch { $$1 = "GOOS=linux"; print }' $(ARCH_TABLE))
  ifeq ($(BUILD_ENV),)
    $(error ARCH=$(ARCH) is not an OpenWrt architecture that Go builds for; known: $(shell awk '!/^(#|$$)/ { print $$1 }' $(ARCH_TABLE)))
  endif
  # The garbage collector that came with Go 1.26 is for many processors and large
  # heaps. Go 1.26 still has the one before, which is 9 KB smaller as .ipk.
  ifneq ($(filter mips_% mipsel_%,$(ARCH)),)
    BUILD_ENV += $(if $(filter go1.26%,$(shell go env GOVERSION)),GOEXPERIMENT=nogreenteagc)
  endif
  BIN := bin/$(ARCH)
else
  BIN := bin
endif

# $(call go-test,ENVIRONMENT,FLAGS AND PACKAGES): go test, then what it skipped,
# which go test itself does not show of a package that passes.
define go-test
	@mkdir -p bin; rm -f bin/$@.skipped
	@echo '$(1) go test $(TEST_FLAGS) $(2)'; \
	$(1) WGNETIFD_SKIP_LOG='$(CURDIR)/bin/$@.skipped' go test $(TEST_FLAGS) $(2) || status=$$?; \
	if [ -s bin/$@.skipped ]; then echo 'skipped in $@:'; sed 's/^/  /' bin/$@.skipped; fi; \
	exit $${status:-0}
endef

.PHONY: build
build: ## bin/wgnetifd; with ARCH=NAME (as OpenWrt names it) bin/NAME/wgnetifd
	$(BUILD_ENV) CGO_ENABLED=0 go build -trimpath $(GCFLAGS) -ldflags '$(LDFLAGS)' -o $(BIN)/wgnetifd ./cmd/wgnetifd

.PHONY: cross
cross: ## bin/NAME/wgnetifd for every OpenWrt architecture
	for arch in $$(awk '!/^(#|$$)/ { print $$1 }' $(ARCH_TABLE)); do \
		$(MAKE) --no-print-directory build ARCH=$$arch; \
	done

.PHONY: setup
setup: ## install what tests, checks and demo need (as root; else say what is missing)
	@scripts/setup

# The part of it that making packages needs, and the part that the demo does.
.PHONY: setup-packages setup-demo
setup-packages setup-demo:
	@scripts/setup $(@:setup-%=%)

.PHONY: test
test: test-race test-luci test-big-endian test-arch test-kernel test-router ## all tests: with -race, on big-endian MIPS, on Debian's kernels

.PHONY: test-race
test-race: setup
	$(call go-test,CGO_ENABLED=1,-race ./...)

# What the tests of LuCI's pages and eslint take from npm, at the versions of the
# lock file. npm writes the file that stands for it here when it is done.
NODE_MODULES := test/luci/node_modules/.package-lock.json

$(NODE_MODULES): test/luci/package.json test/luci/package-lock.json | setup
	cd test/luci && ../../scripts/again npm ci --no-audit --no-fund
	@touch $@

.PHONY: test-luci
test-luci: setup build $(NODE_MODULES) ## LuCI's pages, in Chromium; with LUCI_ROOT=DIR on LuCI's own modules
	go build -o bin/luci-serve ./test/luci/serve
	@mkdir -p bin; rm -f bin/$@.skipped
	@WGNETIFD_SKIP_LOG='$(CURDIR)/bin/$@.skipped' test/luci/run

.PHONY: test-big-endian
test-big-endian: setup
	$(call go-test,$(BIG_ENDIAN),-exec "qemu-mips-static -E GOMAXPROCS=1" -skip "$(BIG_ENDIAN_SKIP)" $(BIG_ENDIAN_PACKAGES))
	$(call go-test,$(BIG_ENDIAN),-exec "qemu-mips-static -E GOMAXPROCS=1" -run "$(MESSAGE_TESTS)" $(MESSAGE_PACKAGES))

.PHONY: test-arch
test-arch: setup ## the program on emulated mips, mipsel, arm, aarch64, riscv64
	@for arch in $(TEST_ARCH); do $(MAKE) --no-print-directory build ARCH=$$arch; done
	$(call go-test,CGO_ENABLED=0 WGNETIFD_ARCH="$(TEST_ARCH)",./test/arch)

.PHONY: test-kernel
test-kernel: setup ## the tests that meet the kernel's own WireGuard, in virtual machines
	go run ./test/vm -kernels $(KERNELS) $(KERNEL_PACKAGES)

.PHONY: test-router
test-router: setup ## 1,000 peers on an emulated small router: mipsel, 64 MB, the kernel's WireGuard
	@$(MAKE) --no-print-directory build ARCH=mipsel_24kc
	go run ./test/vm -router bin/mipsel_24kc/wgnetifd

.PHONY: test-openwrt
test-openwrt: setup ## the tests that meet OpenWrt's own programs, which have to be on PATH
	@missing=; for program in $(OPENWRT_PROGRAMS); do \
		command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "test-openwrt: not on PATH:$$missing (build them from OpenWrt's sources)" >&2; exit 1; \
	fi
	$(call go-test,CGO_ENABLED=1 WGNETIFD_OPENWRT=1,-race ./...)

# The keys of the feeds are nobody's but yours, and not in the checkout.
FEED_KEY      ?= $(HOME)/.config/wgnetifd/feed-key
PACKAGES      ?= build/packages
MKPACKAGES    := go run ./openwrt-feed/mkpackages -keys "$(FEED_KEY)" -out "$(PACKAGES)"
PACKAGE_FLAGS ?=

.PHONY: packages
packages: setup-packages ## .ipk, .apk and feeds of every OpenWrt architecture (ARCHS='NAME...'), in build/packages
	$(MKPACKAGES) $(PACKAGE_FLAGS) build $(ARCHS)

.PHONY: test-packages
test-packages: setup packages ## install and remove every package that `make packages` makes (ARCHS='NAME...')
	$(call go-test,CGO_ENABLED=0 WGNETIFD_PACKAGES="$(abspath $(PACKAGES))",./test/install)

.PHONY: feed-key
feed-key: ## the keys that sign your feeds, in FEED_KEY (~/.config/wgnetifd/feed-key)
	@$(MKPACKAGES) key

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

.PHONY: demo
demo: setup-demo build ## the main job, in network namespaces: router, client, ping, status
	go build -o bin/demo ./test/demo
	@exec bin/demo

.PHONY: bench
bench: setup build ## benchmarks (BENCH=regexp), start time, binary size
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m $$(go list ./... | grep -v '/test/scale$$') # bench-scale has its own
	scripts/start-time bin/wgnetifd
	@$(MAKE) --no-print-directory size

.PHONY: bench-scale
bench-scale: setup ## how the work grows with peers, on the kernel's own WireGuard in a virtual machine
	go run ./test/vm -timeout 80m -kernels linux-image-6.12-cloud-amd64 -bench '$(or $(SCALE),Scale)' -benchtime '$(or $(SCALE_TIME),3x)' ./test/scale

.PHONY: bench-upstream
bench-upstream: build ## race against upstream's handlers, where OpenWrt's programs are (RACE_FLAGS)
	CGO_ENABLED=0 go build -o bin/race ./test/race
	bin/race $(RACE_FLAGS)

.PHONY: bench-upstream-kernel
bench-upstream-kernel: setup build ## the same with the kernel's own WireGuard, in a virtual machine
	CGO_ENABLED=0 go build -o bin/race ./test/race
	go run ./test/vm -timeout 4h -kernels linux-image-6.12-cloud-amd64 -race bin/race -- $(RACE_FLAGS)

.PHONY: size
size: setup ## size of the binary on small routers (SIZE_ARCH), held to its limits
	@for arch in $(SIZE_ARCH); do $(MAKE) --no-print-directory build ARCH=$$arch; done
	@rm -rf build/size
	@$(MKPACKAGES) -out build/size build mipsel_24kc >/dev/null
	@REASON= scripts/size $(SIZE_LIMIT) $(XZ_LIMIT) $(IPK_LIMIT) scripts/size.txt $(SIZE_ARCH:%=bin/%/wgnetifd) $(SIZE_IPK)

.PHONY: size-record
size-record: setup ## record the size as it is now: REASON='what the program grew for'
	@[ -n "$(REASON)" ] || { echo "size-record: say REASON='what the program grew for'" >&2; exit 1; }
	@for arch in $(SIZE_ARCH); do $(MAKE) --no-print-directory build ARCH=$$arch; done
	@REASON="$(REASON)" scripts/size $(SIZE_LIMIT) $(XZ_LIMIT) $(IPK_LIMIT) scripts/size.txt $(SIZE_ARCH:%=bin/%/wgnetifd)

.PHONY: docs-size
docs-size: setup ## write the sizes into docs/performance.md (builds all architectures)
	go run ./test/size

.PHONY: docs-packages
docs-packages: setup ## write the sizes of the packages into README.md (builds all architectures)
	$(MKPACKAGES) $(PACKAGE_FLAGS) sizes

.PHONY: docs
docs: ## write the option table of README.md from the schema
	go run ./test/docs

.PHONY: fmt
fmt: ## format the Go files
	$(GOFUMPT) -w .

.PHONY: lint
lint: lint-gofumpt lint-vet lint-staticcheck lint-shellcheck lint-js lint-skip ## all checks of the source

.PHONY: lint-gofumpt
lint-gofumpt:
	@echo 'gofumpt'
	@scripts/again $(GOFUMPT) -version >/dev/null
	@diff=$$($(GOFUMPT) -d .) && [ -z "$$diff" ] || \
		{ printf '%s\n' "$$diff"; echo 'lint: run `make fmt`' >&2; exit 1; }

# The second run finds what does not compile, or overflows, on 32 bits.
.PHONY: lint-vet
lint-vet:
	go vet ./...
	$(BIG_ENDIAN) go vet ./...

.PHONY: lint-staticcheck
lint-staticcheck:
	@scripts/again $(STATICCHECK) -version >/dev/null
	$(STATICCHECK) ./...

.PHONY: lint-shellcheck
lint-shellcheck: setup
	@have=$$(shellcheck --version | sed -n 's/^version: //p'); \
	printf '%s\n' $(SHELLCHECK_MIN) "$$have" | sort -V -C || \
		{ echo "lint: shellcheck $$have is older than $(SHELLCHECK_MIN)" >&2; exit 1; }
	shellcheck $$(grep -rlE --exclude-dir=testdata --exclude-dir=node_modules '^#!.*\b(ba|da)?sh\b' .ci scripts test)

# eslint takes the folder that it is started in for the root of its patterns.
.PHONY: lint-js
lint-js: $(NODE_MODULES)
	test/luci/node_modules/.bin/eslint --max-warnings 0 --config test/luci/eslint.config.mjs luci-app test/luci

# A skip that CI cannot forbid is a test that nobody misses.
.PHONY: lint-skip
lint-skip:
	@echo 'tests are skipped by test/need alone'
	@! grep -rnE --include='*.go' --exclude-dir=need --exclude-dir=node_modules '\b(t|tb|b|f)\.Skip(f|Now)?\(' . || \
		{ echo 'lint: say it with test/need (in a fuzz target: return)' >&2; exit 1; }

.PHONY: clean
clean: ## remove what was built
	rm -rf bin build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-21s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
