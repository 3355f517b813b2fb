# SPDX-License-Identifier: Apache-2.0
# demo_check_nodes.sh -- sourced by demo: two servers and a PostgreSQL with a
# standby.  One server dies during a call, the primary between two calls.

both="127.0.0.1:${node_ports[1]},127.0.0.1:${node_ports[2]}"

# types TEXT: the caller's next keys.
types() { echo "$1" >&5; }
heard() { or_show "$here/heard" grep -q "$1" "$here/heard"; }

echo; echo "== what a relying party is told before the calls"
# shellcheck disable=SC2086
show_ocsp good ${serials[0]} ${serials[1]}

echo; echo "== a call on the first server, which dies when it asks for the last yes"
mkfifo "$here/keys"
"$holdline" call --lang en --id demo-1 --server "$both" \
	<"$here/keys" >"$here/heard" 2>&1 &
caller=$!
started $caller KILL
exec 5>"$here/keys"
IFS=, read -r -a entries <<<"${keys[0]}"
for entry in "${entries[@]:0:5}"; do
	types "$entry"
done
heard '^\[confirm\]'
kill -9 "${node_pids[1]}"
wait "${node_pids[1]}" 2>/dev/null || :
heard 'the line is cut off'
# Who it is was proved on the first one: only the yes is missing.
heard '^\[cut-off\]'
types "${entries[5]}"
heard '^\[receipt\]'
types h
exec 5>&-
wait "$caller" && rc=0 || rc=$?
cat "$here/heard"
expect "exit status of the call" 0 "$rc"
export HOLDLINE_CONF=$here/holdline2.conf

echo; echo "== the hold stands"
# shellcheck disable=SC2086
show hold H ${serials[0]}
# shellcheck disable=SC2086
show_ocsp "revoked certificateHold" ${serials[0]}
first=$(newest_receipt)
expect "cases" 1 "$("$holdline" case list --json | grep -c '"receipt"')"

echo; echo "== the primary dies, and its standby takes its place"
kill -9 "$primary"
wait "$primary" 2>/dev/null || :
pg 2 "SELECT pg_promote()" >/dev/null

echo; echo "== the next call, on the second server"
"$holdline" call --lang en --id demo-2 --server "$both" \
	--keys "${keys[1]}" && rc=0 || rc=$?
expect "exit status of the call" 0 "$rc"

echo; echo "== both holds stand"
# shellcheck disable=SC2086
show hold H ${serials[0]} ${serials[1]}
"$holdline" case show "$first" || bad=1
"$holdline" case show "$(newest_receipt)" || bad=1
echo; echo "== what a relying party is told now, from the replica"
# shellcheck disable=SC2086
show_ocsp "revoked certificateHold" ${serials[0]} ${serials[1]}
expect "cases" 2 "$("$holdline" case list --json | grep -c '"receipt"')"
"$holdline" audit verify || bad=1
verdict
