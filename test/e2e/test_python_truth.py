# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""Every object of a Python process, its type, size and references, against what the
interpreter's own collector says of them.
"""
import collections
import subprocess

import pytest

import python_compare
from conftest import HEAPSIFT, PYTHON, ROOT, version_of

READ = HEAPSIFT.parent / "driver" / "read_python"
MIXED = ROOT / "test" / "fixture" / "python_mixed.py"
IMPOSTORS = MIXED.with_name("python_impostors.py")
OWNED = ROOT / "test" / "e2e" / "owned_untraversed.txt"


def read(target, path, *arguments):
    with open(path, "w") as out:
        subprocess.run([READ, str(target.pid), *arguments], stdout=out, check=True,
                       timeout=100)
    return python_compare.Read(path)


def test_graph(start, tmp_path, record_property):
    target = start(PYTHON, MIXED, tmp_path / "truth", stderr=subprocess.DEVNULL)
    found = read(target, tmp_path / "read")
    truth = python_compare.Truth(tmp_path / "truth")
    owned = python_compare.Owned(OWNED, version_of(PYTHON))
    difference = python_compare.Difference(truth, found, owned)
    record_property("figures", difference.summary())
    report = "\n".join(difference.report())
    assert len(truth.objects) > 150000 and len(truth.bases) > 600
    assert not list(difference.faults()), report
    assert not [line for line in found.other if line.startswith("finding damage")]
    assert len(owned.entries) <= 20
    assert not list(owned.unused(truth.bases, fields=str(PYTHON) == "/usr/bin/python3" and
                                version_of(PYTHON) == (3, 11)))


VALUES = '''
import datetime, decimal, os, re, signal
keep = [datetime.date(1987, 6, 5), datetime.datetime(2020, 1, 2, 3, 4, 5),
        datetime.datetime(1, 1, 1, 0, 0, 0, 7), datetime.time(23, 59, 58, 999),
        datetime.time(1, 2), datetime.timedelta(1), datetime.timedelta(-3, 5),
        datetime.timedelta(0, 86399, 40), datetime.timedelta(400, 61)]
keep += map(decimal.Decimal, """0 -0 1 -1.50 0.000001 1E-7 123456789012345678901234567890
    1.5E+10 -12.3456789012345678901234567890123456789 1E+5 0E-20 0E+3 NaN -Infinity
    100000000000000000000 10000000000000000000.0000000000000000001""".split())
lines = [f"{id(o):x} {o}" for o in keep]
keep += map(re.compile, ["a+b", "(?P<x>[^']*)", "\\\\d\\n"])
lines += [f"{id(o):x} {o.pattern!r}" for o in keep[len(lines):]]
print("\\n".join(lines), "ready", sep="\\n", flush=True)
signal.pause()
'''


def test_values(start, tmp_path):
    target = start(PYTHON, "-c", VALUES)
    found = read(target, tmp_path / "read", "values")
    assert len(target.truth) == 28
    for line in target.truth:
        addr, value = line.split(" ", 1)
        assert found.values[int(addr, 16)] == value


def test_impostors(start, tmp_path):
    """Types that only have the name of one that CPython made: no rule of that holds."""
    target = start(PYTHON, IMPOSTORS, stderr=subprocess.DEVNULL)
    found = read(target, tmp_path / "read")
    assert len(target.truth) == 3
    for line in target.truth:
        addr, held, name = line.split()
        told = found.objects[int(addr, 16)]
        edges = [(to, found.label(label)) for to, label in told.edges]
        assert told.type.endswith(name) and told.size == 48
        assert [e for e in edges if e[1] != "__class__"] == [(int(held, 16), "held")]


def made(objects):
    """A truth and what agrees with it: 1 and 2 refer to each other, 3 holds both."""
    truth = object.__new__(python_compare.Truth)
    truth.objects, truth.bases = {}, {"t": ["t", "object"]}
    found = object.__new__(python_compare.Read)
    found.objects, found.unreached, found.certain = {}, set(), {2}
    found.labels, found.roots = {2: (python_compare.FIELD, "field")}, collections.Counter()
    for addr, edges in objects.items():
        told = python_compare.Told("t", 10, 2, edges)
        truth.objects[addr] = told
        found.objects[addr] = told._replace(edges=[(to, 2) for to in edges])
    return truth, found


@pytest.mark.parametrize("what, change", [
    ("not found", lambda o: o.pop(1)),
    ("of another type", lambda o: o.update({1: o[1]._replace(type="u")})),
    ("another size", lambda o: o.update({1: o[1]._replace(size=11)})),
    ("another refcount", lambda o: o.update({1: o[1]._replace(refcount=3)})),
    ("edge lost", lambda o: o[1].edges.pop()),
    ("edge not even possible", lambda o: o[1].edges.pop()),
    ("not a referent", lambda o: o[1].edges.append((3, 2))),
    ("held too often", lambda o: o[3].edges.append((1, 2))),
    ("no object", lambda o: o[1].edges.append((4, 2))),
])
def test_comparison_notices(tmp_path, what, change):
    """What the tests above rest on does see each kind of difference."""
    (tmp_path / "owned").write_text("t other -- nowhere\n")
    truth, found = made({1: [2], 2: [1], 3: [1, 2]})
    owned = python_compare.Owned(tmp_path / "owned", (3, 11))
    assert not any(python_compare.Difference(truth, found, owned).lists.values())
    assert list(owned.unused(truth.bases, True))
    change(found.objects)
    assert python_compare.Difference(truth, found, owned).lists[what]
