#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A store is backed up while it is in use, restored, and copied; what is there
# already is never overwritten.
. "$(dirname "$0")/lib.sh"

digest() { sed -n 's/^Digest //p'; }
restored() { sed "s|$here/data/db|$here/restored|" "$here/conf"; }

ok "redis starts" start_redis
ok "a site" site
ok "the server starts" start_daemon
ok "the link is up" until_true grep -q event=cache-up "$here/log"
call --id c1 --keys "$taro_keys" --json >"$here/c1.json"
is "a call places a hold" visible "$(field result <"$here/c1.json")"

"$bin/holdline" store backup -c "$here/conf" "$here/backup.db" >"$here/backup.out"
is "a backup while the server runs" 0 $?
is "only its owner may read it" 600 "$(stat -c %a "$here/backup.db")"
ok "nothing is left beside it" test ! -e "$here/backup.db.part" -a ! -e "$here/backup.db-wal"
fails "a second one of the same name" "is there already and is not overwritten" \
	"$bin/holdline" store backup -c "$here/conf" "$here/backup.db"
fails "restoring over a store in use" "is not empty" \
	"$bin/holdline" store restore -c "$here/conf" "$here/backup.db"
call --id c2 --keys "$hana_keys" --json >"$here/c2.json"
is "another call" visible "$(field result <"$here/c2.json")"
stop_daemon
is "the server stops politely" 0 $?

restored >"$here/conf.restored"
"$bin/holdline" store restore -c "$here/conf.restored" "$here/backup.db" >"$here/restore.out"
is "it is restored" 0 $?
ok "the digests agree" test -n "$(digest <"$here/backup.out")" -a \
	"$(digest <"$here/backup.out")" = "$(digest <"$here/restore.out")"
ok "it says that the audit chain is whole" grep -q "^The audit chain is whole: 1 leaves" "$here/restore.out"
ok "the hold is there" sh -c "'$bin/holdline' cert status -c '$here/conf.restored' 0a01 | grep -q hold"
ok "the later one is not" sh -c "! '$bin/holdline' cert status -c '$here/conf.restored' 0b01 | grep -q hold"
ok "audit verify" "$bin/holdline" audit verify -c "$here/conf.restored"

ok "a rehearsal" "$bin/holdline" store copy --rehearse --from "$here/data/db" --to "$here/copied"
fails "again" "is not empty" "$bin/holdline" store copy --from "$here/data/db" --to "$here/copied"
fails "from nothing" "not there" "$bin/holdline" store copy --from "$here/none" --to "$here/copied2"
fails "onto itself" "the same" "$bin/holdline" store copy --from "$here/data/db" --to "$here/data/db"
fails "into a folder that is not there" "folder" "$bin/holdline" store copy --from "$here/data/db" --to "$here/no/such"
echo "no store" >"$here/text"
fails "from a text" "not a database" "$bin/holdline" store restore -c "$here/conf.restored" "$here/text"

# a leaf that was altered does not pass
sqlite3 "$here/backup.db" "UPDATE audit SET text = replace(text, 'hold', 'lift')"
sed "s|$here/data/db|$here/restored2|" "$here/conf" >"$here/conf.2"
fails "an altered backup" "does not fit" "$bin/holdline" store restore -c "$here/conf.2" "$here/backup.db"
is "and nothing is kept" 0 "$(sqlite3 "$here/restored2" 'SELECT count(*) FROM holders')"
# It is moved, and a server was forgotten.
ok "a server on the old one" start_daemon
ok "a copy while it runs" "$bin/holdline" store copy --rehearse --from "$here/data/db" --to "$here/moved"
call --id c5 --keys "$taro_keys" >/dev/null
fails "the wrong way round" "right way round?" \
	"$bin/holdline" store copy --update --from "$here/moved" --to "$here/data/db"
"$bin/holdline" store copy --update --from "$here/data/db" --to "$here/moved" >"$here/move.out" 2>&1
is "a move" 0 $?
ok "says that a server was forgotten" grep -q "warning: 1 server still ran on the old store" "$here/move.out"
call --id c3 --keys "$taro_keys" --json >"$here/c3.json"
is "its callers go to people" person "$(field next <"$here/c3.json")"
stop_daemon
fails "none starts on it" "was moved to another one" "$bin/holdlined" -c "$here/conf"
fails "nothing is read from it" "was moved to another one" "$bin/holdline" case list -c "$here/conf"
sed -i "s|$here/data/db|$here/moved|" "$here/conf"
ok "a server on the new one" start_daemon
ok "the link is up again" until_true grep -q event=cache-up "$here/log"
call --id c4 --keys "$taro_keys" --json >"$here/c4.json"
is "knows what was reported" already "$(field result <"$here/c4.json")"
stop_daemon
finish
