# SPDX-License-Identifier: Apache-2.0
# lib_postgres.sh -- sourced after lib.sh by the system tests that want a
# PostgreSQL of their own: a cluster in the private place, on a socket there.
pg_bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
pg_pid=""

# initdb and postgres refuse root.
as_postgres=""
[ "$(id -u)" != 0 ] ||
	as_postgres="setpriv --reuid postgres --regid postgres --clear-groups"

make_cluster() {
	mkdir "$here/pg" && chmod 755 "$here" &&
		{ [ "$(id -u)" != 0 ] || chown postgres: "$here/pg"; } &&
		(cd "$here/pg" && $as_postgres "$pg_bin/initdb" -D "$here/pg/data" \
			-U postgres -A trust -E UTF8 --locale=C -N)
}

pg() { "$pg_bin/psql" -h "$here/pg" -U postgres -d "${db:-postgres}" -Atq -c "$1"; }

# start_postgres: what a killed one left running may be in the way for a while.
start_postgres() {
	local end=$((SECONDS + 30))
	until [ -n "$pg_pid" ] && pg 'SELECT 1' >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		if [ -z "$pg_pid" ] || ! kill -0 "$pg_pid" 2>/dev/null; then
			(cd "$here/pg" && exec $as_postgres "$pg_bin/postgres" \
				-D "$here/pg/data" -k "$here/pg" -h '') \
				>>"$here/pg.log" 2>&1 &
			pg_pid=$!
			pids="$pids $pg_pid"
		fi
		read -r -t 0.05 <> <(:) || :
	done
}

kill_postgres() {
	kill -9 "$pg_pid"
	wait "$pg_pid" 2>/dev/null
	pg_pid=""
}

on_postgres() {
	sed -i "s|^\([[:space:]]*\)store = .*|\1store = \"postgresql://holdline@/holdline?host=$here/pg\"|" "$here/conf"
}
