#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Notices by a real server: short messages, letters and mail to holders, mail
# to municipalities, through a gateway and a mail server that check signatures
# and logins, refuse, and die; and an authority behind a signed webhook.
. "$(dirname "$0")/lib.sh"
tests=$(dirname "$0")
d=$here/double
issuer=5d3c1f0e9a7b2c4d6e8f00112233445566778899

# people: with a mobile, with an address only, with mail only, with nothing
people() {
	local i=10 more
	echo "holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status,mail,address,lang"
	for more in "090-1111-0010:,," "03-2222-0011:,東京都千代田区丸の内1-1," \
		"03-2222-0012:hana@mail.example,,en" "03-2222-0013:,," \
		"090-1111-0014:taro@mail.example,," "090-1111-0015:saburo@mail.example,,ja"; do
		echo "n$i,1970-01-$i,100-0001,131016,${more%%:*},,ヤマダ ハナ,card,signature,$issuer,${i}01,2025-05-01,2035-04-12,good,${more#*:}"
		i=$((i + 1))
	done
}

start_double() {
	python3 "$tests/notice_double.py" "$d" >"$d/out" 2>&1 &
	pids="$pids $!"
	until_true grep -q ready "$d/out"
}
mode() { echo "$1" >"$d/mode"; }
hold() { call --id "call-$1" --keys "1,197001$1,1000001,00$1,#,1" --json | field receipt; }
# noticed WORDS...: a line of what was taken has all of them
noticed() {
	local w cmd="cat '$d/notices'"
	for w in "$@"; do cmd="$cmd | grep -F -- '$w'"; done
	sh -c "$cmd" | grep -q .
}
# said RECEIPT KIND STATE
said() {
	[ "$(sqlite3 "file:$here/data/db?mode=ro" "SELECT d.state FROM dispatches AS d
		JOIN cases AS k ON k.hold = d.hold WHERE k.receipt = '$1' AND d.kind = $2")" = "$3" ]
}
settings() { # HOLDER MUNICIPALITY
	sed -i "s/holder = .*/holder = \"$1\"/; s/municipality = .*/municipality = \"$2\"/" "$here/conf"
}

mkdir "$d" "$d/status"
: >"$d/notices"
mode ok
echo "0123456789abcdef0123456789abcdef" >"$d/secret"
echo "s3cret-word" >"$here/password"
chmod 600 "$d/secret" "$here/password"
ok "a certificate" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
	-nodes -days 2 -subj /CN=mail -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$d/server.key" -out "$d/server.pem"
ok "the doubles are there" start_double
ok "redis starts" start_redis
ok "a site" site
people >"$here/more.csv"
ok "people" "$bin/holdline" registry import -c "$here/conf" "$here/more.csv"
echo "131016 counter@chiyoda.example" >"$here/addresses"
cat >>"$here/conf" <<-END
	notice {
		holder = "webhook"
		municipality = "smtp"
		url = "http://127.0.0.1:$(cat "$d/web.port")/notice?from=hotline"
		secret_file = "$d/secret"
		addresses = "$here/addresses"
		timeout = "2s"
		retry = "200ms"
		retry_max = "1s"
		faults = 3
		pause = "300ms"
	}
	smtp {
		url = "smtp://127.0.0.1:$(cat "$d/smtp.port")"
		from = "hotline@jpki.example"
		user = "hotline"
		password_file = "$here/password"
		tls_ca = "$d/server.pem"
	}
	break_glass_group = "$(id -gn)"
	policy {
		card_signature = "lift"
	}
	ca {
		connector = "webhook"
		url = "http://127.0.0.1:$(cat "$d/web.port")/ca"
		secret_file = "$d/secret"
		timeout = "2s"
		retry = "200ms"
	}
END
echo good >"$d/status/1001"
ok "the configuration is good" "$bin/holdlined" -t -c "$here/conf"
ok "the server starts" start_daemon
[ -n "$port" ] || finish

