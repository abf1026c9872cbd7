# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""Threads, frames, lines and locals, and the objects that frames live in: what we read from
outside against what Python says of itself."""
import collections
import json
import os
import subprocess
import sys

import pytest
from conftest import HEAPSIFT, ROOT, python_there, pythons, version_of

sys.path.insert(0, str(ROOT / "test" / "support"))
from read_snapshot import Snapshot  # noqa: E402

DRIVER = HEAPSIFT.parent / "driver" / "python_roots"
FIXTURE = ROOT / "test" / "fixture" / "python_frames.py"
SECOND = ROOT / "test" / "fixture" / "python_interpreters.py"
# A code object owns these too, but shows them to no one, or made them when it was asked.
UNSHOWN = {"co_localsplusnames", "co_localspluskinds", "_co_code", "_co_varnames",
           "_co_cellvars", "_co_freevars"}

Root = collections.namedtuple(
    "Root", "group kind certain counted to type contents addr name")


@pytest.fixture(params=pythons("3.11", "3.13"))
def python(request, start):
    target = start(python_there(request.param), "-W", "ignore", FIXTURE)

    def ask(question):
        target.tell(question)
        return json.loads(target.line())
    target.ask = ask
    return target


def look(target, *objects):
    done = subprocess.run([DRIVER, str(target.pid), *map(hex, objects)], timeout=60,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert not [r for r in rows if r[0] == "finding"]
    return rows


def roots(target):
    return [Root(*r[1:]) for r in look(target) if r[0] == "root"]


def frames_of(rows, tid):
    """[description, {local: id}, id of f_locals]; a cell is what it holds, as for Python."""
    frames = []
    for r in rows:
        if r.group != f"thread {tid}" or r.certain != "certain":
            continue
        if r.kind == "frame" and r.type == "code" and r.name.startswith("frame "):
            frames.append([r.name, {}, 0])
        elif r.kind == "local":
            name, _, frame = r.name.partition(" in ")
            assert frame == frames[-1][0]
            value = r.contents if r.type == "cell" else r.to
            if value != "0x0":
                frames[-1][1][name] = int(value, 16)
        elif r.kind == "frame" and r.type == "dict" and r.name == frames[-1][0]:
            frames[-1][2] = int(r.to, 16)
    return frames


def check_frames(rows, truth):
    """How many frames and locals there are."""
    assert len(truth) == 19
    for tid, frames in truth.items():
        ours = frames_of(rows, tid)
        wanted = [[f"frame {name} ({file}:{line})", local, 0]
                  for name, file, line, local, _ in frames]
        assert [f[0] for f in ours] == [f[0] for f in wanted]
        assert [f[1] for f in ours] == [f[1] for f in wanted]
        for (_, _, our), (_, _, _, local, theirs) in zip(ours, frames):
            assert theirs in (0, our)
    frames = [frame for of_thread in truth.values() for frame in of_thread]
    return len(frames), sum(len(local) for _, _, _, local, _ in frames)


def test_frames_are_those_python_sees(python, record_property):
    before = roots(python)
    truth = python.ask("frames")
    after = roots(python)
    check_frames(before, truth)
    frames, local = check_frames(after, truth)
    record_property("figures", f"{len(truth)} threads, {frames} frames and {local} locals equal")


def test_frames_are_kept(python, heapsift, tmp_path):
    """As rows of a snapshot, with the threads whose they are."""
    heapsift("dump", python.pid, "-o", tmp_path / "it.hsift")
    snapshot = Snapshot(tmp_path / "it.hsift")
    threads, ours = snapshot.column("threads.tid"), {}
    for row in snapshot.rows("frames"):
        assert row["depth"] == len(ours.setdefault(threads[row["thread"] - 1], []))
        ours[threads[row["thread"] - 1]].append(
            [row["function"].decode(), os.path.basename(row["file"].decode()), row["line"]])
    assert str(FIXTURE).encode() in snapshot.column("frames.file")
    truth = python.ask("frames")
    assert ours.keys() >= {int(tid) for tid in truth}
    for tid, frames in truth.items():
        assert ours[int(tid)] == [[name, file, line] for name, file, line, *_ in frames]


def test_what_a_frame_owns_is_counted_once(python):
    """A word of a running generator's frame is the generator's; all others are counted."""
    rows = [r for r in roots(python) if r.group.startswith("thread ")]
    words = [r.addr for r in rows if r.counted == "counted"]
    assert len(words) == len(set(words)) > 100
    local = {(r.name.partition(" (")[0], r.counted) for r in rows if r.kind == "local"}
    assert ("held in frame countdown", "-") in local
    assert ("who in frame descend", "counted") in local
    assert ("item in frame agen", "-") in local
    assert all(r.counted == "-" for r in rows if r.certain == "possible")
    named = {(r.name, r.type) for r in rows if r.kind == "field"}
    assert {("exc_state", "KeyError"), ("context", "_contextvars.Context")} <= named
    # What threading.local keeps its objects by, up to 3.12 and from 3.13 on.
    assert {("dict", "dict"), ("threading_local_key", "_thread._localdummy")} & named


def test_modules_and_their_names(python):
    rows = [r for r in roots(python) if r.group.startswith("module ")]
    assert {r.counted for r in rows} == {"-"} and {r.certain for r in rows} == {"certain"}
    ours = {}
    for r in rows:
        module = ours.setdefault(r.group[len("module "):], [None, {}])
        if r.kind == "module":
            assert r.name == "" and module[0] is None
            module[0] = int(r.to, 16)
        else:
            module[1][r.name] = int(r.to, 16)
    truth = python.ask("modules")
    assert set(ours) == set(truth)
    for name, (address, names) in truth.items():
        assert ours[name] == [address, names], name


def test_interpreter_fields(python):
    truth = python.ask("interpreter")
    rows = [r for r in roots(python)
            if r.group == "interpreter" and r.name != "static types"]
    assert all(r.counted == "counted" and r.kind == "field" for r in rows)
    assert len({r.addr for r in rows}) == len(rows)
    fields = collections.defaultdict(set)
    for r in rows:
        fields[r.name].add(int(r.to, 16))
    for name, addresses in truth.items():
        assert set(addresses) <= fields[name], name
    assert len(fields["ast"]) > 100


def test_static_types_are_roots(python):
    rows = [r for r in roots(python) if r.name == "static types"]
    assert sorted(int(r.to, 16) for r in rows) == python.ask("types")
    assert {r.counted for r in rows} == {"-"}


def check_object(address, rows, truth):
    kind, size, traversed, owned = truth
    edges = [(int(r[2], 16), r[3], r[4]) for r in rows if r[0] == "edge" and r[2] != "0x0"]
    certain = [e for e in edges if e[1] not in ("possible", "weak")]
    seen = collections.Counter(to for to, _, name in certain if name not in UNSHOWN)
    assert seen == collections.Counter(traversed + owned), (kind, address, edges)
    [head] = [r for r in rows if r[0] == "object"]
    assert head[2] == kind and int(head[3]) == size, (kind, head)


def test_objects_that_hold_frames(python):
    truth = python.ask("objects")
    rows = look(python, *map(int, truth))
    assert not [r for r in rows if r[0] == "missing"]
    of = collections.defaultdict(list)
    for r in rows:
        of[r[1]].append(r)
    for address, told in truth.items():
        check_object(address, of[hex(int(address))], told)
    kinds = {told[0] for told in truth.values()}
    assert len(kinds) >= 9, kinds


def test_values_say_where_they_stand(python):
    truth = {k: v for k, v in python.ask("values").items() if v}
    heads = {r[1]: r[5] for r in look(python, *map(int, truth)) if r[0] == "object"}
    assert heads == {hex(int(k)): v for k, v in truth.items()}
    assert len(heads) > 20


@pytest.mark.parametrize("path", pythons("3.11", "3.13"))
def test_a_second_interpreter(path, start):
    target = start(python_there(path), "-W", "ignore", SECOND)
    tid, modules, names, inside = json.loads(target.truth[0])
    rows = roots(target)
    dicts = [int(r.to, 16) for r in rows if (r.group, r.name) == ("interpreter", "modules")]
    assert len(dicts) == 2 and modules in dicts
    mains = [r for r in rows if r.group == "module __main__"]
    assert [r.kind for r in mains].count("module") == 2
    assert set(names.items()) <= {(r.name, int(r.to, 16)) for r in mains}
    # Up to 3.11 its state is that of the thread which made it, whichever runs it.
    tids = {r.group.split()[1] for r in rows if r.group.startswith("thread ")}
    deepest = [f for t in tids for f in frames_of(rows, t)
               if f[0].startswith("frame descend (")]
    assert len(deepest) == 3 and deepest[0][1]["inside"] == inside
    assert set(deepest[0][1]) == {"depth", "inside", "names"}
    if version_of(path) > (3, 11):
        assert deepest[0] in frames_of(rows, tid)
