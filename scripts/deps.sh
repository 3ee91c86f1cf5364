#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Installs what is missing of the packages that Sluice needs (Debian 12 and later):
#
#     deps.sh [build|test|fuzz|demo|bench|vm|all]      default: build
#
# A package is written PACKAGE or PACKAGE:COMMAND, where having the command is as good. Services that come with
# a package (nginx, haproxy) are neither started nor enabled.

set -eu

build="clang llvm libbpf-dev libxdp-dev bpftool:bpftool libfyaml-dev libevent-dev libmnl-dev libjansson-dev
	libsmartcols-dev libcurl4-openssl-dev libssl-dev libelf-dev zlib1g-dev uthash-dev pkg-config:pkg-config make:make
	gcc:gcc libc6-dev linux-libc-dev iproute2:ip ethtool:ethtool procps:sysctl"
demo="iproute2:ip ethtool:ethtool procps:sysctl util-linux:nsenter nginx-light:nginx wrk:wrk curl:curl"
tests="libcmocka-dev python3-pytest python3-pytest-xdist python3-scapy iperf3:iperf3 tcpdump:tcpdump openssl:openssl $demo"
fuzz="clang libclang-rt-dev"
bench="nftables:nft haproxy:haproxy ipvsadm:ipvsadm python3-matplotlib"
vm="qemu-system-x86:qemu-system-x86_64 busybox-static cpio:cpio kmod:depmod xz-utils:xz xdp-tools:xdp-loader curl:curl
	util-linux:nsenter python3:python3 libcmocka-dev clang-19 ipvsadm:ipvsadm"

case ${1:-build} in
build) wanted=$build ;;
test) wanted="$build $tests" ;;
fuzz) wanted="$build $fuzz" ;;
demo) wanted="$build $demo" ;;
bench) wanted="$build $tests $bench" ;;
vm) wanted="$build $vm" ;;
all) wanted="$build $tests $fuzz $demo $bench $vm" ;;
*)
	echo "usage: deps.sh [build|test|fuzz|demo|bench|vm|all]" >&2
	exit 2
	;;
esac

# Root's commands, which other users' PATH may lack.
PATH=$PATH:/usr/sbin:/sbin

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps.sh: this system has no apt-get. Install what corresponds to these Debian packages:" >&2
	echo "$wanted" | tr -s ' \t\n' '\n' | sed 's/:.*//' | sort -u | paste -sd ' ' >&2
	exit 1
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^.i *//p')
missing=
for pair in $(echo "$wanted" | tr -s ' \t\n' '\n' | sort -u); do
	package=${pair%%:*}
	if [ "$package" != "$pair" ] && command -v "${pair#*:}" >/dev/null; then
		continue
	fi
	echo "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "deps.sh: packages are missing and only root may install them:" >&2
	echo "    sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

# policy-rc.d is Debian's way to say "start no service now"; an administrator's own one stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	printf '#!/bin/sh\n# made by deps.sh while it installs packages\nexit 101\n' >$policy
	chmod 755 $policy
fi

echo "deps.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update || echo "deps.sh: apt-get update failed, going on with the package lists that are there" >&2
# shellcheck disable=SC2086 # a list
if ! apt-get -qy install --no-install-recommends $missing; then
	echo "deps.sh: apt-get could not install all of:$missing" >&2
	exit 1
fi

# only the program is wanted; nor shall a service surprise anybody after the next boot
for pair in nginx-light:nginx haproxy:haproxy; do
	case " $missing " in
	*" ${pair%%:*} "*)
		if command -v systemctl >/dev/null; then
			systemctl disable --now "${pair#*:}.service" >/dev/null 2>&1 || true
		fi
		echo "deps.sh: ${pair#*:} is installed, its service is not enabled"
		;;
	esac
done
