# SPDX-License-Identifier: Apache-2.0
# lib.sh -- sourced by the system tests: a private place with a real
# redis-server and real servers, ended by process id.  HOLDLINE_BIN is the
# folder of the programs.
set -u
bin=${HOLDLINE_BIN:?the folder of holdline and holdlined}
# Sanitizers' memory makes core-size and address limits useless; keep quiet.
here=$(mktemp -d "${TMPDIR:-/tmp}/holdline-test.XXXXXX")
passed=0 failed=0 pids="" redis_pid="" port="" pid=""

end_all() {
	local p
	for p in $pids $redis_pid; do
		kill -9 "$p" 2>/dev/null && wait "$p" 2>/dev/null
	done
	pids="" redis_pid=""
}
cleanup() {
	end_all
	rm -rf "$here"
}
trap cleanup EXIT

# ok NAME COMMAND...: one test; its output is shown when it fails.
ok() {
	local name=$1
	shift
	if "$@" >"$here/out" 2>&1; then
		passed=$((passed + 1))
		echo "ok   $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name"
		sed 's/^/     | /' "$here/out"
	fi
}

# fails NAME WORDS COMMAND...: the command must fail and say WORDS.
fails() {
	local name=$1 words=$2
	shift 2
	"$@" >"$here/err" 2>&1
	local rc=$?
	ok "$name" test "$rc" != 0
	ok "$name: says \"$words\"" grep -qF -- "$words" "$here/err"
}

# is NAME WANTED GOT
is() {
	ok "$1" test "$2" = "$3"
	[ "$2" = "$3" ] || echo "     | wanted \"$2\", got \"$3\""
}

# Whoever ends the shell of a function in the background leaves the program that
# it runs: what names our folder is still there then.
nothing_runs() {
	local left
	left=$(grep -ahsF -f - /proc/[0-9]*/cmdline <<<"$here" | tr '\0' ' ')
	echo "$left"
	[ -z "$left" ]
}

finish() {
	end_all
	ok "nothing goes on running" nothing_runs
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
}

# until_true COMMAND...: poll up to 20 s.  The only waiting there is: for
# things that send no event to a shell.
until_true() {
	local end=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 <> <(:) || :
	done
}

start_redis() {
	redis-server --port 0 --unixsocket "$here/redis.sock" --save '' \
		--appendonly no --dir "$here" --daemonize no >"$here/redis.log" 2>&1 &
	redis_pid=$!
	until_true redis-cli -s "$here/redis.sock" ping
}

stop_redis() {
	kill -9 "$redis_pid" 2>/dev/null
	wait "$redis_pid" 2>/dev/null
	redis_pid=""
}

redis() { redis-cli -s "$here/redis.sock" "$@"; }

# site: a configuration, a key, and people to call.
site() {
	mkdir -p "$here/data"
	cat >"$here/conf" <<-END
		store = "$here/data/db"
		key_file = "$here/key"
		agi {
			listen = "127.0.0.1:0"
			max_calls = ${1:-100}
		}
		redis {
			address = "unix:$here/redis.sock"
			timeout = "2s"
		}
	END
	"$bin/holdline" key create "$here/key" &&
		cat >"$here/people.csv" <<-'END'
			holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
			taro,1985-04-12,100-0001,131016,090-1234-5678,4711,ヤマダ タロウ,card,signature,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0a01,2025-05-01,2030-04-12,good
			taro,1985-04-12,100-0001,131016,090-1234-5678,4711,ヤマダ タロウ,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0a02,2025-05-01,2030-04-12,good
			hana,1990-01-01,530-0001,271276,06-6000-1234,,スズキ ハナ,card,signature,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0b01,2025-05-01,2030-01-01,good
			hana,1990-01-01,530-0001,271276,06-6000-1234,,スズキ ハナ,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0b02,2025-05-01,2030-01-01,good
		END
	"$bin/holdline" registry import -c "$here/conf" "$here/people.csv"
}

# start_daemon [LOG]: pid and port of a server on the site.
start_daemon() {
	local log=${1:-$here/log}
	: >"$log"
	"$bin/holdlined" -c "$here/conf" 2>"$log" &
	pid=$!
	pids="$pids $pid"
	until_true grep -q 'event=ready' "$log" || {
		cat "$log"
		return 1
	}
	port=$(sed -n 's/.*event=ready.* port=\([0-9]*\).*/\1/p' "$log")
}

# stop_daemon: politely; its exit status.
stop_daemon() {
	kill "$pid"
	wait "$pid"
}

taro_keys="1,19850412,1000001,5678,4711#,1"
hana_keys="1,19900101,5300001,1234,#,1"

call() { "$bin/holdline" call --server "127.0.0.1:$port" "$@"; }
status() { "$bin/holdline" cert status -c "$here/conf" --json "$1"; }
# field PATH...: of the JSON on standard input, on one line.
field() { python3 -c "
import json,sys
def at(d, path):
    for k in path.split('.'): d=d[int(k) if k.isdigit() else k]
    return d
d=json.load(sys.stdin)
print(*(at(d, path) for path in sys.argv[1:]))" "$@"; }
cache() { redis hget "jpki:st:5d3c1f0e9a7b2c4d6e8f00112233445566778899:$1" s; }
cache_is() { [ "$(cache "$1")" = "$2" ]; }
