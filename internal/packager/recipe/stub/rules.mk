# What a package's Makefile takes from OpenWrt's rules.mk.

INCLUDE_DIR:=$(TOPDIR)/include
BUILD_DIR:=$(STAGE)/build
GO_BUILD_BIN_DIR:=$(BINARIES)

space:=$(subst ,, )
comma:=,

CP:=cp -fpR
LN:=ln -sf
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644
INSTALL_CONF:=install -m0600

.PHONY: describe
describe:
