#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job on PostgreSQL: a private cluster, a redis-server, two servers,
# every command; the primary killed between two calls and during one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"

ok "redis starts" start_redis
ok "a cluster" make_cluster
ok "PostgreSQL starts" start_postgres
pg "CREATE ROLE holdline LOGIN"
pg "CREATE DATABASE holdline OWNER holdline"
db=holdline
ok "a site" site # on a file at first
on_postgres
ok "import" "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"
ok "again changes nothing" "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"
is "four certificates" 4 "$(pg 'SELECT count(*) FROM certificates')"
ok "the server starts" start_daemon
ok "the link is up" until_true grep -q event=cache-up "$here/log"

call --id c1 --from 0312345678 --keys "$taro_keys" --json >"$here/c1.json"
is "the call placed a hold" 0 $?
is "result" visible "$(field result <"$here/c1.json")"
receipt=$(field receipt <"$here/c1.json")
is "the cache says held" H "$(cache 0a01)"
ok "the case is there" "$bin/holdline" case show -c "$here/conf" "$receipt"
ok "the case names the municipality" sh -c "\"$bin/holdline\" case show -c \"$here/conf\" $receipt | grep -q 千代田区"
ok "the certificate is on hold" sh -c "'$bin/holdline' cert status -c '$here/conf' 0a01 | grep -q hold"
call --id c2 --keys "$taro_keys" --json >"$here/c2.json"
is "a second call says already" already "$(field result <"$here/c2.json")"
is "with the same receipt" "$receipt" "$(field receipt <"$here/c2.json")"

# Two follow what happens, one from now on.
"$bin/holdline" events -c "$here/conf" --follow >"$here/events" 2>"$here/events.err" &
follower=$!
"$bin/holdline" events -c "$here/conf" --follow --new >"$here/new" 2>"$here/new.err" &
newcomer=$!
pids="$pids $follower $newcomer"
ok "what has been is printed" until_true grep -q "^2 .*visible" "$here/events"
# who listens knows where the end is
listens() { [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")" = 3 ]; }
ok "both listen" until_true listens

# The primary dies between two calls, and is there again.
kill_postgres
ok "who follows says so" until_true grep -q "goes on when it is back" "$here/events.err"
ok "PostgreSQL is back" start_postgres
ok "and when it is back" until_true grep -q "the store is back" "$here/events.err"
is "once each" 2 "$(wc -l <"$here/events.err")"
ok "the newcomer, too" until_true grep -q "the store is back" "$here/new.err"
call --id c3 --keys "1,19850412,1000001,0000,4711#,19850412,1000001,0000,4711#" --json >"$here/c3.json"
is "wrong answers lead to a person" person "$(field next <"$here/c3.json")"

# It dies and stays away: calls go to people, and nothing is told.
kill_postgres
call --id c4 --keys "$hana_keys" --json >"$here/c4.json"
is "without a store no hold is told" 1 $?
is "the caller goes to a person" person "$(field next <"$here/c4.json")"
fails "commands say so" "it cannot be reached; see that the server runs" \
	"$bin/holdline" case list -c "$here/conf"
is "the server lives" 0 "$(kill -0 "$pid"; echo $?)"
ok "PostgreSQL is back again" start_postgres
is "nothing was held" 0 "$(pg "SELECT count(*) FROM holds WHERE call_id = 'c4'")"
call --id c5 --keys "$hana_keys" --json >"$here/c5.json"
is "the next call is as ever" visible "$(field result <"$here/c5.json")"
is "held" H "$(cache 0b02)"
ok "who follows has gone on" until_true grep -q "^4 .*visible" "$here/events"
is "with each event once" "1 2 3 4" "$(cut -d' ' -f1 <"$here/events" | xargs)"
ok "who began at the end, too" until_true grep -q "^4 .*visible" "$here/new"
is "with nothing from before" "3 4" "$(cut -d' ' -f1 <"$here/new" | xargs)"
kill "$follower" "$newcomer"
wait "$follower" "$newcomer" 2>/dev/null
fails "from now on without following" "--new goes with --follow" \
	"$bin/holdline" events -c "$here/conf" --new

# A second server: the same call there is the same hold.
first=$pid
ok "a second server" start_daemon "$here/log2"
call --id c5 --keys "$hana_keys" --json >"$here/c6.json"
is "the same receipt" "$(field receipt <"$here/c5.json")" "$(field receipt <"$here/c6.json")"
is "two holds in all" 2 "$(pg 'SELECT count(*) FROM holds')"

# The primary dies under a crowd of calls: what was told is there.
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
ok "PostgreSQL is back once more" start_postgres
for p in $crowd; do wait "$p"; done
told=0 lost=0
for i in $(seq 10 39); do
	r=$(field receipt <"$here/crowd$i.json" 2>/dev/null) || continue
	case $r in [0-9]*) ;; *) continue ;; esac
	told=$((told + 1))
	[ "$(pg "SELECT count(*) FROM cases WHERE receipt = '$r'")" = 1 ] || lost=$((lost + 1))
done
ok "receipts were told ($told)" test "$told" -gt 0
is "none of them is lost" 0 "$lost"
is "one case a hold" "$(pg 'SELECT count(*) FROM holds')" "$(pg 'SELECT count(*) FROM cases')"
ok "the backlog drains" until_true sh -c "[ \"\$('$pg_bin/psql' -h '$here/pg' -U postgres -d holdline -Atc 'SELECT count(*) FROM outbox')\" = 0 ]"

ok "the log names no number and no answer" sh -c "! grep -E '0312345678|19850412|1000001|5678|4711' '$here/log'"
stop_daemon
is "it stops politely" 0 $?
pid=$first
stop_daemon
is "so does the other" 0 $?
ok "the audit chain holds" "$bin/holdline" audit verify -c "$here/conf"
pg "UPDATE holdline SET version = 99"
fails "a newer schema" "upgrade this program" "$bin/holdlined" -c "$here/conf"
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here/log' '$here/log2'"
finish
