# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""The walk of a glibc heap against the target's own word: pointers, sizes and totals."""
import subprocess

import pytest

import heap_compare
from conftest import HEAPSIFT

WALK = HEAPSIFT.parent / "driver" / "walk_csv"


def walk(target, path):
    with open(path, "w") as out:
        subprocess.run([WALK, str(target.pid)], stdout=out, check=True, timeout=60)
    return heap_compare.Walk(path)


def look(start, folder, program="heap_truth", args=(), env=None):
    truth = folder / "truth"
    target = start(program, truth, *args, env=env)
    return heap_compare.Truth(truth), walk(target, folder / "walk")


def assert_true(truth, walked):
    wrong = list(heap_compare.differences(truth, walked))
    assert not wrong, "\n".join(wrong[:10])
    assert walked.quiet
    assert len(truth.live) > 195000
    assert len(truth.freed) > 50000


TUNABLES = "GLIBC_TUNABLES"


@pytest.mark.parametrize("env", [
    {},
    {TUNABLES: "glibc.malloc.tcache_count=0"},
    {TUNABLES: "glibc.malloc.tcache_count=200"},
    {"MALLOC_ARENA_MAX": "1"},
    {"MALLOC_PERTURB_": "165"},
    {TUNABLES: "glibc.malloc.mmap_threshold=8192"},
], ids=lambda env: "-".join(f"{k}={v}" for k, v in env.items()) or "plain")
def test_environment(start, tmp_path, env):
    truth, walked = look(start, tmp_path, env=env)
    assert_true(truth, walked)
    assert truth.info["hblks"] > 10


def test_two_seeds_differ(start, tmp_path):
    """The fixture does make another heap of another seed."""
    (tmp_path / "a").mkdir()
    first, walked = look(start, tmp_path / "a", args=["seed=7"])
    assert_true(first, walked)
    second, walked = look(start, tmp_path, args=["seed=8"])
    assert_true(second, walked)
    assert first.info != second.info


def test_static_program(start, tmp_path):
    truth, walked = look(start, tmp_path, "heap_truth-static")
    assert_true(truth, walked)
    assert "all private memory" in walked.evidence["main_arena"][1]


def test_somebody_else_takes_from_the_break(start, tmp_path):
    truth, walked = look(start, tmp_path, args=["sbrk"])
    assert_true(truth, walked)
    assert any("somebody else called sbrk" in f for f in walked.findings)
    assert walked.totals(0, "fence")[0] >= 4


def test_break_is_blocked(start, tmp_path):
    truth, walked = look(start, tmp_path, args=["block-brk"])
    assert_true(truth, walked)
    assert walked.totals(0, "fence")[0] >= 4


def test_chunk_sizes(start, tmp_path):
    """gdb-heap's own case: 1..15 bytes, 100 each, are 1,500 chunks of 32 bytes; and ten
    blocks of 1..10 MiB are ten mappings."""
    truth, walked = look(start, tmp_path, args=["sizes"])
    assert not list(heap_compare.differences(truth, walked))
    ours = [b for b in walked.blocks if b[3] == "used" and b[0] in truth.live]
    small = [b for b in ours if b[4] == 0]
    assert len(small) == 1500
    assert {b[1] + b[2] for b in small} == {32}
    large = sorted(b[1] for b in ours if b[4] == heap_compare.MMAPPED)
    assert len(large) == 10
    assert all(mib << 20 <= size <= (mib << 20) + 8192
               for mib, size in enumerate(large, start=1))
