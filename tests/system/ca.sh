#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The certification authority: told by a real server over TLS with client
# certificates, to a double that speaks EJBCA's answers and can lie, die, stall
# and cut.  Whatever it does, no hold waits for it.
. "$(dirname "$0")/lib.sh"
tests=$(dirname "$0")
ca=$here/ca
issuer=5d3c1f0e9a7b2c4d6e8f00112233445566778899
dn="CN=署名 CA/2,O=J-LIS & C,C=JP"

# certificate NAME SUBJECT [EXTENSION]: NAME.pem, NAME.key of the test's CA
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
		-keyout "$ca/$1.key" -out "$ca/$1.csr" 2>/dev/null &&
		openssl x509 -req -in "$ca/$1.csr" -CA "$ca/ca.pem" -CAkey "$ca/ca.key" \
			-CAcreateserial -days 2 -out "$ca/$1.pem" \
			-extfile <(echo "${3:-basicConstraints=CA:FALSE}") 2>/dev/null
}

keys() {
	mkdir -p "$ca" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
			-days 2 -subj "/CN=test CA" -keyout "$ca/ca.key" -out "$ca/ca.pem" 2>/dev/null &&
		certificate server /CN=ca.example subjectAltName=IP:127.0.0.1 &&
		certificate client /CN=hotline
}

# people N: one holder each, nK with the certificates KK01 and KK02
people() {
	local i
	for i in $(seq 10 $((9 + $1))); do
		for kind in signature:01 authentication:02; do
			echo "n$i,1970-01-$i,100-0001,131016,090-0000-00$i,,ヤマダ ハナ$i,card,${kind%:*},$issuer,$i${kind#*:},2025-05-01,2035-04-12,good"
		done
	done
}

double_pid=""
start_double() {
	[ "${1-}" = dead ] || echo "${1:-ok}" >"$ca/mode"
	python3 "$tests/ejbca_double.py" "$ca" ${1:+$([ "$1" = dead ] && echo dead)} \
		>"$ca/out" 2>&1 &
	double_pid=$!
	pids="$pids $double_pid"
	until_true grep -q ready "$ca/out" || {
		cat "$ca/out"
		return 1
	}
}
stop_double() {
	kill -9 "$double_pid" 2>/dev/null
	wait "$double_pid" 2>/dev/null
	:
}
mode() { echo "$1" >"$ca/mode"; }

# What the authority believes: good, CERTIFICATE_HOLD, KEY_COMPROMISE, ...
believes() { cat "$ca/certs/$1"; }
believes_is() { [ "$(believes "$1")" = "$2" ]; }
# dispatch SERIAL FIELD: id, state or last of the newest one of this serial
dispatch() {
	"$bin/holdline" dispatch list -c "$here/conf" --all --to ca |
		awk -v serial="$1" -v field="$2" '$4 == serial {
			print field == "id" ? $1 : field == "state" ? $7 : $9; exit }'
}
state_is() { [ "$(dispatch "$1" state)" = "$2" ]; }
# told SERIAL: polls without a program's start
told() {
	[ "$(sqlite3 "file:$here/data/db?mode=ro" "SELECT d.state FROM dispatches AS d
		JOIN certificates AS c ON c.id = d.cert WHERE c.serial = '$1'
		ORDER BY d.id DESC LIMIT 1")" = "${2:-1}" ]
}
disagrees() { told "$1" 3; }
attempted() {
	[ "$(sqlite3 "file:$here/data/db?mode=ro" "SELECT count(*) FROM dispatches AS d
		JOIN certificates AS c ON c.id = d.cert WHERE c.serial = '$1'
		AND d.last <> ''")" = 1 ]
}
puts_of() { grep -c "^PUT .*/$1/revoke" "$ca/requests"; }
hold() { # N: a call of holder nN; its result
	call --id "call-$1-${2:-1}" --keys "1,197001$1,1000001,00$1,#,1" --json | field result
}

