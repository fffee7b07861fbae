#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a machine. It loads the modules, runs /command, and says
# on the second serial port when that begins and how it ended; the first has the
# kernel's log.
/bin/busybox mkdir -p /applets /proc /sys /dev /run /tmp
/bin/busybox --install -s /applets
/bin/busybox ln -s busybox /bin/sh
# Last: a program of the machine's own, such as ip, is not busybox's. This shell,
# though, runs busybox's applets before it looks at PATH.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/applets HOME=/root

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
chmod 1777 /tmp
mkdir -p /root /var /dev/net
ln -sfn /run /var/run
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200

tty=/dev/ttyS1
stty -F "$tty" raw
exec <>"$tty" >&0 2>&1

status=0
while read -r module; do
	insmod "/modules/$module" || status=125
done </modules/order
ip link set lo up

if [ "$status" -eq 0 ]; then
	echo "vm: runs $(uname -r)"
	/bin/busybox sh /command </dev/null || status=$?
fi
echo "vm: exit $status"
reboot -f
