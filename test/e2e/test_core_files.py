# SPDX-License-Identifier: Apache-2.0
"""Cores as the kernel and gdb write them, against what the process printed, what /proc said
of it while it lived, and what the core's headers say by readelf's rules."""
import functools
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import time
from collections import Counter

import pytest

import heap_compare
from conftest import FIXTURES, Target, end_with_core, needs_plain_cores

PT_LOAD = 1
VAST = 16 << 30


def segments_of(path):
    """(start, size, offset, bytes in the file) of each PT_LOAD."""
    with open(path, "rb") as f:
        head = f.read(64)
        at, = struct.unpack_from("<Q", head, 32)
        f.seek(at)
        n, = struct.unpack_from("<H", head, 56)
        rows = [struct.unpack("<IIQQQQQQ", f.read(56)) for _ in range(n)]
    return [(r[3], r[6], r[2], r[5]) for r in rows if r[0] == PT_LOAD]


def addresses(lines):
    return {name: int(addr, 16) for name, addr in (line.split() for line in lines)}


class Evidence:
    def __init__(self, rows):
        self.rows = rows

    def __getitem__(self, item):
        return [r["answer"] for r in self.rows if r["item"] == item]


@pytest.fixture(scope="module")
def ranges(tmp_path_factory):
    """core_ranges: what it printed, its maps, and its core by each of the two."""
    needs_plain_cores()
    folder = tmp_path_factory.mktemp("ranges")
    target = Target([FIXTURES / "core_ranges", VAST >> 20], cwd=folder).wait_ready()
    target.maps = open(f"/proc/{target.pid}/maps").read().splitlines()
    target.folder = folder
    target.core = end_with_core(target, folder, signal.SIGBUS)
    yield target
    target.end()
    target.core.unlink()


# ---- heaps ----

class Seen(heap_compare.Walk):
    """The blocks of a core, as heap_compare has those of a process."""

    def __init__(self, rows):
        self.blocks = [(int(r["addr"], 16), r["size"], r["footprint"] - r["size"],
                        r["state"], r.get("arena", heap_compare.MMAPPED)) for r in rows]
        self.by_address = sorted(self.blocks)
        self.starts = [b[0] for b in self.by_address]


def assert_heap(truth, rows):
    seen = Seen(rows)
    wrong = (list(heap_compare.compare_live(truth, seen)) +
             list(heap_compare.compare_freed(truth, seen)))
    assert not wrong, "\n".join(wrong[:10])


def by_gcore(target, folder):
    subprocess.run(["gcore", "-o", folder / "core", str(target.pid)], check=True,
                   capture_output=True, timeout=60)
    return folder / f"core.{target.pid}"


@pytest.mark.parametrize("made_by", ["kernel", "gcore"])
def test_heap(start, heapsift, tmp_path, made_by):
    if made_by == "kernel":
        needs_plain_cores()
    target = start("heap_truth", tmp_path / "truth", "live=20000", "threads=3",
                   cwd=tmp_path)
    truth = heap_compare.Truth(tmp_path / "truth")
    core = (end_with_core(target, tmp_path) if made_by == "kernel"
            else by_gcore(target, tmp_path))
    answer = heapsift("blocks", core, "--all", "--json").json()
    assert answer["target"]["kind"] == "core"
    assert answer["target"]["pid"] == target.pid
    assert answer["findings"] == []
    said = {row["item"]: row for row in heapsift("check", core, "--json").rows()}
    assert "does not keep their names" in said["threads"]["evidence"]
    assert len(truth.live) > 19000
    assert_heap(truth, answer["rows"])
    core.unlink()


def test_copies_with_and_without_holes_are_alike(start, heapsift, tmp_path):
    needs_plain_cores()
    target = start("heap_truth", tmp_path / "truth", "live=2000", "threads=2", cwd=tmp_path)
    core = end_with_core(target, tmp_path)
    command = ["blocks", core, "--all", "--json"]
    rows = heapsift(*command).rows()
    shutil.copy(core, tmp_path / "copy")
    core.unlink()
    subprocess.run(["cp", "--sparse=never", tmp_path / "copy", core], check=True)
    assert heapsift(*command).rows() == rows
    core.unlink()
    subprocess.run(["cp", "--sparse=always", tmp_path / "copy", core], check=True)
    assert heapsift(*command).rows() == rows


