# SPDX-License-Identifier: Apache-2.0
"""Compares what test/fixture/heap_truth says about its own heap with what a walker saw.

    heap_compare.py TRUTH WALK      prints a line of figures; exit 1 and every difference

TRUTH is the file that heap_truth writes, WALK what test/driver/walk_csv prints. Nothing
in the expectation comes from the walker: pointers and sizes are the program's, totals are
malloc_info's and mallinfo2's.
"""
import bisect
import re
import sys
import xml.etree.ElementTree as xml
from collections import Counter

MMAPPED = -1


class Truth:
    def __init__(self, path):
        text = open(path).read()
        head, rest = text.split("<malloc", 1)
        assert rest.rstrip().endswith("end"), f"{path} is not complete"
        self.live, self.freed, self.info = {}, [], {}
        for line in head.splitlines():
            word = line.split()
            if word[0] == "live":
                self.live[int(word[1], 16)] = (int(word[2]), int(word[3]))
            elif word[0] == "freed":
                self.freed.append(int(word[1], 16))
            elif word[0] == "mallinfo2":
                self.info[word[1]] = int(word[2])
            elif word[0] == "glibc":
                self.version = tuple(map(int, word[1].split(".")[:2]))
            elif word[0] == "pid":
                self.pid = int(word[1])
        self.malloc = xml.fromstring("<malloc" + rest[:rest.rindex("end")])

    def arenas(self):
        """For each arena: its size, and (count, bytes) of fastbins and of what is in
        rest_states(). malloc_info adds up the size words of binned chunks with their
        PREV_INUSE bit."""
        for heap in self.malloc.findall("heap"):
            total = {t.get("type"): (int(t.get("count")), int(t.get("size")))
                     for t in heap.findall("total")}
            system = {s.get("type"): int(s.get("size")) for s in heap.findall("system")}
            count, size = total["rest"]
            binned = count - self.rest_states().count("top")
            yield system["current"], total.get("fast", (0, 0)), (count, size - binned)

    def rest_states(self):
        """What malloc_info calls the rest: from 2.31 on with the top chunk."""
        return ("bin", "top") if self.version >= (2, 31) else ("bin",)

    def mmapped(self):
        """malloc_info's own total of mmapped chunks."""
        total = {t.get("type"): t for t in self.malloc.findall("total")}["mmap"]
        return int(total.get("count")), int(total.get("size"))


class Walk:
    def __init__(self, path):
        self.blocks, self.arenas, self.damage, self.findings = [], [], [], []
        self.evidence = {}
        self.quiet = None
        for line in open(path):
            kind, rest = line.rstrip("\n").split(" ", 1)
            if kind == "block":
                arena, addr, size, extra, state = rest.split()
                self.blocks.append((int(addr, 16), int(size), int(extra), state, int(arena)))
            elif kind == "arena":
                _, addr, system, _ = rest.split()
                self.arenas.append((int(addr, 16), int(system)))
            elif kind == "damage":
                self.damage.append(rest)
            elif kind == "finding":
                self.findings.append(rest)
            elif kind == "evidence":
                item, answer, evidence = rest.split(" | ", 2)
                self.evidence[item] = (answer, evidence)
            elif kind == "quiet":
                self.quiet = rest == "1"
        self.by_address = sorted(self.blocks)
        self.starts = [b[0] for b in self.by_address]

    def at(self, address):
        """The block whose usable bytes hold the address, or None."""
        i = bisect.bisect_right(self.starts, address) - 1
        if i < 0:
            return None
        block = self.by_address[i]
        return block if address < block[0] + block[1] else None

    def totals(self, arena, *states):
        """(count, chunk bytes) of an arena's blocks in these states."""
        sizes = [b[1] + b[2] for b in self.blocks if b[4] == arena and b[3] in states]
        return len(sizes), sum(sizes)


def compare_live(truth, walk):
    for address, (asked, usable) in truth.live.items():
        block = walk.at(address)
        if not block or block[0] != address or block[3] != "used":
            yield f"live 0x{address:x} of {asked} bytes: {block}"
        elif block[1] != usable or usable < asked:
            yield f"live 0x{address:x}: {block[1]} usable, malloc_usable_size says {usable}"


def compare_freed(truth, walk):
    starts = sorted(truth.live)
    for address in truth.freed:
        i = bisect.bisect_right(starts, address) - 1
        if i >= 0 and address < starts[i] + truth.live[starts[i]][1]:
            continue  # handed out since, alone or as part of a larger block
        block = walk.at(address)
        if block and block[3] == "used":
            yield f"freed 0x{address:x}, but in a used block: {block}"


def compare_arenas(truth, walk):
    told = list(truth.arenas())
    if len(told) != len(walk.arenas):
        yield f"{len(walk.arenas)} arenas, malloc_info says {len(told)}"
    for i, ((system, fast, rest), arena) in enumerate(zip(told, walk.arenas)):
        found = walk.totals(i, *truth.rest_states())
        if arena[1] != system:
            yield f"arena {i}: {arena[1]} bytes from the system, not {system}"
        if walk.totals(i, "fastbin") != fast:
            yield f"arena {i}: fastbins {walk.totals(i, 'fastbin')}, not {fast}"
        if found != rest:
            yield f"arena {i}: {' and '.join(truth.rest_states())} {found}, not {rest}"


def compare_mmapped(truth, walk):
    """From 2.43 glibc's count of bytes gains 16 at each mremap: less than a page here."""
    count, size = walk.totals(MMAPPED, "used", "tcache")
    slack = range(0, 4096, 16) if truth.version >= (2, 43) else (0,)
    for source, (n, total) in {
            "mallinfo2": (truth.info["hblks"], truth.info["hblkhd"]),
            "malloc_info": truth.mmapped()}.items():
        if count != n or total - size not in slack:
            yield f"mmapped {count} of {size}, {source} says {n} of {total}"


def differences(truth, walk):
    yield from compare_live(truth, walk)
    yield from compare_freed(truth, walk)
    yield from compare_arenas(truth, walk)
    yield from compare_mmapped(truth, walk)
    for line in walk.damage + walk.findings:
        if not line.startswith("note "):
            yield "a sound heap, but: " + line


def figures(truth, walk):
    states = Counter(b[3] for b in walk.blocks)
    mmapped = sum(1 for b in walk.blocks if b[4] == MMAPPED)
    others = states["used"] - len(truth.live)
    return (f"{len(truth.live)} live, {len(truth.freed)} freed, {len(walk.arenas)} arenas, "
            f"{mmapped} mmapped, {others} used by libc; " +
            ", ".join(f"{n} {state}" for state, n in sorted(states.items())))


def main(argv):
    truth, walk = Truth(argv[1]), Walk(argv[2])
    wrong = list(differences(truth, walk))
    print(figures(truth, walk))
    for line in wrong[:10]:
        print("  " + line)
    if len(wrong) > 10:
        print(f"  ... {len(wrong)} differences in all")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
