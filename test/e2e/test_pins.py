# SPDX-License-Identifier: Apache-2.0
"""`summary --pins`: what it says would come back is what does, when the target is asked."""
import re

import pytest

from conftest import PYTHON

PAGE = 4096
TUNABLES = "GLIBC_TUNABLES"


def pins_of(heapsift, target, *args):
    return heapsift("summary", target.pid, "--pins", "-n", 0, "--json", *args).json()


def given_back(target, line):
    """Resident bytes that went when the target did so."""
    target.tell(line)
    before, after = map(int, target.line().split())
    return before - after


@pytest.mark.parametrize("pattern, threads, tunables", [
    ("mixed", 0, ""), ("mixed", 3, ""), ("small", 2, ""), ("top", 2, ""),
    ("mixed", 2, "glibc.malloc.tcache_count=0"),
    ("small", 0, "glibc.malloc.mxfast=160:glibc.malloc.tcache_count=0"),
    ("top", 0, "glibc.malloc.hugetlb=1"),
    ("mixed", 0, "glibc.malloc.trim_threshold=200000000"),
    ("top", 0, "glibc.malloc.trim_threshold=200000000"),
])
def test_trim_gives_back_what_was_said(start, heapsift, pattern, threads, tunables):
    target = start("fragments", pattern, len(tunables) + threads, threads,
                   env={TUNABLES: tunables})
    said = pins_of(heapsift, target)["trim_would_return"]
    went = given_back(target, "trim")
    assert abs(said - went) <= max(0.02 * went, 2 * PAGE), (said, went)


def test_nothing_is_left_to_trim(start, heapsift):
    target = start("fragments", "mixed", 1, 1)
    assert pins_of(heapsift, target)["trim_would_return"] > 10 << 20
    given_back(target, "trim")
    assert pins_of(heapsift, target)["trim_would_return"] <= 2 * PAGE


def test_trim_of_a_python(start, heapsift):
    code = ("import ctypes, random; random.seed(1); libc = ctypes.CDLL(None)\n"
            "def rss(): return int([l for l in open('/proc/self/smaps_rollup')"
            " if l.startswith('Rss:')][0].split()[1]) * 1024\n"
            "blocks = [bytearray(random.randrange(600, 60000)) for i in range(4000)]\n"
            "rss(); del blocks[::2]; kept = blocks[::3]; blocks = kept\n"
            "print('ready', flush=True); input()\n"
            "before = rss(); libc.malloc_trim(0); print(before, rss(), flush=True); input()")
    target = start(PYTHON, "-c", code)
    said = pins_of(heapsift, target)["trim_would_return"]
    went = given_back(target, "")
    assert went > 10 << 20
    assert abs(said - went) <= 0.02 * went, (said, went)


def test_what_a_block_pins_goes_when_it_goes(start, heapsift):
    """Two hundred blocks between free ones; a few of them are then freed, one by one. (The
    rows do not count the block's own bytes.)"""
    target = start("fragments", "pins", 0,
                   env={TUNABLES: "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"})
    addresses = [int(line.split()[1], 16) for line in target.truth]
    rows = {int(row["addr"], 16): row for row in pins_of(heapsift, target)["rows"]}
    checked = 0
    for k in range(3, 200, 21):  # no two of them neighbours
        row = rows.get(addresses[k], {"pinned": 0, "size": 72})
        went = given_back(target, f"free {k}")
        own = row["size"] + 8
        assert went - own <= row["pinned"] <= went, (k, went, row)
        assert row["pinned"] == 0 or (row["what"], row["blocks"]) == ("page", 1)
        checked += row["pinned"] > 0
    assert checked > 5


def test_arenas_of_several_heaps(start, heapsift):
    """Each but the last ends with fenceposts: what comes behind is another's."""
    target = start("fragments", "mixed", 1, 1, 20000)
    arenas = heapsift("arenas", target.pid, "--json").rows()
    assert max(r["heaps"] for r in arenas if r["kind"] == "thread") > 1
    answer = pins_of(heapsift, target)
    went = given_back(target, "trim")
    assert abs(answer["trim_would_return"] - went) <= 0.02 * went
    rows = answer["rows"]
    assert {row["what"] for row in rows} <= {"page", "top", "heap"}
    assert rows == sorted(rows, key=lambda row: -row["pinned"])


