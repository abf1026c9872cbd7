# SPDX-License-Identifier: Apache-2.0
"""Snapshot files: what docs/SNAPSHOT.md says is what they hold, to its last byte."""
import collections
import os
import re
import subprocess
import sys

import pytest
from conftest import HEAPSIFT, PYTHON, ROOT, Target, on_one_cpu

sys.path.insert(0, str(ROOT / "test" / "support"))
from read_snapshot import Damaged, Snapshot  # noqa: E402

MARK = b"Zq7secr"  # what fits into the first half of a preview
TEXT = (ROOT / "docs" / "SNAPSHOT.md").read_text()
NO_NODE = (1 << 32) - 1
FOOTER = 32


@pytest.fixture(scope="module")
def target():
    """A Python process full of secrets, which stands still."""
    it = Target(on_one_cpu(PYTHON, ROOT / "test" / "fixture" / "python_secrets.py",
                           MARK.decode() + "-argument"),
                env={**os.environ, "SECRET": MARK.decode() + "-environment"})
    yield it.wait_ready()
    it.end()


@pytest.fixture(scope="module")
def full(target, tmp_path_factory):
    path = tmp_path_factory.mktemp("full") / "full.hsift"
    subprocess.run([HEAPSIFT, "dump", str(target.pid), "-o", path, "--memory", "all",
                    "--label", "all of it"], check=True, capture_output=True)
    return path


def told(target, what):
    return [line.split()[1:] for line in target.truth if line.startswith(what + " ")]


# ---- the text ----


def documented():
    """{"blocks.addr": (width, is text)} of the tables in the text."""
    widths, found, table = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "text": 4}, {}, None
    for line in TEXT.splitlines():
        if heading := re.match(r"### `(\w+)`$", line):
            table = heading[1]
        elif line.startswith("#"):
            table = None
        elif table and (row := re.match(r"\| `(\w+)` \| (\w+) \|", line)):
            found[f"{table}.{row[1]}"] = (widths[row[2]], row[2] == "text")
    return found


def test_the_text_names_every_column(full):
    rest = {"strings.end": (8, False), "strings.bytes": (1, False), "memory.bytes": (1, False)}
    held = {s.name: (s.width, s.is_text) for s in Snapshot(full).sections.values()}
    assert held == documented() | rest


def test_the_example_is_what_the_reader_undoes():
    from read_snapshot import undo_delta, undo_planes
    rows = re.findall(r"\| (\d), [^|]*\| `([0-9a-f ]+)` \|", TEXT)
    assert [int(number) for number, _ in rows] == [0, 1, 2, 3]
    for number, text in rows:
        data = bytes.fromhex(text)
        if int(number) & 2:
            data = undo_planes(data, 3, 2)
        if int(number) & 1:
            data = undo_delta(data, 2)
        assert data == bytes.fromhex("000103010201")


# ---- a reader by the text alone ----


class Graph:
    """Nodes and edges as the text puts them together."""

    def __init__(self, snapshot):
        self.objects, self.blocks = snapshot.rows("objects"), snapshot.rows("blocks")
        self.nodes, self.types = self.objects + self.blocks, snapshot.rows("types")
        self.large = {row["object"]: row for row in snapshot.rows("large")}
        self.first = snapshot.column("edge_first.at")
        self.to = snapshot.column("edge_to.node")
        self.at = {o["addr"]: n for n, o in enumerate(self.objects)}
        self.at.update((b["addr"], len(self.objects) + n) for n, b in enumerate(self.blocks)
                       if b["state"] == 0 and b["owner"] == 0)

    def row(self, node):
        return self.nodes[node]

    def size(self, node):
        return self.large[node]["size"] if node in self.large else self.row(node)["size"]

    def kind(self, node):
        return self.types[self.row(node)["type"]]["kind"].decode()

    def referents(self, node):
        return [self.row(to)["addr"] for to in self.to[self.first[node]:self.first[node + 1]]
                if to != NO_NODE]


@pytest.fixture(scope="module")
def graph(full):
    return Graph(Snapshot(full))


def test_it_holds_the_truth(target, full, graph):
    for addr, kind, size in told(target, "object"):
        node = graph.at[int(addr, 16)]
        assert (graph.kind(node), graph.size(node)) == (kind, int(size))
    for start, end in told(target, "edge"):
        assert int(end, 16) in graph.referents(graph.at[int(start, 16)])
    process, = Snapshot(full).rows("processes")
    assert process["pid"] == target.pid and process["label"] == b"all of it"
    maps = [line.split("-")[0] for line in open(f"/proc/{target.pid}/maps")]
    assert [int(word, 16) for word in maps] == list(Snapshot(full).column("regions.start"))


