#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The registry's news meet open cases: holds by telephone, then files of news,
# then what the counter, the cache and the next caller see of it.
# delta-postgres.sh is this one on PostgreSQL.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
engine=${engine:-sqlite}

issuer=5d3c1f0e9a7b2c4d6e8f00112233445566778899
header=change,holder_ref,date,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,replaces
apply() { "$bin/holdline" registry apply -c "$here/conf" "$@"; }
# shown RECEIPT PATH...: of that case.
shown() { "$bin/holdline" case show -c "$here/conf" --json "$1" | field "${@:2}"; }
hold() { call --id "$1" --keys "$2" --json | tee "$here/call.json" | field receipt; }
sql() {
	if [ $engine = sqlite ]; then
		sqlite3 -cmd '.timeout 5000' "$here/data/db" "$1"
	else
		pg "$1"
	fi
}
# delta NUMBER: a file of news from the rows on standard input.
delta() {
	cat >"$here/rows"
	{ echo "delta,jpki,$1,$(wc -l <"$here/rows")"; echo "$header"; cat "$here/rows"; } >"$here/$1.csv"
}

ok "redis starts" start_redis
ok "a site" site
if [ $engine = postgres ]; then
	ok "a cluster" make_cluster
	ok "PostgreSQL starts" start_postgres
	pg "CREATE ROLE holdline LOGIN"
	pg "CREATE DATABASE holdline OWNER holdline"
	db=holdline
	on_postgres
	ok "the people" "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"
fi
# Three more, who are as Taro and Hana but for their birthdays.
sed 's/^taro,1985-04-12/jiro,1985-04-13/; s/^hana,1990-01-01/yuki,1990-01-02/; s/,0a0/,0c0/; s/,0b0/,0d0/' \
	"$here/people.csv" >"$here/more.csv"
sed -n 's/^taro,1985-04-12/goro,1985-04-14/; s/,0a0/,0e0/p' "$here/people.csv" >>"$here/more.csv"
ok "more people" "$bin/holdline" registry import -c "$here/conf" "$here/more.csv"
ok "the server starts" start_daemon
taro=$(hold c1 "$taro_keys")
hana=$(hold c2 "$hana_keys")
jiro=$(hold c3 "${taro_keys/0412/0413}")
is "a hold is visible" H "$(cache 0c01)"

# ---- one file with all of it
delta 42 <<-END
	moved,taro,2026-01-15,1985-04-12,530-0001,271276,090-1234-5678,4711,ヤマダ タロウ,,,,,,,
	died,hana,,,,,,,,,,,,,,
	reissued,jiro,,,,,,,,card,signature,$issuer,0c11,2026-01-15,2031-04-13,0c01
	reissued,jiro,,,,,,,,card,authentication,$issuer,0c12,2026-01-15,2031-04-13,0c02
	expired,yuki,,,,,,,,,,$issuer,0d01,,,
	died,nobody,,,,,,,,,,,,,,
	born,taro,,,,,,,,,,,,,,
END
fails "a feed that nobody knows" "say --first" apply "$here/42.csv"
ok "nothing was applied" test "$(sql "SELECT count(*) FROM deltas")" = 0
apply --first "$here/42.csv" >"$here/42.out" 2>"$here/42.err"
is "it is applied" 0 $?
is "its rows are counted" "7 rows: 2 new, 2 changed, 0 unchanged, 3 rejected (see $here/42.csv.rejects)" "$(sed -n 1p "$here/42.out")"
is "and what they did" "Number 42 of the feed jpki is applied: 5 certificates revoked; of the open cases 2 closed, 1 moved to another municipality, 1 noted." "$(sed -n 2p "$here/42.out")"
is "only the owner may read what was rejected" 600 "$(stat -c %a "$here/42.csv.rejects")"
ok "a certificate that is valid has not expired" grep -q '^7,"serial: on record as valid to the end of' "$here/42.csv.rejects"
ok "a holder who is not known" grep -q '^8,"holder_ref: nobody on record has it' "$here/42.csv.rejects"
ok "a change that there is not" grep -q '^9,"change: neither moved nor' "$here/42.csv.rejects"

# ---- moved: the case goes along, the signature certificate ends
is "the case is open, at the new counter, with a note" "open 271276 moved-from-131016" \
	"$(shown "$taro" status municipality_code notes.1.what)"