# ---- by webhook: what the registry knows decides how
r=$(hold 10)
ok "a mobile: a short message" until_true noticed "\"receipt\": \"$r\"" '"channel": "sms"' '"to": "09011110010"' '"event": "hold"' '"lang": "ja"'
ok "it names the receipt" noticed "$r" '一時保留'
ok "and the hotline" noticed "$r" 0120950178
ok "and nobody" sh -c "! grep -F '$r' '$d/notices' | grep -qE 'ヤマダ|0a01|n10|name'"
ok "the municipality has a mail" until_true noticed '"mail": ["counter@chiyoda.example"]' "$r" '"subject": "紛失のお届けの受付"'
ok "over TLS, all ASCII" noticed "$r" '"tls": true' '"ascii": true'
ok "with a message id of its own" noticed "<municipality-case-$r@jpki.example>"
ok "both are settled" until_true said "$r" 1 1
ok "both" until_true said "$r" 2 1
ok "the authority behind a webhook was told" until_true grep -q hold "$d/status/1001"
"$bin/holdline" case show -c "$here/conf" "$r" >"$here/show"
ok "the case says so" grep -q '^told *holder: done' "$here/show"
ok "and of the municipality" grep -q '^told *municipality: done' "$here/show"
ok "and of the authority" grep -Eq '^told *ca \(1001\): (done|waiting)' "$here/show"
ok "the case is decided" "$bin/holdline" case decide -c "$here/conf" --yes --lift --reason found "$r"
ok "the holder hears of that, too" until_true noticed "\"holder-lift-$r\"" '"event": "lift"' '解除'
ok "and the authority" until_true grep -q good "$d/status/1001"

r=$(hold 11)
ok "an address: a letter, with a name" until_true noticed "$r" '"channel": "letter"' '丸の内' 'ヤマダ'
r=$(hold 12)
ok "mail, in the holder's language" until_true noticed "$r" '"channel": "mail"' hana@mail.example '"lang": "en"' 'put on hold'
r=$(hold 13)
ok "nothing: given up at once" until_true said "$r" 1 2
ok "and alarmed" grep -q "event=gave-up to=holder what=hold receipt=$r" "$here/log"
"$bin/holdline" dispatch list -c "$here/conf" --to holder >"$here/list"
ok "and listed, with the reason" grep -q "$r.*failed.*the registry has no mobile number" "$here/list"

# ---- a gateway that dies: the hold is there, the notice follows
mode 500
call --id call-14 --keys "1,19700114,1000001,0014,#,1" --json >"$here/c14"
is "a hold is visible" visible "$(field result <"$here/c14")"
r=$(field receipt <"$here/c14")
ok "it is tried" until_true noticed refused "holder-hold-$r"
mode ok
ok "and sent when it is back" until_true said "$r" 1 1
is "once" 1 "$(grep -v refused "$d/notices" | grep -c "\"key\": \"holder-hold-$r\"")"
ok "it stops politely" stop_daemon

# ---- by mail, in the middle of which the server dies
settings smtp off
ok "the server starts" start_daemon "$here/log2"
mode mute
r=$(hold 15)
ok "the message is out, its answer is not" until_true noticed "<holder-hold-$r@jpki.example>" saburo@mail.example
kill -9 "$pid"
wait "$pid" 2>/dev/null
mode ok
ok "the server starts again" start_daemon "$here/log3"
ok "it is sent when its lease is over" until_true said "$r" 1 1
ok "with the same message id, so that a mailbox can tell" sh -c "[ \$(grep -c 'holder-hold-$r@' '$d/notices') -ge 2 ] && [ \$(grep -o '<holder-hold-$r@[^>]*>' '$d/notices' | sort -u | wc -l) = 1 ]"
is "no header is ours to add to" 1 "$(grep -F "holder-hold-$r" "$d/notices" | head -1 | grep -o '"Subject"' | wc -l)"
ok "it stops politely" stop_daemon

ok "no log names a holder" sh -c "! grep -E 'ヤマダ|0901111|090-1111|0322220|mail.example|丸の内|19700|s3cret' '$here'/log*"
ok "the store holds nothing readable" sh -c "! strings -n 4 '$here'/data/db* | grep -E 'ヤマダ|0901111|mail.example|丸の内|chiyoda'"
ok "nothing crashed" sh -c "! grep -E 'runtime error|AddressSanitizer' '$here'/log*"

# ---- settings that cannot be
sed -i "s|addresses = .*|addresses = \"$here/none\"|" "$here/conf"
fails "an address file that is not there" "notice.addresses" "$bin/holdlined" -t -c "$here/conf"
sed -i "s|from = .*|from = \"a@b c\"|" "$here/conf"
fails "an address that is none" "is not a mail address" "$bin/holdlined" -t -c "$here/conf"
finish