def test_commands_tell_what_it_holds(heapsift, target, full, graph):
    states = ["used", "tcache", "fastbin", "bin", "top", "fence"]
    blocks = heapsift("blocks", full, "--all", "--sort", "addr", "--json").rows()
    blocks = [b for b in blocks if b["state"] in states and b["allocator"] != "obmalloc"]
    assert [(int(b["addr"], 16), b["size"], b["footprint"], b["state"]) for b in blocks] == \
        [(b["addr"], b["size"], b["size"] + 8 * b["extra"], states[b["state"]])
         for b in graph.blocks]
    top, sums = {}, collections.Counter()
    for row in heapsift("top", full, "--json").rows():
        key = row["domain"], row["kind"], row["detail"]
        top[key] = (row["count"], row["size"])
    for node in graph.at.values():
        words = tuple(graph.types[graph.row(node)["type"]][c].decode()
                      for c in ("domain", "kind", "detail"))
        sums[words, "count"] += 1
        sums[words, "size"] += graph.size(node)
    assert top == {words: (sums[words, "count"], sums[words, "size"]) for words, _ in sums}
    objects = heapsift("objects", full, "--json", "--sort", "addr").rows()
    retained = Snapshot(full).column("dominators.retained")
    assert {(int(o["addr"], 16), o["size"], o["retained"]) for o in objects} == \
        {(addr, graph.size(node), retained[node]) for addr, node in graph.at.items()}
    for addr, *_ in told(target, "object"):
        row, = heapsift("show", full, addr, "--json", "-n", 0).rows()
        held = {int(r["addr"], 16) for r in row["referents"] if r.get("addr")}
        assert held == set(graph.referents(graph.at[int(addr, 16)]))


def test_it_holds_every_native_block(heapsift, start, tmp_path):
    truth, path = tmp_path / "truth", tmp_path / "native.hsift"
    target = start("heap_truth", truth, "live=3000")
    heapsift("dump", target.pid, "-o", path)
    blocks = {b["addr"]: b for b in Snapshot(path).rows("blocks")}
    words = [line.split() for line in truth.read_text().splitlines()]
    live = {int(w[1], 16): int(w[3]) for w in words if w[0] == "live"}
    assert len(live) >= 3000
    for addr, usable in live.items():
        assert (blocks[addr]["state"], blocks[addr]["size"]) == (0, usable)
    freed = {int(w[1], 16) for w in words if w[0] == "freed"} - live.keys()
    assert sum(blocks[at]["state"] != 0 for at in freed if at in blocks) > 100