ok "redis starts" start_redis
ok "a site" site
ok "keys" keys
people 15 >"$here/more.rows"
{ head -1 "$here/people.csv"; cat "$here/more.rows"; } >"$here/more.csv"
ok "people" "$bin/holdline" registry import -c "$here/conf" "$here/more.csv"
mkdir "$ca/certs"
cut -d, -f11 "$here/more.rows" | while read -r s; do echo good >"$ca/certs/$s"; done
echo "$dn" >"$ca/dn"
: >"$ca/requests"
ok "the authority is there" start_double
printf '# our issuers\n%s %s\n' "$issuer" "$dn" >"$ca/issuers"
cat >>"$here/conf" <<-END
	ca {
		connector = "ejbca"
		url = "https://127.0.0.1:$(cat "$ca/port")/ejbca/ejbca-rest-api/"
		issuers = "$ca/issuers"
		tls_ca = "$ca/ca.pem"
		tls_cert = "$ca/client.pem"
		tls_key = "$ca/client.key"
		timeout = "2s"
		retry = "200ms"
		retry_max = "1s"
		faults = 3
		pause = "300ms"
		audit = "1s"
	}
	break_glass_group = "$(id -gn)"
	policy {
		card_signature = "lift"
	}
END
ok "the configuration is good" "$bin/holdlined" -t -c "$here/conf"
ok "the server starts" start_daemon
[ -n "$port" ] || finish

# ---- told, and read back
is "a hold is visible" visible "$(hold 10)"
ok "the authority has it" until_true believes_is 1001 CERTIFICATE_HOLD
ok "both of them" until_true believes_is 1002 CERTIFICATE_HOLD
ok "it was read back" until_true told 1001
is "told once" 1 "$(puts_of 1001)"
ok "never an invalidity date" sh -c "! grep -q invalidity '$ca/requests'"
ok "the issuer's name is percent-encoded" grep -q 'CN%3D%E7%BD%B2%E5%90%8D%20CA%2F2%2CO%3DJ-LIS%20%26%20C%2CC%3DJP' "$ca/requests"
ok "asked first, told, asked again" sh -c "grep /1001/ '$ca/requests' | sed 's/ .*//' | head -3 | tr '\n' ' ' | grep -q '^GET PUT GET '"
ok "a check agrees" "$bin/holdline" ca check -c "$here/conf" 1001

# ---- decided: one lifted, the other revoked
r=$("$bin/holdline" case list -c "$here/conf" --json | field 0.receipt)
ok "the case is decided" "$bin/holdline" case decide -c "$here/conf" --yes \
	--accept-revoke --lift --reason found "$r"
ok "it takes the hold back" until_true believes_is 1001 good
ok "and revokes the other" until_true believes_is 1002 SUPERSEDED
ok "both were read back" until_true told 1001
ok "both" until_true told 1002
ok "by name" grep -q 'PUT .*/1001/revoke?reason=REMOVE_FROM_CRL ' <(sed 's/$/ /' "$ca/requests")

# ---- it is dead: nothing waits for it
stop_double
ok "it answers no more" start_double dead
is "a hold is visible" visible "$(hold 11)"
is "the cache has it" H "$(cache 1101)"
ok "after some attempts it is left alone" until_true grep -q 'event=away to=ca' "$here/log"
ok "the log says why it waits" grep -q 'event=not-told to=ca' "$here/log"
is "and another is visible" visible "$(hold 12)"
is "it waits" waiting "$(dispatch 1201 state)"
stop_double
ok "it is back" start_double
for s in 1101 1102 1201 1202; do
	ok "it was told of $s" until_true told $s
	is "it believes it" CERTIFICATE_HOLD "$(believes $s)"
done
ok "the log says that it is back" grep -q 'event=back to=ca' "$here/log"

# ---- it lies: success, and nothing done
mode lie
is "a hold is visible" visible "$(hold 13)"
ok "the read-back finds it out" until_true disagrees 1301
is "it still says good" good "$(believes 1301)"
ok "that is alarmed" grep -q 'event=disagrees to=ca what=hold .*serial=1301' "$here/log"
"$bin/holdline" dispatch list -c "$here/conf" >"$here/list"
ok "and listed" grep -q '1301.*disagrees.*it says that it did it' "$here/list"
fails "a check says so" DISAGREE sh -c "'$bin/holdline' ca check -c '$here/conf' 1301 >&2"
mode ok
ok "and when it does it, they agree" until_true told 1301

