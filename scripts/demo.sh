#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A load balancer at work, on one host, in network namespaces of its own: real nginx servers behind Sluice, asked by
# curl and wrk over IPv4 and IPv6, through an ipip, a gue and an l2 pool. The agent is killed under load, and then a server;
# between them comes a table of who served how much. At the end all servers are restarted without a failed request.
#
#     demo.sh          shows it and takes everything down again
#     KEEP=1 demo.sh   leaves it up, to play with
#     demo.sh down     takes down what KEEP=1 left
#
#     client1 10.77.11.2 --.                  the balancer's segment, 10.77.1.0/24
#     client2 10.77.12.2 --- router --- bridge -+-- lb     .2     sluiced
#                              |                +-- red    .11    nginx, sluice-backend
#                              |                '-- green  .12    nginx, sluice-backend
#              10.77.2.0/24 ---+-- blue .11, nginx, sluice-backend
#              10.77.3.0/24 ---'-- gold .11, nginx, sluice-backend
#
# The router sends the VIPs (192.0.2.0/24, 2001:db8::/64) to lb; the servers answer the clients directly.

set -euo pipefail

readonly prefix=sluice-demo- run=/run/sluice-demo
readonly hosts="client1 client2 router lb red green blue gold" servers="red green blue gold"
root=$(cd "$(dirname "$0")/.." && pwd)
readonly root build=${BUILD:-$root/build}
readonly socket=$run/control.sock
declare -A vip=([ipip]=10 [gue]=20 [l2]=30) # last part of the VIPs of each pool

