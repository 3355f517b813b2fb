#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A case is decided on the server's own host: who may, what it does by the
# policy, and what relying parties see of it, in the cache and in CRLs that
# openssl verifies with.
. "$(dirname "$0")/lib.sh"

decide() { "$bin/holdline" case decide -c "$here/conf" --yes --json "$@"; }
shown() { "$bin/holdline" case show -c "$here/conf" --json "$1" | field "$2"; }

# An issuer, and a certificate of each holder under the serial of the registry.
make_ca() {
	mkdir -p "$here/signers" "$here/crl" && cd "$here" &&
		openssl ecparam -name prime256v1 -genkey -noout -out signers/ca.key &&
		chmod 600 signers/ca.key &&
		openssl req -x509 -new -key signers/ca.key -subj "/C=JP/O=Test/CN=Test CA" \
			-addext keyUsage=critical,keyCertSign,cRLSign -days 3650 \
			-out signers/ca.crt &&
		hash=$(openssl x509 -in signers/ca.crt -noout -pubkey |
			openssl ec -pubin -outform DER 2>/dev/null | tail -c 65 |
			sha1sum | cut -d' ' -f1)
	local serial
	for serial in 0a01 0a02 0b01; do
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
			-nodes -keyout "$serial.key" -subj "/CN=$serial" \
			-out "$serial.csr" 2>/dev/null &&
			openssl x509 -req -in "$serial.csr" -CA signers/ca.crt \
				-CAkey signers/ca.key -set_serial "0x$serial" -days 300 \
				-out "$serial.crt" 2>/dev/null || return 1
	done
	cd - >/dev/null
}

# The site of lib.sh, with our issuer, everybody on a smartphone's pair too.
our_site() {
	site && sed -i "s/5d3c1f0e9a7b2c4d6e8f00112233445566778899/$hash/" \
		"$here/people.csv" && rm -f "$here"/data/db* &&
		sed 's/,card,/,smartphone,/; s/,0a0/,0c0/; s/,0b0/,0d0/' "$here/people.csv" |
		tail -n +2 >>"$here/people.csv.more" &&
		cat "$here/people.csv.more" >>"$here/people.csv" &&
		"$bin/holdline" registry import -c "$here/conf" "$here/people.csv" &&
		cat >>"$here/conf" <<-END
			break_glass_group = "$(id -gn)"
			crl {
				dir = "$here/crl"
				signers = "$here/signers"
				gap = "0s"
				base = "24h"
			}
		END
}
cache() { redis hget "jpki:st:$hash:$1" s; }

# What openssl says of a certificate: "ok", "revoked", ...
pem() { openssl crl -inform DER -in "$here/crl/$hash$1.crl"; }
verify() {
	local out
	{ pem "" && [ "${2:-}" != delta ] || pem -delta; } >"$here/crl.pem" 2>/dev/null
	[ "${2:-}" = delta ] && cat "$here/base.pem" >>"$here/crl.pem"
	out=$(openssl verify -crl_check ${2:+-extended_crl -use_deltas} \
		-CAfile "$here/signers/ca.crt" -CRLfile "$here/crl.pem" \
		"$here/$1.crt" 2>&1)
	case $out in
	*': OK'*) echo ok ;;
	*'certificate revoked'*) echo revoked ;;
	*) echo "$out" ;;
	esac
}
verify_is() { [ "$(verify "$1" "${3:-}")" = "$2" ]; }
crl_number() {
	openssl crl -inform DER -in "$here/crl/$hash.crl" -noout -crlnumber |
		sed 's/.*=\(0x\)\?//'
}

hana_both="1,19900101,5300001,1234,#,3,1"

ok "redis starts" start_redis
ok "an issuer" make_ca
ok "a site" our_site
ok "the server starts" start_daemon
ok "it writes a first CRL" until_true test -s "$here/crl/$hash-delta.crl"
is "good: not in it" ok "$(verify 0a01)"
pem "" >"$here/base.pem" 2>/dev/null

call --id c1 --keys "1,19850412,1000001,5678,4711#,3,1" --json >"$here/c1.json"
receipt=$(field receipt <"$here/c1.json")
is "a hold" visible "$(field result <"$here/c1.json")"
ok "is in the full CRL" until_true verify_is 0a01 revoked
ok "and in base and delta" until_true verify_is 0a01 revoked delta
is "nobody else is" ok "$(verify 0b01)"
is "nor with the delta" ok "$(verify 0b01 delta)"
ok "its reason is certificateHold" sh -c "openssl crl -inform DER -in '$here/crl/$hash.crl' -noout -text | grep -q 'Certificate Hold'"

# ---- who may
fails "without a reason" "say why" decide --lift --reason "" "$receipt"
fails "a reason of blanks" "say why" decide --lift --reason "   " "$receipt"
fails "neither lift nor revoke" "either --lift or --revoke" decide --reason x "$receipt"
fails "no receipt number" "not a receipt number" decide --lift --reason x 1234567890
cp "$here/conf" "$here/conf.good"
sed -i '/break_glass_group/d' "$here/conf"
fails "no group is named" "switched off" decide --lift --reason x "$receipt"
echo 'break_glass_group = "no-such-group"' >>"$here/conf"
fails "a group that is not there" "has none of that name" decide --lift --reason x "$receipt"
sed -i 's/no-such-group/daemon/' "$here/conf"
fails "not a member, root or not" "is not in the group daemon" decide --lift --reason x "$receipt"
cp "$here/conf.good" "$here/conf"
fails "no terminal, and no --yes" "not a terminal" \
	sh -c "'$bin/holdline' case decide -c '$here/conf' --lift --reason x $receipt </dev/null"
fails "lift by a policy that revokes" "--accept-revoke" decide --lift --reason x "$receipt"
is "nothing was changed" open "$(shown "$receipt" status)"
is "it is still on hold" H "$(cache 0a01)"

