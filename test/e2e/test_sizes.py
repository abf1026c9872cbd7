# SPDX-License-Identifier: Apache-2.0
"""Blocks in use by chunk size: the cases that gdb-heap's own tests have, and what the blocks
of such programs are told to be. Beside what the program asks for there is one chunk, which
malloc takes for the thread's cache: of 0x250, 0x290 or 0x300 bytes, by its version."""
import subprocess

import pytest

from conftest import ROOT


def is_cache(size):
    return any(size - least in range(0, 33, 16) for least in (0x250, 0x290, 0x300))


def sizes(heapsift, target):
    """{chunk size: count} without the cache; the bytes are their product."""
    rows = heapsift("sizes", target, "--json").rows()
    assert all(r["bytes"] == r["size"] * r["count"] for r in rows)
    assert rows == sorted(rows, key=lambda r: (-r["bytes"], -r["size"]))
    return {r["size"]: r["count"] for r in rows if r["count"] > 1 or not is_cache(r["size"])}


def test_no_allocation(start, heapsift):
    target = start("sizes", "none")
    assert heapsift("sizes", target.pid, "--json").rows() == []
    assert heapsift("sizes", target.pid).out.startswith("(no rows)\n")


def test_small_ones_are_of_one_size(start, heapsift):
    assert sizes(heapsift, start("sizes", "small").pid) == {32: 1500}


def test_mixed(start, heapsift):
    target = start("sizes", "mixed")
    assert sizes(heapsift, target.pid) == {258048: 1, 272: 99, 1008: 2}
    out = heapsift("sizes", target.pid, "--bytes").out.splitlines()
    table = [line.split() for line in out[:out.index("")]]
    cache = [int(row[0]) for row in table[4:-1]]
    assert table[:4] == [["SIZE", "COUNT", "BYTES"], ["258,048", "1", "258,048"],
                         ["272", "99", "26,928"], ["1,008", "2", "2,016"]]
    assert all(map(is_cache, cache))
    assert table[-1] == ["TOTAL", str(102 + len(cache)), f"{286992 + sum(cache):,}"]


def test_mmapped_ones_are_mappings(start, heapsift):
    found = sizes(heapsift, start("sizes", "large").pid)
    assert found == {(n << 20) + 4096: 1 for n in range(1, 11)}
    assert sum(found) == 57_712_640


@pytest.mark.parametrize("seed", [3, 4])
def test_random_program_stopped_again_and_again(start, heapsift, seed):
    """What is in use is what the program says, each time."""
    target = start("sizes", "random", seed)
    counts = set()
    for _ in range(12):
        target.tell("")
        live = set()
        while (line := target.line()) != "end":
            live.add(int(line.split()[1], 16))
        used = {int(r["addr"], 16): r["footprint"] for r in
                heapsift("blocks", target.pid, "--used", "--json").rows()}
        assert live <= set(used)
        assert [size for a, size in used.items() if a not in live and not is_cache(size)] == []
        assert sum(r["count"] for r in heapsift("sizes", target.pid, "--json").rows()) \
            in (len(live), len(live) + 1)
        counts.add(len(live))
    assert len(counts) > 5 and max(counts) > 400


def test_select_by_size(start, heapsift):
    target = start("sizes", "falling")
    for where, count in (("size >= 10240", 1), ("size between 1000 and 2047", 10),
                         ("size >= 4096 and size < 8192", 22), ("size >= 1000", 55)):
        rows = heapsift("blocks", target.pid, "--json", "--where", where).rows()
        assert len(rows) == count, where
    assert sum(r["size"] >= 10240 for r in
               heapsift("blocks", target.pid, "--used", "--json").rows()) == 1
    row, = heapsift("sizes", target.pid, "--json", "--where", "size > 10240").rows()
    assert row == {"size": 10256, "count": 1, "bytes": 10256}


def test_random_bytes_are_nothing_in_particular(start, heapsift):
    target = start("sizes", "noise")
    rows = heapsift("top", target.pid, "--json").rows()
    assert [(r["domain"], r["count"]) for r in rows if r["domain"] != "malloc"] == [
        ("uncategorized", 100)]
    assert not heapsift("blocks", target.pid, "--json").json()["findings"]


def test_cxx_classes_are_counted(start, heapsift, tmp_path):
    source = ROOT / "test" / "fixture" / "cxx"
    subprocess.run(["c++", "-O1", "-o", tmp_path / "classes", source / "classes.cc",
                    source / "shapes.cc"], check=True)
    target = start(tmp_path / "classes")
    counts = {r["kind"]: r["count"] for r in heapsift("top", target.pid, "--json").rows()}
    assert (counts["app::Foo"], counts["app::Bar"]) == (100, 50)


def test_no_allocator(start, heapsift):
    """An empty answer says why."""
    for command in ("sizes", "arenas"):
        answer = heapsift(command, start("no_libc").pid, "--json").json()
        assert answer["rows"] == [] and answer["findings"], command
