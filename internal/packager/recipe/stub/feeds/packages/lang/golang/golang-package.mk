# What golang-package.mk of the packages feed does to a package, as far as the
# command goes: cgo on, and the C compiler links.

GO_ARCH_DEPENDS:=@(aarch64||arm||i386||i686||loongarch64||mips||mips64||mips64el||mipsel||riscv64||x86_64)

GO_PKG_TARGET_VARS=GOOS=linux CGO_ENABLED=1 GOMIPS=hardfloat CC="$(TARGET_CC)"
GO_PKG_BUILD_VARS=GOTOOLCHAIN=local
GO_PKG_VARS=$(GO_PKG_TARGET_VARS) $(GO_PKG_BUILD_VARS)
GO_PKG_DEFAULT_LDFLAGS=-linkmode external -extldflags '$(TARGET_LDFLAGS)'
GO_PKG_CUSTOM_LDFLAGS=$(GO_PKG_LDFLAGS) $(patsubst %,-X %,$(GO_PKG_LDFLAGS_X))
GO_PKG_INSTALL_ARGS=-v -buildvcs=false -trimpath \
	-ldflags "all=$(GO_PKG_DEFAULT_LDFLAGS)" \
	-ldflags "$(GO_PKG_CUSTOM_LDFLAGS) $(GO_PKG_DEFAULT_LDFLAGS)"

define GoPackage/Package/Install/Bin
	install -d -m0755 $(1)$(GO_PKG_INSTALL_BIN_PATH)
	install -m0755 $(GO_BUILD_BIN_DIR)/* $(1)$(GO_PKG_INSTALL_BIN_PATH)/
endef

define GoBinPackage
  ifndef Package/$(1)/install
    Package/$(1)/install=$$(call GoPackage/Package/Install/Bin,$$(1))
  endif
endef

.PHONY: go-command
go-command:
	@echo '$(subst ','\'',$(GO_PKG_VARS)) go install $(subst ','\'',$(GO_PKG_INSTALL_ARGS) $(GO_PKG_BUILD_PKG))'
