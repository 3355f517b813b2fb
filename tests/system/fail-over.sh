#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A dialplan's list of servers, as the telephone in the terminal plays it: the
# first cannot be reached, or dies while the caller is being asked.
. "$(dirname "$0")/lib.sh"

ok "redis starts" start_redis
ok "a site" site
ok "a server" start_daemon
first=$pid first_port=$port
ok "a second server" start_daemon "$here/log2"
both="127.0.0.1:$first_port,127.0.0.1:$port"

"$bin/holdline" call --server "127.0.0.1:1,$both" --keys "$hana_keys" --json >"$here/c1.json"
is "one that cannot be reached is passed over" visible "$(field result <"$here/c1.json")"
fails "none can be reached" "is the server running" \
	"$bin/holdline" call --server "127.0.0.1:1,127.0.0.1:2" --keys 1
fails "a slip in the list" "127.0.0.2" \
	"$bin/holdline" call --server "127.0.0.1:1,127.0.0.2" --keys 1

# A caller at the keys: the first server dies when the menu is being said.
mkfifo "$here/keys"
"$bin/holdline" call --server "$both" --id moved --lang en <"$here/keys" >"$here/heard" 2>&1 &
caller=$!
exec 5>"$here/keys"
ok "the menu is asked" until_true grep -q '^\[menu\]' "$here/heard"
kill -9 "$first"
wait "$first" 2>/dev/null
ok "the caller hears that the line was cut" until_true grep -q 'the line is cut off' "$here/heard"
tr , '\n' <<<"$taro_keys" >&5
ok "the receipt is told by the other server" until_true grep -q '^\[receipt\]' "$here/heard"
echo h >&5
exec 5>&-
wait "$caller"
is "the call placed a hold" 0 $?
is "the cache says held" H "$(cache 0a01)"
is "one case for it" 1 "$("$bin/holdline" case list -c "$here/conf" --json | grep -c '"moved"')"
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here/log' '$here/log2' '$here/heard'"
finish
