# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""All objects of a Python process, against what it says of itself: which there are and how
large, and whose every block of obmalloc's is."""
import bisect
import collections
import os
import subprocess

import pytest

from conftest import HEAPSIFT, python_there, pythons

PRINT_OBJECTS = HEAPSIFT.parent / "driver" / "print_objects"
PRINT_GRAPH = HEAPSIFT.parent / "driver" / "print_graph"
LABEL_KEY, LABEL_VALUE = 5, 6

# Prints every object that the collector knows or that one of those refers to: address,
# size and type; and what obmalloc says of its blocks.
TARGET = r"""
import collections, functools, gc, json, os, re, sys, threading, weakref

class Cat:
    def __init__(self, n):
        self.n, self.name = n, f"cat {n}"
class Slotted:
    __slots__ = ("a", "b", "__weakref__")
    def __init__(self, n):
        self.a, self.b = [n] * n, {n}
class Odd(dict):
    pass

BIG = {f"blob-{i}": bytearray(1000) for i in range(1000)}
CATS = [Cat(i) for i in range(2000)]
SLOTTED = [Slotted(i) for i in range(300)]
ODD = [Odd(a=i) for i in range(200)]
for i, odd in enumerate(ODD):
    odd.number = i
MIXED = [collections.OrderedDict((j, str(j)) for j in range(i)) for i in range(5)]
MIXED += [collections.deque(range(i * 10)) for i in range(5)]
MIXED += [set(range(i * 7)) for i in range(50)] + [10 ** i for i in range(300)]
MIXED += [functools.partial(print, i) for i in range(20)]
MIXED += [weakref.ref(c) for c in CATS[:50]] + [(lambda x: lambda: x)(i) for i in range(50)]
MIXED += [(i for i in range(j)) for j in range(20)]
TEXTS = ["\xe9" * i for i in range(600)] + ["\u4e16" * i for i in range(600)]
for g in MIXED[-20:]:
    next(g, None)

def truth():
    gc.collect()
    # What is made from here on is not asked for, and dies with this function.
    seen, todo = {}, gc.get_objects()
    mine = {id(seen), id(todo), id(sys._getframe())}
    while todo:
        o = todo.pop()
        if id(o) in seen or id(o) in mine:
            continue
        m = type(o).__module__
        # A text: dead tuples would be kept for the next.
        seen[id(o)] = (f"{sys.getsizeof(o)} {m + '.' if m != 'builtins' else ''}"
                       f"{type(o).__qualname__}")
        todo.extend(gc.get_referents(o))
    return seen

lines = [f"{a:#x} {said}" for a, said in truth().items()]
print("\n".join(lines))
del lines
sys._debugmallocstats()
print("ready", flush=True)
sys.stdin.readline()
"""


class Collected:
    """What print_objects tells, by kind of row."""

    def __init__(self, pid):
        self.rows = collections.defaultdict(list)
        for line in run(PRINT_OBJECTS, pid).splitlines():
            kind, *fields = line.split("\t")
            self.rows[kind].append(fields)
        self.objects = {int(r[0], 16): r for r in self.rows["object"]}


def run(*argv):
    return subprocess.run([*map(str, argv)], capture_output=True, text=True, check=True,
                          errors="replace").stdout


