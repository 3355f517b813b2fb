#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From the call to a relying party's client, through every server: what
# openssl is told before and after a hold, a lift and a revocation, over OCSP
# and by the CRLs that the responder serves; and that nobody who is on hold is
# ever good while the cache is wiped, filled again or away.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../../scripts/ca.sh"

ca=$here/signers
mkdir -p "$here/crl"
ca_make "$ca" "Test CA"
ca_signer "$ca" ocsp
hash=$(ca_key_hash "$ca")
for serial in 0a01 0a02 0b01; do
	ca_issue "$ca" $serial $serial $serial 'basicConstraints=CA:FALSE'
done
# `crl.signers` reads every certificate there; the signer is no issuer.
mkdir "$here/ocsp"
mv "$ca/ocsp.crt" "$ca/ocsp.key" "$ca"/0*.crt "$ca"/0*.key "$here/ocsp"

our_site() {
	site && sed -i "s/5d3c1f0e9a7b2c4d6e8f00112233445566778899/$hash/
			s/,card,/,smartphone,/" "$here/people.csv" &&
		rm -f "$here"/data/db* &&
		"$bin/holdline" registry import -c "$here/conf" "$here/people.csv" &&
		cat >>"$here/conf" <<-END
			break_glass_group = "$(id -gn)"
			crl {
				dir = "$here/crl"
				signers = "$ca"
				gap = "0s"
			}
			policy {
				smartphone_signature = "lift"
				smartphone_authentication = "lift"
			}
			ocsp {
				listen = "127.0.0.1:0"
				issuers = { "$ca/ca.crt" }
				signers = { "$here/ocsp/ocsp.crt" }
				keys = { "$here/ocsp/ocsp.key" }
			}
		END
}

start_ocspd() {
	"$bin/holdline-ocspd" -c "$here/conf" 2>"$here/ocspd.log" &
	pids="$pids $!"
	until_true grep -q event=proven "$here/ocspd.log"
	ocsp_port=$(sed -n 's/.*event=ready.* port=\([0-9]*\).*/\1/p' "$here/ocspd.log")
}

told() { # SERIAL
	openssl ocsp -issuer "$ca/ca.crt" -cert "$here/ocsp/$1.crt" \
		-CAfile "$ca/ca.crt" -url "http://127.0.0.1:$ocsp_port/" 2>&1 |
		sed -n 's/^.*0[ab]0[12].crt: //p; s/^\tReason: //p
			s/^Responder Error: //p; s/^Response verify OK/ok:/p' |
		paste -sd' '
}
told_is() { [ "$(told "$1")" = "$2" ]; }

# What openssl verify says with the full CRL, and with the delta, as served.
by_crl() { # SERIAL
	local name
	rm -f "$here/crl.pem"
	for name in "$hash" "$hash-delta"; do
		curl -sf "http://127.0.0.1:$ocsp_port/crl/$name.crl" |
			openssl crl -inform DER >>"$here/crl.pem"
	done
	openssl verify -crl_check -extended_crl -use_deltas -CAfile "$ca/ca.crt" \
		-CRLfile "$here/crl.pem" "$here/ocsp/$1.crt" 2>&1 |
		sed -n 's/^.*: OK$/ok/p; s/.*certificate revoked.*/revoked/p' | head -n 1
}
by_crl_is() { [ "$(by_crl "$1")" = "$2" ]; }

hold() { # KEYS ID: its receipt number
	call --id "$2" --keys "$1" --json | tee "$here/$2.json" | field receipt
}
decide() { "$bin/holdline" case decide -c "$here/conf" --yes "$@"; }

held="ok: revoked certificateHold"
ok "redis starts" start_redis
ok "a site" our_site
ok "the server starts" start_daemon
ok "the responder has its proof" start_ocspd
ok "the server has written its CRLs" until_true test -s "$here/crl/$hash-delta.crl"

is "before the call" "ok: good" "$(told 0a01)"
is "by CRL, too" ok "$(by_crl 0a01)"
receipt=$(hold "$taro_keys" c1)
is "the caller heard done" visible "$(field result <"$here/c1.json")"
is "and from then on it is so" "$held" "$(told 0a01)"
is "for both" "$held" "$(told 0a02)"
is "and nobody else" "ok: good" "$(told 0b01)"
ok "the CRLs say so soon" until_true by_crl_is 0a01 revoked

ok "it was found: lifted" decide --lift --reason found "$receipt"
is "good again" "ok: good" "$(told 0a01)"
ok "removed from the CRLs" until_true by_crl_is 0a01 ok
receipt=$(hold "$taro_keys" c2)
is "lost again" "$held" "$(told 0a01)"
ok "never found: revoked" decide --revoke --reason lost "$receipt"
ok "revoked, and not on hold" sh -c "! echo '$(told 0a01)' | grep -q -e good -e Hold"
ok "revoked by CRL" until_true by_crl_is 0a01 revoked

# Whatever becomes of the cache, whoever is on hold is never good.
hold "$hana_keys" c3 >/dev/null
is "on hold" "$held" "$(told 0b01)"
redis flushall >/dev/null
never_good() {
	local answer end=$((SECONDS + 20))
	while [ $SECONDS -lt $end ]; do
		answer=$(told 0b01)
		case $answer in
		*good*) echo "good!" && return 1 ;;
		"$held") return 0 ;;
		esac
	done
	echo "it says $answer"
	return 1
}
ok "a wiped cache is filled again, and it was never good" never_good
stop_redis
is "no cache" "trylater (3)" "$(told 0b01)"
start_redis
ok "an empty one comes back, and it was never good" never_good
kill -9 "$pid"
wait "$pid" 2>/dev/null
redis flushall >/dev/null
ok "wiped with nobody to fill it" until_true told_is 0b01 "trylater (3)"

finish
