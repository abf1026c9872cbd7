# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""Arenas, bins and caches against what malloc says of itself (malloc_info, mallinfo2), and
against what a program did."""
import collections

import pytest

from conftest import FIXTURES
from heap_compare import Truth

TUNABLES = "GLIBC_TUNABLES"
FREE = ("top", "bins", "fastbin", "tcache")


def look(start, heapsift, folder, *args, **popen):
    target = start("heap_truth", folder / "truth", "live=20000", *args, **popen)
    return Truth(folder / "truth"), heapsift("arenas", target.pid, "--json").rows(), target


def arenas_of(rows):
    """By number."""
    return sorted((r for r in rows if "arena" in r), key=lambda r: r["arena"])


def assert_rows_are_malloc_infos(truth, rows):
    told = list(truth.arenas())
    assert [r["arena"] for r in arenas_of(rows)] == list(range(len(told)))
    for row, (system, fast, rest) in zip(arenas_of(rows), told):
        assert row["system"] == system
        assert row["fastbin"] == fast[1]
        assert row["bins"] + row["top"] == rest[1]
        assert row["free"] == sum(row[f] for f in FREE)
        assert row["used"] + row["free"] + row["overhead"] == system
        holes = row["free"] - row["top"]
        assert row["fragmentation"] == holes * 1000 // system
    for row, heap in zip(arenas_of(rows)[1:], truth.malloc.findall("heap")[1:]):
        spaces = {a.get("type"): int(a.get("size")) for a in heap.findall("aspace")}
        assert row["heaps"] == spaces.get("subheaps", row["heaps"])  # from 2.28 on


@pytest.mark.parametrize("env", [
    {}, {TUNABLES: "glibc.malloc.tcache_count=0"}, {"MALLOC_ARENA_MAX": "1"},
    {TUNABLES: "glibc.malloc.mmap_threshold=8192"},
], ids=lambda env: "-".join(f"{k}={v}" for k, v in env.items()) or "plain")
def test_rows_are_what_malloc_says(start, heapsift, tmp_path, env):
    truth, rows, _ = look(start, heapsift, tmp_path, env=env)
    assert_rows_are_malloc_infos(truth, rows)
    mmapped, = (r for r in rows if r["kind"] == "mmapped")
    assert mmapped["mmapped"] == mmapped["system"] == truth.info["hblkhd"]
    assert sum(r["system"] for r in arenas_of(rows)) == truth.info["arena"]
    # mallinfo2 counts as used what a cache holds, and malloc's own
    used = sum(r["used"] + r["tcache"] + r["overhead"] for r in arenas_of(rows))
    assert used == truth.info["uordblks"]


def test_a_disturbed_break(start, heapsift, tmp_path):
    for word in ("sbrk", "block-brk"):
        (tmp_path / word).mkdir()
        truth, rows, _ = look(start, heapsift, tmp_path / word, word)
        assert_rows_are_malloc_infos(truth, rows)
        assert arenas_of(rows)[0]["overhead"] > 0


def lists_of_malloc_info(heap):
    """(kind or None, least chunk, largest, count, bytes) of each list with something in it. The
    sizes of binned chunks come with their PREV_INUSE bit."""
    for s in heap.find("sizes"):
        low, high, total, count = (int(s.get(k)) for k in ("from", "to", "total", "count"))
        if s.tag == "unsorted":
            yield "unsorted", low - 1, high - 1, count, total - count
        elif high % 2 == 0:
            yield "fastbin", high, high, count, total
        else:
            yield None, low - 1, high - 1, count, total - count


def assert_lists_are_malloc_infos(truth, rows):
    for number, heap in enumerate(truth.malloc.findall("heap")):
        ours = [r for r in rows if r.get("arena") == number]
        theirs = list(lists_of_malloc_info(heap))
        assert len(ours) == len(theirs)
        for kind, low, high, count, total in theirs:
            found, = (r for r in ours if (r["count"], r["bytes"]) == (count, total) and
                      r.get("low", 0) <= low and high <= r.get("high", high) and
                      (kind or "small" if high < 1024 else kind or "large") == r["kind"])
            ours.remove(found)


def test_bins_are_what_malloc_says(start, heapsift, tmp_path):
    truth, _, target = look(start, heapsift, tmp_path)
    rows = heapsift("arenas", target.pid, "--bins", "--json").rows()
    kinds = collections.Counter(r["kind"] for r in rows)
    assert min(kinds[k] for k in ("unsorted", "small", "large", "tcache")) > 1, kinds
    assert_lists_are_malloc_infos(truth, rows)


def test_bins_after_a_wave_of_frees(start, heapsift, tmp_path):
    truth, _, target = look(start, heapsift, tmp_path, "wave", "live=200000")
    answer = heapsift("arenas", target.pid, "--bins", "--json").json()
    assert_lists_are_malloc_infos(truth, answer["rows"])
    if truth.version < (2, 41):  # since then small ones go to their bins at once
        counts = {r["kind"]: r["count"] for r in answer["rows"] if r.get("low", 208) == 208}
        assert counts["unsorted"] > 70000 and counts["small"] > 4000
    assert not answer["findings"]


def test_lists_add_up_to_their_arenas(start, heapsift, tmp_path):
    _, rows, target = look(start, heapsift, tmp_path)
    lists = heapsift("arenas", target.pid, "--bins", "--json").rows()
    for row in arenas_of(rows):
        ours = [r for r in lists if r.get("arena") == row["arena"]]
        assert sum(r["bytes"] for r in ours if r["kind"] == "fastbin") == row["fastbin"]
        assert sum(r["bytes"] for r in ours if r["kind"] != "fastbin") == row["bins"]
    cached = sum(r["bytes"] for r in lists if r["kind"] == "tcache")
    assert cached == sum(r.get("tcache", 0) for r in rows) > 0


def cache_of(lists, tid):
    return {r["low"]: r["count"] for r in lists if r.get("tid") == tid}


def test_each_threads_cache(start, heapsift):
    """Known of every thread: which blocks it freed. Its cache may hold others' chunks."""
    target = start("arenas", 5)
    rows = heapsift("arenas", target.pid, "--json").rows()
    lists = heapsift("arenas", target.pid, "--bins", "--json").rows()
    used = sorted(r["used"] for r in rows if r["kind"] == "thread")
    *threads, main = (line.split() for line in target.truth)
    assert len(used) == len(threads) == 5
    for n, (_, tid, live, *cache) in enumerate(threads):
        assert cache_of(lists, int(tid)) == dict(map(int, c.split(":")) for c in cache)
        assert used[n] - int(live) in range(0, 0x340)  # its cache's own chunk
    size, count = map(int, main[2].split(":"))
    assert cache_of(lists, int(main[1]))[size] == count
    assert all(r["low"] == r["high"] and r["bytes"] == r["low"] * r["count"]
               for r in lists if r["kind"] == "tcache")


