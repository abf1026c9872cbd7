# SPDX-License-Identifier: Apache-2.0
"""`summary` tells what memory is for: against what the fixture `regions` says it did, and
what the kernel says of each mapping."""
import os
import re
import signal

import pytest

from conftest import FIXTURES, PYTHON, ROOT, not_run

PAGE = 4096
THREADS = 8


@pytest.fixture(scope="module")
def targets():
    """Started once: none of the tests changes it."""
    from conftest import Target
    target = Target([FIXTURES / "regions", PYTHON])
    yield target.wait_ready()
    target.end()


@pytest.fixture
def truth(targets):
    return {name: int(n) for name, n in (line.split() for line in targets.truth)}


def kernel_rss(pid):
    smaps = open(f"/proc/{pid}/smaps_rollup").read()
    return int(re.search(r"^Rss:\s+(\d+)", smaps, re.M)[1]) * 1024


def answer_of(heapsift, target, *args):
    return heapsift("summary", target, "-n", 0, "--json", *args).json()


def by_name(answer, key="resident"):
    rows = {}
    for row in answer["rows"]:
        assert (row["category"], row["detail"]) not in rows
        rows[row["category"], row["detail"]] = row.get(key, 0)
    return rows


@pytest.fixture(params=["fork", "freeze", "nostop", "snapshot"])
def answer(request, heapsift, targets, tmp_path):
    if request.param != "snapshot":
        return answer_of(heapsift, targets.pid, f"--mode={request.param}")
    heapsift("dump", targets.pid, "-o", tmp_path / "x.hsift")
    return answer_of(heapsift, tmp_path / "x.hsift")


def test_rows_add_up_to_rss_however_they_are_had(answer, targets):
    assert sum(row["resident"] for row in answer["rows"]) == answer["rss"]
    assert answer["rss"] == kernel_rss(targets.pid)
    assert not [r for r in answer["rows"] if "total" in (r["category"] + r["detail"]).lower()]


def test_each_kind_of_memory_is_told(answer, truth):
    rows = by_name(answer)
    assert rows["shared memory", "/memfd:regions (deleted)"] == truth["memfd"]
    assert rows["shared memory", "/dev/shm/heapsift-regions (deleted)"] == truth["shm"]
    assert rows["shared memory", "/SYSV00000000 (deleted)"] == truth["sysv"]
    private, = [n for (category, detail), n in rows.items()
                if category == "file, private" and detail == os.path.realpath(PYTHON)]
    assert private == truth["file_private"]
    assert truth["unexplained"] <= rows["unexplained", "private memory"] \
        <= truth["unexplained"] + 0.01 * answer["rss"]


def test_slack_of_huge_pages_is_told(answer, truth):
    if "slack" not in truth:
        not_run("the kernel gave no transparent huge pages")
    rows = by_name(answer)
    assert rows["huge-page slack", ""] == truth["slack"]
    assert "bytes" not in [r for r in answer["rows"] if r["category"] == "huge-page slack"][0]


def test_stacks_and_variables_of_threads(heapsift, targets, truth):
    """Of each thread the pages that it once reached, and what it uses now."""
    answer = answer_of(heapsift, targets.pid, "--mode=freeze")
    rows, counts = by_name(answer), by_name(answer, "count")
    unused = rows["thread stacks", "others, unused"]
    assert abs(unused - truth["stacks_unused"]) <= THREADS * 3 * PAGE
    assert counts["thread stacks", "others, unused"] == THREADS
    assert counts["thread stacks", "others, in use"] == THREADS
    assert rows["thread stacks", "others, in use"] < THREADS * 4 * PAGE
    assert counts["tls", ""] == THREADS + 1
    assert truth["tls"] <= rows["tls", ""] < truth["tls"] + (THREADS + 1) * PAGE
    assert rows["thread stacks", "of no thread"] > 0  # libc keeps some of those that ended
    assert by_name(answer, "bytes")["thread stacks", "of no thread"] % (8 << 20) == 0


def test_a_stack_is_cut_where_its_thread_stands(heapsift, targets):
    """All of [stack] is in the two rows of the main thread, parted by the kernel's own word
    on its stack pointer."""
    os.kill(targets.pid, signal.SIGSTOP)
    try:
        answer = answer_of(heapsift, targets.pid, "--mode=freeze")
        sp = int(open(f"/proc/{targets.pid}/syscall").read().split()[-2], 16)
    finally:
        os.kill(targets.pid, signal.SIGCONT)
    maps = open(f"/proc/{targets.pid}/maps").read()
    start, end = (int(n, 16) for n in
                  re.search(r"^(\w+)-(\w+) .*\[stack\]$", maps, re.M).groups())
    rows = by_name(answer, "bytes")
    assert rows["thread stacks", "main, in use"] == end - (sp - 128)
    assert rows["thread stacks", "main, unused"] == sp - 128 - start


@pytest.mark.parametrize("program", [
    ("heap_truth", "truth"), ("many_blocks", "100000"),
    (PYTHON, ROOT / "test/fixture/python_service.py"),
])
def test_little_is_unexplained(start, heapsift, tmp_path, program):
    target = start(program[0], *program[1:], cwd=tmp_path)
    answer = answer_of(heapsift, target.pid)
    rows = by_name(answer)
    assert sum(n for (category, _), n in rows.items() if category == "unexplained") \
        < 0.01 * answer["rss"]
    assert sum(rows.values()) == answer["rss"]
