# SPDX-License-Identifier: Apache-2.0
# lib_fault.sh -- sourced after lib.sh by the tests that break the revocation
# cache: many people to call, and a watcher all the time: one that plays the
# responder (tests/fault/watch_cache), or, after start_responder, one that asks
# a real one over HTTP (tests/fault/watch_ocsp).  After each fault no certificate
# whose hold was visible has ever been judged or answered good, and the cache
# equals the store.
. "$(dirname "$0")/../../scripts/ca.sh"

issuer=5d3c1f0e9a7b2c4d6e8f00112233445566778899
watcher="" ocsp_port=""

cache() { redis hget "jpki:st:$issuer:$1" s; }

# people N: persons 1 to N, each with one certificate, serial c001 and on.
people() {
	local i
	{
		echo holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
		for i in $(seq "$1"); do
			printf 'p%d,1980-01-01,%07d,131016,03-1234-%04d,,,card,signature,%s,c%03d,2025-05-01,2039-01-01,good\n' \
				"$i" "$i" "$i" "$issuer" "$i"
		done
	} >"$here/many.csv"
	"$bin/holdline" registry import -c "$here/conf" "$here/many.csv"
}

# hold N: person N calls; prints what the caller was told.
hold() {
	call --id "f$1" --json \
		--keys "$(printf '1,19800101,%07d,%04d,#,1' "$1" "$1")" \
		>"$here/f$1.json" 2>"$here/f$1.err"
	field result <"$here/f$1.json" 2>/dev/null
}

store_visible() {
	"$bin/holdline" cert status -c "$here/conf" --json "$1" |
		python3 -c 'import json,sys
for c in json.load(sys.stdin)["certificates"]: sys.exit(not c["visible"])'
}

# visible N: from now on person N's certificate may not be good.
visible() {
	local serial
	serial=$(printf c%03d "$1")
	[ "$(field result <"$here/f$1.json" 2>/dev/null)" = visible ] ||
		until_true store_visible "$serial" || return 1
	echo "$issuer $serial" >&8
}

# authority: the people's certificates are of one that can sign answers; before
# people().
authority() {
	ca_make "$here/ca" "Faults" && ca_signer "$here/ca" ocsp &&
		issuer=$(ca_key_hash "$here/ca")
}

# start_responder: on the same cache; watchers ask it.
start_responder() {
	cat >"$here/ocspd.conf" <<-END
		redis {
			address = "unix:$here/redis.sock"
			timeout = "2s"
		}
		ocsp {
			listen = "127.0.0.1:0"
			issuers = { "$here/ca/ca.crt" }
			signers = { "$here/ca/ocsp.crt" }
			keys = { "$here/ca/ocsp.key" }
		}
	END
	"$bin/holdline-ocspd" -c "$here/ocspd.conf" 2>"$here/ocspd.log" &
	pids="$pids $!"
	until_true grep -q event=proven "$here/ocspd.log" || {
		cat "$here/ocspd.log"
		return 1
	}
	ocsp_port=$(sed -n 's/.*event=ready.* port=\([0-9]*\).*/\1/p' "$here/ocspd.log")
}

start_watcher() {
	local watch=(watch_cache "$here/conf")
	[ -z "$ocsp_port" ] || watch=(watch_ocsp "$ocsp_port" "$here/ca/ca.crt")
	mkfifo "$here/watch.in"
	"$bin/tests/fault/${watch[0]}" "${watch[@]:1}" <"$here/watch.in" \
		>"$here/watch.out" 2>"$here/watch.log" &
	watcher=$!
	pids="$pids $watcher"
	exec 8>"$here/watch.in"
}

# stop_watcher: its exit status; 0 = nobody was judged good.
stop_watcher() {
	echo end >&8
	exec 8>&-
	rm -f "$here/watch.in"
	wait "$watcher"
}

no_violation() { ! grep VIOLATION "$here/watch.out"; }
verified() { "$bin/holdline" cache verify -c "$here/conf"; }
proved() { "$bin/holdline" cache status -c "$here/conf"; }

# healed NAME: after a fault.
healed() {
	ok "$1: the cache equals the store again" until_true verified
	ok "$1: and proves it" until_true proved
	ok "$1: nobody on hold was ever good" no_violation
}
