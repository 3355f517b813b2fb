#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A primary with a synchronous standby: asserted at the start, and what was told
# is there after the primary was killed and the standby took its place.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"

# pg2 SQL: at the second server.
pg2() { "$pg_bin/psql" -h "$here/pg2" -U postgres -d "${db:-postgres}" -Atq -c "$1"; }

# run_primary [ARG...]: again, with these settings.
run_primary() {
	[ -z "$pg_pid" ] || { kill -INT "$pg_pid"; wait "$pg_pid" 2>/dev/null; }
	(cd "$here/pg" && exec $as_postgres "$pg_bin/postgres" -D "$here/pg/data" \
		-k "$here/pg" -h '' "$@") >>"$here/pg.log" 2>&1 &
	pg_pid=$!
	pids="$pids $pg_pid"
	until_true pg 'SELECT 1'
}

make_standby() {
	mkdir "$here/pg2" && { [ "$(id -u)" != 0 ] || chown postgres: "$here/pg2"; } &&
		(cd "$here/pg2" && $as_postgres "$pg_bin/pg_basebackup" -h "$here/pg" \
			-U postgres -D "$here/pg2/data" -R -c fast)
}

run_standby() {
	(cd "$here/pg2" && exec $as_postgres "$pg_bin/postgres" -D "$here/pg2/data" \
		-k "$here/pg2" -h '') >>"$here/pg2.log" 2>&1 &
	standby_pid=$!
	pids="$pids $standby_pid"
	until_true pg2 'SELECT 1'
}

store_at() { sed -i "s|^\([[:space:]]*\)store = .*|\1store = \"postgresql://holdline@/holdline?host=$1\"|" "$here/conf"; }
durability() {
	sed -i '/^store_durability/d' "$here/conf"
	[ -z "$1" ] || sed -i "1i store_durability = \"$1\"" "$here/conf"
}
both="$here/pg,$here/pg2"

ok "redis starts" start_redis
ok "a cluster" make_cluster
ok "the primary starts" run_primary
pg "CREATE ROLE holdline LOGIN"
pg "CREATE DATABASE holdline OWNER holdline"
db=holdline
ok "a site" site # on a file at first
store_at "$here/pg"
ok "import" "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"

# One host and nothing said: one server will do, and the log says so.
ok "one host starts" start_daemon
ok "and what may be lost" grep -q "event=durability kept-by=one-server .*so are the holds" "$here/log"
stop_daemon
durability standby
fails "asked for, it is asserted" "set synchronous_standby_names" "$bin/holdlined" -c "$here/conf"
durability ""
store_at "$both"
fails "two hosts ask for it" "set synchronous_standby_names" "$bin/holdlined" -c "$here/conf"
ok "it waits for nobody" run_primary -c synchronous_standby_names='*' -c synchronous_commit=local
fails "who does not wait is refused" "set synchronous_commit to on" "$bin/holdlined" -c "$here/conf"
ok "it waits for a standby that is not there" run_primary -c synchronous_standby_names='*'
fails "nobody confirms" "no standby has confirmed a commit" "$bin/holdlined" -c "$here/conf"
durability local
ok "less is allowed" sh -c "'$bin/holdlined' -t -c '$here/conf'"
durability ""
ok "a standby is made" make_standby
ok "it starts" run_standby
is_synchronous() { [ "$(pg "SELECT sync_state FROM pg_stat_replication")" = sync ]; }
ok "it is synchronous" until_true is_synchronous
ok "the server starts" start_daemon
ok "the link is up" until_true grep -q event=cache-up "$here/log"
ok "no word of loss" sh -c "! grep -q kept-by=one-server '$here/log'"
store_at "$here/pg2"
fails "a standby alone is no server" "name the primary" "$bin/holdline" case list -c "$here/conf"
store_at "$both"
call --id s1 --keys "$taro_keys" --json >"$here/s1.json"
is "a call placed a hold" visible "$(field result <"$here/s1.json")"

# The primary is killed under a crowd of calls; the standby takes its place.
{
	head -n 1 "$here/people.csv"
	for i in $(seq 10 39); do
		echo "p$i,1970-01-$((i % 28 + 1)),060-00$i,011002,011-200-11$i,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0f$i,2025-05-01,2030-02-03,good"
	done
} >"$here/crowd.csv"
ok "a crowd" "$bin/holdline" registry import -c "$here/conf" "$here/crowd.csv"
crowd=""
for i in $(seq 10 39); do
	call --id "crowd$i" --keys "1,$(printf '197001%02d' $((i % 28 + 1))),06000$i,11$i,#,1" \
		--json >"$here/crowd$i.json" 2>/dev/null &
	crowd="$crowd $!"
done
ok "some are told" until_true sh -c "[ \$(redis-cli -s '$here/redis.sock' keys 'jpki:st:*0f*' | wc -l) -ge 3 ]"
kill_postgres
pg2 "SELECT pg_promote()" >/dev/null
# It has no standby of its own yet: a hold on one server is better than none.
pg2 "ALTER SYSTEM SET synchronous_standby_names = ''" >/dev/null
pg2 "SELECT pg_reload_conf()" >/dev/null
for p in $crowd; do wait "$p"; done
told=0 lost=0
for i in $(seq 10 39); do
	r=$(field receipt <"$here/crowd$i.json" 2>/dev/null) || continue
	case $r in [0-9]*) ;; *) continue ;; esac
	told=$((told + 1))
	[ "$(pg2 "SELECT count(*) FROM cases WHERE receipt = '$r'")" = 1 ] || lost=$((lost + 1))
done
ok "receipts were told ($told)" test "$told" -gt 0
is "none is lost with the primary" 0 "$lost"
is "the first one stands" 1 "$(pg2 "SELECT count(*) FROM cases WHERE receipt = '$(field receipt <"$here/s1.json")'")"
call --id s2 --keys "$hana_keys" --json >"$here/s2.json"
is "the next call is as ever" visible "$(field result <"$here/s2.json")"
ok "the backlog drains" until_true sh -c "[ \"\$('$pg_bin/psql' -h '$here/pg2' -U postgres -d holdline -Atc 'SELECT count(*) FROM outbox')\" = 0 ]"
stop_daemon
is "it stops politely" 0 $?
ok "the audit chains hold" "$bin/holdline" audit verify -c "$here/conf"
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here/log'"
finish
