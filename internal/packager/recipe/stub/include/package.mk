# BuildPackage, as far as a package's description and its files go: `make describe`
# writes what the Makefile says into $(OUT)/PACKAGE/, a file for each field, and
# `make stage-PACKAGE` installs the files into $(STAGE)/PACKAGE.

STUB_FIELDS:=SECTION CATEGORY SUBMENU TITLE URL DEPENDS CONFLICTS PROVIDES REPLACES RECOMMENDS SUGGESTS PKGARCH VERSION MAINTAINER
STUB_TEXTS:=description conffiles preinst postinst prerm postrm

define stub-stage
.PHONY: stage-$(1)
stage-$(1):
	@mkdir -p $(STAGE)/$(1)
	$(call Package/$(1)/install,$(STAGE)/$(1))

endef

define BuildPackage
$(foreach field,$(STUB_FIELDS),$(eval $(field):=))
$(eval VERSION:=$(PKG_VERSION)-r$(PKG_RELEASE))
$(eval MAINTAINER:=$(PKG_MAINTAINER))
$(eval $(Package/$(1)))
$(shell mkdir -p $(OUT)/$(1))
$(foreach field,$(STUB_FIELDS),$(file >$(OUT)/$(1)/$(field),$($(field))))
$(file >$(OUT)/$(1)/LICENSE,$(PKG_LICENSE))
$(file >$(OUT)/$(1)/SOURCENAME,$(PKG_NAME))
$(foreach text,$(STUB_TEXTS),$(if $(filter undefined,$(origin Package/$(1)/$(text))),,$(file >$(OUT)/$(1)/$(text),$(Package/$(1)/$(text)))))
$(eval $(call stub-stage,$(1)))
endef
