# What the scripts of a package call of OpenWrt's /lib/functions.sh: services are
# enabled and started when their package comes, and stopped and disabled when it goes.

# each_service PACKAGE COMMAND...: call the init scripts of a package.
each_service() {
	local list="/usr/lib/opkg/info/$1.list" script
	shift
	for script in $(grep -s '^/etc/init.d/' "$list"); do
		"$script" "$@"
	done
}

package_of() {
	local name="${1##*/}"
	echo "${name%.*}"
}

default_postinst() {
	local name status=0
	name="$(package_of "$1")"
	if [ -f "$1-pkg" ]; then
		(. "$1-pkg")
		status=$?
	fi
	[ "$PKG_UPGRADE" = 1 ] || each_service "$name" enable
	each_service "$name" start
	return $status
}

default_prerm() {
	local name status=0
	name="$(package_of "$1")"
	if [ -f "$1-pkg" ]; then
		(. "$1-pkg")
		status=$?
	fi
	each_service "$name" stop
	[ "$PKG_UPGRADE" = 1 ] || each_service "$name" disable
	return $status
}
