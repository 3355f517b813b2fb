#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The revocation cache is what the store says: wiped, spoiled, contradicted,
# under live holds, with two servers of which one is killed.
. "$(dirname "$0")/lib.sh"

issuer=5d3c1f0e9a7b2c4d6e8f00112233445566778899
wm() { redis hget jpki:wm "$1"; }
state_is() { [ "$(wm state)" = "$1" ]; }
logged() { grep -q -- "$1" "${2:-$here/log}"; }
record() { redis hmget "jpki:st:$issuer:$1" v s | xargs; }
record_is() { [ "$(record "$1")" = "$2" ]; }
gone() { [ "$(redis exists "jpki:st:$issuer:$1")" = 0 ]; }

ok "redis starts" start_redis
ok "a site" site
# With no more rights than the page names.
rights=$(sed -n '/ACL SETUSER holdline/,/^$/p' "$(dirname "$0")/../../doc/redis.md" |
	tr '\n' ' ' | sed 's/.*ACL SETUSER holdline on >PASSWORD//')
# shellcheck disable=SC2086
acl() { redis acl setuser holdline on ">secret" $rights; }
ok "a user of its own" acl
(umask 077 && echo secret >"$here/password")
sed -i "s|^\(\t*\)timeout = \"2s\"|&\n\1user = \"holdline\"\n\1password_file = \"$here/password\"|" "$here/conf"
sed -i 's/^\(\t*\)timeout = "2s"/&\n\1compare_every = "1s"/' "$here/conf"
ok "the server starts" start_daemon
ok "an empty cache is filled and called complete" until_true state_is complete
epoch=$(wm epoch)
is "by the first owner" 1 "$(wm fence)"
call --id k1 --keys "$taro_keys" --json >"$here/k1.json"
is "a hold is visible" visible "$(field result <"$here/k1.json")"
seq_is() { [ "$(wm seq)" = "$1" ]; }
ok "the sequence number follows" until_true seq_is 2

# Drift of every kind.
redis del "jpki:st:$issuer:0a01" >/dev/null
redis hset "jpki:st:$issuer:0a02" v 9 s G r 0 t 0 e 0 >/dev/null
redis hset "jpki:st:$issuer:0b01" v 3 s H r 6 t 5 e 0 >/dev/null
redis set "jpki:st:$issuer:ffff" nonsense >/dev/null
ok "a missing record is back" until_true record_is 0a01 "1 H"
ok "what contradicts the store is replaced" until_true record_is 0a02 "1 H"
ok "what the store does not know goes" until_true gone 0b01
ok "whatever it is" until_true gone ffff
for kind in missing contradicts unknown; do
	ok "it is named: $kind" until_true logged "event=drift kind=$kind"
done
redis del "jpki:st:$issuer:0a01" >/dev/null
redis set "jpki:st:$issuer:0a01" nonsense >/dev/null
ok "a wrong type is replaced" until_true record_is 0a01 "1 H"
is "all the while it was complete" "complete $epoch" "$(wm state) $(wm epoch)"

# Wiped under the running server.
redis flushall >/dev/null
is "a wiped cache has no proof" "" "$(wm state)"
ok "it is filled" until_true record_is 0a02 "1 H"
ok "and complete" until_true state_is complete
ok "in a later epoch" test "$(wm epoch)" ">" "$epoch"
redis function flush >/dev/null
seconds=$(wm time)
later() { [ "$(wm time)" -gt "$seconds" ]; }
ok "functions that were flushed are loaded again" until_true later

# A server that restarts has lost what it had; one that was only left has not.
epoch=$(wm epoch)
kill -9 "$pid"
wait "$pid" 2>/dev/null
ok "the server starts again" start_daemon
ok "it takes the lease when that is over" until_true logged event=heartbeat-owned
later_fence() { [ "$(wm fence)" -gt 1 ]; }
ok "with a higher fence" until_true later_fence
ok "and fills nothing: it is the same redis" \
	test "$(grep -c event=cache-filling "$here/log")" = 0
stop_redis
ok "redis restarts, empty" start_redis
ok "with the user" acl
ok "that one is filled" until_true state_is complete
ok "for a reason" logged "event=cache-filling"
ok "with every record" record_is 0a01 "1 H"

# Two servers: one beats, dies, and the other goes on.
first=$pid
fence=$(wm fence)
ok "a second server" start_daemon "$here/log2"
kill -9 "$first"
wait "$first" 2>/dev/null
ok "it goes on" until_true logged event=heartbeat-owned "$here/log2"
taken_over() { [ "$(wm fence)" -gt "$fence" ] && state_is complete; }
ok "with a higher fence" until_true taken_over
call --id k2 --keys "$hana_keys" --json >"$here/k2.json"
is "and publishes" visible "$(field result <"$here/k2.json")"

