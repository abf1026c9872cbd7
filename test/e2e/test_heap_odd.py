# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""Heaps that are damaged, absent, or somebody else's."""
import glob
import shutil
import subprocess

import pytest
from conftest import FIXTURES, not_run
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
    assert any("jemalloc is mapped beside glibc" in f for f in walked.findings)


MUSL = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
	for (int i = 0; i < 1000; i++)
		printf("live %p\\n", malloc(100));
	puts("ready");
	fflush(stdout);
	pause();
}
"""


@pytest.mark.parametrize("how,words", [
    ("-dynamic", "this process uses musl malloc"),
    ("-static", "main_arena is nowhere in memory"),
])
def test_musl_is_told_by_every_command(start, heapsift, tmp_path, how, words):
    if not shutil.which("musl-gcc"):
        not_run("musl-gcc is not installed")
    (tmp_path / "musl.c").write_text(MUSL)
    subprocess.run(["musl-gcc", how, "-o", tmp_path / "musl", tmp_path / "musl.c"], check=True)
    target = start(tmp_path / "musl")
    for command in "check", "summary", "top", "blocks":
        out = heapsift(command, target.pid, "--json").json()
        told = [f for f in out["findings"] if "no glibc heap" in f["text"]]
        assert len(told) == 1 and told[0]["severity"] == "note", out["findings"]
        assert words in told[0]["text"] and "totals by mapping still hold" in told[0]["text"]
        text = heapsift(command, target.pid)
        assert words in text.out + text.err
    rows = heapsift("summary", target.pid, "--json").rows()
    assert sum(row["resident"] for row in rows) > 0


def test_a_libc_whose_malloc_was_never_called(start, tmp_path):
    walked = walk(start("no_malloc"), tmp_path / "walk")
    assert walked.evidence["main_arena"][0] == "not initialised"
    assert not walked.arenas and not walked.blocks
    assert any("its malloc was never called" in f for f in walked.findings)


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
