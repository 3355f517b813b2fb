#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fail when an #include crosses a layer the map does not allow.

The map is the architecture: a room may include the rooms on its line.  Pure
rooms may not include a library that does I/O, nor ask the clock.
"""
import os, pathlib, re, sys

MAY_KNOW = {
    "base":     "",
    "wire":     "base",
    "store":    "base",
    "verify":   "base store",
    "hold":     "base store",
    "followup": "base store",
    "flow":     "base verify hold",
    "call":     "base wire flow verify hold",
    "publish":  "base wire store",
    "console":  "base wire store verify hold followup",
    "ocsp":     "base wire",
    "cli":      "base wire store verify hold followup flow publish ocsp",
    "main":     "base wire store verify hold followup flow call publish console ocsp cli",
}
# flow/ and call/ see the store's plain values (a certificate row) through
# hold/status.h; they may not name the store themselves.
PURE = {"verify", "hold", "flow", "followup"}
IMPURE_HEADERS = re.compile(
    r'#\s*include\s*<(event2/|event\.h|sys/socket|sys/un|netinet/|fcntl|unistd|time\.h|sys/time|hiredis|sqlite3|curl/)')
IMPURE_CALLS = re.compile(
    r'\b(clock_wall_us|clock_mono_us|time|clock_gettime|fopen|open|socket|secret_random)\s*\(')

# Headers that only the named files and folders may include: what lifts a hold,
# and what gives the right to.  call/ and flow/ are in none of these lists.
ONLY = {
    "store/decide.h": "src/store/decide.c src/hold/decide.c src/hold/authority.c",
    "hold/authority_grant.h": "src/hold/authority.c src/cli/break_glass.c",
    "hold/authority.h": "src/hold include/hold src/cli",
    "hold/decide.h": "src/hold/decide.c src/cli",
    "settle.h": "src/store",
}
# And words that stand for it: they may be used nowhere else, either.
ONLY_WORDS = {
    "cert_lift": "src/store/cert.c src/store/shared.h src/store/settle.c",
    "store_decide": "src/store/decide.c include/store/decide.h src/hold/decide.c",
    "hold_lift": "src/hold/decide.c include/hold/decide.h src/cli",
    "authority_grant": "src/hold/authority.c include/hold/authority_grant.h src/cli/break_glass.c",
}


def among(path, where):
    return any(path == pathlib.Path(w) or pathlib.Path(w) in path.parents for w in where.split())


def room(path):                 # src/hold/x.c, include/hold/x.h, src/main.c
    return path.parts[1] if len(path.parts) > 2 else "main"


def faults(path):
    mine = room(path)
    text = re.sub(r'/\*.*?\*/', lambda m: "\n" * m[0].count("\n"), path.read_text(), flags=re.S)
    for nr, line in enumerate(text.splitlines(), 1):
        hit = re.match(r'\s*#\s*include\s+"(\w+)/', line)
        if hit and hit[1] not in (mine, "generated") and hit[1] not in MAY_KNOW[mine].split():
            yield nr, f"{mine}/ may not know {hit[1]}/"
        hit = re.match(r'\s*#\s*include\s+"([\w/]+\.h)"', line)
        if hit and hit[1] in ONLY and not among(path, ONLY[hit[1]]):
            yield nr, f"{hit[1]} is only for {ONLY[hit[1]]}"
        for word, where in ONLY_WORDS.items():
            if re.search(rf'\b{word}\s*\(', line) and not among(path, where):
                yield nr, f"{word}() is only for {where}"
        if mine in PURE and IMPURE_HEADERS.search(line):
            yield nr, f"{mine}/ is pure: no I/O library here"
        if mine in PURE and path.suffix == ".c" and IMPURE_CALLS.search(line):
            yield nr, f"{mine}/ is pure: it is handed its now, its randomness and its files"


def main():
    bad = 0
    os.chdir(pathlib.Path(__file__).resolve().parent.parent.parent)
    paths = sorted(p for d in ("src", "include") for p in pathlib.Path(d).rglob("*.[ch]"))
    if not paths:
        sys.exit("no source found; run this in the top folder")
    for path in paths:
        for nr, what in faults(path):
            print(f"{path}:{nr}: {what}")
            bad += 1
    sys.exit(1 if bad else 0)


main()
