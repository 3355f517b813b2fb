#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A primary, a replica that responders read, three Sentinels: the replica is
# frozen, the primary is killed before it could pass a hold on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_fault.sh"

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
a=$(free_port) b=$(free_port) s1=$(free_port) s2=$(free_port) s3=$(free_port)

# server NAME PORT [ARG...]: its pid in $server.
server() {
	local name=$1 p=$2
	shift 2
	mkdir -p "$here/$name"
	redis-server --port "$p" --bind 127.0.0.1 --save '' --appendonly no \
		--dir "$here/$name" --repl-diskless-sync-delay 0 "$@" \
		>>"$here/$name.log" 2>&1 &
	server=$!
	pids="$pids $server"
	until_true redis-cli -p "$p" ping
}

sentinel() {
	cat >"$here/sentinel$1.conf" <<-END
		port $1
		bind 127.0.0.1
		dir $here
		sentinel monitor mymaster 127.0.0.1 $a 2
		sentinel down-after-milliseconds mymaster 1000
		sentinel failover-timeout mymaster 3000
	END
	redis-server "$here/sentinel$1.conf" --sentinel >"$here/sentinel$1.out" 2>&1 &
	pids="$pids $!"
	until_true redis-cli -p "$1" ping
}

linked() { [ "$(redis-cli -p "$1" info replication | grep -c 'state=online')" = 1 ]; }
knows_all() { redis-cli -p "$1" sentinel master mymaster | paste -d= - - |
	grep -c -e '^num-slaves=1' -e '^num-other-sentinels=2' | grep -q 2; }
on() { redis-cli -p "$1" hget "jpki:st:$issuer:$2" s; }
on_is() { [ "$(on "$1" "$2")" = "$3" ]; }

ok "the primary starts" server a "$a"
primary=$server
ok "the replica starts" server b "$b" --replicaof 127.0.0.1 "$a"
replica=$server
ok "it follows" until_true linked "$a"
for s in $s1 $s2 $s3; do ok "a Sentinel starts" sentinel "$s"; done
for s in $s1 $s2 $s3; do ok "it knows the others" until_true knows_all "$s"; done

ok "a site" site
sed -i -e "s|^\\(\\t*\\)address = .*|\\1sentinels = { \"127.0.0.1:$s1\", \"127.0.0.1:$s2\", \"127.0.0.1:$s3\" }\\n\\1read_address = \"127.0.0.1:$b\"\\n\\1replicas = 1\\n\\1compare_every = \"1s\"|" "$here/conf"
ok "people" people 5
ok "the server starts" start_daemon
start_watcher
ok "it finds the primary" until_true grep -q "event=cache-up address=127.0.0.1:$a" "$here/log"
ok "the cache is proved" until_true proved
is "a hold is visible" visible "$(hold 1)"
is "on the replica" H "$(on "$b" c001)"
ok "it is watched" visible 1

kill -STOP "$replica"
is "frozen replica: a hold is not done yet" accepted "$(hold 2)"
is "frozen replica: the primary has it" H "$(on "$a" c002)"
kill -CONT "$replica"
ok "frozen replica: it becomes visible" visible 2
healed "frozen replica"

# The primary dies with a hold that the replica never got.
kill -STOP "$replica"
is "killed primary: a hold is not done yet" accepted "$(hold 3)"
kill -9 "$primary"
wait "$primary" 2>/dev/null
kill -CONT "$replica"
ok "killed primary: the other one is found" until_true grep -q "event=cache-up address=127.0.0.1:$b" "$here/log"
ok "killed primary: it gets the hold" until_true on_is "$b" c003 H
is "killed primary: without a replica a hold is not done" accepted "$(hold 4)"
ok "killed primary: it comes back" server a "$a"
ok "killed primary: as a replica" until_true linked "$b"
ok "killed primary: the hold becomes visible" visible 3
ok "killed primary: and the other" visible 4
healed "killed primary"
is "afterwards a hold is visible" visible "$(hold 5)"
ok "the watcher has seen nobody good" stop_watcher
cat "$here/watch.out"
stop_daemon
is "it stops politely" 0 $?
ok "no sanitizer spoke" sh -c "! grep -hE 'runtime error|AddressSanitizer|LeakSanitizer' '$here/log' '$here/watch.log'"
finish
