# SPDX-License-Identifier: Apache-2.0
# demo_ca.sh -- sourced by demo: two small authorities by openssl, as JPKI has
# them, a certificate for each of the sample's, and an OCSP responder.

# What the sample says of its issuers, until they exist.
sample_signature=00112233445566778899aabbccddeeff00112233
sample_authentication=ffeeddccbbaa99887766554433221100ffeeddcc

# make_authorities: signature and authentication, each with an OCSP signer.
make_authorities() {
	local kind
	for kind in signature authentication; do
		ca_make "$here/ca/$kind" "$kind CA"
		ca_signer "$here/ca/$kind" ocsp
	done
}

# adopt_sample FILE: the registry names the authorities that exist now.
adopt_sample() {
	sed -i "s/$sample_signature/$(ca_key_hash "$here/ca/signature")/
		s/$sample_authentication/$(ca_key_hash "$here/ca/authentication")/" "$1"
}

# issue_sample FILE: the certificates that the registry tells of, with its
# serial numbers.  They lie in ca/KIND/SERIAL.crt.
issue_sample() {
	local kind serial
	echo "issuing the sample holders' certificates"
	while IFS=, read -r kind serial; do
		ca_issue "$here/ca/$kind" "$serial" "Sample $serial" "$serial" \
			'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature'
	done < <(awk -F, 'NR > 1 { print $9 "," $11 }' "$1")
}

start_responder() {
	local log=$here/ocspd.log kind=$here/ca
	cat >"$here/ocspd.conf" <<-END
		redis {
			address = "unix:$here/redis.sock"
			$(replica_settings)
		}
		ocsp {
			listen = "127.0.0.1:0"
			issuers = { "$kind/signature/ca.crt", "$kind/authentication/ca.crt" }
			signers = { "$kind/signature/ocsp.crt", "$kind/authentication/ocsp.crt" }
			keys = { "$kind/signature/ocsp.key", "$kind/authentication/ocsp.key" }
		}
	END
	"$top/build/demo/holdline-ocspd" -c "$here/ocspd.conf" 2>"$log" &
	started $!
	or_show "$log" grep -q event=ready "$log"
	or_show "$log" grep -q event=proven "$log"
	ocsp_port=$(sed -n 's/.*event=ready.* port=\([0-9]*\).*/\1/p' "$log")
}

# kind_of SERIAL: signature or authentication.
kind_of() {
	local path
	path=$(echo "$here"/ca/*/"$1".crt)
	basename "$(dirname "$path")"
}

# ask_ocsp SERIAL: what a relying party is told, by openssl.
ask_ocsp() {
	local ca
	ca="$here/ca/$(kind_of "$1")"
	(cd "$ca" && openssl ocsp -issuer ca.crt -cert "$1.crt" -CAfile ca.crt \
		-url "http://127.0.0.1:$ocsp_port" 2>&1)
}

# show_ocsp WORDS SERIAL...: the answers, which must have these words.
show_ocsp() {
	local words=$1 serial answer
	shift
	for serial in "$@"; do
		answer=$(ask_ocsp "$serial")
		printf '%s\n' "$answer"
		expect "openssl's check of the answer" "Response verify OK" \
			"$(printf '%s\n' "$answer" | grep -o '^Response verify OK')"
		expect "its status" "$words" "$(printf '%s\n' "$answer" |
			sed -n 's/^[0-9a-f]*\.crt: //p; s/^\tReason: //p' | paste -sd' ')"
	done
}
