# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""CPython's slabs, collector's lists and interpreters against what it says of itself."""
import bisect
import collections
import os
import re
import subprocess
import time

import pytest

from conftest import HEAPSIFT, ROOT, python_there, pythons

WALK = HEAPSIFT.parent / "driver" / "walk_python"
FIXTURE = ROOT / "test" / "fixture" / "python_heap.py"


class Walk:
    def __init__(self, pid):
        done = subprocess.run([WALK, str(pid)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        self.lines = collections.defaultdict(list)
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(" ")
            self.lines[word].append(rest)
        self.listed = {int(a, 16) for a in self.lines["gc"]}
        self.objects = {int(a, 16) for a in self.lines["object"]}
        self.pools = [tuple(int(a, 16) for a in p.split()) for p in self.lines["pool"]]
        self.slabs = [line.split() for line in self.lines["slab"]]

    def evidence(self, item):
        return [e.split(": ", 1)[1] for e in self.lines["evidence"] if e.startswith(item + ":")]

    def by_size(self):
        """block size -> [slabs, used blocks]"""
        sizes = collections.defaultdict(lambda: [0, 0])
        for _, size, _, used, *_ in self.slabs:
            sizes[int(size)][0] += 1
            sizes[int(size)][1] += int(used)
        return dict(sizes)

    def in_pools(self, address):
        i = bisect.bisect(self.pools, (address, 1 << 64))
        return i > 0 and address < self.pools[i - 1][1]


def read_truth(path):
    tracked, objects = set(), {}
    for line in open(path):
        word, address, *rest = line.split()
        if word == "gc":
            tracked.add(int(address, 16))
        else:
            objects[int(address, 16)] = " ".join(rest)
    return tracked, objects


def read_stats(path):
    """block size -> [pools, blocks in use] of sys._debugmallocstats()."""
    row = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$")
    rows = [row.match(line) for line in open(path)]
    return {int(m[2]): [int(m[3]), int(m[4])] for m in rows if m and int(m[2]) >= 16}


def begin(start, folder, python, *words, env=None):
    with open(folder / "stats", "w") as stats:
        target = start(python, FIXTURE, folder / "truth", *words, stderr=stats, env=env)
    end = time.monotonic() + 30
    while "tuple" not in (folder / "stats").read_text().lower().rpartition("20-sized")[0]:
        assert time.monotonic() < end, "no statistics"
        time.sleep(0.05)
    return target


@pytest.fixture(params=pythons("3.11", "3.13"))
def python(request):
    return str(python_there(request.param))


def test_slabs_and_lists(start, tmp_path, python):
    target = begin(start, tmp_path, python)
    walk = Walk(target.pid)
    tracked, objects = read_truth(tmp_path / "truth")

    assert len(tracked) > 20000
    assert len(tracked ^ walk.listed) < 20  # the lines that wrote the truth, and after
    theirs, ours = read_stats(tmp_path / "stats"), walk.by_size()
    assert len(theirs) > 25
    for size in set(theirs) | set(ours):  # printing takes a few blocks
        assert abs(theirs[size][0] - ours[size][0]) <= 1, size
        assert abs(theirs[size][1] - ours[size][1]) <= 4, size
    missed = {a: t for a, t in objects.items() if walk.in_pools(a) and a not in walk.objects}
    assert not missed, list(missed.items())[:5]
    assert sum(map(walk.in_pools, objects)) > 0.95 * len(objects)
    assert not any(int(slab[5]) for slab in walk.slabs)
    assert len(walk.lines["thread"]) == 3
    assert not walk.lines["finding"]


def test_the_version_is_told(start, tmp_path, python):
    target = begin(start, tmp_path, python)
    walk = Walk(target.pid)
    said = subprocess.run([python, "-c", "import platform; print(platform.python_version())"],
                          capture_output=True, text=True, timeout=60).stdout.strip()
    assert walk.evidence("python")[0].startswith(f"CPython {said} (")
    assert walk.evidence("layout of CPython")[0].startswith(said.rpartition(".")[0] + " (")


def test_frozen_objects_are_listed(start, tmp_path, python):
    target = begin(start, tmp_path, python, "freeze")
    assert len(Walk(target.pid).listed) > 20000


def test_threads_are_the_kernels(start, tmp_path, python):
    target = begin(start, tmp_path, python)
    tids = {int(line.split()[1]) for line in Walk(target.pid).lines["thread"]}
    assert tids == {int(t) for t in os.listdir(f"/proc/{target.pid}/task")}


def test_several_interpreters(start, tmp_path, python):
    target = begin(start, tmp_path, python, "subinterpreters")
    walk = Walk(target.pid)
    assert sorted(int(line.split()[0]) for line in walk.lines["interp"]) == [0, 1, 2]
    _, objects = read_truth(tmp_path / "truth")
    assert not [a for a in objects if walk.in_pools(a) and a not in walk.objects]


def test_without_obmalloc(start, tmp_path, python):
    target = begin(start, tmp_path, python, env={**os.environ, "PYTHONMALLOC": "malloc"})
    walk = Walk(target.pid)
    tracked, _ = read_truth(tmp_path / "truth")
    assert len(tracked ^ walk.listed) < 20
    assert not walk.slabs


def test_debug_hooks(start, tmp_path, python):
    target = begin(start, tmp_path, python, env={**os.environ, "PYTHONMALLOC": "debug"})
    walk = Walk(target.pid)
    _, objects = read_truth(tmp_path / "truth")
    missed = [a for a in objects if walk.in_pools(a) and a not in walk.objects]
    assert not missed


def test_quiet_while_it_works(start, tmp_path, python):
    """A moment between two changes: every slab agrees with itself. Most tries find one."""
    target = begin(start, tmp_path, python, "busy")
    walks = [Walk(target.pid) for _ in range(8)]
    quiet = [walk for walk in walks if walk.lines["quiet"][0].startswith("1 ")]
    assert len(quiet) >= 3
    for walk in quiet:
        assert not [slab for slab in walk.slabs if int(slab[5])]
        assert len(walk.listed) > 20000


@pytest.mark.parametrize("other", pythons("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.12"))
def test_other_versions_are_named(start, other):
    target = start(python_there(other), "-c", "import sys; print(sys.version.split()[0]); "
                   "print('ready'); sys.stdout.flush(); sys.stdin.read()")
    walk = Walk(target.pid)
    assert walk.lines["finding"][0].startswith(f"CPython {target.truth[0]} is not supported")
    assert not walk.slabs
