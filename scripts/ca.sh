# SPDX-License-Identifier: Apache-2.0
# ca.sh -- sourced: a small certification authority by openssl, for the demo
# and the tests.  An authority is a folder with ca.crt and ca.key; whatever it
# issues lies there as NAME.crt and NAME.key.

# ca_make DIR COMMON-NAME
ca_make() {
	mkdir -p "$1"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$1/ca.key" -out "$1/ca.crt" -days 3650 \
		-subj "/C=JP/O=holdline demo/CN=$2" \
		-addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# ca_key FILE: a P-256 key, which only its owner may read.
ca_key() {
	(umask 077 && openssl genpkey -algorithm EC \
		-pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null)
}

# ca_issue DIR NAME COMMON-NAME SERIAL EXTENSIONS [OPTION...]: a certificate
# for NAME.key, which is made when it is not there.  EXTENSIONS are lines of
# openssl's x509v3_config; the options go to `openssl x509`, -days among them.
ca_issue() {
	local dir=$1 name=$2 cn=$3 serial=$4 extensions=$5
	shift 5
	[ $# -gt 0 ] || set -- -days 365
	[ -f "$dir/$name.key" ] || ca_key "$dir/$name.key" || return 1
	printf '%b\n' "$extensions" >"$dir/$name.ext"
	openssl req -new -key "$dir/$name.key" \
		-subj "/C=JP/O=holdline demo/CN=$cn" 2>/dev/null |
		openssl x509 -req -CA "$dir/ca.crt" -CAkey "$dir/ca.key" \
			-set_serial "0x$serial" -extfile "$dir/$name.ext" \
			-out "$dir/$name.crt" "$@" 2>/dev/null
	local rc=$?
	rm -f "$dir/$name.ext"
	return $rc
}

# ca_signer DIR NAME [OPTION...]: a delegated OCSP signer.
ca_signer() {
	local dir=$1 name=$2
	shift 2
	ca_issue "$dir" "$name" "OCSP signer" "$(openssl rand -hex 8 | sed 's/^./1/')" \
		'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=OCSPSigning\nnoCheck=ignored' "$@"
}

# ca_key_hash DIR: SHA-1 of the authority's key, as OCSP and the registry have
# it.
ca_key_hash() {
	openssl x509 -in "$1/ca.crt" -noout -ocspid |
		sed -n 's/^ *Public key OCSP hash: *//p' | tr A-F a-f
}
