#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several servers on one PostgreSQL and one cache: they show themselves, tell
# each other what happens, and do each other's publishing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"

# start_node NAME: a server of that name; its pid and port.
start_node() {
	sed "1i node = \"$1\"" "$here/conf" >"$here/conf.$1"
	# one of them writes CRLs, when there is no news once an hour
	[ "$1" = tokyo ] || cat >>"$here/conf.$1" <<-END
		crl {
			dir = "$here/crl"
			signers = "$here/signers"
			gap = "0s"
		}
	END
	mv "$here/conf" "$here/conf.any" && cp "$here/conf.$1" "$here/conf"
	start_daemon "$here/log.$1"
	local rc=$?
	mv "$here/conf.any" "$here/conf"
	return $rc
}

# An issuer; its hash.
make_ca() {
	mkdir -p "$here/signers" "$here/crl" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
			-nodes -keyout "$here/signers/ca.key" -out "$here/signers/ca.crt" \
			-subj "/CN=Test CA" -addext keyUsage=critical,keyCertSign,cRLSign \
			2>/dev/null && chmod 600 "$here/signers/ca.key" &&
		hash=$(openssl x509 -in "$here/signers/ca.crt" -noout -pubkey |
			openssl ec -pubin -outform DER 2>/dev/null | tail -c 65 |
			sha1sum | cut -d' ' -f1)
}
cache() { redis hget "jpki:st:$hash:$1" s; }
listed() { # SERIAL: in the CRL
	openssl crl -inform DER -in "$here/crl/$hash.crl" -noout -text |
		grep -qi "Serial Number: $1"
}

nodes() { "$bin/holdline" node list -c "$here/conf" "$@"; }
node_alive() {
	nodes --json | python3 -c "
import json,sys
sys.exit(not [n for n in json.load(sys.stdin)['nodes'] if n['name'] == '$1' and n['alive'] == ($2)])"
}

ok "redis starts" start_redis
ok "a cluster" make_cluster
ok "PostgreSQL starts" start_postgres
pg "CREATE ROLE holdline LOGIN"
pg "CREATE DATABASE holdline OWNER holdline"
db=holdline
ok "a site" site # on a file at first
on_postgres
ok "an issuer" make_ca
sed -i "s/5d3c1f0e9a7b2c4d6e8f00112233445566778899/$hash/" "$here/people.csv"
# Two more, in whose calls a server dies.
for n in 4 5; do
	echo "p$n,1970-02-0$n,060-0001,011002,011-200-100$n,,,card,authentication,$hash,0e0$n,2025-05-01,2030-02-03,good"
done >>"$here/people.csv"
ok "import" "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"
ok "no node yet" sh -c "'$bin/holdline' node list -c '$here/conf' | grep -q 'No holdlined runs'"
ok "a server" start_node tokyo
tokyo=$pid tokyo_port=$port
ok "another" start_node osaka
osaka=$pid osaka_port=$port
ok "one is shown" until_true node_alive tokyo True
ok "the other, too" until_true node_alive osaka True
ok "with its process id" sh -c "'$bin/holdline' node list -c '$here/conf' | grep -q 'osaka .* $osaka '"
ok "and the backlog" sh -c "'$bin/holdline' node list -c '$here/conf' | grep -q 'No status change waits'"

# What happens on one is heard on every other, in order.
"$bin/holdline" events -c "$here/conf" --follow --json >"$here/events" &
pids="$pids $!"
events=$!
port=$tokyo_port
call --id n1 --keys "$taro_keys" --json >"$here/n1.json"
is "a call on one" visible "$(field result <"$here/n1.json")"
ok "is soon in the CRL that the other writes" until_true listed 0a01
port=$osaka_port
call --id n2 --keys "$hana_keys" --json >"$here/n2.json"
is "a call on the other" visible "$(field result <"$here/n2.json")"
ok "four events" until_true sh -c "[ \$(wc -l <'$here/events') = 4 ]"
is "in order" "1 hold $(field receipt <"$here/n1.json"), 2 visible $(field receipt <"$here/n1.json"), 3 hold $(field receipt <"$here/n2.json"), 4 visible $(field receipt <"$here/n2.json")" \
	"$(python3 -c "
import json
print(', '.join('%d %s %s' % (e['place'], e['event'], e['receipt']) for e in map(json.loads, open('$here/events'))))")"
kill "$events"
wait "$events" 2>/dev/null
is "resumed, the rest" 2 "$("$bin/holdline" events -c "$here/conf" --since 2 | wc -l)"
ok "as text" sh -c "'$bin/holdline' events -c '$here/conf' --since 3 | grep -q '^4 .*visible .*receipt .*大阪市'"
ok "no personal data" sh -c "! grep -E '19850412|1000001|5678|taro' '$here/events'"
fails "a number that is none" "not the number of an event" "$bin/holdline" events -c "$here/conf" --since x

