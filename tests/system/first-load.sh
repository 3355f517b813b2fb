#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A first load leaves what an ordinary import of the same file leaves, on both
# engines, with a server running, and wherever it is killed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"

# What ASan keeps back would grow with the file.
export ASAN_OPTIONS=${ASAN_OPTIONS-}:quarantine_size_mb=1:detect_leaks=0

import() { "$bin/holdline" registry import -c "$here/conf" "$@"; }
ask_sqlite() { sqlite3 -cmd '.timeout 5000' "$here/data/db" "$1"; }
ask_postgres() { db=$base pg "$1"; }
hex() { case $engine in sqlite) echo "hex($1)" ;; *) echo "encode($1, 'hex')" ;; esac; }

# registry: all that the registry says, without the numbers of rows.
registry() {
	"ask_$engine" "SELECT $(hex h.ref), $(hex h.tag), h.key_version,
		h.municipality, $(hex h.phones), c.carrier, c.kind, c.issuer,
		c.serial, c.not_before, c.not_after, c.status, c.generation,
		c.reason FROM certificates AS c JOIN holders AS h
		ON h.id = c.holder ORDER BY c.serial, c.issuer" |
		sed 's/\r//' | md5sum
}
count() { "ask_$engine" "SELECT count(*) FROM $1" 2>/dev/null; }
stage() { "ask_$engine" "SELECT stage FROM first_load" 2>/dev/null; }
is_loading() { [ "$(count first_pages)" -ge "${1-1}" ]; }
is_stage() { [ "$(stage)" = "$1" ]; }
rejects() { sed 1d "$here/big.csv.rejects" | sort; }

# The file: people of whom some are revoked; some lines that cannot be read;
# holders who come again with another telephone; serials that are others'.
make_file() {
	{
		cat "$here/people.csv"
		"$bin/holdline" registry sample --count 2500 --seed 5 | sed 1d |
			awk -F, -v OFS=, '{ $6 = ""; if (NR % 400 == 0) $4 = "999997"
				if (NR % 70 == 60) $1 = "\"" $1; print }'
		"$bin/holdline" registry sample --count 2500 --seed 5 | sed 1d |
			awk -F, -v OFS=, '{ $6 = "" }
				NR % 300 == 1 { $5 = "0311112222"; print }
				NR % 500 == 2 { kept = $11 }
				NR % 500 == 250 { $11 = kept; print }'
	} >"$here/big.csv"
}

