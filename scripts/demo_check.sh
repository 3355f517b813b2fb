# SPDX-License-Identifier: Apache-2.0
# demo_check.sh -- sourced by demo: one call, and what it did.

# shellcheck disable=SC2086
{
	echo; echo "== before the call"
	show good none ${serials[0]}
	echo; echo "== what a relying party is told before the call"
	show_ocsp good ${serials[0]}
	echo; echo "== the call"
	"$holdline" call --lang en --id demo-1 \
		--from 0312345678 --keys "${keys[0]}" && rc=0 || rc=$?
	expect "exit status of the call" 0 "$rc"
	echo; echo "== after the call"
	show hold H ${serials[0]}
}
echo; echo "== the case"
"$holdline" case show "$(newest_receipt)" || bad=1
us=$(sed -n 's/.*demo-1 event=hold .*confirmed_to_visible_us=\([0-9-]*\).*/\1/p' "$here/holdlined1.log")
echo
echo "from the confirming key to visible, read back from the cache: $us microseconds"
[ -n "$us" ] && [ "$us" -gt 0 ] && [ "$us" -lt 1000000 ] || {
	echo "  WRONG: that is not within a second"
	bad=1
}
"$holdline" audit verify || bad=1
echo; echo "== what a relying party is told now"
# shellcheck disable=SC2086
show_ocsp "revoked certificateHold" ${serials[0]}
verdict
