#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis away, frozen, restarted; the server killed between confirmation and
# push; two servers on one store.
. "$(dirname "$0")/lib.sh"

ok "redis starts" start_redis
ok "a site" site
ok "the server starts" start_daemon
ok "the link is up" until_true grep -q event=cache-up "$here/log"

# Frozen: the commit happens, the push hangs; then the server is killed.
kill -STOP "$redis_pid"
call --id k1 --keys "$taro_keys" --json >"$here/k1.json"
is "the call is accepted" 0 $?
is "it is told so" accepted "$(field result <"$here/k1.json")"
kill -9 "$pid"
wait "$pid" 2>/dev/null
kill -CONT "$redis_pid"
is "the store knows the hold" hold "$(status 0a01 | field certificates.0.status)"
ok "the server starts again" start_daemon
ok "the backlog drains" until_true cache_is 0a01 H
ok "both of them" until_true cache_is 0a02 H

is "visible after the restart" 1 "$("$bin/holdline" case list -c "$here/conf" --json | python3 -c '
import json,sys
print(sum(1 for c in json.load(sys.stdin) if c["visible"]))')"

# Redis gone: holds go on, and drain when it is back, with an empty cache.
stop_redis
ok "the loss is noticed" until_true grep -q event=cache-away "$here/log"
call --id k2 --keys "$hana_keys" --json >"$here/k2.json"
is "accepted without redis" accepted "$(field result <"$here/k2.json")"
ok "redis is back" start_redis
ok "drained" until_true cache_is 0b01 H

# Something else writes a wrong type.
redis flushall >/dev/null
redis set jpki:st:5d3c1f0e9a7b2c4d6e8f00112233445566778899:0c01 garbage >/dev/null
cat >"$here/more.csv" <<-'END'
	holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
	ken,1970-02-03,060-0001,011002,011-200-4321,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0c01,2025-05-01,2030-02-03,good
END
ok "import beside the running server" "$bin/holdline" registry import -c "$here/conf" "$here/more.csv"
ok "redis lost its functions" redis function flush
call --id k3 --keys "1,19700203,0600001,4321,#,1" --json >"$here/k3.json"
is "still a hold" 0 $?
ok "the record was replaced" until_true cache_is 0c01 H
ok "and it was told" until_true grep -qE "event=(repaired|drift).*0c01" "$here/log"

# Two servers on one store: the call moves to the other, same unique id.
first=$pid first_port=$port
ok "a second server" start_daemon "$here/log2"
cat >"$here/last.csv" <<-'END'
	holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
	yui,1980-02-03,060-0001,011002,011-200-1111,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0d01,2025-05-01,2030-02-03,good
END
ok "one more holder" "$bin/holdline" registry import -c "$here/conf" "$here/last.csv"
yui="1,19800203,0600001,1111,#,1"
port2=$port port=$first_port
call --id same --keys "$yui" --hangup-at receipt --json >"$here/s1.json"
kill -9 "$first"
wait "$first" 2>/dev/null
port=$port2
call --id same --keys "$yui" --json >"$here/s2.json"
is "the second server gives the same answer" visible "$(field result <"$here/s2.json")"
is "one case only" 1 "$("$bin/holdline" case list -c "$here/conf" --json | python3 -c '
import json,sys
print(sum(1 for c in json.load(sys.stdin) if c["call"] == "same"))')"
stop_daemon
is "it stops politely" 0 $?
ok "the audit chain holds" "$bin/holdline" audit verify -c "$here/conf"
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here/log' '$here/log2'"
finish