# Killed while two are calling it: both come to the other one with their unique
# ids, and hear that they were cut off.  In one call it was proved who it is, and
# only the yes is missing; nothing is stored of the other one but that it began,
# and everything is asked.
caller() { # ID: at the keys; what is asked on two servers, and the pid
	mkfifo "$here/$1.keys"
	"$bin/holdline" call --server "127.0.0.1:$osaka_port,127.0.0.1:$tokyo_port" \
		--id "$1" --from 0112001000 --lang en --json \
		<"$here/$1.keys" >"$here/$1.json" 2>"$here/$1.heard" &
	pids="$pids $!"
}
heard() { until_true grep -q "$2" "$here/$1.heard"; }
proved() { pg "SELECT call_id || ' ' || confirmed FROM calls WHERE holder IS NOT NULL AND call_id IN ('n4', 'n5')"; }
is_proved() { [ "$(proved)" = "n4 0" ]; }
caller n4
n4=$!
exec 5>"$here/n4.keys"
caller n5
n5=$!
exec 6>"$here/n5.keys"
tr , '\n' <<<"1,19700204,0600001,1004,#" >&5
ok "one is asked for the yes" heard n4 '^\[confirm\]'
ok "it is on record who it is, and no yes" until_true is_proved
ok "the other is at the menu" heard n5 '^\[menu\]'
kill -9 "$osaka"
wait "$osaka" 2>/dev/null
ok "one is cut off" heard n4 'the line is cut off'
ok "so is the other" heard n5 'the line is cut off'
echo 1 >&5
tr , '\n' <<<"19700205,0600001,1005,#,1" >&6
ok "one is told the receipt" heard n4 '^\[receipt\]'
ok "so is the other" heard n5 '^\[receipt\]'
echo h >&5
echo h >&6
exec 5>&- 6>&-
wait "$n4"
is "one has placed a hold" 0 $?
wait "$n5"
is "so has the other" 0 $?
# steps ID: after the call was cut off.
steps() { python3 -c "
import json
steps = json.load(open('$here/$1.json'))['steps']
print(*steps[steps.index('cut-off'):])"; }
is "one is not asked again" "cut-off plan confirm receipt again" "$(steps n4)"
is "the other is asked from the start" \
	"cut-off birth postal phone pin check plan confirm receipt again" "$(steps n5)"
for n in 4 5; do
	is "its hold is visible" visible "$(field result <"$here/n$n.json")"
	is "the cache says held, once" "H 1" "$(redis hmget "jpki:st:$hash:0e0$n" s v | paste -sd' ')"
	is "one hold, one case, one generation" "1 1 1" "$(pg "SELECT count(*) || ' ' || count(DISTINCT k.id) || ' ' || (SELECT generation FROM certificates WHERE serial = '0e0$n') FROM holds AS h JOIN cases AS k ON k.hold = h.id WHERE h.call_id = 'n$n'")"
done
is "that is all that has happened" "hold visible hold visible" "$("$bin/holdline" events -c "$here/conf" --since 4 --json | python3 -c "
import json, sys
print(*(e['event'] for e in sorted(map(json.loads, sys.stdin), key=lambda e: e['receipt'])))")"
pg "UPDATE nodes SET seen_us = seen_us - 21000000 WHERE name = 'osaka'"
ok "a killed one is dead" until_true node_alive osaka False
ok "the other lives" node_alive tokyo True
ok "started again" start_node osaka
osaka=$pid osaka_port=$port
ok "it lives" until_true node_alive osaka True
is "once" 1 "$(pg "SELECT count(*) FROM nodes WHERE name = 'osaka'")"

# A server without a link to the cache: another one publishes for it, and its
# caller hears that the hold is visible.
kill "$osaka"
wait "$osaka"
sed -i "s|redis.sock|none.sock|" "$here/conf"
ok "one without a link" start_node osaka
osaka=$pid osaka_port=$port
sed -i "s|none.sock|redis.sock|" "$here/conf"
ok "both are there" until_true node_alive osaka True
"$bin/holdline" registry import -c "$here/conf" - >/dev/null <<-END
	$(head -n 1 "$here/people.csv")
	jiro,1970-02-03,060-0001,011002,011-200-1199,,,card,signature,$hash,0c01,2025-05-01,2030-02-03,good
END
call --id n3 --keys "1,19700203,0600001,1199,#,1" --json >"$here/n3.json"
is "its caller hears that it is visible" visible "$(field result <"$here/n3.json")"
is "the cache says held" H "$(cache 0c01)"

kill "$osaka"
wait "$osaka"
is "it stops politely" 0 $?
is "and is gone from the list" 0 "$(pg "SELECT count(*) FROM nodes WHERE name = 'osaka'")"
kill "$tokyo"
wait "$tokyo"
is "so does the other" 0 $?
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here'/log.*"
finish
