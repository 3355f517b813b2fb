#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL over TCP, as between two machines: TLS that proves which server it
# is, SCRAM, a password from a file; and what is said when one of them is wrong.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"

# make_certs: an authority, its server certificate for 127.0.0.1 (and no name),
# and an authority that nobody knows.
make_certs() {
	local ca
	cd "$here" || return
	for ca in ca other; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
			-nodes -keyout $ca.key -out $ca.crt -subj "/CN=$ca" 2>/dev/null ||
			return
	done
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-keyout pg/server.key -out server.csr -subj /CN=db 2>/dev/null &&
		openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -days 30 \
			-extfile <(echo subjectAltName=IP:127.0.0.1) \
			-out pg/server.crt 2>/dev/null &&
		chmod 600 pg/server.key &&
		{ [ "$(id -u)" != 0 ] || chown postgres: pg/server.key pg/server.crt; }
	cd - >/dev/null
}

# over_tcp: the cluster listens there too, in TLS only, with SCRAM only; on a
# port that is free: it is tried until one is.
over_tcp() {
	local i
	cat >"$here/pg/data/pg_hba.conf" <<-END
		local all all trust
		hostssl holdline holdline 127.0.0.1/32 scram-sha-256
	END
	for i in 1 2 3 4 5 6 7 8; do
		pg_port=$((20000 + RANDOM % 10000))
		cat >"$here/pg/data/postgresql.auto.conf" <<-END
			listen_addresses = '127.0.0.1'
			port = $pg_port
			ssl = on
			ssl_cert_file = '$here/pg/server.crt'
			ssl_key_file = '$here/pg/server.key'
			password_encryption = 'scram-sha-256'
		END
		(cd "$here/pg" && exec $as_postgres "$pg_bin/postgres" \
			-D "$here/pg/data" -k "$here/pg") >"$here/pg.log" 2>&1 &
		pg_pid=$!
		pids="$pids $pg_pid"
		until_true over_tcp_is_decided
		kill -0 "$pg_pid" 2>/dev/null && return
	done
	return 1
}
over_tcp_is_decided() {
	PGPORT=$pg_port pg 'SELECT 1' 2>/dev/null || ! kill -0 "$pg_pid" 2>/dev/null
}

# store_is HOST PARAMETERS: the configuration names that.
store_is() {
	local url="postgresql://holdline@$1:$pg_port/holdline?$2"
	sed -i "s|^\([[:space:]]*\)store = .*|\1store = \"${url//&/\\&}\"|" "$here/conf"
}
refuses() { # WHAT WORDS
	fails "$1" "$2" "$bin/holdline" case list -c "$here/conf"
}

ok "redis starts" start_redis
ok "a cluster" make_cluster
ok "certificates" make_certs
ok "PostgreSQL listens on TCP" over_tcp
export PGPORT=$pg_port
pg "CREATE ROLE holdline LOGIN PASSWORD 'a:long\\word'"
pg "CREATE DATABASE holdline OWNER holdline"
echo "127.0.0.1:$pg_port:holdline:holdline:a\\:long\\\\word" >"$here/pgpass"
chmod 600 "$here/pgpass"
echo "127.0.0.1:$pg_port:holdline:holdline:another" >"$here/wrong"
chmod 600 "$here/wrong"
install -m 644 "$here/pgpass" "$here/open"
ok "a site" site # on a file at first
unset PGPORT

store_is 127.0.0.1 "sslrootcert=$here/ca.crt&passfile=$here/pgpass"
ok "import" "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"
ok "the server starts" start_daemon
ok "the link is up" until_true grep -q event=cache-up "$here/log"
call --id c1 --keys "$taro_keys" --json >"$here/c1.json"
is "a call places a hold" visible "$(field result <"$here/c1.json")"
is "all in TLS" 0 "$(PGPORT=$pg_port pg "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
	WHERE usename = 'holdline' AND NOT ssl")"
ok "and there are some" test "$(PGPORT=$pg_port pg "SELECT count(*) FROM pg_stat_activity
	WHERE usename = 'holdline'")" -gt 0
stop_daemon
is "it stops politely" 0 $?

store_is localhost "sslrootcert=$here/ca.crt&passfile=$here/pgpass"
refuses "a certificate for another name" "TLS failed"
store_is 127.0.0.1 "sslrootcert=$here/other.crt&passfile=$here/pgpass"
refuses "another authority's certificate" "TLS failed"
store_is 127.0.0.1 "sslrootcert=$here/none.crt&passfile=$here/pgpass"
refuses "an authority that is not there" "none.crt"
store_is 127.0.0.1 "sslrootcert=$here/ca.crt&passfile=$here/wrong"
refuses "a wrong password" "password"
store_is 127.0.0.1 "sslrootcert=$here/ca.crt&passfile=$here/open"
refuses "a password that all may read" "passfile"
store_is 127.0.0.1 "sslmode=disable&passfile=$here/pgpass"
refuses "no TLS where the server wants it" "pg_hba"
fails "nor does the server start" "pg_hba" "$bin/holdlined" -c "$here/conf"
ok "no password in what was said" sh -c "! grep -r 'long.word' '$here/log' '$here/c1.json'"
finish