# ---- found, by the default policy: a smartphone's authentication is lifted
decide --lift --accept-revoke --reason "found at home" "$receipt" >"$here/d1.json" 2>"$here/d1.err"
is "decided, and seen" 0 $?
ok "the log line says by what right" grep -q "event=break-glass.*uid=" "$here/d1.err"
is "a card's is revoked" R "$(cache 0a01)"
is "a telephone's signature is revoked" R "$(cache 0c01)"
is "its authentication is good, and has a record" G "$(cache 0c02)"
is "the case is closed" closed "$(shown "$receipt" status)"
is "with what was done" lifted+revoked "$(shown "$receipt" decision)"
is "the hold's instant stays" "$(shown "$receipt" stored)" "$(status 0a01 | field certificates.0.since)"
ok "the audit names it" sh -c "strings '$here'/data/db* | grep -q '\"decision\":\"break-glass\",\"by\":\"'"
ok "the audit chain holds" "$bin/holdline" audit verify -c "$here/conf"
fails "a second clerk is told" "was decided already: found" decide --revoke --reason x "$receipt"

# ---- lifted: gone from the full CRL, removeFromCRL in the delta
sed -i 's/^policy/#&/' "$here/conf"
cat >>"$here/conf" <<-'END'
	policy {
		card_signature = "lift"
		card_authentication = "lift"
	}
END
call --id c2 --keys "$hana_both" --json >"$here/c2.json"
receipt=$(field receipt <"$here/c2.json")
ok "another hold is in the CRL" until_true verify_is 0b01 revoked
"$bin/holdline" case decide -c "$here/conf" --yes --accept-revoke --lift \
	--reason "found in a taxi" "$receipt" >"$here/d2.txt" 2>&1
is "it is lifted" 0 $?
ok "it says what relying parties see" grep -q "Relying parties see it since" "$here/d2.txt"
is "the cache says good" G "$(cache 0b01)"
ok "the full CRL drops it" until_true verify_is 0b01 ok
ok "the delta says Remove From CRL" until_true sh -c "openssl crl -inform DER -in '$here/crl/$hash-delta.crl' -noout -text | grep -q 'Remove From CRL'"
ok "base and delta say good" until_true verify_is 0b01 ok delta
is "what was revoked stays" revoked "$(verify 0a01 delta)"
ok "full CRLs have no removeFromCRL" sh -c "! openssl crl -inform DER -in '$here/crl/$hash.crl' -noout -text | grep -q 'Remove From CRL'"

# ---- the cache is away: decided, and nobody claims that it is seen
call --id c3 --keys "$hana_both" --json >"$here/c3.json"
receipt=$(field receipt <"$here/c3.json")
stop_redis
fails "decided while the cache is away" "DO NOT SEE IT YET" decide --revoke --wait 1 --reason "not found" "$receipt"
is "it is decided all the same" closed "$(shown "$receipt" status)"
ok "redis comes back" start_redis
ok "and relying parties see it" until_true sh -c "[ \"\$(redis-cli -s '$here/redis.sock' hget jpki:st:$hash:0b01 s)\" = R ]"

# ---- CRLs by hand: numbers only grow
before=$((16#$(crl_number)))
"$bin/holdline" crl -c "$here/conf" --json >"$here/crl.json"
is "CRLs by hand" 0 $?
ok "the number grows" test $((16#$(crl_number))) -gt "$before"
is "it says so" $((16#$(crl_number))) "$(field 0.number <"$here/crl.json")"
ok "the signature is the issuer's" sh -c "openssl crl -inform DER -in '$here/crl/$hash.crl' -noout -CAfile '$here/signers/ca.crt' 2>&1 | grep -q 'verify OK'"
ok "the delta's, too" sh -c "openssl crl -inform DER -in '$here/crl/$hash-delta.crl' -noout -CAfile '$here/signers/ca.crt' 2>&1 | grep -q 'verify OK'"
fails "of an issuer that is not here" "no certificate in it has the key" \
	"$bin/holdline" crl -c "$here/conf" --issuer 0000000000000000000000000000000000000000

# What others can do to the folder, and one signer to another, stops no list.
before=$((16#$(crl_number)))
ok "a lock on the folder keeps nobody" timeout 60 flock -x "$here/crl" \
	"$bin/holdline" crl -c "$here/conf"
rm "$here/crl/$hash.crl" && mkfifo "$here/crl/$hash.crl"
ok "a FIFO in a list's place keeps nobody" timeout 60 "$bin/holdline" crl -c "$here/conf"
openssl ecparam -name prime256v1 -genkey -noout -out "$here/signers/a.key"
openssl req -x509 -new -key "$here/signers/a.key" -subj "/CN=Another CA" \
	-out "$here/signers/a.crt"
chmod 644 "$here/signers/a.key"
fails "another signer's trouble is told" "a.key" "$bin/holdline" crl -c "$here/conf"
"$bin/holdline" crl -c "$here/conf" --json >"$here/crl.json" 2>/dev/null
is "in JSON, too" "a.crt" "$(field 0.signer <"$here/crl.json")"
is "and stops no other's" $((before + 4)) $((16#$(crl_number)))
rm "$here/signers/a.crt" "$here/signers/a.key"

chmod 644 "$here/signers/ca.key"
fails "a key that others may read" "chmod 600" "$bin/holdline" crl -c "$here/conf"
chmod 600 "$here/signers/ca.key"

stop_daemon
is "it stops politely" 0 $?
ok "no part of it is left behind" sh -c "! ls '$here'/crl/*.new"
ok "nothing was wrong" sh -c "! grep -E 'runtime error|AddressSanitizer|not-written' '$here/log'"
finish