"$bin/holdline" case show -c "$here/conf" "$taro" >"$here/taro.txt"
ok "which says from where" grep -q "^note .*the holder has moved here from 131016 東京都千代田区" "$here/taro.txt"
ok "relying parties see the signature revoked" until_true cache_is 0a01 R
is "and the other one on hold" H "$(cache 0a02)"
is "the instant of the hold stays" "$(shown "$taro" stored)" "$(status 0a01 | field certificates.0.since)"
"$bin/holdline" case list -c "$here/conf" --municipality 271276 >"$here/list"
ok "the new counter's list has it" grep -q "^$taro .*moved .*271276" "$here/list"
ok "the old one's has not" sh -c "! '$bin/holdline' case list -c '$here/conf' --municipality 131016 | grep $taro"
call --id c4 --keys "$taro_keys" --json >"$here/c4.json"
ok "the old postal code finds nobody" test "$(field result <"$here/c4.json")" != already
call --id c5 --keys "${taro_keys/1000001/5300001}" --json >"$here/c5.json"
is "the new one does: it is on hold" already "$(field result <"$here/c5.json")"

# ---- died: everything ends
is "the case is closed; the reason names the file" \
	"closed died the holder has died (delta jpki, number 42)" "$(shown "$hana" status outcome reason)"
ok "relying parties see it" until_true cache_is 0b01 R
ok "of both" until_true cache_is 0b02 R
call --id c6 --keys "$hana_keys" --json >"$here/c6.json"
is "nothing is left to hold" nothing "$(field result <"$here/c6.json")"

# ---- reissued: the case is over, and the next loss finds the new pair
is "the case is closed, because there is a new pair" "closed reissued" "$(shown "$jiro" status outcome)"
ok "the old one is revoked" until_true cache_is 0c01 R
hold c7 "${taro_keys/0412/0413}" >/dev/null
is "the next loss is held" visible "$(field result <"$here/call.json")"
is "by the new certificate" H "$(cache 0c11)"
is "the old one stays revoked" R "$(cache 0c01)"

# ---- their order
before=$(sql "SELECT count(*) FROM audit")
apply "$here/42.csv" >"$here/again" 2>&1
is "again: nothing to do" 0 $?
ok "that is said" grep -q "^Number 42 of the feed jpki was applied at .*; there is nothing to do" "$here/again"
is "and nothing was done" "$before" "$(sql "SELECT count(*) FROM audit")"
sed '/^born/d; s/jpki,42,7/jpki,42,6/' "$here/42.csv" >"$here/other.csv"
fails "another content" "was applied already, with another content" apply "$here/other.csv"
delta 44 </dev/null
fails "a gap" "the feed jpki is at number 42 and this is 44; apply 43 first" apply "$here/44.csv"
delta 43 </dev/null
ok "the next number, without news" apply "$here/43.csv"
ok "then the one after it" apply "$here/44.csv"
ok "the feed is listed" sh -c "'$bin/holdline' registry feeds -c '$here/conf' | grep -q '^jpki .*at number 44, applied at '"
is "as JSON" 44 "$("$bin/holdline" registry feeds -c "$here/conf" --json | field 0.number)"

# ---- files that are refused as a whole, whatever the engine
refused() {
	fails "a file of the whole registry" "for \`holdline registry import\`; nothing was applied" apply "$here/people.csv"
	sed '1s/,0$/,1/' "$here/44.csv" >"$here/cut.csv"
	fails "one that was cut off" "says 1 row, and it has 0: it was cut off" apply "$here/cut.csv"
	sed '2s/,date,/,day,/' "$here/44.csv" >"$here/head.csv"
	fails "a wrong header" "column 3 of it is none that a delta has" apply "$here/head.csv"
	fails "a pipe" "no regular file" apply /dev/stdin </dev/null
	: >"$here/empty.csv"
	fails "an empty one" "it is empty" apply "$here/empty.csv"

	# ---- the example of the documentation is read as it stands
	sed -n '/^delta,jpki,42,5/,/^```/p' "$(dirname "$0")/../../doc/registry.md" |
		sed '/^```/d; s/^delta,jpki,/delta,doc,/' >"$here/doc.csv"
	ok "the documented file" apply --first "$here/doc.csv"
	is "nothing is wrong in it but that nobody is known" 5 "$(grep -c '"holder_ref: nobody on record has it' "$here/doc.csv.rejects")"
}
[ $engine != sqlite ] || refused

