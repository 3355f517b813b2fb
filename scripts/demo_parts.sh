# SPDX-License-Identifier: Apache-2.0
# demo_parts.sh -- sourced by demo: the parts of a private hotline, started one
# by one in the folder $here and ended by process id.

node_pids=() node_ports=()
conf=""

# The newest first: servers before what serves them.
finish() {
	trap - EXIT INT TERM
	local p
	for p in $pids; do
		kill -"${p#*:}" "${p%:*}" 2>/dev/null || :
		wait "${p%:*}" 2>/dev/null || :
	done
	rm -rf "$here"
}

# started PID [SIGNAL]: it ends with the demo, by that signal.
started() { pids="$1:${2-TERM} $pids"; }

# until_true COMMAND...: at most 20 s.
until_true() {
	local end=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# or_show LOG COMMAND...: the command must come true, or the log says why not.
or_show() {
	local log=$1
	shift
	until_true "$@" || {
		tail -n 30 "$log" >&2
		exit 1
	}
}

# ---- what it is set up with

make_site() {
	mkdir "$here/data"
	store="$here/data/holdline.db"
	[ "$nodes" = 1 ] ||
		store="postgresql://holdline@/holdline?host=$here/pg1,$here/pg2"
	"$holdline" key create "$here/key"
}

# write_conf NODE PORT
write_conf() {
	cat >"$here/holdline$1.conf" <<-END
		store = "$store"
		key_file = "$here/key"
		agi {
			# A port of its own; a real gateway dials 4573.
			listen = "127.0.0.1:$2"
		}
		redis {
			address = "unix:$here/redis.sock"
			$(replica_settings)
		}
	END
}

# With a replica nobody hears "done" before it has the hold.
replica_settings() {
	[ "$nodes" = 1 ] || cat <<-END
		read_address = "unix:$here/replica.sock"
		replicas = 1
	END
}

# Of the made-up holders, one whose two certificates can be held is the caller,
# and another one the next.
make_people() {
	local ref birth postal last4 pin _
	write_conf 1 0
	export HOLDLINE_CONF=$here/holdline1.conf
	"$holdline" registry sample --count 8 --seed 3 \
		--answers "$here/answers" -o "$here/registry.csv"
	make_authorities
	adopt_sample "$here/registry.csv"
	issue_sample "$here/registry.csv"
	"$holdline" registry import "$here/registry.csv"
	keys=() serials=()
	while IFS=$'\t' read -r ref birth postal last4 pin _; do
		[ "$pin" != - ] || pin=""
		keys+=("1,$birth,$postal,$last4,$pin#,1")
		serials+=("$(awk -F, -v ref="$ref" '$1 == ref { print $11 }' \
			"$here/registry.csv")")
	done < <(grep -P '\thold: both$' "$here/answers")
}

# ---- what it runs on

# run_redis NAME ARG...: a server with a socket in our folder, and $redis_pid.
run_redis() {
	local name=$1
	shift
	redis-server --unixsocket "$here/$name.sock" --unixsocketperm 700 \
		--bind 127.0.0.1 --save '' --appendonly no --dir "$here" "$@" \
		>"$here/$name.log" 2>&1 &
	redis_pid=$!
	started $redis_pid
}
redis_answers() { redis-cli -s "$here/$1.sock" ping; }
redis_is_decided() { redis_answers redis || ! kill -0 "$redis_pid"; }

# A replica finds its primary by TCP only, so with two nodes there is a port,
# the first free one of some.
start_redis() {
	redis_port=0
	[ "$nodes" = 1 ] || for _ in 1 2 3 4 5 6 7 8; do
		redis_port=$((20000 + RANDOM % 10000))
		run_redis redis --port $redis_port
		until_true redis_is_decided
		redis_answers redis >/dev/null 2>&1 && return
	done
	run_redis redis --port 0
	or_show "$here/redis.log" redis_answers redis
}

start_replica() {
	run_redis replica --port 0 --replicaof "127.0.0.1 $redis_port"
	or_show "$here/replica.log" replica_is_there
}
replica_is_there() { redis role | grep -q '^127.0.0.1$'; }

redis() { redis-cli -s "$here/redis.sock" "$@"; }

# initdb and postgres refuse root.
as_postgres=""
[ "$(id -u)" != 0 ] ||
	as_postgres="setpriv --reuid postgres --regid postgres --clear-groups"
pg_bin=""

# run_postgres N [ARG...]: the cluster in pg$N, which takes no connections but
# on a socket in that folder.
run_postgres() {
	local n=$1
	shift
	(cd "$here/pg$n" && exec $as_postgres "$pg_bin/postgres" \
		-D "$here/pg$n/data" -k "$here/pg$n" -h '' "$@") \
		>"$here/pg$n.log" 2>&1 &
	pg_pid=$!
	started $pg_pid QUIT # others wait for who is connected
	or_show "$here/pg$n.log" "$pg_bin/pg_isready" -q -h "$here/pg$n"
}

# pg N SQL: as the superuser.
pg() { "$pg_bin/psql" -h "$here/pg$1" -U postgres -d postgres -Atqc "$2"; }

# A primary that confirms nothing before its standby has it, and that standby.
start_postgres_pair() {
	pg_bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	chmod 711 "$here"
	mkdir "$here/pg1" "$here/pg2"
	[ "$(id -u)" != 0 ] || chown postgres: "$here/pg1" "$here/pg2"
	(cd "$here/pg1" && $as_postgres "$pg_bin/initdb" -D "$here/pg1/data" \
		-U postgres -A trust -E UTF8 --locale=C -N) >"$here/initdb.log"
	run_postgres 1 -c synchronous_standby_names='*'
	primary=$pg_pid
	# What the primary does before the standby is there cannot wait for it.
	PGOPTIONS="-c synchronous_commit=local" pg 1 "CREATE ROLE holdline LOGIN"
	PGOPTIONS="-c synchronous_commit=local" pg 1 \
		"CREATE DATABASE holdline OWNER holdline ENCODING 'UTF8' TEMPLATE template0"
	(cd "$here/pg2" && $as_postgres "$pg_bin/pg_basebackup" -h "$here/pg1" \
		-U postgres -D "$here/pg2/data" -R -c fast)
	run_postgres 2
	until_true standby_is_synchronous
}

standby_is_synchronous() {
	[ "$(pg 1 "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")" = 1 ]
}

# start_node N
start_node() {
	local log=$here/holdlined$1.log
	write_conf "$1" 0
	"$top/build/demo/holdlined" -c "$here/holdline$1.conf" 2>"$log" &
	node_pids[$1]=$!
	started $! KILL # nothing is lost by it
	or_show "$log" grep -q event=ready "$log"
	until_true grep -q event=cache-up "$log"
	node_ports[$1]=$(sed -n 's/.*event=ready.* port=\([0-9]*\).*/\1/p' "$log")
	write_conf "$1" "${node_ports[$1]}"
}

# ---- for people

explain() {
	local servers="" both="" first=${serials[0]}
	[ "$nodes" = 1 ] || {
		servers="127.0.0.1:${node_ports[1]},127.0.0.1:${node_ports[2]}"
		both=" --server $servers"
	}
	cat <<-END

		The hotline is running on 127.0.0.1:${node_ports[*]}.  These people live here:

		$(column -t -s "$(printf '\t')" "$here/answers")

		In another terminal, be a caller ("1" at the menu, then the answers above):

		  cd $top
		  export HOLDLINE_CONF=$HOLDLINE_CONF
		  build/demo/holdline call --lang en$both

		or let it be typed for you:

		  build/demo/holdline call --lang en$both --keys '${keys[0]}'

		and look at what came of it:

		  build/demo/holdline cert status ${first%%$'\n'*}
		  build/demo/holdline case list
		  (cd $here/ca/$(kind_of "${first%%$'\n'*}") &&
		      openssl ocsp -issuer ca.crt -CAfile ca.crt \\
		      -cert ${first%%$'\n'*}.crt -url http://127.0.0.1:$ocsp_port)
		  tail -f $here/holdlined1.log

		Ctrl-C ends it and removes everything.
	END
	[ "$nodes" = 1 ] || cat <<-END

		To see the call go on, end the server that has it (${node_pids[1]}, then it
		is the other's, ${node_pids[2]}) while you are being asked:

		  kill -9 ${node_pids[1]}

		The nodes, and what happens on any of them from now on:

		  build/demo/holdline node list
		  build/demo/holdline events --follow --new
	END
}

# ---- for the checks

bad=0
expect() { # WHAT WANTED GOT
	if [ "$2" = "$3" ]; then
		echo "  as it should be: $1: $3"
	else
		echo "  WRONG: $1: $3, should be $2"
		bad=1
	fi
}

# show STORE CACHE SERIAL...: the certificates, and the status they should have.
show() {
	local serial key status in_store=$1 in_cache=$2
	shift 2
	for serial in "$@"; do
		key=$(redis --scan --pattern "jpki:st:*:$serial")
		status=none
		[ -z "$key" ] || status=$(redis hget "$key" s)
		"$holdline" cert status "$serial"
		[ -z "$key" ] || redis hgetall "$key" | paste -sd' ' |
			sed "s/^/  cache $key: /"
		expect "store" "$in_store" "$("$holdline" cert status --json "$serial" |
			sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p' | head -n 1)"
		expect "cache" "$in_cache" "$status"
	done
}

# The newest case's receipt number.
newest_receipt() {
	"$holdline" case list --json |
		sed -n 's/.*"receipt": *"\([0-9]*\)".*/\1/p' | head -n 1
}

# verdict: ends the check.
verdict() {
	local log
	[ "$bad" != 0 ] || {
		echo "all as it should be"
		exit 0
	}
	echo "something is wrong; the servers' logs:"
	for log in "$here"/holdlined*.log "$here/ocspd.log"; do
		cat "$log"
	done
	exit 1
}