def test_damage_is_told_by_the_hashes(full, tmp_path):
    data = bytearray(full.read_bytes())
    broken = tmp_path / "broken"
    for at in (17, len(data) // 2, len(data) - FOOTER - 5, len(data) - 20):
        data[at] ^= 4
        broken.write_bytes(data)
        data[at] ^= 4
        with pytest.raises(Damaged):
            snapshot = Snapshot(broken)
            for name in snapshot.sections:
                snapshot.raw(name)


# ---- without values ----


def decoded(path):
    """All that the file says: its bytes, and those of every section."""
    snapshot = Snapshot(path)
    return [("the file", path.read_bytes())] + [(n, snapshot.raw(n)) for n in snapshot.sections]


def test_no_value_is_left(heapsift, target, full, tmp_path):
    bare, stripped = tmp_path / "bare", tmp_path / "stripped"
    heapsift("dump", target.pid, "-o", bare, "--no-values")
    heapsift("dump", full, "-o", stripped, "--no-values")
    assert sum(MARK in data for _, data in decoded(full)) >= 3
    for path in (bare, stripped):
        assert [name for name, data in decoded(path) if MARK in data] == []
        assert str(int.from_bytes(MARK, "little")).encode() not in \
            b"".join(data for _, data in decoded(path))
        snapshot = Snapshot(path)
        assert not any(snapshot.column("objects.value"))
        assert len(snapshot.column("previews.low")) == 0 and not snapshot.rows("memory")
        assert {b"text", b"error", b"list"} <= set(snapshot.column("labels.name"))
    held = next(addr for addr, kind, _ in told(target, "object") if kind == "dict")
    labels = [r["label"] for r in
              heapsift("show", bare, held, "--json").rows()[0]["referents"]]
    assert "[str]" in labels and MARK.decode() not in " ".join(labels)


def test_values_and_none_exclude_each_other(heapsift, target, tmp_path):
    said = heapsift("dump", target.pid, "-o", tmp_path / "no", "--no-values",
                    "--memory=heap", code=2).err
    assert "--memory keeps what --no-values leaves out" in said
    assert not list(tmp_path.iterdir())


# ---- kept memory ----


def memory_of(pid, at, length):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(at)
        return memory.read(length)


def shown(heapsift, of, at, length, **how):
    rows = heapsift("hexdump", of, hex(at), length, "--json", **how).rows()
    return b"".join(bytes.fromhex(row["hex"]) if not row["hole"] else b"?" * row["size"]
                    for row in rows)


@pytest.mark.parametrize("mode", ["fork", "freeze", "nostop"])
def test_kept_memory_is_the_targets(heapsift, target, tmp_path, mode):
    """All of the heap, the stacks and the data, by a reader and by hexdump."""
    path = tmp_path / "kept.hsift"
    told = heapsift("dump", target.pid, "-o", path, "--memory", "heap,stacks,data",
                    "--mode", mode).out
    assert "of memory" in told
    snapshot = Snapshot(path)
    regions = snapshot.rows("regions")
    for row in snapshot.rows("memory"):
        length = row["end"] - row["start"]
        kept = snapshot.memory(row["start"], length)
        assert kept == memory_of(target.pid, row["start"], length)
        at = row["start"] + length // 2
        assert shown(heapsift, path, at, 200) == kept[length // 2:length // 2 + 200]
    ranges = [(row["start"], row["end"]) for row in snapshot.rows("memory")]
    for kind, column in (("heaps", "start"), ("pools", "start"), ("threads", "sp")):
        for at in snapshot.column(f"{kind}.{column}"):
            assert at == 0 or any(start <= at < end for start, end in ranges)
    data = [r for r in regions if r["module"] and r["prot"] & 2]
    assert data and all(any(s <= r["start"] < e for s, e in ranges) for r in data)


def test_all_is_kept_that_can_be_read(target, full):
    """The vdso, too, though the kernel counts no page of it as the process's."""
    snapshot = Snapshot(full)
    vdso, = (r for r in snapshot.rows("regions") if r["name"] == b"[vdso]")
    length = vdso["end"] - vdso["start"]
    kept = snapshot.memory(vdso["start"], length)
    assert kept[:4] == b"\x7fELF" and kept == memory_of(target.pid, vdso["start"], length)


def test_chosen_addresses_are_kept_and_no_others(heapsift, target, tmp_path):
    block = int(told(target, "block")[0][0], 16)
    path, again = tmp_path / "one", tmp_path / "two"
    heapsift("dump", target.pid, "-o", path, "--memory", f"{block:#x}-{block + 8:#x}")
    page = block & ~4095
    assert [(r["start"], r["end"]) for r in Snapshot(path).rows("memory")] == \
        [(page, page + 4096)]
    assert MARK in shown(heapsift, path, block, 64)
    assert shown(heapsift, path, page - 16, 32)[:16] == b"?" * 16
    assert "not kept" in heapsift("hexdump", path, hex(page - 4096), code=1).out
    streamed = subprocess.run([HEAPSIFT, "dump", path, "-o", "-"], check=True,
                              capture_output=True).stdout
    again.write_bytes(streamed)
    assert shown(heapsift, again, page, 4096) == memory_of(target.pid, page, 4096)


def test_less_of_a_snapshot_is_kept(heapsift, target, full, tmp_path):
    everything = Snapshot(full)
    for what in ("heap", "stacks", "data"):
        path, live = tmp_path / what, tmp_path / ("live-" + what)
        heapsift("dump", full, "-o", path, "--memory", what)
        heapsift("dump", target.pid, "-o", live, "--memory", what)
        less = Snapshot(path).rows("memory")
        assert 0 < len(less) and 0 < path.stat().st_size < full.stat().st_size
        for row in less[:20]:
            length = min(row["end"] - row["start"], 1 << 16)
            assert Snapshot(path).memory(row["start"], length) == \
                everything.memory(row["start"], length)
    bare, none = tmp_path / "bare", tmp_path / "none"
    heapsift("dump", full, "-o", bare, "--no-values")
    said = heapsift("dump", bare, "-o", none, "--memory=all", code=4).err
    assert "nothing that can be read of the memory chosen, all" in said
    assert not none.exists()
    assert "'heapsift dump --memory' keeps some" in \
        heapsift("hexdump", bare, "0x1000", code=4).err


def test_wrong_choices_are_refused(heapsift, target, tmp_path):
    for choice in ("nothing", "heap,", "", "0x2000-0x1000", "0x1000", "heap,0x-0x1"):
        said = heapsift("dump", target.pid, "-o", tmp_path / "no", "--memory", choice,
                        code=2).err
        assert "give all, heap, stacks, data or addresses" in said
    heapsift("dump", target.pid, "-o", tmp_path / "no", "--memory=0x0-0x1000", code=3)
    assert not list(tmp_path.iterdir())


def test_damaged_memory_is_told_when_it_is_read(heapsift, target, full, tmp_path):
    broken, copy = tmp_path / "broken", tmp_path / "copy"
    data = bytearray(full.read_bytes())
    data[40] ^= 255  # in the first frame, which is memory's
    broken.write_bytes(data)
    at = Snapshot(full).rows("memory")[0]["start"]
    heapsift("top", broken)
    for command in (["hexdump", broken, hex(at)], ["dump", broken, "-o", copy]):
        said = heapsift(*command, code=4).err
        assert f"cannot read '{broken}': section 'memory.bytes' is damaged" in said
    assert not copy.exists()


def test_show_tells_more_of_a_block_than_its_preview(heapsift, target, full, tmp_path):
    """Of a text all that fits, of other bytes some lines; what is cut is said."""
    block, other = (int(words[0], 16) for words in told(target, "block"))
    text = memory_of(target.pid, block, 400).split(b"\0")[0].decode()
    assert len(text) > 50
    bare = tmp_path / "bare"
    heapsift("dump", target.pid, "-o", bare)
    for of in (target.pid, full):
        shown = heapsift("show", of, hex(block)).out
        assert f'  value       "{text}"\n' in shown and "Bytes:" not in shown
        narrow = heapsift("show", of, hex(block), env={**os.environ, "COLUMNS": "40"}).out
        assert all(len(line) <= 40 for line in narrow.splitlines()[1:5])
        shown = heapsift("show", of, hex(other)).out
        assert "\nBytes: 128 of 2,984; heapsift hexdump shows more\n" in shown
        lines = [line[14:62].replace(" ", "") for line in shown.splitlines()
                 if re.match(r"[0-9a-f]{12}  ", line)]
        assert bytes.fromhex("".join(lines)) == memory_of(target.pid, other, 128)
    shown = heapsift("show", bare, hex(block)).out
    assert f'  value       "{text[:16]}..."\n' in shown
    assert "Bytes:" not in heapsift("show", bare, hex(other)).out


def test_memory_of_a_core_is_kept(heapsift, target, tmp_path):
    core, path = tmp_path / "core", tmp_path / "kept"
    block = int(told(target, "block")[0][0], 16)
    heapsift("core", target.pid, "-o", core)
    heapsift("dump", core, "-o", path, "--memory", "heap,stacks,data")
    kept = Snapshot(path).rows("memory")
    for row in kept:
        length = row["end"] - row["start"]
        assert Snapshot(path).memory(row["start"], length) == \
            memory_of(target.pid, row["start"], length)
    assert any(row["start"] <= block < row["end"] for row in kept)
    assert f'"{MARK.decode()}-native-' in heapsift("show", core, hex(block)).out


RESERVED = """
import ctypes, mmap
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
m = mmap.mmap(-1, 8 << 30, PRIVATE)
m[5 << 30:(5 << 30) + 4] = b"here"
print(ctypes.addressof(ctypes.c_char.from_buffer(m)))
print("ready", flush=True)
input()
"""


def test_what_was_never_touched_takes_no_room(heapsift, start, tmp_path):
    path = tmp_path / "reserved"
    target = start(PYTHON, "-c", RESERVED)
    at = int(target.truth[0])
    heapsift("dump", target.pid, "-o", path, "--memory", f"{at:#x}-{at + (8 << 30):#x}")
    assert path.stat().st_size < 4 << 20
    rows = Snapshot(path).rows("memory")
    assert sum(row["end"] - row["start"] for row in rows) == 8 << 30
    assert sum(row["end"] - row["start"] for row in rows if not row["zeroes"]) <= 4 << 20
    assert shown(heapsift, path, at + (5 << 30) - 16, 32) == bytes(16) + b"here" + bytes(12)
    assert shown(heapsift, path, at + (7 << 30), 4096) == bytes(4096)
