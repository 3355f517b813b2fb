#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""surge -- 100,000 calls in an hour, in virtual time: what gives way first.

A discrete-event model of one line: nodes with agi.max_calls places and
verify.threads, one store, one cache, and the people that calls are handed to.
How long a caller listens is the sum of the prompts that the caller hears (their
lengths are those of flow/prompt.h, in Japanese, the longer language); what a
verification, a commit and a push take are the figures of doc/performance.md.
A call that finds no place is counted at once, as the gateway refuses it.

    tests/bench/surge.py [--calls 100000] [--nodes 4] [--places 2000]
        [--threads 2] [--people 400] [--rush 3] [--down SECOND] [--seed 1]

Times are virtual: the output is the same on every machine.
"""
import argparse, collections, heapq, random

# ---- what was measured, in seconds
VERIFY = 0.035          # argon2id, one thread busy
VERIFY_QUEUE = 256      # verify.queue
COMMIT = 0.0004         # one transaction with its sync, whatever waits
COMMIT_EACH = 0.00006   # and each hold in it
BATCH = 1000
PUSH = 0.0004           # push, read back, acknowledge

# ---- what callers do (listening from prompts; typing is an assumption)
OPENING = 22.6 + 13.1                       # greeting, notice, menu
QUESTIONS = 16.1 + 8.6 + 8.0 + 16.4         # birth date, postal code, phone, PIN
TYPING = (25.0, 8.0)                        # all four answers: mean, deviation
AGAIN = 11.6                                # no match: asked once more
PLAN = 8.6 + 11.0 + 12.5 + 5.0              # what will be held; yes or no
RECEIPT = 8.0 + 9.8 + 2 * 17.0 + 20.8       # done, the number twice, what next
HANDOVER = 7.7
RIGHT, RIGHT_AGAIN, YES = 0.85, 0.5, 0.97   # verified at first, then; confirmed
WANTS_PERSON = 0.05                         # presses 0 at the menu
WITH_PERSON = 240.0                         # at an agent, mean
PATIENCE = 600.0                            # waiting for an agent


class Servers:
    """Identical servers with one queue; seize(now, fn) calls fn when one is free."""

    def __init__(self, sim, n, limit=None):
        self.sim, self.n, self.limit = sim, n, limit
        self.busy, self.queue, self.longest = 0, collections.deque(), 0

    def seize(self, fn):
        if self.busy < self.n:
            self.busy += 1
            fn()
        elif self.limit is not None and len(self.queue) >= self.limit:
            return False
        else:
            self.queue.append(fn)
            self.longest = max(self.longest, len(self.queue))
        return True

    def release(self):
        while self.queue:
            if self.queue.popleft()() is not False:
                return
        self.busy -= 1


class Node:
    def __init__(self, sim, args):
        self.open, self.most, self.up = 0, 0, True
        self.places = args.places
        self.pool = Servers(sim, args.threads, VERIFY_QUEUE)


class Sim:
    def __init__(self, args):
        self.args, self.now, self.heap, self.order = args, 0.0, [], 0
        self.rnd = random.Random(args.seed)
        self.nodes = [Node(self, args) for _ in range(args.nodes)]
        self.people = Servers(self, args.people)
        self.waiting, self.committing = [], False
        self.n = collections.Counter()
        self.visible, self.verdicts, self.person_waits = [], [], []

    def after(self, delay, fn):
        self.order += 1
        heapq.heappush(self.heap, (self.now + delay, self.order, fn))

    # ---- arrivals: `rush` times the average at first, falling to what is left
    def arrivals(self):
        a = self.args
        peak = a.rush * a.calls / 3600
        made = 0
        while made < a.calls:
            t = self.rnd.random() * 3600
            low = 1.0 / a.rush
            share = max(low, 1.0 - t / 3600 * 2 * (1 - 1 / a.rush)) if a.rush > 1 else 1.0
            if self.rnd.random() < share:
                made += 1
                heapq.heappush(self.heap, (t, -made, self.arrive))
        return peak

    def arrive(self):
        node = next((x for x in sorted(self.nodes, key=lambda x: x.open) if x.up and x.open < x.places), None)
        self.n["calls"] += 1
        if node is None:
            self.n["refused before answering"] += 1
            return self.to_person(None)
        node.open += 1
        node.most = max(node.most, node.open)
        call = {"node": node, "tries": 0}
        if self.rnd.random() < WANTS_PERSON:
            return self.after(OPENING, lambda: self.leave(call, True))
        self.after(OPENING, lambda: self.ask(call))

    def gone(self, call):
        """The node died: the dialplan takes the call to the next one, which goes on."""
        if call["node"].up:
            return False
        self.n["moved to another node"] += 1
        node = next((x for x in sorted(self.nodes, key=lambda x: x.open) if x.up and x.open < x.places), None)
        if node is None:
            self.to_person(None)
            return True
        node.open += 1
        node.most = max(node.most, node.open)
        call["node"] = node
        return False

    def ask(self, call):
        if self.gone(call):
            return
        spent = QUESTIONS + max(5.0, self.rnd.gauss(*TYPING))
        self.after(spent, lambda: self.verify(call))

    def verify(self, call):
        if self.gone(call):
            return
        begun, pool = self.now, call["node"].pool

        def run():
            self.after(VERIFY, lambda: (pool.release(), self.verdict(call, begun)))

        if not pool.seize(run):
            self.n["to a person: too many checks wait"] += 1
            self.leave(call, True)

    def verdict(self, call, begun):
        self.verdicts.append(self.now - begun)
        call["tries"] += 1
        right = RIGHT if call["tries"] == 1 else RIGHT_AGAIN
        if self.rnd.random() < right:
            self.n["verified"] += 1
            self.after(PLAN, lambda: self.confirm(call))
        elif call["tries"] == 1:
            self.after(AGAIN, lambda: self.ask(call))
        else:
            self.n["to a person: not verified"] += 1
            self.leave(call, True)

    def confirm(self, call):
        if self.gone(call):
            return
        if self.rnd.random() >= YES:
            return self.leave(call, False)
        self.waiting.append((call, self.now))
        self.commit()

    # ---- the store: one transaction for all that wait
    def commit(self):
        if self.committing or not self.waiting:
            return
        batch, self.waiting = self.waiting[:BATCH], self.waiting[BATCH:]
        self.committing = True

        def done():
            self.committing = False
            for call, begun in batch:
                self.after(PUSH, lambda c=call, b=begun: self.shown(c, b))
            self.commit()

        self.after(COMMIT + COMMIT_EACH * len(batch), done)

    def shown(self, call, begun):
        self.visible.append(self.now - begun)
        self.n["holds"] += 1
        self.after(RECEIPT, lambda: self.leave(call, False))

    # ---- the end of a call at the node, and people
    def leave(self, call, person):
        if call["node"].up:
            call["node"].open -= 1
        if person:
            self.to_person(HANDOVER)

    def to_person(self, _):
        begun = self.now

        def talk():
            if self.now - begun > PATIENCE:
                self.n["gave up waiting for a person"] += 1
                return False
            self.person_waits.append(self.now - begun)
            self.after(self.rnd.expovariate(1 / WITH_PERSON), self.people.release)

        self.n["wanted a person"] += 1
        self.people.seize(talk)

    def run(self):
        peak = self.arrivals()
        if self.args.down:
            def down():
                self.nodes[0].up, self.nodes[0].open = False, 0
            heapq.heappush(self.heap, (float(self.args.down), 0, down))
        while self.heap:
            self.now, _, fn = heapq.heappop(self.heap)
            fn()
        return peak


def share(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else 0.0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("calls", 100000), ("nodes", 4), ("places", 2000), ("threads", 2),
                        ("people", 400), ("seed", 1), ("down", 0)):
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--rush", type=float, default=3.0, help="how much of the average the first minutes see")
    args = p.parse_args()
    if min(args.calls, args.nodes, args.places, args.threads, args.people) < 1 or args.rush < 1:
        p.error("every number is at least 1")
    sim = Sim(args)
    peak = sim.run()
    print(f"{args.calls} calls in an hour, {peak:.0f} a second at first; {args.nodes} nodes with "
          f"{args.places} places and {args.threads} verifying threads, {args.people} people"
          + (f"; one node dies after {args.down} s" if args.down else ""))
    for name in ("refused before answering", "moved to another node", "verified", "holds",
                 "to a person: not verified", "to a person: too many checks wait",
                 "wanted a person", "gave up waiting for a person"):
        print(f"  {name:36} {sim.n[name]:8}")
    print(f"  {'most calls open on one node':36} {max(x.most for x in sim.nodes):8}")
    print(f"  {'most checks waiting on one node':36} {max(x.pool.longest for x in sim.nodes):8}")
    for name, values in (("a verdict takes", sim.verdicts), ("from yes to visible", sim.visible)):
        print(f"  {name:36} {share(values, .5) * 1000:8.1f} ms p50 {share(values, .99) * 1000:8.1f} ms p99")
    print(f"  {'waiting for a person':36} {share(sim.person_waits, .5):8.0f} s  p50 {share(sim.person_waits, .99):8.0f} s  p99")


main()
