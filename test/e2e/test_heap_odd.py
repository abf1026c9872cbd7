# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""Heaps that are damaged, absent, or somebody else's."""
import glob
import shutil
import subprocess

from conftest import FIXTURES
from test_heap_race import check, take
from test_heap_truth import walk


def addresses(target, word):
    return [int(line.split()[1], 16) for line in target.truth if line.startswith(word + " ")]


def test_damage_is_told_and_the_walk_goes_on(start, tmp_path):
    target = start("heap_damage")
    walked = walk(target, tmp_path / "walk")
    smashed, = addresses(target, "smashed")
    unlinked, = addresses(target, "unlinked")
    assert any(d.startswith(f"0x{smashed - 16:x} no chunk can begin here") and
               "0x70 bytes are lost" in d for d in walked.damage), walked.damage
    assert any(f"0x{unlinked - 16:x} this chunk of a bin does not point back" in f
               for f in walked.findings), walked.findings
    used = {b[0] for b in walked.blocks if b[3] == "used"}
    live = addresses(target, "live")
    assert len(live) == 999 and used.issuperset(live)
    assert smashed not in used


def test_another_allocator_is_told(start, tmp_path):
    """By its file's name: here any library under that name."""
    library = tmp_path / "libjemalloc.so.2"
    shutil.copy(glob.glob("/lib/x86_64-linux-gnu/libm.so.6")[0], library)
    target = start("heap_truth", tmp_path / "truth", "sizes", env={"LD_PRELOAD": str(library)})
    walked = walk(target, tmp_path / "walk")
    assert walked.evidence["another allocator"] == ("jemalloc", f"{library} is mapped")
    assert walked.arenas  # glibc's heap beside it is walked all the same


def test_a_libc_whose_malloc_was_never_called(start, tmp_path):
    walked = walk(start("no_malloc"), tmp_path / "walk")
    assert walked.evidence["main_arena"][0] == "not initialised"
    assert not walked.arenas and not walked.blocks


def test_no_libc_at_all(start, tmp_path):
    walked = walk(start("no_libc"), tmp_path / "walk")
    assert walked.evidence["main_arena"][0] == "not found"
    assert not walked.blocks


def test_quiet_without_any_names(start, tmp_path):
    """A stripped static program: malloc's code is known by what it uses."""
    program = tmp_path / "race"
    subprocess.run(["strip", "-o", program, FIXTURES / "heap_race-static"], check=True)
    target = start(program)
    quiet = check(*take(target, 60, "fork"))
    assert len(quiet) >= 6


def test_reserved_memory_costs_no_pause(start, heapsift):
    """Gone through page by page, 4 TiB take 7 seconds."""
    target = start("reserve")
    out = heapsift("blocks", target.pid, "--mode=freeze", "--json", "-n", "0").json()
    block, = addresses(target, "block")
    assert any(int(row["addr"], 16) == block for row in out["rows"]), out["rows"][-3:]
    assert any("malloc counts 2 mmapped chunks" in f["text"] for f in out["findings"])
    assert out["target"]["pause_ms"] < 300
