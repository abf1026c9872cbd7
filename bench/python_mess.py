# SPDX-License-Identifier: Apache-2.0
"""python_mess.py N: a CPython process of about N objects of all kinds and sizes, which lie
where others were freed, refer to each other across the heap, and hold values that seldom
come twice. Prints `ready PID` and sleeps."""
import gc
import os
import random
import sys
import time

gc.disable()  # nothing here is garbage
random.seed(1)
pick = random.random
N = int(sys.argv[1])
EACH = 3.9  # objects that make() leaves behind
NAMES = [f"name-{i}" for i in range(5000)]
kept = []


class Rec:
    pass


def record():
    r = Rec()
    r.number, r.name, r.code = int(pick() * 1e9), some(NAMES), "%x" % int(pick() * 1e12)
    if pick() < 0.5:
        r.samples = [pick() for _ in range(int(pick() * 8))]
    return r


def some(things):
    return things[int(pick() * len(things))]


MAKERS = [
    record,
    lambda: {f"k{int(pick() * 1e6)}": int(pick() * 1e6) for _ in range(int(pick() * 6))},
    lambda: [some(kept) for _ in range(int(pick() * 10))] if kept else [],
    lambda: (pick(), str(int(pick() * 1e9)), some(NAMES)),
    lambda: "x" * int(pick() * 100),
    lambda: {int(pick() * 1e6) for _ in range(int(pick() * 10))},
]

while len(kept) * EACH < N:
    kept.append(some(MAKERS)())
    if pick() < 0.2 and len(kept) > 1000:
        kept[int(pick() * len(kept))] = some(MAKERS)()
random.shuffle(kept)
print("ready", os.getpid(), flush=True)
time.sleep(100000)
