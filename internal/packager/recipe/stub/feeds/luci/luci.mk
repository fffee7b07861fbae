# What luci.mk of LuCI's feed makes a package of: the folders htdocs, root, ucode
# and the translations, each of which is a package of its own.

LUCI_NAME?=$(notdir $(CURDIR))
LUCI_TYPE?=$(word 2,$(subst -, ,$(LUCI_NAME)))
LUCI_BASENAME?=$(patsubst luci-$(LUCI_TYPE)-%,%,$(LUCI_NAME))
LUCI_LANGUAGES:=$(sort $(filter-out templates,$(notdir $(wildcard $(CURDIR)/po/*))))

# The languages whose names LuCI's packages spell otherwise than the folders.
LUCI_LC_ALIAS.bn_BD=bn
LUCI_LC_ALIAS.nb_NO=no
LUCI_LC_ALIAS.pt_BR=pt-br
LUCI_LC_ALIAS.zh_Hans=zh-cn
LUCI_LC_ALIAS.zh_Hant=zh-tw
LUCI_LANG.de=Deutsch (German)

PKG_NAME?=$(LUCI_NAME)
PKG_RELEASE?=1

include $(INCLUDE_DIR)/package.mk

define Package/$(PKG_NAME)
  SECTION:=luci
  CATEGORY:=LuCI
  TITLE:=$(if $(LUCI_TITLE),$(LUCI_TITLE),LuCI $(LUCI_NAME))
  DEPENDS:=$(LUCI_DEPENDS)
  PKGARCH:=$(or $(LUCI_PKGARCH),all)
  PROVIDES:=$(PKG_PROVIDES)
  URL:=$(LUCI_URL)
  MAINTAINER:=$(LUCI_MAINTAINER)
endef

ifneq ($(LUCI_DESCRIPTION),)
define Package/$(PKG_NAME)/description
$(strip $(LUCI_DESCRIPTION))
endef
endif

define Package/$(PKG_NAME)/install
	for dir in htdocs:www root: ucode:usr/share/ucode/luci; do \
		[ -d "$(CURDIR)/$$$${dir%:*}" ] || continue; \
		mkdir -p "$(1)/$$$${dir#*:}"; \
		cp -pR "$(CURDIR)/$$$${dir%:*}/." "$(1)/$$$${dir#*:}/"; \
	done
endef

ifndef Package/$(PKG_NAME)/postinst
define Package/$(PKG_NAME)/postinst
[ -n "$${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache.*
	rm -rf /tmp/luci-modulecache/
	/etc/init.d/rpcd reload 2>/dev/null
	exit 0
}
endef
endif

# po2lmo of LuCI compiles a catalogue; here the packager does that, of the copy.
PO2LMO:=cp

# $(call LuciTranslation,CODE,FOLDER)
define LuciTranslation
define Package/luci-i18n-$(LUCI_BASENAME)-$(1)
  SECTION:=luci
  CATEGORY:=LuCI
  TITLE:=$(PKG_NAME) - $(1) translation
  DEPENDS:=$(PKG_NAME)
  PKGARCH:=all
endef

define Package/luci-i18n-$(LUCI_BASENAME)-$(1)/description
Translation for $(PKG_NAME) - $(LUCI_LANG.$(2))
endef

define Package/luci-i18n-$(LUCI_BASENAME)-$(1)/install
	install -d -m0755 $$(1)/etc/uci-defaults $$(1)/usr/lib/lua/luci/i18n
	echo "uci set luci.languages.$(subst -,_,$(1))='$(LUCI_LANG.$(2))'; uci commit luci" \
		>$$(1)/etc/uci-defaults/luci-i18n-$(LUCI_BASENAME)-$(1)
	$(foreach po,$(wildcard $(CURDIR)/po/$(2)/*.po),\
		$(PO2LMO) $(po) $$(1)/usr/lib/lua/luci/i18n/$(basename $(notdir $(po))).$(1).lmo;)
endef

STUB_PACKAGES+=luci-i18n-$(LUCI_BASENAME)-$(1)
endef

# LuCI's file passes over a folder that it has no language for; here a translation
# must not get lost.
STUB_PACKAGES:=$(PKG_NAME)
$(foreach lang,$(LUCI_LANGUAGES),\
	$(if $(LUCI_LANG.$(lang)),,$(error po/$(lang): give the stub's luci.mk the name of this language, as in LuCI's own luci.mk))\
	$(eval $(call LuciTranslation,$(firstword $(LUCI_LC_ALIAS.$(lang)) $(lang)),$(lang))))
$(foreach pkg,$(STUB_PACKAGES),$(eval $(call BuildPackage,$(pkg))))
