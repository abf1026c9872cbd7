# SPDX-License-Identifier: Apache-2.0
# ctest: quick
"""--where picks the rows that a program would pick which reads all of them as JSON: of every
command that takes it, over a real CPython process and a C++ program."""
import re
import subprocess

import pytest

from conftest import HEAPSIFT, PYTHON, Target, on_one_cpu

SERVICE = """
import collections, sys
class Order:
    def __init__(self, n):
        self.number, self.lines = n, ["line"] * (n % 50)
book = {n: Order(n) for n in range(1000)}
names = ["name %d" % n for n in range(300)]
queue = collections.deque(range(10))
print(sum(sys.getsizeof(o.lines) > 200 for o in book.values()))
print("ready", flush=True)
sys.stdin.read()
"""
NO_PROCESS = "999999999"

# An expression, and what it says in Python; a column that is absent is None.
OBJECTS = [
    ("kind='list' and size > 200", lambda r: r["kind"] == "list" and r["size"] > 200),
    ('kind="list" or kind="dict" and size > 5000',
     lambda r: r["kind"] == "list" or r["kind"] == "dict" and r["size"] > 5000),
    ('(kind="list" or kind="dict") and NOT size < 5000',
     lambda r: r["kind"] in ("list", "dict") and not r["size"] < 5000),
    ("domain != 'python'", lambda r: r["domain"] != "python"),
    ("kind GLOB '__main__.*'", lambda r: r["kind"].startswith("__main__.")),
    (r"kind REGEXP '^collections\.'", lambda r: r["kind"].startswith("collections.")),
    ("value LIKE '%NAME 29%'", lambda r: "name 29" in r.get("value", "").lower()),
    ("value = \"'name 17'\"", lambda r: r.get("value") == "'name 17'"),
    ("value IS NULL and size between 100 and 200",
     lambda r: "value" not in r and 100 <= r["size"] <= 200),
    ("possible and retained > 1000", lambda r: r["possible"] and r["retained"] > 1000),
    ("retained_footprint - footprint > 10000",
     lambda r: r["retained_footprint"] - r["footprint"] > 10000),
    ("addr % 4096 < 64", lambda r: int(r["addr"], 16) % 4096 < 64),
]
BLOCKS = [
    ("state='tcache'", lambda r: r["state"] == "tcache"),
    ("owner is not null and allocator = 'glibc'",
     lambda r: "owner" in r and r["allocator"] == "glibc"),
    ("detail = 'items' and size >= 512",
     lambda r: r.get("detail") == "items" and r["size"] >= 512),
]


@pytest.fixture(scope="module")
def target():
    process = Target(on_one_cpu(PYTHON, "-c", SERVICE)).wait_ready()
    yield process
    process.end()


@pytest.fixture(scope="module")
def snapshot(target, tmp_path_factory):
    path = tmp_path_factory.mktemp("where") / "s.hsift"
    subprocess.run([HEAPSIFT, "dump", str(target.pid), "-o", path], check=True)
    return path


def check_all(heapsift, command, target, questions):
    rows = heapsift(*command, target, "--json", "-n", "0").rows()
    assert len(rows) > 10
    for expr, truth in questions:
        want = [row for row in rows if truth(row)]
        answer = heapsift(*command, target, "--json", "-n", "0", "--where", expr)
        assert answer.rows() == want, expr
        assert answer.json()["total_rows"] == len(want) > 0, expr
        assert len(want) < len(rows)


def test_objects_are_picked(heapsift, target, snapshot):
    check_all(heapsift, ["objects"], snapshot, OBJECTS)
    lists = int(target.truth[0])
    picked = heapsift("objects", snapshot, "--type", "list", "--json", "--where",
                      "size > 200 and value like '[''line''%'").rows()
    assert lists == len(picked)


def test_blocks_are_picked(heapsift, snapshot):
    check_all(heapsift, ["blocks", "--all"], snapshot, BLOCKS)


def test_every_command_with_rows(heapsift, snapshot):
    check_all(heapsift, ["top"], snapshot,
              [("count > 100", lambda r: r["count"] > 100),
               ("kind LIKE '%code%'", lambda r: "code" in r["kind"])])
    check_all(heapsift, ["summary"], snapshot,
              [("resident > 65536", lambda r: r.get("resident", 0) > 65536)])
    answer = heapsift("check", snapshot, "--json", "--where", "item like 'python%'")
    assert all(row["item"].startswith("python") for row in answer.rows())


def test_it_goes_with_limit_sort_and_total(heapsift, snapshot):
    text = heapsift("objects", snapshot, "--where", "kind = '__main__.Order'", "-n", "3",
                    "--sort", "addr").out
    assert "… 3 of 1,000 rows; -n 0 shows all" in text
    addresses = re.findall(r"^ *0x([0-9a-f]+)", text, re.M)
    assert addresses == sorted(addresses) and len(addresses) == 3
    total = heapsift("top", snapshot, "--where", "kind = '__main__.Order'").out
    assert re.search(r"^TOTAL +1,000 ", total, re.M)


def test_none_is_no(heapsift, snapshot):
    answer = heapsift("objects", snapshot, "--json", "--where", "kind = 'nosuch'", code=1)
    assert answer.rows() == [] and answer.json()["total_rows"] == 0
    assert "(no rows)" in heapsift("top", snapshot, "--where", "count < 0", code=1).out


def test_errors_come_before_the_target(heapsift):
    err = heapsift("objects", NO_PROCESS, "--where", "sze > 5", code=2).err.splitlines()
    assert err == ["heapsift: --where: no column 'sze'; did you mean 'size'?",
                   "heapsift:   sze > 5",
                   "heapsift:   ^",
                   "heapsift: columns: addr, domain, kind, size, footprint, retained, "
                   "retained_footprint, possible, value"]
    # What only text shows, and what only JSON nests, cannot be asked for.
    heapsift("objects", NO_PROCESS, "--where", "what = 'dict'", code=2)
    for command in "show", "why", "tree":
        err = heapsift(command, NO_PROCESS, "0x1", "--where", "1", code=2).err
        assert "unknown option '--where'" in err


def test_what_fails_at_a_row_is_said(heapsift, snapshot):
    err = heapsift("objects", snapshot, "--where", "json(kind) = 1", code=2).err
    assert err == "heapsift: --where: 'json(kind) = 1' cannot be worked out: malformed JSON\n"