# ---- errors: repeated until it agrees (test_ca has every status)
n=14
for how in 503 202 long reset; do
	mode $how
	is "$how: a hold is visible" visible "$(hold $n)"
	ok "$how: an attempt failed" until_true attempted ${n}01
	is "$how: nothing was done" good "$(believes ${n}01)"
	mode ok
	ok "$how: then it is told" until_true told ${n}01
	is "$how: it believes it" CERTIFICATE_HOLD "$(believes ${n}01)"
	n=$((n + 1))
done

# ---- it knows no such certificate; and of the other one more than we do
rm "$ca/certs/1801"
echo KEY_COMPROMISE >"$ca/certs/1802"
is "a hold is visible" visible "$(hold 18)"
ok "unknown: it disagrees" until_true disagrees 1801
ok "revoked for good: it disagrees" until_true disagrees 1802
is "nothing is sent" "0 0" "$(puts_of 1801) $(puts_of 1802)"

# ---- killed between sending and settling
echo "$pid" >"$ca/victim"
mode kill
call --id killed --keys "1,19700119,1000001,0019,#,1" >/dev/null 2>&1
wait "$pid" 2>/dev/null
ok "it was done" until_true grep -q CERTIFICATE_HOLD "$ca/certs/1901" "$ca/certs/1902"
s=$(grep -l CERTIFICATE_HOLD "$ca/certs/1901" "$ca/certs/1902" | head -1)
s=${s##*/}
is "and not settled" waiting "$(dispatch $s state)"
mode ok
ok "the server starts again" start_daemon "$here/log2"
ok "the row is taken again when its lease is over" until_true told $s
is "and was told once: it is asked first" 1 "$(puts_of $s)"
"$bin/holdline" dispatch show -c "$here/conf" "$(dispatch $s id)" >"$here/show"
ok "the attempt that died is on record" grep -q 'not ended' "$here/show"

# ---- somebody changes it there, later
before=$(puts_of 1501)
echo good >"$ca/certs/1501"
ok "an audit finds it" until_true disagrees 1501
is "and sends nothing" "$before" "$(puts_of 1501)"
ok "it is told again on request" "$bin/holdline" dispatch retry -c "$here/conf" "$(dispatch 1501 id)"
ok "then they agree" until_true believes_is 1501 CERTIFICATE_HOLD
ok "and it is done" until_true told 1501

# ---- the registry revokes what we held: compared, not told
{ head -1 "$here/people.csv"; sed -n '/,1201,/s/good$/revoked/p' "$here/more.rows"; } >"$here/revoked.csv"
ok "the registry revokes one" "$bin/holdline" registry import -c "$here/conf" "$here/revoked.csv"
ok "the authority still has it on hold: it disagrees" until_true disagrees 1201
is "nothing is sent" 1 "$(puts_of 1201)"
echo SUPERSEDED >"$ca/certs/1201"
ok "when it has revoked it, too, they agree" until_true told 1201

ok "nothing in the logs names a holder" sh -c "! grep -E 'YAMADA|ヤマダ|1970-01|19700|090-0000|0900000' '$here/log' '$here/log2'"
ok "nor does the store" sh -c "! strings -n 4 '$here'/data/db* | grep -E 'YAMADA|ヤマダ|0900000'"
kill -USR1 "$pid"
ok "it is counted" until_true grep -q 'ca_told=' "$here/log2"
ok "it stops politely" stop_daemon
ok "nothing crashed" sh -c "! grep -E 'runtime error|AddressSanitizer' '$here/log' '$here/log2'"

# ---- settings that cannot be
sed -i "s|tls_cert = .*||; s|tls_key = .*||" "$here/conf"
fails "without a certificate of ours" "DISAGREE" sh -c "'$bin/holdline' ca check -c '$here/conf' 1501 >&2"
sed -i "s|issuers = .*||" "$here/conf"
fails "EJBCA without issuers" "set ca.issuers" "$bin/holdlined" -t -c "$here/conf"
finish
