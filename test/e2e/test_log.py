# SPDX-License-Identifier: Apache-2.0
"""Folders of snapshots: what log says of them. How much was new in each, the target tells."""
import os
import re
import subprocess

import pytest
from conftest import FIXTURES, HEAPSIFT, Target
from growing import Snapshot, grow, rows_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four snapshots of one target, two of another in between, and what is none."""
    path = tmp_path_factory.mktemp("folder")
    one, other = (Target([FIXTURES / "grow"]).wait_ready() for _ in range(2))

    def dump(target, name, *more):
        subprocess.run([HEAPSIFT, "dump", str(target.pid), "-o", path / name, *more],
                       check=True, capture_output=True)

    truth = []
    try:
        dump(one, "z-first", "--label", "start")
        for name, target, times in (("y", other, 1), ("b.hsift", one, 1), ("x", other, 4),
                                    ("c.hsift", one, 0), ("a.hsift", one, 3)):
            truth.append((name, target.pid, times, grow(target, times=times)))
            dump(target, name)
    finally:
        one.end()
        other.end()
    (path / "notes.hsift").write_text("no snapshot\n")
    (path / "empty").write_text("")
    os.mkfifo(path / "fifo")
    (path / "below").mkdir()
    (path / "below" / "copy.hsift").write_bytes((path / "y").read_bytes())
    return path, one.pid, truth


def test_log(heapsift, folder):
    path, pid, truth = folder
    rows = rows_of(heapsift, path)
    assert [r["file"] for r in rows] == [name for name, *_ in reversed(truth)] + ["z-first"]
    assert [r["pid"] for r in rows] == [it for _, it, *_ in reversed(truth)] + [pid]
    assert [r.get("label") for r in rows] == [None] * 5 + ["start"]
    by_file = {r["file"]: r for r in rows}
    for name, _, times, got in truth:
        row = by_file[name]
        if name == "y":  # the first of its process
            assert "size_change" not in row and "rss_change" not in row
        else:
            assert (row["size_change"], row["count_change"]) == (got, times)
    assert by_file["c.hsift"]["rss_change"] == (by_file["c.hsift"]["rss"]
                                                - by_file["b.hsift"]["rss"])
    assert all(row["exe"].endswith("/grow") for row in rows)


def test_log_says_what_top_says(heapsift, folder):
    path, _, _ = folder
    for row in rows_of(heapsift, path):
        top = heapsift("top", path / row["file"], "--json").rows()
        assert row["count"] == sum(t["count"] for t in top)
        assert row["size"] == sum(t["size"] for t in top)


def test_log_for_people(heapsift, folder):
    path, _, truth = folder
    out = heapsift("log", path, env={**os.environ, "COLUMNS": "80"}).out
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split()[:3] == ["WHEN", "LABEL", "FILE"]
    assert re.search(r"\+146\.\d KiB$", lines[1])


def test_log_of_damaged_ones(heapsift, folder, tmp_path):
    path, _, _ = folder
    whole = (path / "b.hsift").read_bytes()
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "cut").write_bytes(whole[:-20])
    row = next(s for s in [Snapshot(path / "b.hsift").sections["totals.size"]])
    middle = bytearray(whole)
    middle[row.offset + 2] ^= 0x55
    (tmp_path / "middle").write_bytes(middle)
    answer = heapsift("log", tmp_path, "--json").json()
    assert [r["file"] for r in answer["rows"]] == ["whole", "middle"]
    assert "size" in answer["rows"][0] and "size" not in answer["rows"][1]
    assert {f["where"] for f in answer["findings"]} == {"cut", "middle"}
    heapsift("log", tmp_path, "--strict", code=1)


def test_log_of_nothing(heapsift, tmp_path):
    answer = heapsift("log", tmp_path, "--json", code=1).json()
    assert answer["rows"] == [] and "no snapshot" in answer["findings"][0]["text"]
    assert "no-such" in heapsift("log", tmp_path / "no-such", code=4).err
    (tmp_path / "file").write_text("x")
    assert "folder" in heapsift("log", tmp_path / "file", code=4).err