@pytest.fixture(params=pythons("3.11", "3.13"))
def target(start, request, tmp_path):
    """A Python process, what it said of its objects, and of its allocator."""
    stats = tmp_path / "stats"
    script = tmp_path / "target.py"
    script.write_text(TARGET)
    with open(stats, "w") as errors:
        process = start(python_there(request.param), script, stderr=errors,
                        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    process.stats = stats.read_text()
    process.objects = {}
    for line in process.truth:
        address, size, kind = line.split(" ", 2)
        process.objects[int(address, 16)] = (int(size), kind)
    return process


def test_every_object_is_there(target):
    found = Collected(target.pid)
    assert not found.rows["finding"]
    missed = [(hex(a), t) for a, t in target.objects.items() if a not in found.objects]
    print("missed", len(missed), "of", len(target.objects), missed[:20])
    assert len(missed) <= len(target.objects) / 1000
    sizes, kinds = [], []
    for a, (size, kind) in target.objects.items():
        row = found.objects.get(a)
        if row and row[4] != kind:
            kinds.append((hex(a), kind, row[4]))
        elif row and int(row[1]) != size:
            sizes.append((hex(a), kind, size, row[1]))
    print("sizes", len(sizes), sizes[:20], "\nkinds", len(kinds), kinds[:20])
    assert len(sizes) <= len(target.objects) / 300
    assert len(kinds) <= len(target.objects) / 1000


def test_every_block_is_somebody_s(target):
    found = Collected(target.pid)
    used = sum(int(r[3]) for r in found.rows["slab"])
    stray = found.rows["stray"]
    print(len(stray), "of", used, collections.Counter(int(size) for _, size in stray))
    assert used > 20000
    assert len(stray) <= used / 100


def obmalloc_says(stats, words):
    return int(next(line for line in stats.splitlines() if words in line)
               .split("=")[-1].replace(",", ""))


def test_blocks_are_as_many_as_obmalloc_says(target):
    """Slab by slab what is in use. Between its words and ours the target printed a line and
    waits for another."""
    found = Collected(target.pid)
    said = obmalloc_says(target.stats, "bytes in allocated blocks")
    used = sum(int(size) * int(n) for _, size, _, n in found.rows["slab"])
    assert abs(used - said) < 5000
    assert len(found.rows["pool"]) == obmalloc_says(target.stats,
                                                    "arenas allocated current")


def test_footprints_hold_every_used_byte_once(target):
    """What objects take of slabs is what slabs have in use, but for what is nobody's."""
    found = Collected(target.pid)
    slabs = sorted((int(r[0], 16), int(r[1]), int(r[2])) for r in found.rows["slab"])
    pools = [(int(r[0], 16), int(r[1], 16)) for r in found.rows["pool"]]
    used = sum(int(size) * int(n) for _, size, _, n in found.rows["slab"])
    stray = sum(int(size) for _, size in found.rows["stray"])
    outside = set()
    owners = collections.defaultdict(int)

    def block_size(at):
        i = bisect.bisect_right(slabs, (at, 1 << 62, 0)) - 1
        inside = i >= 0 and (at - slabs[i][0]) // slabs[i][1] < slabs[i][2]
        return slabs[i][1] if inside else None

    for row in found.rows["object"] + found.rows["part"]:
        owner = int(row[2] if row[2].startswith("0x") else row[0], 16)
        size = block_size(int(row[0], 16))
        owners[owner] += size or 0
        if size is None:
            outside.add(owner)
    assert pools and sum(owners.values()) == used - stray
    wrong = [(hex(a), n, found.objects[a]) for a, n in owners.items()
             if a not in outside and int(found.objects[a][2]) != n]
    assert not wrong


def test_values_have_their_keys(target):
    """The dict BIG: 1,000 keys and each one's value, which is nowhere else."""
    found = Collected(target.pid)
    edges = collections.defaultdict(list)
    for line in run(PRINT_GRAPH, target.pid).splitlines():
        kind, *fields = line.split("\t")
        if kind == "edge" and fields[1] != "-":
            edges[int(fields[0], 16)].append((int(fields[1], 16), int(fields[2])))
    big = [a for a, r in found.objects.items() if r[4] == "dict" and
           sum(found.objects[to][5].startswith("'blob-") for to, label in edges[a]
               if label == LABEL_KEY) == 1000]
    assert len(big) == 1
    pairs = [e for e in edges[big[0]] if e[1] in (LABEL_KEY, LABEL_VALUE)]
    for i in range(1000):
        (key, is_key), (value, is_value) = pairs[2 * i:2 * i + 2]
        assert (is_key, is_value) == (LABEL_KEY, LABEL_VALUE)
        assert found.objects[key][5] == f"'blob-{i}'"
        assert found.objects[value][4] == "bytearray"
        assert int(found.objects[value][2]) >= 1001 + 56
