#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An import that is killed in the middle goes on where it was, with its
# rejected rows; memory does not grow with the file; calls are served meanwhile.
. "$(dirname "$0")/lib.sh"

# What ASan keeps back would grow with the file.
export ASAN_OPTIONS=${ASAN_OPTIONS-}:quarantine_size_mb=1:detect_leaks=0

import() { "$bin/holdline" registry import -c "$here/conf" "$@"; }
marks() { sqlite3 -cmd '.timeout 5000' "$here/data/db" 'SELECT count(*) FROM imports'; }
is_marked() { [ "$(marks)" = 1 ]; }
certificates() { sqlite3 -cmd '.timeout 5000' "$here/data/db" 'SELECT count(*) FROM certificates'; }

ok "redis starts" start_redis
ok "a site" site

# One row in 500 is rejected; nobody has a PIN.
"$bin/holdline" registry sample --count 15000 --seed 3 |
	awk -F, -v OFS=, 'NR > 1 { $6 = ""; if (NR % 500 == 0) $4 = "999997" } 1' \
		>"$here/big.csv"
rows=$(($(wc -l <"$here/big.csv") - 1))
bad=$((rows / 500))

# kill_in_the_middle: once some of it is stored.  The program itself: the shell
# of a function in the background would end and leave it running.
kill_in_the_middle() {
	"$bin/holdline" registry import -c "$here/conf" "$here/big.csv" \
		>"$here/import.out" 2>&1 &
	local p=$!
	pids="$pids $p"
	until_true is_marked || return 1
	kill -9 "$p"
	wait "$p" 2>/dev/null
	[ $? = 137 ] && is_marked
}

before=$(certificates)
ok "an import is killed in the middle" kill_in_the_middle
stored=$(($(certificates) - before))
ok "some of it is stored ($stored)" test "$stored" -gt 0 -a "$stored" -lt "$((rows - bad))"
import "$here/big.csv" >"$here/import.out" 2>"$here/import.err"
is "the same file goes on" 0 $?
ok "that is said" grep -q "^Going on at line [0-9,]*, where an earlier import" "$here/import.err"
read -r took _ < <(tr -d , <"$here/import.out")
ok "with fewer rows ($took of $rows)" test "$took" -gt 0 -a "$took" -lt "$rows"
is "all of them are there" "$((rows - bad))" "$(($(certificates) - before))"
is "each rejected row is listed once" "$bad" "$(sed 1d "$here/big.csv.rejects" | grep -c '^[0-9]*,"municipality_code')"
is "in the order of the file" "$(seq 500 500 "$((rows + 1))")" "$(sed 1d "$here/big.csv.rejects" | cut -d, -f1)"
is "the mark is gone" 0 "$(marks)"
ok "again: from the start" import "$here/big.csv"
ok "nothing is new" grep -q "$(printf "%'d" "$rows" 2>/dev/null | tr -d ,) rows: 0 new" <(import "$here/big.csv" 2>&1 | tr -d ,)

# A file that was changed since, or whose rejects are gone, is read again.
sed 's/sample-3-/other-3-/; s/^\(.*,\)\([0-9a-f]\{32\}\),/\1aa\2,/' "$here/big.csv" >"$here/big2.csv"
mv "$here/big2.csv" "$here/big.csv"
ok "another import is killed" kill_in_the_middle
cp "$here/big.csv" "$here/kept.csv"
rm "$here/big.csv.rejects"
import "$here/big.csv" >"$here/import.out" 2>"$here/import.err"
ok "without its rejects it starts from the start" grep -q "starting from the start" "$here/import.err"
ok "with all rows" grep -q "^$rows rows" <(tr -d , <"$here/import.out")
sed 's/other-3-/third-3-/; s/,aa\([0-9a-f]\{32\}\),/,bb\1,/' "$here/kept.csv" >"$here/big.csv"
ok "a third one is killed" kill_in_the_middle
import --from-start "$here/big.csv" >"$here/import.out" 2>"$here/import.err"
ok "--from-start reads all of it" grep -q "^$rows rows" <(tr -d , <"$here/import.out")
is "and there is no mark left" 0 "$(marks)"

# While it runs, a call is answered and its hold is placed.
ok "the server starts" start_daemon
ok "the link is up" until_true grep -q event=cache-up "$here/log"
sed 's/third-3-/fourth-3-/; s/,bb\([0-9a-f]\{32\}\),/,cc\1,/' "$here/big.csv" >"$here/fourth.csv"
import "$here/fourth.csv" >"$here/import.out" 2>&1 &
importing=$!
pids="$pids $importing"
ok "an import is under way" until_true is_marked
call --id c1 --keys "$taro_keys" --json >"$here/c1.json"
is "a call during an import is as ever" visible "$(field result <"$here/c1.json")"
wait $importing
is "the import ends well" 0 $?
stop_daemon
is "the server stops politely" 0 $?

# peak FILE: kilobytes of memory that its import took at most.
peak() {
	python3 - "$bin/holdline" registry import -c "$here/conf" "$1" <<-'END'
		import resource, subprocess, sys
		subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
		print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
	END
}
long=$(printf 'ア%.0s' $(seq 100))
one="long,1985-04-12,100-0001,131016,090-1234-5678,,$long,card,signature,5d3c1f0e9a7b2c4d6e8f00112233445566778899,0d01,2025-05-01,2030-04-12,good"
{ sed 1q "$here/people.csv" && yes "$one" | head -n 9000; } >"$here/short.csv"
{ sed 1q "$here/people.csv" && yes "$one" | head -n 90000; } >"$here/long.csv"
short=$(peak "$here/short.csv")
long=$(peak "$here/long.csv")
size=$(($(wc -c <"$here/long.csv") / 1024))
ok "memory does not grow with the file ($short and $long KB for $size KB)" \
	test "$((long - short))" -lt "$((size / 4))"
ok "the audit chain holds" "$bin/holdline" audit verify -c "$here/conf"
finish
