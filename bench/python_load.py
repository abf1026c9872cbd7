# SPDX-License-Identifier: Apache-2.0
"""python_load.py N [PEER]: a CPython process of about N objects: N / 10 records of nine
objects each, a dict of 1,000 bytearrays, a linked list of 2,000 nodes, a thread that
works. Prints `ready PID`; then, with PEER, runs that tool on itself and prints its seconds
and peak memory, else sleeps."""
import gc
import os
import resource
import sys
import threading
import time


class Rec:
    def __init__(self, n):
        self.number = n + 1000
        self.name = f"record {n}"
        self.tags = [f"tag {n}", n * 1.5]
        self.more = {"a": n + 100000, "b": (n, f"t{n}")}


class Node:
    __slots__ = ("next", "payload")

    def __init__(self, following):
        self.next = following
        self.payload = "x" * 10


def tick(n):
    return n + 1


def work():
    while True:
        eval("tick(1)")
        time.sleep(0.05)


def guppy():
    from guppy import hpy
    heap = hpy().heap()
    return heap.size, heap[0].domisize


def pympler():
    from pympler import asizeof, muppy, summary
    return len(summary.summarize(muppy.get_objects())), asizeof.asizeof(DATA)


def objgraph():
    import objgraph as graph
    return len(graph.most_common_types(20)), len(graph.find_backref_chain(DATA[7], graph.is_proper_module))


N = int(sys.argv[1])
DATA = [Rec(n) for n in range(N // 10)]
BIG = {f"blob-{i}": bytearray(1000) for i in range(1000)}
HEAD = None
for _ in range(2000):
    HEAD = Node(HEAD)
threading.Thread(target=work, daemon=True).start()
gc.collect()
print("ready", os.getpid(), flush=True)
if len(sys.argv) > 2:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    globals()[sys.argv[2]]()
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("took", took, (after - before) * 1024, flush=True)
else:
    time.sleep(100000)
