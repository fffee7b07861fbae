# What all packages share. The release is the time of the commit, so that a package
# of a later one is an upgrade, for opkg and apk alike; a shallow clone, which is
# what feeds are, has that too.

PKG_VERSION:=0.1.0
PKG_RELEASE:=$(or $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M 2>/dev/null),1)
PKG_LICENSE:=Apache-2.0
PKG_LICENSE_FILES:=LICENSE
PKG_MAINTAINER:=The wgnetifd authors <wgnetifd@users.noreply.github.com>