PINNED_ARENA = """
import gc, os, sys
def rss():
    return int([l for l in open('/proc/self/smaps_rollup')
                if l.startswith('Rss:')][0].split()[1]) * 1024
def shift():
    many = [b'%0440d' % i for i in range(40000)]
    return many[20000]
rss()
kept = [shift()]
gc.collect()
print(id(kept[0]), flush=True)
print('ready', flush=True)
input()
before = rss(); kept.clear(); print(before, rss(), flush=True)
input()
"""


def test_an_arena_of_python_that_one_object_pins(start, heapsift):
    target = start(PYTHON, "-c", PINNED_ARENA, env={"PYTHONHASHSEED": "0"})
    answer = pins_of(heapsift, target)
    row, = [r for r in answer["rows"] if int(r["addr"], 16) == int(target.truth[0])]
    assert (row["what"], row["blocks"], row["kind"]) == ("arena", 1, "bytes")
    assert row["holder"] == "__main__.kept"
    assert row["value"].startswith("b'00000")
    went = given_back(target, "")
    assert abs(went - row["pinned"]) <= 0.05 * went and went > 200_000


def test_bounds_tell_their_assumption(start, heapsift):
    target = start("fragments", "mixed", 1, 3)
    answer = pins_of(heapsift, target)
    notes = {f["where"]: f["text"] for f in answer["findings"] if "where" in f}
    assert "lay in the first without holes" in notes["arena_max_bound"]
    assert "one block" in notes["mmap_threshold_bound"]
    rows = {(r["category"], r["detail"]): r["resident"] for r in
            heapsift("summary", target.pid, "-n", 0, "--json").rows()}
    free = sum(rows.get(("malloc", what), 0) for what in
               ("free in bins", "free in fastbins", "free in tcache", "top"))
    assert answer["free_resident"] == free - rows["malloc", "free in tcache"]
    used = rows["malloc", "used"] + rows["malloc", "headers"]
    assert 0 < answer["arena_max_bound"] <= free + used
    assert 0 <= answer["mmap_threshold_bound"] <= rows["malloc", "free in bins"]
    # Without dynamic changes it is what malloc began with.
    assert answer["mmap_threshold"] >= 128 << 10


def test_where_and_sort_know_its_columns(start, heapsift):
    target = start("fragments", "pins", 0)
    rows = heapsift("summary", target.pid, "--pins", "--json", "--sort", "addr",
                    "--where", "pinned > 3000").rows()
    assert rows and all(row["pinned"] > 3000 for row in rows)
    assert rows == sorted(rows, key=lambda row: int(row["addr"], 16))
    wrong = heapsift("summary", target.pid, "--pins", "--sort", "category", code=2)
    assert "pinned" in wrong.err


def test_text_fits_a_terminal(start, heapsift):
    target = start("fragments", "mixed", 1, 3)
    text = heapsift("summary", target.pid, "--pins", env={"COLUMNS": "80", "PATH": ""}).out
    assert all(len(line) <= 80 for line in text.splitlines())
    text = " ".join(text.split())
    assert re.match(r"[0-9.]+ MiB of malloc's heaps is free and resident\. "
                    r"malloc_trim\(0\) would give back [0-9.]+ MiB of it now;", text)


def test_a_core_and_a_snapshot_have_the_rows(start, heapsift, tmp_path):
    target = start("fragments", "pins", 0)
    live = pins_of(heapsift, target)
    heapsift("dump", target.pid, "-o", tmp_path / "x.hsift")
    heapsift("core", target.pid, "-o", tmp_path / "core")
    snapshot, core = (heapsift("summary", tmp_path / name, "--pins", "--json").json()
                      for name in ("x.hsift", "core"))
    assert snapshot["rows"] == live["rows"]
    assert snapshot["trim_would_return"] == live["trim_would_return"]
    assert "trim_would_return" not in core  # no one knows what was resident
    assert {r["addr"] for r in live["rows"]} <= {r["addr"] for r in core["rows"]}
