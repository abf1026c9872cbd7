# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""Every byte once: the memory of a Python process with numpy, large objects in malloc's heap
and mappings. What belongs to whom is worked out here from the lists of blocks, slabs, objects
and parts; the process itself says how much obmalloc and malloc have in use."""
import bisect
import collections
import subprocess

import pytest

from conftest import HEAPSIFT, pythons, python_there

PROGRAM = r"""
import collections, ctypes, sys, threading, time
try:
    import numpy
    ARRAYS = [numpy.ones(n * 1000) for n in range(1, 40)] + [numpy.ones(5_000_000)]
except ImportError:
    pass

class Plain:
    def __init__(self, n):
        self.number, self.text = n, f"text {n}"

class Slots:
    __slots__ = ("a", "b")

THINGS = [Plain(n) for n in range(20_000)]
LARGE = [bytearray(n * 997) for n in range(300)] + [bytes(3_000_000), bytearray(70_000_000)]
TEXTS = [("x" * n, "\u00e9" * n, "\u20ac" * n, "\U0001f600" * n) for n in range(0, 3000, 7)]
TABLES = [dict.fromkeys(range(n)) for n in range(0, 2000, 13)]
SETS = [set(range(n)) for n in range(0, 2000, 17)]
QUEUES = [collections.deque(range(n)) for n in range(0, 1000, 19)]
ORDERED = collections.OrderedDict((n, [n]) for n in range(5000))
LISTS = [list(range(n)) for n in range(0, 5000, 37)]
WORKER = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
WORKER.start()
libc = ctypes.CDLL(None)

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc.mallinfo2.restype = Info
for _ in range(3):
    info = libc.mallinfo2()
