#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the map of tests/lint/layers.py: doc/rooms.py | dot -Tsvg >doc/rooms.svg"""
import pathlib, re

top = pathlib.Path(__file__).resolve().parent.parent
text = (top / "tests/lint/layers.py").read_text()
rooms = dict(re.findall(r'^    "(\w+)":\s+"([^"]*)"', text, re.M))
built = {d.name for d in (top / "src").iterdir() if d.is_dir() and any(d.glob("*.c"))}
built.add("main")


def reach(room, skip):
    """Rooms known through others: those arrows are left out of the picture."""
    seen, todo = set(), [r for r in rooms[room].split() if r != skip]
    while todo:
        r = todo.pop()
        if r not in seen:
            seen.add(r)
            todo += rooms[r].split()
    return seen


print('digraph rooms {\n\trankdir=BT; node [shape=box fontname="sans-serif"];')
for room, knows in rooms.items():
    if room in built:
        print(f'\t{room} [label="{"programs" if room == "main" else room + "/"}"];')
for room, knows in rooms.items():
    for other in knows.split():
        if {room, other} <= built and other not in reach(room, other):
            print(f"\t{room} -> {other};")
print("}")
