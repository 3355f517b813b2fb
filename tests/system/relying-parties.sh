#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What relying parties make of our answers, with the clients that they have:
# openssl ocsp, ocsptool, nginx with ssl_ocsp, curl --cert-status, openssl
# verify with CRLs.  For each situation a row of the words that each must say.
# The cache is written as a publisher writes it; whole servers are in
# main-job.sh and in scripts/demo --check.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../../scripts/ca.sh"

ca=$here/ca
ocspd_pid="" nginx_pid="" ocsp_port="" tls_port=""
epoch=0000000000000001000000010badcafe

# ---- the servers

# beat [AGE-S [STATE]]: the publisher's watermark.
beat() {
	local now
	now=$(date +%s%6N)
	redis hset jpki:wm epoch $epoch seq 5 time $((now - ${1:-0} * 1000000)) \
		state "${2:-complete}" fence 1 m "" >/dev/null
}

# record STATUS GENERATION REASON
record() {
	redis hset "jpki:st:$issuer:$serial" v "$2" s "$1" r "$3" \
		t "$held_at" e "$2" m "" >/dev/null
}

write_conf() { # KEY...
	local keys
	keys=$(printf ', "%s"' "$@")
	cat >"$here/ocspd.conf" <<-END
		redis {
			address = "unix:$here/redis.sock"
			timeout = "1s"
		}
		crl {
			dir = "$here/crl"
		}
		ocsp {
			listen = "127.0.0.1:${ocsp_port:-0}"
			share_port = on
			issuers = { "$ca/ca.crt" }
			signers = { "$ca/ocsp.crt" }
			keys = { ${keys#, } }
			redis_wait = "300ms"
			metrics = "unix:$here/metrics.sock"
		}
	END
}

start_ocspd() { # [LOG]
	local log=${1:-$here/ocspd.log}
	"$bin/holdline-ocspd" -c "$here/ocspd.conf" 2>"$log" &
	ocspd_pid=$!
	pids="$pids $ocspd_pid"
	until_true grep -q event=ready "$log" || {
		cat "$log"
		return 1
	}
	ocsp_port=$(sed -n 's/.*event=ready.* port=\([0-9]*\).*/\1/p' "$log")
}

stop_ocspd() {
	kill "$ocspd_pid"
	wait "$ocspd_pid"
}

free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_nginx() {
	tls_port=$(free_port)
	mkdir -p "$here/nginx"
	cat >"$here/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $here/nginx/pid;
		error_log $here/nginx/error.log info;
		events {}
		http {
			access_log off;
			client_body_temp_path $here/nginx/a;
			proxy_temp_path $here/nginx/b;
			fastcgi_temp_path $here/nginx/c;
			uwsgi_temp_path $here/nginx/d;
			scgi_temp_path $here/nginx/e;
			server {
				listen 127.0.0.1:$tls_port ssl;
				ssl_certificate $ca/server.crt;
				ssl_certificate_key $ca/server.key;
				ssl_client_certificate $ca/ca.crt;
				ssl_verify_client on;
				ssl_ocsp on;
				ssl_ocsp_responder http://127.0.0.1:$ocsp_port/;
				location / { return 200 "welcome"; }
			}
		}
	END
	/usr/sbin/nginx -c "$here/nginx.conf" -p "$here/nginx" 2>"$here/nginx.err" &
	nginx_pid=$!
	pids="$pids $nginx_pid"
	until_true curl -sk "https://127.0.0.1:$tls_port/" -o /dev/null
}

# ---- the clients, each in a few words

by_openssl() {
	openssl ocsp -issuer "$ca/ca.crt" -cert "$ca/holder.crt" \
		-CAfile "$ca/ca.crt" -url "http://127.0.0.1:$ocsp_port/" "$@" 2>&1 |
		sed -n 's/^.*holder.crt: //p; s/^\tReason: //p
			s/^Responder Error: //p; s/^Response verify OK/ok:/p
			s/^WARNING.*/WARNING/p' | paste -sd' '
}

by_ocsptool() {
	ocsptool --ask="http://127.0.0.1:$ocsp_port/" \
		--load-issuer "$ca/ca.crt" --load-cert "$ca/holder.crt" \
		--load-trust "$ca/ca.crt" 2>&1 </dev/null |
		sed -n 's/.*Certificate Status: //p; s/^Verifying OCSP Response: Success.*/ok:/p
			s/.*Response Status: tryLater.*/try later/p' | sort -u | paste -sd' '
}

# A holder logs in at a bank's nginx with the certificate.
by_nginx() {
	curl -s --cacert "$ca/ca.crt" --cert "$ca/holder.crt" \
		--key "$ca/holder.key" --resolve "bank.test:$tls_port:127.0.0.1" \
		"https://bank.test:$tls_port/" -w ' %{http_code}' |
		tr -d '\r\n' | sed 's/<[^>]*>//g; s/^.*\(welcome\|SSL certificate error\).* /\1 /'
}

# The bank's own certificate with our answer stapled to it: curl looks.
by_curl() {
	local port server rc
	port=$(free_port)
	openssl ocsp -issuer "$ca/ca.crt" -cert "$ca/holder.crt" -noverify \
		-url "http://127.0.0.1:$ocsp_port/" -respout "$here/staple" \
		>/dev/null 2>&1
	openssl s_server -accept "127.0.0.1:$port" -cert "$ca/holder.crt" \
		-key "$ca/holder.key" -cert_chain "$ca/ca.crt" -status_file "$here/staple" -www -quiet \
		>/dev/null 2>&1 &
	server=$!
	pids="$pids $server"
	until_true curl -sk "https://127.0.0.1:$port/" -o /dev/null
	curl -sS --cert-status --cacert "$ca/ca.crt" -o /dev/null \
		--resolve "holder.test:$port:127.0.0.1" \
		"https://holder.test:$port/" 2>&1 |
		sed 's/^curl: ([0-9]*) //'
	rc=${PIPESTATUS[0]}
	[ "$rc" != 0 ] || echo welcome
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	rm -f "$here/staple"
}

# row SITUATION OPENSSL OCSPTOOL NGINX CURL: $pulse keeps the proof as old as it
# is to be, however slow the clients are.
pulse=""
row() {
	$pulse
	is "$1: openssl" "$2" "$(by_openssl)"
	$pulse
	is "$1: openssl without a nonce" "$2" "$(by_openssl -no_nonce)"
	$pulse
	is "$1: ocsptool" "$3" "$(by_ocsptool)"
	$pulse
	is "$1: nginx" "$4" "$(by_nginx)"
	$pulse
	is "$1: curl" "$5" "$(by_curl)"
}

# ---- set up

mkdir "$here/crl"
ca_make "$ca" "Test CA"
ca_make "$here/other" "Other CA"
ca_signer "$ca" ocsp
serial=9f0a01
issuer=$(ca_key_hash "$ca")
ca_issue "$ca" holder "holder.test" $serial \
	'basicConstraints=CA:FALSE\nsubjectAltName=DNS:holder.test'
ca_issue "$ca" server "bank.test" 0b01 \
	'basicConstraints=CA:FALSE\nsubjectAltName=DNS:bank.test'
ca_issue "$here/other" holder "holder.test" $serial 'basicConstraints=CA:FALSE'
held_at=$(($(date +%s) - 100))
start_redis
write_conf "$ca/ocsp.key"
ok "the configuration is good" "$bin/holdline-ocspd" -t -c "$here/ocspd.conf"
start_ocspd || finish
start_nginx
proven() { grep -q "event=proven" "$here/ocspd.log"; }

# ---- the table

refused="SSL certificate error 400"
lost="Invalid OCSP response status: trylater (3)"
row "cold cache" "trylater (3)" "try later" "$refused" "$lost"
beat
until_true proven
pulse=beat
row "good" "ok: good" "good ok:" "welcome 200" "welcome"
record H 1 6
row "held" "ok: revoked certificateHold" "ok: revoked" "$refused" \
	"SSL certificate revocation reason: certificateHold (6)"
record G 2 0
row "lifted" "ok: good" "good ok:" "welcome 200" "welcome"
record R 3 1
row "revoked" "ok: revoked keyCompromise" "ok: revoked" "$refused" \
	"SSL certificate revocation reason: keyCompromise (1)"
ok "nginx says why" grep -q "certificate revoked" "$here/nginx/error.log"
redis del "jpki:st:$issuer:$serial" >/dev/null
pulse="beat 6"
row "stale heartbeat" "trylater (3)" "try later" "$refused" "$lost"
beat -20
is "a clock that is ahead" "trylater (3)" "$(by_openssl)"
ok "it says that the clocks differ" grep -q "clock is ahead" "$here/ocspd.log"
beat 0 loading
is "a cache that is being filled" "trylater (3)" "$(by_openssl)"
record H 4 6
is "held while it is being filled" "ok: revoked certificateHold" "$(by_openssl)"
redis del "jpki:st:$issuer:$serial" >/dev/null
beat
by_openssl >/dev/null
beat
is "good again" "ok: good" "$(by_openssl)"

other() {
	openssl ocsp -issuer "$here/other/ca.crt" -cert "$here/other/holder.crt" \
		-noverify -url "http://127.0.0.1:$ocsp_port/" 2>&1 |
		sed -n 's/^.*holder.crt: //p'
}
beat
is "another issuer" "unknown" "$(other)"

# ---- GET, caching, CRLs

get() { curl -sS "http://127.0.0.1:$ocsp_port/$1" "${@:2}"; }
openssl ocsp -issuer "$ca/ca.crt" -cert "$ca/holder.crt" -no_nonce \
	-reqout "$here/request" >/dev/null 2>&1
path=$(base64 -w0 "$here/request" | sed 's/+/%2B/g; s/\//%2F/g; s/=/%3D/g')
beat
get "$path" -D "$here/head" -o "$here/answer"
is "GET has the answer that POST has" "good" "$(openssl ocsp -respin "$here/answer" \
	-issuer "$ca/ca.crt" -cert "$ca/holder.crt" -CAfile "$ca/ca.crt" 2>/dev/null |
	sed -n 's/^.*holder.crt: //p')"
age=$(sed -n 's/^Cache-Control: max-age=\([0-9]*\),.*/\1/p' "$here/head")
ok "it may be cached for a while, not beyond nextUpdate" \
	test "${age:-0}" -gt 20 -a "${age:-99}" -le 60
malformed=$(printf '\060\003\012\001\001' | base64)
is "broken base64 is malformedRequest" "$malformed" "$(get 'MFE%4' | base64)"
is "what is no request is malformedRequest" "$malformed" "$(get 'MAA=' | base64)"
head -c 65536 /dev/zero >"$here/big"
is "64 KB are refused" 413 "$(get '' --data-binary "@$here/big" -o /dev/null \
	-w '%{http_code}' -H 'Expect:' 2>/dev/null)"
is "its type may have parameters" 200 "$(get '' --data-binary "@$here/request" \
	-H 'Content-Type: application/ocsp-request; charset=x' -o /dev/null -w '%{http_code}')"
python3 - "$here" <<-'END'
	import sys
	here = sys.argv[1]
	der = open(here + "/request", "rb").read()
	one = der[der.index(b"\x30", 6):]
	def seq(b):
	    n = len(b)
	    return b"\x30" + (bytes([n]) if n < 128 else
	        b"\x82" + n.to_bytes(2, "big")) + b
	for name, n in (("many", 1000), ("some", 101)):
	    open(here + "/" + name, "wb").write(seq(seq(seq(one * n))))
END
is "1,000 CertIDs are refused" 413 "$(get '' --data-binary "@$here/many" -o /dev/null \
	-w '%{http_code}' -H 'Expect:' 2>/dev/null)"
is "101 CertIDs are malformedRequest" "$malformed" "$(get '' --data-binary "@$here/some" \
	-H 'Content-Type: application/ocsp-request' | base64)"

# A CRL as `holdline crl` names it: served whole, and not again when known.
openssl_ca() {
	cat >"$here/ca.cnf" <<-END
		[ca]
		default_ca = d
		[d]
		database = $here/index
		crlnumber = $here/number
		default_md = sha256
	END
	: >"$here/index"
	echo 01 >"$here/number"
	printf 'R\t350101000000Z\t%s,certificateHold\t%s\tunknown\t/CN=holder\n' \
		"$(date -u +%y%m%d%H%M%SZ)" "${serial^^}" >"$here/index"
	openssl ca -config "$here/ca.cnf" -gencrl -keyfile "$ca/ca.key" \
		-cert "$ca/ca.crt" -crlhours 1 -out "$here/crl.pem" 2>"$here/ca.err" &&
		openssl crl -in "$here/crl.pem" -outform DER -out "$here/crl/$issuer.crl"
}
openssl_ca || cat "$here/ca.err"
get "crl/$issuer.crl" -D "$here/head" -o "$here/got.crl"
ok "the CRL is served as it is" cmp "$here/crl/$issuer.crl" "$here/got.crl"
tag=$(sed -n 's/^ETag: \(.*\)\r/\1/p' "$here/head")
age=$(sed -n 's/^Cache-Control: max-age=\([0-9]*\),.*/\1/p' "$here/head")
ok "it may be cached until nextUpdate" test "${age:-0}" -gt 3000 -a "${age:-9999}" -le 3600
is "one that is known is not sent again" 304 "$(get "crl/$issuer.crl" -o /dev/null \
	-w '%{http_code}' -H "If-None-Match: $tag")"
touch -d '2 minutes ago' "$here/crl/$issuer.crl"
get "crl/$issuer.crl" -D "$here/head" -o /dev/null
since=$(sed -n 's/^Last-Modified: \(.*\)\r/If-Modified-Since: \1/p' "$here/head")
is "nor is one that is known by its date" 304 "$(get "crl/$issuer.crl" -o /dev/null \
	-w '%{http_code}' -H "$since")"
is "another tag counts before the date" 200 "$(get "crl/$issuer.crl" -o /dev/null \
	-w '%{http_code}' -H "$since" -H 'If-None-Match: "1-2-3"')"
is "another one is not there" 404 "$(get "crl/$issuer-delta.crl" -o /dev/null -w '%{http_code}')"
openssl crl -in "$here/got.crl" -inform DER -out "$here/got.pem" 2>/dev/null
fails "openssl verify refuses by the CRL" "certificate revoked" openssl verify \
	-CAfile "$ca/ca.crt" -CRLfile "$here/got.pem" -crl_check "$ca/holder.crt"

# ---- renewal, sharing the port, tokens

before=$(openssl x509 -in "$ca/ocsp.crt" -noout -serial | cut -d= -f2)
cp "$ca/ocsp.crt" "$here/old.crt"
signed_by() {
	openssl ocsp -issuer "$ca/ca.crt" -cert "$ca/holder.crt" -noverify \
		-resp_text -url "http://127.0.0.1:$ocsp_port/" 2>/dev/null |
		sed -n '/^Certificate:/,$p' | openssl x509 -noout -serial 2>/dev/null |
		cut -d= -f2
}
ca_issue "$ca" ocsp "not a signer" 77 'extendedKeyUsage=clientAuth'
kill -HUP "$ocspd_pid"
ok "a bad new signer is refused" until_true grep -q "event=signers-refused.*OCSPSigning" "$here/ocspd.log"
beat
is "and the old one stays" "$before" "$(signed_by)"
ca_signer "$ca" ocsp
after=$(openssl x509 -in "$ca/ocsp.crt" -noout -serial | cut -d= -f2)
kill -HUP "$ocspd_pid"
is_new() { beat; [ "$(signed_by)" = "$after" ]; }
ok "a good new signer signs without a restart" until_true is_new
ok "another certificate it is" test "$before" != "$after"

first=$ocspd_pid
write_conf "$ca/ocsp.key"
sed -i '/metrics/d' "$here/ocspd.conf"
start_ocspd "$here/second.log"
kill "$first"
wait "$first"
beat
until_true grep -q event=proven "$here/second.log"
beat
is "a second process on the same port goes on" "ok: good" "$(by_openssl)"
stop_ocspd

export SOFTHSM2_CONF=$here/softhsm2.conf
mkdir "$here/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\n' \
	"$here/tokens" >"$SOFTHSM2_CONF"
module=$(ls /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so 2>/dev/null | head -n 1)
softhsm2-util --init-token --free --label ocsp --pin 1234 --so-pin 5678 >/dev/null
softhsm2-util --import "$ca/ocsp.key" --token ocsp --label signer --id 01 --pin 1234 >/dev/null 2>&1 || {
	openssl pkcs8 -topk8 -nocrypt -in "$ca/ocsp.key" -out "$here/p8" &&
		softhsm2-util --import "$here/p8" --token ocsp --label signer --id 01 --pin 1234 >/dev/null
}
uri="pkcs11:token=ocsp;object=signer;type=private?pin-value=1234&module-path=$module"
write_conf "$uri"
# The token's library keeps memory until the process ends.
ASAN_OPTIONS=detect_leaks=0 start_ocspd "$here/token.log"
beat
until_true grep -q event=proven "$here/token.log"
beat
is "a key on a token signs" "ok: good" "$(by_openssl)"
flood() {
	local i
	local waited=""
	for i in 1 2 3 4 5 6; do
		by_openssl >"$here/flood.$i" &
		waited="$waited $!"
	done
	# shellcheck disable=SC2086
	wait $waited
	sort -u "$here"/flood.*
}
beat
flood_says=$(flood)
is "several at once" "ok: good" "$flood_says"
ok "no PIN in the log" test -z "$(grep -l 1234 "$here"/*.log)"
stop_ocspd
write_conf "pkcs11:token=none;object=signer?pin-value=1234&module-path=$module"
ASAN_OPTIONS=detect_leaks=0 fails "a token that is not there" "PKCS#11" \
	"$bin/holdline-ocspd" -t -c "$here/ocspd.conf"

# ---- what must not start

write_conf "$ca/ocsp.key"
ca_issue "$ca" ocsp "x" 78 'extendedKeyUsage=clientAuth'
fails "a signer without OCSPSigning" "OCSPSigning" \
	"$bin/holdline-ocspd" -t -c "$here/ocspd.conf"
cp "$here/old.crt" "$ca/ocsp.crt"
ca_signer "$here/other" ocsp
cp "$here/other/ocsp.crt" "$ca/ocsp.crt"
fails "somebody else's signer" "none of the signers" \
	"$bin/holdline-ocspd" -t -c "$here/ocspd.conf"
sed -i 's/metrics = .*/metrics = "0.0.0.0:1"/' "$here/ocspd.conf"
fails "counters for everybody" "not on loopback" \
	"$bin/holdline-ocspd" -t -c "$here/ocspd.conf"

finish
