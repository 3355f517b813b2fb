#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One redis-server and what can befall it, while a relying party asks a real
# responder all the time; and the proof that it can see what it is there for.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_fault.sh"

ok "redis starts" start_redis
ok "a site" site
sed -i 's/^\(\t*\)timeout = "2s"/&\n\1compare_every = "1s"/' "$here/conf"
ok "an authority" authority
ok "people" people 24
# One of them has had holds before: there are older generations to retry.
sqlite3 "$here/data/db" "update certificates set generation = 5 where serial = 'c001'"
ok "the server starts" start_daemon
ok "the cache is proved" until_true proved
ok "the responder has its proof" start_responder
start_watcher
is "a hold is visible" visible "$(hold 1)"
ok "it is watched" visible 1

redis flushall >/dev/null
is "wiped: a hold meanwhile" hold "$(hold 2 >/dev/null; status c002 | field certificates.0.status)"
ok "wiped: it becomes visible" visible 2
healed wiped

for key in "jpki:st:$issuer:c001" "jpki:st:$issuer:c002" jpki:wm; do
	# in one step: a record that is gone is another fault
	printf 'multi\ndel %s\nrpush %s wrong type\nexec\n' "$key" "$key" | redis >/dev/null
done
redis set "jpki:st:$issuer:c003" wrong >/dev/null
hold 3 >/dev/null
ok "wrong types: a hold becomes visible" visible 3
healed "wrong types"

redis replicaof 127.0.0.1 1 >/dev/null
is "READONLY: a hold is accepted" accepted "$(hold 4)"
redis replicaof no one >/dev/null
ok "READONLY: it becomes visible" visible 4
healed READONLY

redis config set maxmemory 1 >/dev/null
is "out of memory: a hold is accepted" accepted "$(hold 5)"
redis config set maxmemory 0 >/dev/null
ok "out of memory: it becomes visible" visible 5
healed "out of memory"

redis client pause 1000 all >/dev/null
hold 6 >/dev/null
ok "slow by a second: a hold becomes visible" visible 6
healed "slow by a second"

kill -STOP "$redis_pid"
is "frozen: a hold is accepted" accepted "$(hold 7)"
kill -CONT "$redis_pid"
ok "frozen: it becomes visible" visible 7
healed frozen

# Cut again and again, in whatever state the connection is.
bash -c 'while :; do
	redis-cli -s "$0" client kill type normal skipme yes
	read -r -t 0.03 <> <(:)
done' "$here/redis.sock" >/dev/null 2>&1 &
cutter=$!
pids="$pids $cutter"
for i in $(seq 8 12); do hold "$i" >/dev/null; done
kill "$cutter"
wait "$cutter" 2>/dev/null
for i in $(seq 8 12); do visible "$i" || echo "c$i is not visible"; done >"$here/cut"
ok "cut: every hold becomes visible" test ! -s "$here/cut"
healed cut

# Killed between the push and the acknowledgement: pushes wait until the store
# can be written by somebody else only.  That must come before redis.timeout
# ends the link, since the rows would be taken again then.
redis client pause 20000 write >/dev/null
hold 16 >/dev/null &
caller=$!
stored() { [ "$(sqlite3 "$here/data/db" "select status from certificates where serial = '$1'")" = 1 ]; }
ok "killed: the hold is stored" until_true stored c016
mkfifo "$here/lock"
{ echo 'BEGIN IMMEDIATE;'; echo '.shell touch '"$here/locked"; cat "$here/lock"; } |
	sqlite3 "$here/data/db" &
locker=$!
exec 7>"$here/lock"
ok "killed: the store is locked" until_true test -e "$here/locked"
redis client unpause >/dev/null
ok "killed: the push arrives" until_true cache_is c016 H
kill -9 "$pid"
wait "$pid" "$caller" 2>/dev/null
exec 7>&-
wait "$locker"
ok "killed: it is not visible" sh -c \
	"'$bin/holdline' cert status -c '$here/conf' --json c016 | grep -q '\"visible\": null'"
ok "killed: the server starts again" start_daemon
ok "killed: it is pushed again, and visible" visible 16
healed killed

# Two publishers on one store.
first=$pid first_port=$port
ok "two: a second server" start_daemon "$here/log2"
second=$port
for i in $(seq 17 24); do
	if [ $((i % 2)) = 0 ]; then port=$first_port; else port=$second; fi
	hold "$i" >/dev/null &
	callers="${callers-} $!"
done
# shellcheck disable=SC2086
wait $callers
for i in $(seq 17 24); do visible "$i" || echo "c$i is not visible"; done >"$here/two"
ok "two: every hold becomes visible" test ! -s "$here/two"
healed two
kill -9 "$first"
wait "$first" 2>/dev/null

# A late retry of an old generation.
late() { redis fcall jpki_set 1 "jpki:st:$issuer:c001" 5 G 0 1795485600 1 ''; }
is "late: it is stale" stale "$(late)"
healed "late"
ok "the watcher has seen nobody good" stop_watcher
cat "$here/watch.out"

# The same with a library that does not compare generations.
start_watcher
ok "no compare: who is held is watched" visible 1
redis --raw function list libraryname holdline withcode |
	sed -n '/^#!lua/,$p' >"$here/library"
ok "no compare: the line is there" grep -q "new < v then return 'stale'" "$here/library"
sed -i "/new < v then return 'stale'/d" "$here/library"
redis -x function load replace <"$here/library" >/dev/null
is "no compare: the late retry is taken" set "$(late)"
ok "no compare: the watcher sees it" until_true grep -q VIOLATION "$here/watch.out"
stop_watcher
is "no compare: and fails" 1 $?
cat "$here/watch.out"

stop_daemon
is "it stops politely" 0 $?
ok "no sanitizer spoke" sh -c "! grep -hE 'runtime error|AddressSanitizer|LeakSanitizer' '$here'/*log*"
finish