print("mmapped", info.hblkhd)
print("arena", info.arena)
print("ready", flush=True)
time.sleep(1000)
"""


class Memory:
    """What print_memory tells of a process, and whose each address is."""

    def __init__(self, pid):
        done = subprocess.run([HEAPSIFT.parent / "driver/print_memory", str(pid)],
                              capture_output=True, text=True, check=True, timeout=200)
        rows = collections.defaultdict(list)
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(" ")
            rows[word].append(rest.split(" "))
        hexes = lambda row: [int(word, 16) for word in row]
        self.findings = rows["finding"]
        self.heaps = sorted(hexes(r) for r in rows["heap"])
        self.pools = sorted(hexes(r) for r in rows["pool"])
        self.slabs = sorted((*hexes(r[:2]), r[2]) for r in rows["slab"])
        self.blocks = sorted((*hexes(r[:3]), r[3], int(r[4], 16)) for r in rows["block"])
        self.objects = {int(r[0], 16): (int(r[1], 16), int(r[2], 16), " ".join(r[4:]))
                        for r in rows["object"]}
        self.parts = sorted((*hexes(r[:3]), " ".join(r[3:])) for r in rows["part"])
        self.starts = {name: [row[0] for row in getattr(self, name)]
                       for name in ("pools", "slabs", "blocks")}

    def at(self, name, addr):
        i = bisect.bisect_right(self.starts[name], addr) - 1
        return getattr(self, name)[i] if i >= 0 else None

    def slab_block(self, addr):
        """(start, size, is used) of the slab block at addr."""
        slab = self.at("slabs", addr)
        if not slab or (addr - slab[0]) // slab[1] >= len(slab[2]):
            return None
        i = (addr - slab[0]) // slab[1]
        return slab[0] + i * slab[1], slab[1], slab[2][i] == "1"

    def block(self, addr):
        block = self.at("blocks", addr)
        return block if block and addr < block[0] + block[1] else None


class Claims:
    """Gives each object and part the memory it lies in, once."""

    def __init__(self, memory):
        self.memory = memory
        self.owner, self.footprint = {}, collections.Counter()
        self.wrong = collections.Counter()
        for addr, (_, _, kind) in memory.objects.items():
            self.claim(addr, 1, addr, kind)
        for addr, size, owner, label in memory.parts:
            self.claim(addr, size, owner, f"{label} of {memory.objects[owner][2]}")

    def claim(self, addr, size, owner, what):
        cell, block = self.memory.slab_block(addr), self.memory.block(addr)
        if cell:
            start, room, is_used = cell
            self.take(start, room, owner, what)
            self.check(is_used, f"in a free block: {what}")
            self.check(addr + size <= start + room, f"beyond its block: {what}")
        elif block:
            start, room, footprint, state, told = block
            if self.owner.get(start) != owner:  # an object and its part may share a block
                self.take(start, footprint, owner, what)
            self.check(state == "used", f"in a free chunk: {what}")
            self.check(addr + size <= start + room, f"beyond its chunk: {what}")
            self.check(told == owner, f"in another's chunk: {what}")
        elif what.endswith("of mmap.mmap"):
            self.footprint[owner] += (size + 4095) // 4096 * 4096
        else:
            pool = self.memory.at("pools", addr)
            self.check(not pool or addr >= pool[1], f"in a pool, but in no slab: {what}")

    def take(self, start, footprint, owner, what):
        self.check(start not in self.owner, f"twice: {what}")
        self.owner[start] = owner
        self.footprint[owner] += footprint

    def check(self, is_right, what):
        if not is_right:
            self.wrong[what] += 1


@pytest.fixture(scope="module", params=pythons("3.11", "3.13"))
def seen(request):
    from conftest import Target
    target = Target([python_there(request.param), "-c", PROGRAM]).wait_ready()
    memory = Memory(target.pid)
    yield memory, Claims(memory), dict(line.split() for line in target.truth)
    target.end()


def test_each_object_has_its_blocks_and_no_others(seen):
    memory, claims, _ = seen
    assert memory.findings == []
    assert len(memory.objects) > 100_000 and len(memory.parts) > 5_000
    assert claims.wrong == {}
    wrong = {kind: (told, claims.footprint[addr])
             for addr, (_, told, kind) in memory.objects.items() if told != claims.footprint[addr]}
    assert wrong == {}
    owned = [b for b in memory.blocks if b[3] == "used" and b[4] > 1]
    assert [b for b in owned if b[0] not in claims.owner] == []


def test_slabs_lie_in_pools_and_nothing_overlaps(seen):
    memory = seen[0]
    for one, next_one in zip(memory.pools, memory.pools[1:]):
        assert one[1] <= next_one[0]
    for one, next_one in zip(memory.slabs, memory.slabs[1:]):
        assert one[0] + one[1] * len(one[2]) <= next_one[0]
    for start, size, bits in memory.slabs:
        pool = memory.at("pools", start)
        assert pool and start + size * len(bits) <= pool[1]
    for one, next_one in zip(memory.blocks, memory.blocks[1:]):
        assert one[0] - 16 + one[2] <= next_one[0] - 16 or one[3] == "fence"


def test_blocks_fill_the_heaps(seen):
    memory, _, truth = seen
    main = memory.heaps[0]
    chunks = sum(b[2] for b in memory.blocks if main[0] <= b[0] - 16 < main[1])
    assert chunks == main[1] - main[0]
    mmapped = sum(b[2] for b in memory.blocks
                  if not any(h[0] <= b[0] < h[1] for h in memory.heaps))
    assert mmapped == int(truth["mmapped"])
    assert 0 <= int(truth["arena"]) - sum(h[1] - h[0] for h in memory.heaps) < 8192


def test_all_footprints_add_up(seen):
    memory, claims, _ = seen
    cells = sum(memory.slab_block(start)[1] for start in claims.owner if memory.slab_block(start))
    chunks = sum(b[2] for b in memory.blocks if b[3] == "used" and b[4] > 1)
    told = sum(footprint for _, footprint, _ in memory.objects.values())
    assert told == cells + chunks
    used = sum(size * bits.count("1") for _, size, bits in memory.slabs)
    assert 0.98 * used <= cells <= used
