#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job end to end: a real redis-server, a real server, a telephone in
# the terminal.
. "$(dirname "$0")/lib.sh"

ok "redis starts" start_redis
ok "a site" site
ok "the server starts" start_daemon

is "good before" "" "$(cache 0a01)"
call --id c1 --from 0312345678 --keys "$taro_keys" --json >"$here/c1.json"
is "the call placed a hold" 0 $?
is "result" visible "$(field result <"$here/c1.json")"
receipt=$(field receipt <"$here/c1.json")
is "the cache says held" H "$(cache 0a01)"
is "both of them" H "$(cache 0a02)"
is "the other holder is untouched" "" "$(cache 0b01)"
ok "the case is there" "$bin/holdline" case show -c "$here/conf" "$receipt"
ok "the case names the municipality" sh -c "\"$bin/holdline\" case show -c \"$here/conf\" $receipt | grep -q 千代田区"
ok "the certificate is on hold" sh -c "'$bin/holdline' cert status -c '$here/conf' 0a01 | grep -q hold"

call --id c2 --keys "$taro_keys" --json >"$here/c2.json"
is "a second call places nothing" 1 $?
is "it says already" already "$(field result <"$here/c2.json")"
is "with the same receipt" "$receipt" "$(field receipt <"$here/c2.json")"

call --id c3 --keys "1,19850412,1000001,0000,4711#,19850412,1000001,0000,4711#" --json >"$here/c3.json"
is "wrong answers place nothing" 1 $?
is "they lead to a person" person "$(field next <"$here/c3.json")"

call --id c4 --lang en --to 0120017827 --keys "$hana_keys" >"$here/c4.txt"
is "in English" 0 $?
ok "in English words" grep -q 'receipt number' "$here/c4.txt"
is "held too" H "$(cache 0b02)"

# A second call id for a holder, hung up before and after the confirmation.
call --id c5 --keys "1,19850412h" >/dev/null
is "a hang-up places nothing" 1 $?

ok "the log names no number and no answer" sh -c "! grep -E '0312345678|19850412|1000001|5678|4711' '$here/log'"
ok "the store holds no readable answer" sh -c "! strings -n 4 '$here'/data/db* | grep -E '19850412|1985-04-12|1000001|0312345678|ヤマダ|09012345678'"
kill -USR1 "$pid"
ok "counters are logged" until_true grep -q 'calls_held=' "$here/log"
stop_daemon
is "it stops politely" 0 $?
ok "nothing was wrong" sh -c "! grep -E ' error | runtime error|AddressSanitizer' '$here/log'"
ok "the audit chain holds" "$bin/holdline" audit verify -c "$here/conf"
finish