# ---- a call while a file is applied; the file is cut off by kill -9, goes on
# in two processes at once, and each row takes effect once
pairs=1500 # takes some times as long as a call
[ $engine = sqlite ] || pairs=800
for n in $(seq 0 $((pairs - 1))); do
	[ $((n % 100)) = 0 ] && echo "died,nobody-$n,,,,,,,,,,,,,,"
	echo "moved,yuki,,,,011002,,,,,,,,,,"
	echo "moved,yuki,,,,271276,,,,,,,,,,"
done | delta 45
yuki=$(hold c8 "${hana_keys/0101/0102}")
"$bin/holdline" registry apply -c "$here/conf" "$here/45.csv" >"$here/45.out" 2>&1 &
p=$!
pids="$pids $p"
some_is_applied() { [ "$(sql "SELECT count(*) FROM deltas WHERE seq = 45 AND rejects > 0")" = 1 ]; }
ok "some of it is applied" until_true some_is_applied
is "a call meanwhile is as ever" visible "$(call --id c9 --keys "${taro_keys/0412/0414}" --json | field result)"
is "the cache says held" H "$(cache 0e01)"
kill -9 "$p"
wait "$p" 2>/dev/null
is "not all of it was applied" 0 "$(sql "SELECT done_us FROM deltas WHERE seq = 45")"
delta 46 </dev/null
fails "the next one waits" "number 45 of the feed jpki has not reached its end" apply "$here/46.csv"
fails "a list that another process writes is not taken from it" "another process is writing its rejected rows" \
	flock "$here/45.csv.rejects" "$bin/holdline" registry apply -c "$here/conf" "$here/45.csv"
"$bin/holdline" registry apply -c "$here/conf" --rejects "$here/45.other" "$here/45.csv" >"$here/45.out" 2>&1 &
p=$!
pids="$pids $p"
ok "without its list it is read from the start" until_true grep -q "reading it from the start" "$here/45.out"
ok "the same file goes on" apply "$here/45.csv"
wait "$p"
is "and in another process, with a list of its own" 0 $?
is "each move is on record once" $((2 * pairs)) "$(sql "SELECT count(*) FROM case_events WHERE what LIKE 'moved-from-%' AND case_id = (SELECT id FROM cases WHERE receipt = '$yuki')")"
for list in 45.csv.rejects 45.other; do
	is "each rejected row is listed once" "$(grep -n nobody "$here/45.csv" | cut -d: -f1)" "$(sed 1d "$here/$list" | cut -d, -f1)"
done
is "it is on hold as it was" H "$(cache 0d02)"
ok "then the next one may come" apply "$here/46.csv"

# ---- memory does not grow with the file: 3,000 rows more, at over 1.5 KB each
# if they were kept, and with nothing to do that fills the store's cache
# peak NUMBER ROWS: kilobytes that applying so many rows took at most.
peak() {
	yes "moved,taro,,,,271276,,,,,,,,,," | head -n "$2" | delta "$1"
	python3 - "$bin/holdline" registry apply -c "$here/conf" "$here/$1.csv" <<-'PY'
		import resource, subprocess, sys
		subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
		print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
	PY
}
memory() {
	local -x ASAN_OPTIONS=${ASAN_OPTIONS-}:quarantine_size_mb=1:detect_leaks=0
	local short long
	short=$(peak 47 600)
	long=$(peak 48 3600)
	ok "memory does not grow with the file ($short and $long KB)" \
		test "$((long - short))" -lt 2048
}
[ $engine != sqlite ] || memory

ok "no certificate was lifted" test "$(sql "SELECT count(*) FROM certificates WHERE status = 0 AND generation > 0")" = 0
ok "the audit chain holds" "$bin/holdline" audit verify -c "$here/conf"
stop_daemon
is "the server stops politely" 0 $?
ok "nothing was wrong" sh -c "! grep -E 'runtime error|AddressSanitizer|not-published|event=drift' '$here/log'"
finish