def test_summary_is_that_of_the_process(start, heapsift, tmp_path):
    """By what is mapped: whether pages of a file are its own, only a process tells."""
    needs_plain_cores()
    target = start("heap_truth", tmp_path / "truth", "live=2000", "threads=2", cwd=tmp_path)

    def mapped(of):
        sums = Counter()
        for r in heapsift("summary", of, "--json").rows():
            file = r["category"].startswith("file")
            sums["file" if file else r["category"], r["detail"]] += r["bytes"]
        return sums

    live = mapped(target.pid)
    core = end_with_core(target, tmp_path)
    assert mapped(core) == live
    for row in heapsift("summary", core, "--json").rows():
        assert "resident" not in row
    assert heapsift("summary", core).out.splitlines()[0].split() == [
        "CATEGORY", "DETAIL", "BYTES", "COUNT"]


# ---- ranges ----

def test_each_kind_of_memory(ranges, heapsift):
    for name, addr in addresses(ranges.truth).items():
        row, = heapsift("hexdump", ranges.core, hex(addr), 8, "--json",
                        code=1 if name == "left-out" else 0).rows()
        if name == "left-out":
            assert row["hole"]
        else:
            word = bytes.fromhex(row["hex"]).split(b"\0")[0]
            assert word and name.encode().startswith(word)


def test_regions_are_those_of_maps(ranges, heapsift):
    """Names and sizes, as summary shows what holds no blocks."""
    names = {line.split(maxsplit=5)[5] for line in ranges.maps if len(line.split()) > 5}
    sizes, bss, before = Counter(), Counter(), (0, "")
    for line in ranges.maps:
        words = line.split(maxsplit=5)
        low, high = (int(a, 16) for a in words[0].split("-"))
        name = words[5] if len(words) > 5 else ""
        sizes[name] += high - low
        if name == "" and before[0] == low:
            bss[before[1]] += high - low
        before = high, name
    summary = heapsift("summary", ranges.core, "--json").rows()
    rows = Counter()
    for r in summary:
        rows["main" if r["detail"].startswith("main") else r["detail"]] += r["bytes"]
    for name in names - {"[heap]", "[stack]"}:
        assert rows[name] in (sizes[name], sizes[name] + bss[name]), name
    assert rows["main"] == sizes["[stack]"]
    assert sum(r["bytes"] for r in summary) == sum(sizes.values())