def test_some_of_the_lists(start, heapsift):
    target = start("arenas", 3)
    tid = target.truth[2].split()[1]
    rows = heapsift("arenas", target.pid, "--bins", "--json", "--where",
                    f"kind = 'tcache' and tid = {tid}", "--sort", "low").rows()
    assert [(r["low"], r["count"]) for r in rows] == [(208, 3), (48, 2)]


def test_what_is_resident(start, heapsift):
    """Of mappings: pages that were touched."""
    target = start("sizes", "large")
    row, = (r for r in heapsift("arenas", target.pid, "--json").rows()
            if r["kind"] == "mmapped")
    assert row["system"] == row["resident"] == 57_712_640


def test_snapshots_hold_them(start, heapsift, tmp_path):
    target = start("arenas", 2)
    file = tmp_path / "a.hsift"
    heapsift("dump", target.pid, "-o", file)
    for option in ((), ("--bins",)):
        live = heapsift("arenas", target.pid, "--json", *option).rows()
        assert heapsift("arenas", file, "--json", *option).rows() == live


def test_one_table_at_a_time(heapsift):
    done = heapsift("arenas", "1", "--bins", "--obmalloc", code=2)
    assert "one of --bins, --obmalloc and --classes" in done.err


def test_no_obmalloc(start, heapsift):
    target = start("arenas", 1)
    for option in ("--obmalloc", "--classes"):
        answer = heapsift("arenas", target.pid, option, "--json").json()
        assert answer["rows"] == []
        assert "PYTHONMALLOC" in answer["findings"][-1]["text"]


def test_a_static_program(start, heapsift, tmp_path):
    target = start(FIXTURES / "heap_truth-static", tmp_path / "truth", "live=20000")
    rows = heapsift("arenas", target.pid, "--json").rows()
    assert_rows_are_malloc_infos(Truth(tmp_path / "truth"), rows)
