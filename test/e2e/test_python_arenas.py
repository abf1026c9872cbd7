# SPDX-License-Identifier: Apache-2.0
"""obmalloc's arenas and sizes of blocks against what CPython itself counts, at one moment:
sys._debugmallocstats() takes no memory, and nothing does between it and the look."""
import re

import pytest

from conftest import python_there, pythons

# Made before, so that the last lines take no memory: functions, their arguments, the list.
CODE = """
import os, signal, sys
kept = [str(n) * (n % 9) for n in range(60_000)]
kept += [[n] for n in range(20_000)]
del kept[::3]
thin = [bytes(400) for _ in range(10_000)]
del thin[:9_990]
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600), 2)
stats, write, pause, ready = sys._debugmallocstats, os.write, signal.pause, b"ready\\n"
stats()
write(1, ready)
pause()
"""
CLASS = re.compile(r"^\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$", re.M)
TOTAL = re.compile(r"^(#?[^=\n]+?)\s*=\s+([\d,]+)\s*$", re.M)


class Stats:
    def __init__(self, path):
        text = path.read_text()
        end = re.search(r"^Total +=.*$", text, re.M).end()
        # block size -> (slabs, blocks in use, free blocks)
        self.classes = {int(size): tuple(map(int, rest))
                        for size, *rest in CLASS.findall(text[:end])}
        self.totals = {name: int(value.replace(",", ""))
                       for name, value in TOTAL.findall(text[:end])}

    def total(self, word):
        value, = (v for name, v in self.totals.items() if word in name)
        return value


@pytest.fixture(params=pythons("3.11", "3.13"))
def looked_at(request, start, tmp_path):
    target = start(python_there(request.param), "-c", CODE, tmp_path / "stats")
    return target, Stats(tmp_path / "stats")


def test_sizes_of_blocks(looked_at, heapsift):
    target, stats = looked_at
    rows = heapsift("arenas", target.pid, "--classes", "--json").rows()
    ours = {r["block_size"]: (r["slabs"], r["count"], r["count_free"]) for r in rows}
    assert ours == {size: of for size, of in stats.classes.items() if of[0]}
    assert len(ours) > 20
    assert sum(r["used"] for r in rows) == stats.total("bytes in allocated blocks")
    assert sum(r["free"] for r in rows) == stats.total("bytes in available blocks")
    assert sum(r["overhead"] for r in rows) == (stats.total("pool headers") +
                                                stats.total("quantization"))


def test_arenas(looked_at, heapsift):
    target, stats = looked_at
    rows = heapsift("arenas", target.pid, "--obmalloc", "--json").rows()
    assert len(rows) == stats.total("arenas allocated current")
    assert sum(r["used"] for r in rows) == stats.total("bytes in allocated blocks")
    assert sum(r["slabs"] for r in rows) == sum(of[0] for of in stats.classes.values())
    unused, = (name for name in stats.totals if "unused pools" in name)
    number, size = map(int, re.findall(r"\d+", unused))
    assert sum(r["slabs_free"] for r in rows) == number
    assert sum(r["free"] for r in rows) == (number * size +
                                            stats.total("bytes in available blocks"))
    assert sum(r["system"] for r in rows) == stats.total("Total")
    for row in rows:
        assert row["used"] + row["free"] + row["overhead"] == row["system"]
    assert rows == sorted(rows, key=lambda r: (r["used"], int(r["addr"], 16)))


def test_the_row_among_mallocs(looked_at, heapsift):
    target, stats = looked_at
    row, = (r for r in heapsift("arenas", target.pid, "--json").rows()
            if r["kind"] == "obmalloc")
    assert row["heaps"] == stats.total("arenas allocated current")
    assert row["used"] == stats.total("bytes in allocated blocks")
    assert 0 < row["resident"] <= row["system"] == stats.total("Total")


def test_without_obmalloc(start, heapsift):
    python = python_there(pythons("3.11")[0].values[0])
    target = start(python, "-c", "import signal; print('ready', flush=True); signal.pause()",
                   env={"PYTHONMALLOC": "malloc"})
    assert not [r for r in heapsift("arenas", target.pid, "--json").rows()
                if r["kind"] == "obmalloc"]
    assert heapsift("arenas", target.pid, "--obmalloc", "--json").rows() == []