def test_what_was_never_touched_costs_nothing(ranges, heapsift):
    """16 GiB: at 1 GiB/s that would be 16 seconds."""
    limit = None
    if "ASAN_OPTIONS" not in os.environ:  # its shadow is larger than any limit
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (VAST // 8,) * 2)
    begun = time.monotonic()
    heapsift(ranges.core, "--json", preexec_fn=limit)
    assert time.monotonic() - begun < 5


def test_four_tebibytes_reserved(start, heapsift, tmp_path):
    needs_plain_cores()
    target = start("reserve", cwd=tmp_path)
    block = int(target.truth[0].split()[1], 16)
    core = end_with_core(target, tmp_path)
    rows = heapsift("blocks", core, "--all", "--json", timeout=20).rows()
    assert block in [int(r["addr"], 16) for r in rows]


# ---- who died of what ----

def test_a_fault_is_told(start, heapsift, tmp_path):
    needs_plain_cores()
    target = start("core_ranges", cwd=tmp_path)
    resource.prlimit(target.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    target.tell("crash")
    assert target.process.wait(30) == -signal.SIGSEGV
    core = tmp_path / "core"
    evidence = Evidence(heapsift("check", core, "--json").rows())
    assert evidence["signal"] == [f"SIGSEGV (11) at address 0x18, in thread {target.pid}"]
    assert evidence["process"] == [f"{target.pid} (core_ranges)"]
    assert evidence["executable"] == [str(FIXTURES / "core_ranges")]
    # the file's name alone, in its folder, is the core and not the command
    answer = heapsift("core", cwd=tmp_path).out
    assert "ended by SIGSEGV" in answer and "RESIDENT" not in answer
    assert all(len(line) <= 80 for line in
               heapsift("check", core, env={"COLUMNS": "80"}).out.splitlines())


def test_a_signal_and_its_sender_are_told(ranges, heapsift):
    answer, = Evidence(heapsift("check", ranges.core, "--json").rows())["signal"]
    assert answer == f"SIGBUS (7) sent by process {os.getpid()}, in thread {ranges.pid}"
    assert heapsift("top", ranges.core, "--json").json()["target"]["signal"] == "SIGBUS"


def test_threads_are_those_of_readelf(start, heapsift, tmp_path):
    needs_plain_cores()
    target = start("odd", "threads", 20, cwd=tmp_path)
    core = end_with_core(target, tmp_path)
    notes = subprocess.run(["readelf", "-nW", core], capture_output=True, text=True,
                           check=True).stdout
    count = len(re.findall("NT_PRSTATUS", notes))
    assert count > 20
    assert Evidence(heapsift("check", core, "--json").rows())["threads"] == [str(count)]


# ---- what is not there ----

def test_every_coredump_filter(heapsift, tmp_path):
    """Bit 0 is private memory: heaps, stacks, and what was written of files."""
    needs_plain_cores()
    for mask in range(0x80):
        target = Target([FIXTURES / "core_ranges"], cwd=tmp_path).wait_ready()
        with open(f"/proc/{target.pid}/coredump_filter", "w") as f:
            f.write(hex(mask))
        core = end_with_core(target, tmp_path)
        heap = hex(addresses(target.truth)["heap"])
        answer = heapsift("blocks", core, "--json").json()
        texts = " ".join(f["text"] for f in answer["findings"])
        assert ("no private memory" in texts) == (mask & 1 == 0), (hex(mask), texts)
        lacks = "the core lacks the data of its libc" in texts
        assert lacks == (mask & 5 == 0), (hex(mask), texts)  # bit 2: files, too
        assert (heap in [r["addr"] for r in answer["rows"]]) == (mask & 1), hex(mask)
        if mask == 0:
            assert_one_cure(heapsift("check", core, "--json").rows())
        target.end()
        core.unlink()


def assert_one_cure(rows):
    """Of modules without a first page one tells the cure: there may be hundreds."""
    missing = [r for r in rows if r["item"] == "missing file"]
    assert len(missing) > 1
    assert all("lacks its first page" in r["evidence"] for r in missing)
    assert "bit 4 of coredump_filter" in missing[0]["cure"]
    assert not [r for r in missing[1:] if r.get("cure")]


@pytest.mark.parametrize("share", [0.99, 0.5, 0.02])
def test_a_core_cut_short(start, heapsift, tmp_path, share):
    needs_plain_cores()
    target = start("heap_truth", tmp_path / "truth", "live=20000", "threads=2", cwd=tmp_path)
    core = end_with_core(target, tmp_path)
    size = int(core.stat().st_size * share)
    os.truncate(core, core.stat().st_size - 1)
    assert "1 bytes of the " in heapsift("top", core, "--json").out
    os.truncate(core, size)
    missing = sum(n - min(n, max(0, size - offset)) for _, _, offset, n in segments_of(core))
    answer = heapsift("top", core, "--json").json()
    said = re.search(r"([\d.]+) (KiB|MiB) of the .* are missing",
                     " ".join(f["text"] for f in answer["findings"]))
    unit = {"KiB": 1 << 10, "MiB": 1 << 20}[said[2]]
    assert abs(float(said[1]) * unit - missing) <= unit / 10
    evidence = Evidence(heapsift("check", core, "--json").rows())
    assert evidence["missing"] == [f"{said[1]} {said[2]} of what was dumped"]


def test_nothing_there(heapsift, tmp_path):
    empty, cut = tmp_path / "empty", tmp_path / "cut"
    empty.write_bytes(b"")
    cut.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 4, 62))
    assert "is empty" in heapsift("top", empty, code=4).err
    assert "is cut short" in heapsift("top", cut, code=4).err
    assert "not a core of one" in heapsift("top", FIXTURES / "core_ranges", code=4).err