# A hold that is stored and cannot be published: no proof of "good".
sed -i 's/compare_every = "1s"/compare_every = "1h"\n\t\tstuck_after = "1s"/' "$here/conf"
stop_daemon
ok "a third server" start_daemon "$here/log3"
ok "it is complete" until_true taken_over

# The operator's side, while no pass of the server comes first.
run() { "$bin/holdline" cache "$@" -c "$here/conf"; }
ok "status: a proof" run status
is "status: as JSON" "True complete" "$(run status --json >"$here/s.json"
	echo "$(field proof <"$here/s.json") $(field watermark.state <"$here/s.json")")"
ok "verify: no difference" run verify
is "verify: four certificates" "4 0" "$(run verify --json >"$here/v.json"
	echo "$(field compared <"$here/v.json") $(field found <"$here/v.json")")"
redis hset "jpki:st:$issuer:0a01" v 9 s G r 0 >/dev/null
redis del "jpki:st:$issuer:0b01" >/dev/null
redis hset "jpki:st:$issuer:ffff" v 3 s H r 6 t 5 e 0 >/dev/null
run verify >"$here/verify" 2>&1
is "verify: differences are left" 1 $?
ok "verify: names the store's word" grep -q "store *hold, generation 1" "$here/verify"
ok "verify: and the cache's" grep -q "cache *good, generation 9" "$here/verify"
ok "verify: how many" grep -q "3 differences, 0 repaired, 3 left" "$here/verify"
is "verify: and changes nothing" "9 G" "$(record 0a01)"
ok "verify --repair" run verify --repair
is "verify --repair: it is repaired" "1 H 1 H" "$(record 0a01) $(record 0b01)"
ok "verify: no difference any more" run verify

# A rebuild under live holds.
epoch=$(wm epoch)
cat >"$here/crowd.csv" <<-'END'
	holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
	c1,1971-02-03,060-0001,011002,011-200-0001,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,1c01,2025-05-01,2030-02-03,good
	c2,1972-02-03,060-0001,011002,011-200-0002,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,1c02,2025-05-01,2030-02-03,good
	c3,1973-02-03,060-0001,011002,011-200-0003,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,1c03,2025-05-01,2030-02-03,good
	END
ok "a crowd" "$bin/holdline" registry import -c "$here/conf" "$here/crowd.csv"
callers=""
for n in 1 2 3; do
	call --id "crowd$n" --keys "1,197${n}0203,0600001,000$n,#,1" --json >"$here/crowd$n.json" &
	callers="$callers $!"
done
run rebuild --json >"$here/rebuild.json"
is "rebuild: complete" 0 $?
# shellcheck disable=SC2086
wait $callers
is "rebuild: it says so" True "$(field complete <"$here/rebuild.json")"
ok "rebuild: a later epoch" test "$(wm epoch)" ">" "$epoch"
for n in 1 2 3; do
	is "a caller meanwhile is told" visible "$(field result <"$here/crowd$n.json")"
	is "and the record is there" "1 H" "$(record 1c0$n)"
done
ok "verify: nothing differs" run verify

cat >"$here/more.csv" <<-'END'
	holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
	ken,1970-02-03,060-0001,011002,011-200-4321,,,card,authentication,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0c01,2025-05-01,2030-02-03,good
	END
ok "one more holder" "$bin/holdline" registry import -c "$here/conf" "$here/more.csv"
redis hset "jpki:st:$issuer:0c01" v 5 s G r 0 t 0 e 0 >/dev/null
call --id k3 --keys "1,19700203,0600001,4321,#,1" --json >"$here/k3.json"
is "a hold that is not visible" accepted "$(field result <"$here/k3.json")"
ok "the proof is withheld" until_true logged event=heartbeat-withheld "$here/log3"
ok "so readers are told nothing good" until_true state_is loading
stop_daemon
sed -i 's/compare_every = "1h"/compare_every = "1s"/' "$here/conf"
ok "with the comparison back" start_daemon "$here/log4"
ok "the record is repaired" until_true record_is 0c01 "1 H"
ok "and the cache complete" until_true state_is complete
stop_daemon
is "it stops politely" 0 $?
until_true sh -c "! '$bin/holdline' cache status -c '$here/conf' >'$here/cold'"
ok "status: without a server no proof" grep -q "proof *no" "$here/cold"
stop_redis
fails "verify: without redis it says why" "Redis cannot be used" run verify
ok "and what to see to" grep -q event=cache-away "$here/err"
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here'/log*"
finish