say() { printf '\n== %s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# in_ns HOST COMMAND...: not `ip netns exec`, which hides the bpffs behind a fresh /sys
in_ns() { local host=$1; shift; nsenter --net="/run/netns/$prefix$host" -- "$@"; }

# ip_ns HOST: runs the `ip` commands that come on standard input
ip_ns() { ip -n "$prefix$1" -batch -; }

# await SECONDS COMMAND...: until the command succeeds
await() {
	local end=$((SECONDS + $1)); shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

check_needs() {
	local tool file
	[[ $EUID -eq 0 ]] || die "needs root (network namespaces, XDP): sudo make demo"
	for tool in ip nsenter ethtool sysctl nginx curl wrk; do
		command -v "$tool" >/dev/null || die "$tool is missing: run scripts/deps.sh demo"
	done
	for file in sluiced sluice sluice-backend tests/pass.bpf.o; do
		[[ -e $build/$file ]] || die "$build/$file is missing: run make demo"
	done
}

# Processes in the demo's namespaces, which are all its own.
processes() {
	local host
	for host in $hosts; do
		[[ ! -e /run/netns/$prefix$host ]] || ip netns pids "$prefix$host"
	done
}

no_processes() { [[ -z $(processes) ]]; }

down() {
	local host
	processes | xargs -r kill -TERM 2>/dev/null || true
	await 3 no_processes || processes | xargs -r kill -KILL 2>/dev/null || true
	for host in $hosts; do
		[[ ! -e /run/netns/$prefix$host ]] || ip netns del "$prefix$host" || true
	done
	if mountpoint -q "$run/bpf"; then
		umount "$run/bpf" || true
	fi
	rm -rf --one-file-system "$run"
}

# Ends the demo whatever way it ends: done, failed, interrupted.
finish() {
	local status=$?
	trap - EXIT
	trap '' INT TERM
	if [[ $status -ne 0 && $status -lt 128 && -s $run/sluiced.log ]]; then
		printf '\nThe last lines of the log of sluiced:\n' >&2
		tail -n 15 "$run/sluiced.log" >&2
	fi
	if [[ ${KEEP:-0} != 0 && $status -eq 0 ]]; then
		what_to_try
	else
		down
	fi
	exit "$status"
}

make_host() {
	ip netns add "$prefix$1"
	# the ports: more than a run of wrk uses, so that none comes again while the server holds it in TIME_WAIT
	in_ns "$1" sysctl -qw net.ipv6.conf.{all,default}.accept_dad=0 net.ipv6.conf.default.accept_ra=0 \
		net.ipv4.conf.{all,default}.rp_filter=0 net.ipv4.ip_local_port_range="1024 65535"
	ip_ns "$1" <<<"link set lo up"
}

# connect HOST PORT_OPTIONS NETWORK NUMBER: a link to the router, and the host's addresses on it
connect() {
	local host=$1 options=$2 network=$3 number=$4
	ip_ns router <<-END
		link add $host type veth peer name eth0 netns $prefix$host
		link set $host $options
	END
	if [[ $host == lb ]]; then
		# without a program at the other end, what XDP sends into a veth is lost
		in_ns router ip link set dev lb xdpdrv obj "$build/tests/pass.bpf.o" sec xdp
	fi
	in_ns router ethtool -K "$host" tx off >/dev/null
	in_ns "$host" ethtool -K eth0 tx off >/dev/null
	[[ $options == *"mtu 1600"* ]] && ip_ns "$host" <<<"link set eth0 mtu 1600"
	ip_ns router <<<"link set $host up"
	ip_ns "$host" <<-END
		addr add 10.77.$network.$number/24 dev eth0
		addr add fd77:$network::$number/64 dev eth0 nodad
		link set eth0 up
		route add default via 10.77.$network.1
		route add default via fd77:$network::1
	END
}

# The links behind the balancer have a larger MTU, so that full packets fit with their outer header. (Where a network
# has no such MTU, `sluice-backend up --mss auto` makes the clients send smaller packets.)
make_network() {
	local host network
	for host in $hosts; do
		make_host "$host"
	done
	in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip_ns router <<-END
		link add segment type bridge forward_delay 0 mcast_snooping 0
		link set segment mtu 1600 up
	END
	connect lb "master segment mtu 1600" 1 2
	connect red "master segment mtu 1600" 1 11
	connect green "master segment mtu 1600" 1 12
	connect blue "mtu 1600" 2 11
	connect gold "mtu 1600" 3 11
	connect client1 "mtu 1500" 11 2
	connect client2 "mtu 1500" 12 2
	for network in segment:1 blue:2 gold:3 client1:11 client2:12; do
		ip_ns router <<-END
			addr add 10.77.${network#*:}.1/24 dev ${network%:*}
			addr add fd77:${network#*:}::1/64 dev ${network%:*} nodad
		END
	done
	ip_ns router <<-END
		route add 192.0.2.0/24 via 10.77.1.2
		route add 2001:db8::/64 via fd77:1::2
	END
}

run_server() {
	rm -f "$run/$1/pid"
	setsid nsenter --net="/run/netns/$prefix$1" -- nginx -c "$run/$1/nginx.conf" -p "$run/$1" \
		-e "$run/$1/error.log" </dev/null >>"$run/$1/nginx.log" 2>&1 &
	disown
	await 10 test -s "$run/$1/pid" || die "nginx does not start on $1: $(<"$run/$1/nginx.log")"
}

start_server() {
	local host=$1 pool vips=()
	mkdir "$run/$host"
	cat >"$run/$host/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		pid $run/$host/pid;
		error_log $run/$host/error.log;
		events { worker_connections 4096; }
		http {
			log_format uri '\$request_uri';
			access_log $run/$host/access.log uri;
			client_body_temp_path $run/$host/body;
			proxy_temp_path $run/$host/proxy;
			fastcgi_temp_path $run/$host/fastcgi;
			uwsgi_temp_path $run/$host/uwsgi;
			scgi_temp_path $run/$host/scgi;
			default_type text/plain;
			keepalive_requests 200; # of a connection: they end by themselves
			server {
				listen 80 backlog=4096;
				listen [::]:80 backlog=4096;
				location / { return 200 "$host\n"; }
			}
		}
	END
	run_server "$host"
	for pool in "${!vip[@]}"; do
		vips+=(--vip "192.0.2.${vip[$pool]}" --vip "2001:db8::${vip[$pool]}")
	done
	in_ns "$host" "$build/sluice-backend" up "${vips[@]}" --from 10.77.0.0/16 --from fd77::/16 --interface eth0 \
		--mss off --state "$run/$host/state.json" >"$run/$host/up.log" ||
		die "sluice-backend up failed on $host: see above"
}

write_config() {
	cat >"$run/sluice.yaml" <<-END
		interfaces:
		  - {name: eth0, mode: native}
		hash_key: "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
		defaults:
		  probe: {type: http, path: /probe, interval: 300ms, timeout: 300ms, rise: 2, fall: 3} # busy hosts are slow
		  transition: {window: 3s, udp_window: 1s, idle: 60s} # short, for a demo
		pools:
		  ipip:
		    forward: ipip
		    backends:
		      - {name: red, address: 10.77.1.11, weight: 100}
		      - {name: green, address: 10.77.1.12, weight: 100}
		      - {name: blue, address: 10.77.2.11, weight: 200}
		      - {name: gold, address: 10.77.3.11, weight: 50}
		  gue:
		    forward: gue
		    backends:
		      - {name: red, address: "fd77:1::11", weight: 50}
		      - {name: green, address: "fd77:1::12", weight: 100}
		      - {name: blue, address: "fd77:2::11", weight: 100}
		      - {name: gold, address: "fd77:3::11", weight: 150}
		  l2:
		    forward: l2
		    backends:
		      - {name: red, address: 10.77.1.11, weight: 100}
		      - {name: green, address: 10.77.1.12, weight: 300}
		services:
		  over-ipip: {address: [192.0.2.${vip[ipip]}, "2001:db8::${vip[ipip]}"], ports: [80/tcp], pool: ipip}
		  over-gue: {address: [192.0.2.${vip[gue]}, "2001:db8::${vip[gue]}"], ports: [80/tcp], pool: gue}
		  over-l2: {address: [192.0.2.${vip[l2]}, "2001:db8::${vip[l2]}"], ports: [80/tcp], pool: l2}
	END
}

sluice() { in_ns lb "$build/sluice" --socket "$socket" "$@"; }
all_resolved() { sluice --json show backends | grep -q '"resolved": *true' &&
	! sluice --json show backends | grep -q '"resolved": *false'; }

all_up() { ! sluice --json show backends | grep -q '"state": *"down"'; }

started() { ! kill -0 "$balancer" || sluice status; } # or has ended already

start_balancer() {
	setsid nsenter --net="/run/netns/${prefix}lb" -- "$build/sluiced" --config "$run/sluice.yaml" --socket "$socket" \
		--state "$run/state" --bpffs "$run/bpf/sluice" </dev/null >>"$run/sluiced.log" 2>&1 &
	balancer=$!
	disown
	await 10 started || true
	sluice status >/dev/null || die "sluiced did not start"
	await 10 all_resolved || die "sluiced does not find the way to all backends: $(sluice show backends)"
	await 10 all_up || die "not all backends pass their probes: $(sluice show backends)"
}

url() { # POOL FAMILY
	if [[ $2 == 4 ]]; then
		echo "http://192.0.2.${vip[$1]}/$1-$2"
	else
		echo "http://[2001:db8::${vip[$1]}]/$1-$2"
	fi
}

failures=0
failed() { failures=$((failures + 1)); printf '   FAILED: %s\n' "$*"; }

# 50 requests with curl, over a connection each
run_curl() {
	local target answers
	target=$(url "$1" "$2")
	if ! answers=$(in_ns client1 curl -sS --fail --noproxy '*' --max-time 5 -H 'Connection: close' -w '' \
		"$target-curl-[1-50]" 2>&1); then
		failed "curl $target: $(grep curl: <<<"$answers" | head -n 1)"
	fi
	printf '   curl, IPv%s: %s\n' "$2" "$(sort <<<"$answers" | uniq -c | awk '{ printf "%s %s times  ", $2, $1 }')"
}

# Why requests to a pool may have failed: what the balancer saw, and what the hosts' TCP counted.
clues() {
	local host
	sluice show events "$1" | tail -n 5 | sed 's/^/      /'
	sluice show drops | sed 's/^/      /'
	for host in client2 $servers; do
		printf '      %s: %s\n' "$host" "$(in_ns "$host" cat /proc/net/{snmp,netstat} | awk '
			!($1 in names) { names[$1] = $0; next }
			{
				split(names[$1], name)
				for (i = 2; i <= NF; i++)
					if (name[i] ~ /Rst|Abort|Overflow|PAWS|Drop|RetransSegs|TimeWait/ && $i > 0)
						printf "%s %s  ", name[i], $i
			}')"
	done
}

check_wrk() { # POOL FAMILY OUTPUT [HOW]
	if grep -qE 'Socket errors|Non-2xx' <<<"$3" || ! grep -q 'requests in' <<<"$3"; then
		failed "wrk $(url "$1" "$2"): $(grep -E 'Socket errors|Non-2xx|unable' <<<"$3" | xargs)"
		clues "$1"
	fi
	printf '   wrk,  IPv%s: %s requests, %s\n' "$2" "$(awk '/requests in/ { print $1 }' <<<"$3")" \
		"${4:-a connection each}"
}

run_wrk() { # POOL FAMILY SECONDS
	in_ns client2 wrk -t1 -c16 -d"$3" --timeout 5s -H 'Connection: close' "$(url "$1" "$2")-wrk" 2>&1 || true
}

# The agent is killed while wrk runs: the dataplane goes on without it, and a new agent takes over.
kill_agent() {
	local output
	run_wrk gue 6 4 >"$run/wrk.log" &
	output=$!
	sleep 1
	kill -KILL "$balancer"
	printf '   sluiced is dead (SIGKILL), wrk goes on ...\n'
	sleep 1
	start_balancer
	printf '   ... and here is a new one, that took over what runs\n'
	wait "$output"
	check_wrk gue 6 "$(<"$run/wrk.log")"
}

# The moment of the last event of a kind for a backend, in ms since 1970; none yet: 0
event_moment() { # KIND POOL BACKEND
	local when
	when=$(sluice --json show events "$2" "$3" | tr -d '\n' | sed 's/} *, *{/}\n{/g' | grep "\"event\": *\"$1\"" |
		tail -n 1 | sed -n 's/.*"time": *"\([^"]*\)".*/\1/p')
	if [[ -n $when ]]; then date -d "$when" +%s%3N; else echo 0; fi
}

event_since() { (($(event_moment "$2" "$3" "$4") >= $1)); } # MOMENT KIND POOL BACKEND

# A server is killed and started again while wrk runs: probes find out, and the others serve.
fail_over() {
	local output killed started errors
	run_wrk ipip 4 6 >"$run/wrk.log" &
	output=$!
	sleep 1
	killed=$(date +%s%3N)
	stop_server blue
	if ! await 5 event_since "$killed" backend_down ipip blue; then
		failed "blue was killed, and the probes did not find out"
		return
	fi
	printf '   blue is dead (SIGKILL). %s ms later no packet went there any more:\n      %s\n' \
		"$(($(event_moment backend_down ipip blue) - killed))" "$(last_text ipip blue)"
	sleep 1
	started=$(date +%s%3N)
	run_server blue
	await 10 event_since "$started" backend_up ipip blue || failed "blue was started again, and did not come back"
	printf '   blue was started again, and after %s ms it had its share again\n' \
		"$(($(event_moment backend_up ipip blue) - started))"
	wait "$output"
	errors=$(awk '/Socket errors/ { gsub(/[^0-9 ]/, ""); print $1 + $2 + $3 + $4 }' "$run/wrk.log")
	printf '   wrk: %s requests, of which %s failed: connections to the dead server\n' \
		"$(awk '/requests in/ { print $1 }' "$run/wrk.log")" "${errors:-0}"
}

stop_server() { ip netns pids "$prefix$1" | xargs kill -KILL; }

# The server is drained, stopped and started: its connections end by themselves, and new ones go to the others.
restart_server() {
	local began=$SECONDS
	if ! sluice backend drain gue "$1" --wait >"$run/drain.log" 2>&1; then
		failed "$1 was not drained: $(<"$run/drain.log")"
		return
	fi
	printf '   %s has drained, its last connection ended within %s s.' "$1" "$((SECONDS - began))"
	stop_server "$1"
	run_server "$1"
	sluice backend ready gue "$1" >/dev/null
	printf ' It was stopped and started, and gets new ones again\n'
	await 10 all_up || failed "$1 was started again, and did not come back"
}

# All servers are restarted while wrk runs, over connections that it keeps until the server ends them.
restart_all() {
	local load server
	echo 'function delay() return math.random(0, 8) end' >"$run/paced.lua" # milliseconds: the servers are not all busy
	nsenter --net="/run/netns/${prefix}client2" -- wrk -t1 -c16 -d1h --timeout 5s -s "$run/paced.lua" \
		"$(url gue 4)-restarts" >"$run/wrk.log" 2>&1 &
	load=$!
	for server in $servers; do
		restart_server "$server"
	done
	kill -INT "$load"
	wait "$load" || true
	check_wrk gue 4 "$(<"$run/wrk.log")" "over connections that last"
}

last_text() { # POOL BACKEND
	sluice --json show events "$1" "$2" | tr -d '\n' | sed 's/} *, *{/}\n{/g' | tail -n 1 |
		sed -n 's/.*"text": *"\([^"]*\)".*/\1/p'
}

# "POOL BACKEND SHARE" of every backend, as the balancer's tables have it
wanted_shares() {
	sluice --json show backends | tr -d '\n' | sed 's/} *, *{/}\n{/g' |
		sed -n 's/.*"pool": *"\([^"]*\)".*"name": *"\([^"]*\)".*"share": *\([0-9.e-]*\).*/\1 \2 \3/p'
}

report() {
	local pool family server
	wanted_shares >"$run/wanted"
	for pool in ipip gue l2; do
		for family in 4 6; do
			for server in $servers; do
				echo "$pool $family $server $(grep -c "^/$pool-$family-" "$run/$server/access.log" || true)"
			done
		done
	done >"$run/served"
	awk '
		FNR == NR { wanted[$1, $2] = $3; next }
		{ row[++rows] = $0; sum[$1, $2] += $4 }
		END {
			printf "%-6s %-5s %-8s %10s %8s %8s\n", "POOL", "VIP", "BACKEND", "REQUESTS", "SHARE", "WANTED"
			for (i = 1; i <= rows; i++) {
				split(row[i], f, " ")
				if (!((f[1], f[3]) in wanted) && f[4] == 0)
					continue
				printf "%-6s IPv%-2s %-8s %10d %7.1f%% %7.1f%%\n", f[1], f[2], f[3], f[4],
					sum[f[1], f[2]] ? 100 * f[4] / sum[f[1], f[2]] : 0, 100 * wanted[f[1], f[3]]
			}
		}' "$run/wanted" "$run/served"
}

what_to_try() {
	cat <<-END

		It is still up. Try, as root:
		    nsenter --net=/run/netns/${prefix}client1 curl http://192.0.2.${vip[gue]}/
		    nsenter --net=/run/netns/${prefix}client1 wrk -c16 -d10 'http://[2001:db8::${vip[ipip]}]/'
		    $build/sluice --socket $socket status
		    $build/sluice --socket $socket show backends --watch
		    \$EDITOR $run/sluice.yaml; $build/sluice --socket $socket reload
		    $build/sluice --socket $socket show drops
		    less $run/sluiced.log
		and to take it down:
		    $root/scripts/demo.sh down
	END
}

demo() {
	local pool family
	say "Eight hosts: two clients, a router, the balancer, four servers"
	mkdir "$run/bpf"
	mount -t bpf none "$run/bpf" # first: ip(8) would mount one on /sys/fs/bpf, and leave it, if it found none
	make_network
	for host in $servers; do
		start_server "$host"
	done
	say "sluiced, with three pools: ipip, gue (over IPv6) and l2"
	write_config
	start_balancer
	sluice status
	for pool in ipip gue l2; do
		say "Requests through the $pool pool"
		for family in 4 6; do
			run_curl "$pool" "$family"
			check_wrk "$pool" "$family" "$(run_wrk "$pool" "$family" 3)"
		done
	done
	say "The agent dies under load"
	kill_agent
	say "Who served how much, by the servers' own logs"
	report
	say "A server dies under load, and comes back"
	fail_over
	say "All servers are restarted under load, one after the other"
	restart_all
	if ((failures)); then
		printf '\n%s\n' "$failures of the runs above had failed requests." >&2
		return 1
	fi
	printf '\nNo request failed but those to the dead server, before the probes found it out.\n'
}

case ${1:-} in
"") ;;
down)
	[[ $EUID -eq 0 ]] || die "needs root"
	down
	exit
	;;
*)
	echo "usage: [KEEP=1] demo.sh [down]" >&2
	exit 2
	;;
esac

check_needs
mkdir "$run" 2>/dev/null || die "a demo is up already, or its remains are ($run): scripts/demo.sh down"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
demo
