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

# Killed, it is shown as dead; started again, it takes its name over.
kill -9 "$osaka"
wait "$osaka" 2>/dev/null
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
