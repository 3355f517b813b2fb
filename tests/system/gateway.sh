#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hostile gateways: garbage, half lines, 10 MB lines, closed sockets, 5,000
# connections at once; a caller gets through all the same.
. "$(dirname "$0")/lib.sh"

ok "redis starts" start_redis
ok "a site" site 200
ok "the server starts" start_daemon

cat >"$here/hostile.py" <<'END'
import os, random, resource, selectors, socket, sys
port, what = int(sys.argv[1]), sys.argv[2]
def dial():
    s = socket.create_connection(("127.0.0.1", port)); s.settimeout(20); return s
def closed(s):
    try:
        while s.recv(65536): pass
        return True
    except ConnectionResetError:
        return True
env = b"agi_network: yes\nagi_uniqueid: x%d\nagi_callerid: 0312345678\nagi_dnid: 0120950178\nagi_language: ja\n\n"
if what == "garbage":
    random.seed(1)
    for i in range(50):
        s = dial(); s.sendall(random.randbytes(3000) + b"\n"); s.close()
elif what == "half":
    for cut in range(0, 120, 3):
        s = dial(); s.sendall((env % cut)[:cut]); s.shutdown(socket.SHUT_WR); assert closed(s)
elif what == "long":
    s = dial()
    try:
        for i in range(160): s.sendall(b"a" * 65536)
    except (BrokenPipeError, ConnectionResetError): pass
    assert closed(s)
elif what == "reset":
    for i in range(100):
        s = dial(); s.sendall(env % i)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"); s.close()
elif what == "odd":
    replies = [b"200 result=\n", b"200 result=abc\n", b"hello\n", b"520-usage\nmore520 End of proper usage.\n",
               b"511 Command Not Permitted on a dead channel\n", b"510 Invalid\n", b"HANGUP\nHANGUP\n", b"200 result=-1\n", b"\0\0\n"]
    for n, r in enumerate(replies):
        s = dial(); s.sendall(env % (1000 + n))
        try:
            for i in range(30):
                if not s.recv(4096): break
                s.sendall(r)
                if r == b"hello\n": s.close(); break
        except (ConnectionResetError, BrokenPipeError): pass
        s.close()
elif what == "flood":
    resource.setrlimit(resource.RLIMIT_NOFILE, (6000, max(6000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    socks, refused = [], 0
    for i in range(5000):
        s = socket.socket()
        try: s.connect(("127.0.0.1", port))
        except OSError: refused += 1; continue
        socks.append(s)
    # Those over the limit are reset at once; nobody is left waiting.
    sel = selectors.DefaultSelector()
    for s in socks: s.setblocking(False); sel.register(s, selectors.EVENT_READ)
    while refused < 4800:
        got = sel.select(20)
        assert got, "only %d were refused" % refused
        for key, _ in got:
            try: data = key.fileobj.recv(10)
            except ConnectionResetError: data = b""
            assert data == b""
            sel.unregister(key.fileobj); key.fileobj.close(); refused += 1
    assert refused == 4800, refused
END
for what in garbage half long reset odd flood; do
	ok "$what" python3 "$here/hostile.py" "$port" "$what"
	ok "alive after $what" kill -0 "$pid"
	# Connections that were just closed may still be counted.
	n=0
	until call --id "after-$what" --keys "1,0#" >"$here/after" 2>&1 || grep -q '' "$here/after" && ! grep -qi 'refus\|closed\|reset' "$here/after"; do
		n=$((n + 1)); [ $n -lt 50 ] || break
	done
done
call --id final --keys "$taro_keys" --json >"$here/final.json"
is "a caller still gets a hold" visible "$(field result <"$here/final.json")"
kill -USR1 "$pid"
until_true grep -q 'event=counters' "$here/log"
ok "refusals were counted" grep -q 'calls_refused=4[78]' "$here/log"
ok "long lines were counted" grep -q 'agi_too_long=' "$here/log"
ok "garbage was counted" grep -q 'agi_garbage=' "$here/log"
stop_daemon
is "it stops politely" 0 $?
ok "no sanitizer spoke" sh -c "! grep -E 'runtime error|AddressSanitizer|LeakSanitizer' '$here/log'"
finish
