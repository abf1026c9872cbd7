# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""A kernel's core of a Python process, read where none of its files is: no code, no constant
strings. Against what the process said of itself.
"""
import collections
import re
import signal
import struct
import subprocess

import pytest

import python_compare
from conftest import (HEAPSIFT, PYTHON, ROOT, end_with_core, needs_plain_cores, pythons,
                      python_there)

READ = HEAPSIFT.parent / "driver" / "read_python"
PT_NOTE = 4
MIXED = ROOT / "test" / "fixture" / "python_mixed.py"
MAKERS = ("atoms,containers,collections,instances,subclasses,functions,generators,"
          "iterators,weak,contexts,asyncio,dates,numbers,text,io,threads,exceptions,types,"
          "data")


def hide_files(core):
    """What the core says it had mapped is then nowhere on this machine."""
    with open(core, "r+b") as f:
        count, = struct.unpack("<56xH6x", f.read(64))
        for at in range(64, 64 + 56 * count, 56):
            f.seek(at)
            kind, offset, size = struct.unpack("<I4xQ16xQ16x", f.read(56))
            if kind != PT_NOTE:
                continue
            f.seek(offset)
            notes = re.sub(rb"(?<=\0/)[a-z](?=[a-z0-9_.-]+/)", b"~", f.read(size))
            f.seek(offset)
            f.write(notes)


@pytest.fixture
def core(start, tmp_path):
    """core(python, arg...): a process that is ready, as its core."""
    needs_plain_cores()

    def make(python, *args):
        target = start(python, *args, cwd=tmp_path, stderr=subprocess.DEVNULL)
        path = end_with_core(target, tmp_path)
        hide_files(path)
        return target, path

    yield make
    for path in tmp_path.glob("core*"):
        path.unlink()


def read(path, out, *arguments):
    with open(out, "w") as f:
        subprocess.run([READ, path, "", *arguments], stdout=f, check=True,
                       timeout=100)
    found = python_compare.Read(out)
    assert [x for x in found.other if "interpreter's code | not found" in x], found.other
    return found


def is_named(name):
    return not name.startswith("type at 0x")


@pytest.mark.parametrize("python", pythons("3.11")[:1] + pythons("3.13"))
def test_graph(core, tmp_path, record_property, python):
    """Every object is there. A type that has a name has the right one; of those that have
    one size and references are right as well. (Numpy, where it is, has hundreds of static
    types that no module has by name.)"""
    _, path = core(python_there(python), MIXED, tmp_path / "truth", f"only={MAKERS}")
    found, truth = read(path, tmp_path / "read"), python_compare.Truth(tmp_path / "truth")
    counts, wrong = collections.Counter(), collections.Counter()
    for addr, o in truth.objects.items():
        told = found.objects.get(addr)
        if not told:
            counts["lost"] += 1
            continue
        counts["found"] += 1
        if not is_named(told.type):
            counts["nameless"] += not o.type.startswith("numpy")
            continue
        held = collections.Counter(to for to, _ in told.edges)
        # the array module's own table of sizes is constant where it is part of the program
        is_array = "array.array" in truth.bases[o.type]
        wrong["name", o.type, told.type] += told.type != o.type
        wrong["size", o.type] += told.size != o.size and not is_array
        counts["edges"] += len(o.edges)
        counts["edges found"] += (collections.Counter(o.edges) & held).total()
    record_property("figures", str(counts))
    assert not +wrong
    assert counts["found"] > 100000
    assert counts["lost"] == 0 and counts["nameless"] < 10, counts
    assert counts["edges found"] >= 0.999 * counts["edges"], counts


SERVICE = '''
import signal, sys

class Order:
    __slots__ = "number", "lines"
    def __init__(self, number):
        self.number = number
        self.lines = [number * 10, "line %d" % number, 2.5]

class Open:
    def __init__(self):
        self.orders = {"first": Order(1), "second": Order(2)}

def work(order, depth):
    mark = "in work %d" % depth
    if depth:
        return work(order, depth - 1)
    print(f"local {id(mark):x} mark in frame work {mark!r}")
    print(f"local {id(order):x} order in frame work")
    print("ready", flush=True)
    signal.pause()

held = Open()
print(f"name {id(held):x} __main__: held")
print(f"type {id(held):x} __main__.Open")
for order in held.orders.values():
    print(f"type {id(order):x} __main__.Order")
    print(f"value {id(order.lines[0]):x} {order.lines[0]}")
    print(f"value {id(order.lines[1]):x} {order.lines[1]!r}")
    print(f"value {id(order.lines[2]):x} {order.lines[2]}")
    print(f"edge {id(order):x} {id(order.lines):x} lines")
print(f"edge {id(held):x} {id(held.orders):x} orders")
print(f"name {id(sys.path):x} sys: path")
print(f"version {sys.version.split()[0]}")
work(held.orders["first"], 3)
'''


@pytest.mark.parametrize("python", pythons("3.11", "3.13"))
def test_service(core, tmp_path, heapsift, python):
    """Values, attributes, frames' locals and modules' names, one by one."""
    target, path = core(python_there(python), "-c", SERVICE)
    found = read(path, tmp_path / "read", "values")
    roots = [line.split(" ", 4) for line in (tmp_path / "read").read_text().splitlines()
             if line.startswith("r ")]
    assert len(target.truth) == 17
    for line in target.truth:
        kind, addr, *rest = line.split(" ", 2)
        at = 0 if kind == "version" else int(addr, 16)
        if kind in ("local", "name"):
            text = rest[0].rsplit(" '", 1)[0]
            assert any(int(r[1], 16) == at and text in r[4] for r in roots), line
        elif kind == "type":
            assert found.objects[at].type == rest[0]
        elif kind == "value":
            assert found.values[at] == rest[0]
        elif kind == "edge":
            to, label = rest[0].split()
            assert (int(to, 16), label) in [(t, found.label(n))
                                            for t, n in found.objects[at].edges]
        else:
            assert any(x.startswith(f"evidence python | CPython {addr} |")
                       for x in found.other), found.other
    assert "quiet 1" in found.other
    rows = heapsift("top", path, "--json", "-n", "0").rows()
    kinds = {row["kind"]: row["count"] for row in rows}
    assert kinds["__main__.Order"] == 2 and kinds["dict"] > 100


def test_a_cut_core_is_not_called_unsupported(start, heapsift, tmp_path):
    """Its program's files tell the version; what they cannot tell is not in it."""
    needs_plain_cores()
    path = end_with_core(start(PYTHON, "-c", SERVICE, cwd=tmp_path,
                               stderr=subprocess.DEVNULL), tmp_path)
    with open(path, "r+b") as f:
        f.truncate(path.stat().st_size // 3)
    said = [row["text"] for row in heapsift("top", path, "--json").json()["findings"]]
    assert any("cannot be read here" in text for text in said), said