# An empty store.
new_sqlite() { rm -f "$here"/data/db*; }
new_postgres() {
	base=b$((${base#b} + 1))
	pg "CREATE DATABASE $base OWNER holdline" &&
		sed -i "s|^store = .*|store = \"postgresql://holdline@/$base?host=$here/pg\"|" "$here/conf"
}

# start_load: in the background, the program itself.
start_load() {
	"$bin/holdline" registry import -c "$here/conf" --first "$here/big.csv" \
		>"$here/import.out" 2>"$here/import.err" &
	loading=$!
	pids="$pids $loading"
}
kill_load() {
	kill -9 "$loading"
	wait "$loading" 2>/dev/null
	[ $? = 137 ]
}

# blocker SQL: a session that keeps a lock until its input is closed.
start_blocker() {
	coproc blocker { exec "$pg_bin/psql" -h "$here/pg" -U postgres -d "$base" -Atq 2>&1; }
	blocker_pid=$blocker_PID
	pids="$pids $blocker_pid"
	echo "BEGIN; $1; SELECT 'locked';" >&"${blocker[1]}"
	read -r -t 20 word <&"${blocker[0]}" && [ "$word" = locked ]
}
stop_blocker() {
	eval "exec ${blocker[1]}>&-"
	wait "$blocker_pid" 2>/dev/null || :
}

# is_waiting: for the blocker, in a statement like this.
is_waiting() {
	[ "$(ask_postgres "SELECT count(*) FROM pg_stat_activity
		WHERE wait_event_type = 'Lock' AND query LIKE '$1%'")" -gt 0 ]
}

# Somebody whom no file has, asked twice.
nobody_keys="1,19010203,9999999,1234,#,19010203,9999999,1234,#"

ok "redis starts" start_redis
ok "a site" site
make_file
rows=$(($(wc -l <"$here/big.csv") - 1))
ok "a cluster" make_cluster
ok "PostgreSQL starts" start_postgres
pg "CREATE ROLE holdline LOGIN"
base=b0

for engine in sqlite postgres; do
	say() { echo "$engine: $1"; }
	ok "$(say "an ordinary import")" "new_$engine"
	import "$here/big.csv" >"$here/ordinary.out" 2>&1
	wanted=$(registry)
	rejects >"$here/rejects.wanted"
	ok "$(say "rows are refused in it")" test "$(wc -l <"$here/rejects.wanted")" -gt 20

	"new_$engine"
	ok "$(say "a server starts on an empty registry")" start_daemon "$here/log.$engine"
	ok "$(say "its link is up")" until_true grep -q event=cache-up "$here/log.$engine"
	call --id "$engine-0" --keys "$nobody_keys" --json >"$here/c0.json"
	is "$(say "a caller goes to a person")" person "$(field next <"$here/c0.json")"
	start_load
	ok "$(say "a first load is under way")" until_true is_loading
	call --id "$engine-1" --keys "$nobody_keys" --json >"$here/c1.json"
	is "$(say "a call is answered meanwhile")" person "$(field next <"$here/c1.json")"
	wait "$loading"
	is "$(say "it ends well")" 0 $?
	is "$(say "the registry is as after an ordinary import")" "$wanted" "$(registry)"
	ok "$(say "the same rows are refused")" diff "$here/rejects.wanted" <(rejects)
	is "$(say "and counted")" "$(cut -d'(' -f1 <"$here/ordinary.out" | sed 's/[0-9,]* changed, [0-9,]* unchanged, //')" \
		"$(cut -d'(' -f1 <"$here/import.out" | sed 's/[0-9,]* changed, [0-9,]* unchanged, //')"
	call --id "$engine-2" --keys "$hana_keys" --json >"$here/c2.json"
	is "$(say "the server finds people then")" visible "$(field result <"$here/c2.json")"
	is "$(say "nothing is left over")" 0 "$(count first_load)$(count first_pages)"
	ok "$(say "the audit chain holds")" "$bin/holdline" audit verify -c "$here/conf"
	fails "$(say "a second one is refused")" "the registry has holders already" \
		import --first "$here/big.csv"
	stop_daemon
	is "$(say "the server stops politely")" 0 $?

	"new_$engine"
	start_load
	ok "$(say "a load is under way")" until_true is_loading 2
	ok "$(say "it is killed")" kill_load
	fails "$(say "an ordinary import is refused then")" "a first load of the registry is under way" \
		import "$here/people.csv"
	fails "$(say "another file, too")" "a first load of another file is under way" \
		import --first "$here/people.csv"
	ok "$(say "it goes on")" import --first "$here/big.csv"
	is "$(say "to the same registry")" "$wanted" "$(registry)"
	ok "$(say "with the same rows refused")" diff "$here/rejects.wanted" <(rejects)

	"new_$engine"
	start_load
	ok "$(say "a load of the wrong file")" until_true is_loading
	kill_load
	ok "$(say "is forgotten")" import --first --from-start "$here/people.csv"
	is "$(say "for another")" 4 "$(count certificates)"
done

# Killed before the tables are in their places, and after.
engine=postgres
new_postgres
"$bin/holdline" case list -c "$here/conf" >/dev/null # makes the tables
ok "a lock" start_blocker "LOCK TABLE holds IN ACCESS SHARE MODE"
start_load
ok "the tables wait for it" until_true is_waiting DO
is "all rows are in then" 2 "$(stage)"
ok "killed there" kill_load
stop_blocker
ok "a lock that is met later" start_blocker "LOCK TABLE audit IN SHARE MODE"
start_load
ok "it goes on, up to that" until_true is_waiting 'INSERT INTO audit'
is "the rows are in their places" 3 "$(stage)"
ok "it says that it went on" grep -q "All rows were taken in by an earlier run" "$here/import.err"
ok "killed there, too" kill_load
stop_blocker
# Another import ends it, too, but only of all that there is.
pg "CREATE DATABASE kept TEMPLATE $base OWNER holdline"
kept=$base base=kept
sed -i "s|/$kept?|/kept?|" "$here/conf"
import "$here/people.csv" >/dev/null 2>"$here/import.err"
ok "a few rows do not end it" grep -q "A first load has not ended" "$here/import.err"
is "so it goes on" 3 "$(stage)"
ok "an import of the same file reads all of it" import "$here/big.csv"
is "which ends it" 0 "$(count first_load)$(count first_pages)"
is "with the same registry" "$wanted" "$(registry)"
base=$kept
sed -i "s|/kept?|/$kept?|" "$here/conf"

cp "$here/big.csv" "$here/kept.csv"
sed -i '$s/,0/,1/' "$here/big.csv"
fails "not with a file that was changed since" "the file that they are from is needed to end it, as it was" \
	import --first "$here/big.csv"
cp "$here/kept.csv" "$here/big.csv"
ok "it goes on to the end" import --first "$here/big.csv"
is "which is the same registry" "$wanted" "$(registry)"
ok "with the same rows refused" diff "$here/rejects.wanted" <(rejects)
is "nothing is left over" 0 "$(count first_load)$(count first_pages)"

fails "not from a pipe" "a first load reads parts of it twice" \
	import --first - <"/dev/null"
finish
