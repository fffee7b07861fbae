#!/bin/busybox sh
# shellcheck shell=dash
# Runs on the small router: 1,000 peers with the kernel's WireGuard. It ends with
# a status other than 0 when something is not as it should be.

# step WHAT COMMAND...: runs a command and prints its time and its memory. Its
# output is in /tmp/out. busybox takes the kernel's kilobytes for pages of four,
# hence a quarter of what it says.
step() {
	what=$1
	shift
	/applets/time -v -o /tmp/time "$@" >/tmp/out 2>&1 || {
		echo "$what failed:"
		tail -n 20 /tmp/out
		exit 1
	}
	awk -v what="$what" '
		/Elapsed/ { elapsed = $NF }
		/User time/ { user = $NF }
		/System time/ { kernel = $NF }
		/Maximum resident/ { memory = $NF }
		END { printf "%-24s %9s (user %5.2f s, kernel %5.2f s), at most %4.1f MB resident\n", what, elapsed, user, kernel, memory / 4 / 1000 }
	' /tmp/time
}

# expect WHAT WANT HAVE: ends the run unless both are the same.
expect() {
	[ "$2" = "$3" ] || {
		echo "$1: want $2, have $3"
		exit 1
	}
}

routes() { ip route show dev wg0 | grep -c '^1[01]\.0\.'; }

awk '/^(MemTotal|MemAvailable)/ { printf "%s %.1f MB  ", $1, $2 / 1000 } END { print "" }' /proc/meminfo
step 'handler, dump' sh -c 'exec -a ./wgnetifd.sh /usr/sbin/wgnetifd "" dump'
step 'setup' wgnetifd up wg0
expect 'routes after setup' 1000 "$(routes)"
step 'unchanged' wgnetifd up wg0
step 'one peer changed' wgnetifd up --config /changed wg0
expect 'routes after the change' 1000 "$(routes)"
expect 'route of the changed peer' 1 "$(ip route show dev wg0 | grep -c '^11\.0\.')"
step 'status' wgnetifd status
expect 'peers in the status' 1000 "$(grep -c '^  @wireguard_wg0' /tmp/out)"
step 'status, JSON' wgnetifd status --json
expect 'peers in JSON' 1 "$(grep -c '"peers_total":1000' /tmp/out)"
awk '/^(MemTotal|MemAvailable)/ { printf "%s %.1f MB  ", $1, $2 / 1000 } END { print "" }' /proc/meminfo

# The daemon, without netifd: it applies the configuration at its start and at SIGHUP.
# within SECONDS COMMAND...: waits until a command succeeds.
within() {
	end=$(($(cut -d. -f1 /proc/uptime) + $1))
	shift
	until "$@"; do
		[ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || {
			echo "in vain: $*"
			tail -n 20 /tmp/daemon
			exit 1
		}
		sleep 0.1
	done
}
memory() {
	awk -v what="$1" '
		/^Vm(HWM|RSS)/ { kb[$1] = $2 }
		END { printf "%-24s %5.1f MB resident, at most %5.1f MB\n", what, kb["VmRSS:"] / 1000, kb["VmHWM:"] / 1000 }
	' "/proc/$daemon/status"
}
processor() { awk '{ printf "%.2f s of the processor\n", ($14 + $15) / 100 }' "/proc/$daemon/stat"; }
original() { ip route show dev wg0 | grep -q '^11\.0\.' && return 1 || return 0; }
changed() { ip route show dev wg0 | grep -q '^11\.0\.' && [ "$(routes)" = 1000 ]; } # the old one goes after the new one came

wgnetifd daemon --config /etc/config 2>/tmp/daemon &
daemon=$!
within 120 original
sleep 2
memory 'daemon, started'
processor
cp /changed/network /etc/config/network
kill -HUP "$daemon"
within 120 changed
memory 'daemon, after a reload'
processor
kill -TERM "$daemon"
wait "$daemon" || {
	echo "the daemon ended with status $?"
	exit 1
}
expect 'routes after the daemon' 1000 "$(routes)"
step 'teardown' wgnetifd down wg0
expect 'devices afterwards' 1 "$(find /sys/class/net -mindepth 1 | wc -l)"
