# The version of all packages, as opkg and apk compare it. The release is the
# time of the commit, so that a package of a later one is an upgrade; a shallow
# clone, which is what feeds are, has that too.

PKG_VERSION:=0.1.0
PKG_RELEASE:=$(or $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M 2>/dev/null),1)
