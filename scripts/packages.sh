# SPDX-License-Identifier: Apache-2.0
# packages.sh -- sourced by the other scripts: install what is missing.
# Debian 12 and 13; needs root (or sudo) only when something is missing.

packages_run="redis-server sqlite3 openssl"
packages_build="gcc make autoconf automake pkg-config libevent-dev libssl-dev
	libhiredis-dev libsqlite3-dev libjansson-dev libconfuse-dev
	libsodium-dev libpq-dev libcurl4-openssl-dev scdoc"
packages_test="libcmocka-dev clang clang-format gettext mandoc
	graphviz python3 postgresql gnutls-bin nginx curl softhsm2
	libengine-pkcs11-openssl"

# need PACKAGE...: install those that are not there, and say which.
need() {
	local missing="" p sudo=""
	for p in "$@"; do
		dpkg-query -W -f='${Status}' "$p" 2>/dev/null |
			grep -q '^install ok installed$' || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	echo "installing:$missing"
	if [ "$(id -u)" != 0 ]; then
		sudo=sudo
		command -v sudo >/dev/null || {
			echo "run this as root, or install these packages first:$missing" >&2
			return 1
		}
	fi
	$sudo apt-get update -qq
	# A service that a package brings is not started: we run our own.
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 $sudo apt-get install -y -qq \
		--no-install-recommends $missing >/dev/null
}

# The run-time library of clang's sanitizers has clang's version in its name.
need_clang_runtime() {
	local v
	v=$(clang --version | sed -n 's/.*clang version \([0-9]*\).*/\1/p')
	need "libclang-rt-$v-dev"
}

# configure_in DIR [ARG...]: configure there, once per set of arguments and
# per configure script, and make.
configure_in() {
	local dir=$1
	shift
	[ configure -nt configure.ac ] && [ configure -nt Makefile.am ] &&
		[ -x configure ] || ./autogen.sh >/dev/null 2>&1 || {
		echo "autogen.sh failed; run it to see why" >&2
		return 1
	}
	mkdir -p "$dir"
	if [ ! -f "$dir/Makefile" ] || [ configure -nt "$dir/Makefile" ] ||
		[ "$(cat "$dir/arguments" 2>/dev/null)" != "$*" ]; then
		(cd "$dir" && "$top/configure" --silent "$@") || return 1
		echo "$*" >"$dir/arguments"
	fi
}
