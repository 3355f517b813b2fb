#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The key file: rotated as the documentation says, mistaken for another, lost.
. "$(dirname "$0")/lib.sh"

import() { "$bin/holdline" registry import -c "$here/conf" "$here/people.csv"; }
imports() { # NAME WORDS
	import >"$here/import" 2>&1
	ok "$1" grep -qF "$2" "$here/import"
}

ok "redis starts" start_redis
ok "a site" site
cp "$here/key" "$here/key.first"

# A new key beside the old one, the registry again, the old one goes.
echo "2 $(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" >>"$here/key"
imports "under the new key every holder changes" "0 new, 2 changed, 2 unchanged, 0 rejected"
imports "and once only" "0 new, 0 changed, 4 unchanged, 0 rejected"
sed -i '/^1 /d' "$here/key"
imports "without the old key nothing changes" "0 new, 0 changed, 4 unchanged, 0 rejected"
ok "the server starts" start_daemon
call --id r1 --keys "$taro_keys" --json >"$here/r1.json"
is "a caller is known under the new key" visible "$(field result <"$here/r1.json")"
stop_daemon

# Somebody else's key of the same version.
cp "$here/key" "$here/key.right"
echo "2 $(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" >"$here/key"
fails "another key does not start" "the store was filled under another key of version 2" \
	"$bin/holdlined" -c "$here/conf"
fails "nor import" "the store was filled under another key of version 2" import
cp "$here/key.right" "$here/key"

# A store in the wrong place is empty, and the server says so.
sed "s|data/db|data/other|" "$here/conf" >"$here/conf2"
mv "$here/conf2" "$here/conf"
ok "it starts on an empty store" start_daemon
ok "and warns" grep -q 'event=empty-store' "$here/log"
stop_daemon

# What -t says is what a start would say.
ok "-t on a good site" "$bin/holdlined" -t -c "$here/conf"
chmod 644 "$here/key"
fails "-t on a key that others may read" "run chmod 600" "$bin/holdlined" -t -c "$here/conf"
chmod 600 "$here/key"
echo 'call { lang = "xx" }' >>"$here/conf"
fails "-t on a language without prompts" "there are no prompts" "$bin/holdlined" -t -c "$here/conf"
finish
