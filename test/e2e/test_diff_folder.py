# SPDX-License-Identifier: Apache-2.0
"""What grew from the first snapshot of a folder to the last, and how fast: the target tells how
much, the snapshots when, and Python's statistics the line through it."""
import os
import statistics
import subprocess
import time

import pytest
from conftest import FIXTURES, HEAPSIFT, Target
from growing import grow, times_of


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Blocks of three sizes: one grows in every step, one in some, one not at all."""
    path = tmp_path_factory.mktemp("series")
    target = Target([FIXTURES / "grow"]).wait_ready()
    grown = []
    try:
        grow(target, 3000)
        for step in range(6):
            steady = grow(target, 2000, times=3 + step % 2)
            some = grow(target, 7000, times=20) if step in (2, 3) else 0
            grown.append((steady, some))
            subprocess.run([HEAPSIFT, "dump", str(target.pid), "-o", path / f"{9 - step}"],
                           check=True, capture_output=True)
            time.sleep(0.05)
    finally:
        target.end()
    return path, grown


def test_what_grew(heapsift, series):
    path, grown = series
    answer = heapsift("diff", path, "--json").json()
    rows = answer["rows"]
    assert answer["snapshots"] == 6
    when = times_of(path / f"{9 - step}" for step in range(6))
    hours = [(t - when[0]) / 3600e9 for t in when]
    sizes = [[sum(g[kind] for g in grown[:n + 1]) for n in range(6)] for kind in (0, 1)]
    assert [(r["steps_grown"], r["steps"]) for r in rows] == [(5, 5), (2, 5)]
    for row, size in zip(rows, sizes):
        assert (row["size_first"], row["size_last"]) == (size[0], size[-1])
        line = statistics.linear_regression(hours, size)
        rest = sum((y - line.slope * x - line.intercept) ** 2 for x, y in zip(hours, size))
        error = (rest / 4 / sum((x - statistics.mean(hours)) ** 2 for x in hours)) ** 0.5
        assert abs(row["per_hour"] - line.slope) <= 1 + 1e-9 * line.slope
        assert abs(row["error"] - error) <= 1 + 1e-9 * error
        assert abs(row["fit"] / 100 - statistics.correlation(hours, size) ** 2) < 0.0051


def test_when_it_reaches_a_limit(heapsift, series):
    path, _ = series
    rows = heapsift("log", path, "--json").rows()[::-1]
    when = times_of(path / f"{9 - step}" for step in range(6))
    line = statistics.linear_regression([(t - when[0]) / 1e9 for t in when],
                                        [r["rss"] for r in rows])
    limit = 1 << 30
    answer = heapsift("diff", path, "--until", limit, "--json").json()
    assert answer["limit"] == limit and answer["rss"] == rows[-1]["rss"]
    assert abs(answer["rss_per_hour"] / 3600 - line.slope) < 1 + 1e-6 * line.slope
    left = (limit - rows[-1]["rss"]) / line.slope
    assert abs(answer["limit_in_s"] - left) <= 1 + 1e-6 * left
    assert answer["limit_in_s_least"] < answer["limit_in_s"]
    assert answer.get("limit_in_s_most", left + 1) > answer["limit_in_s"]
    assert "limit_in_s" not in heapsift("diff", path, "--until", "4K", "--json").json()


def test_a_trend_takes_three(heapsift, series, tmp_path):
    path, _ = series
    for name in "45":
        (tmp_path / name).write_bytes((path / name).read_bytes())
    err = heapsift("diff", tmp_path, code=4).err
    assert "2 snapshots of one process" in err and "watch" in err
    assert "0 snapshots" in heapsift("diff", tmp_path.parent, code=4).err


def test_of_several_processes_the_newest_counts(heapsift, start, series, tmp_path):
    path, _ = series
    other = start("grow")
    for name in "9876":
        (tmp_path / name).write_bytes((path / name).read_bytes())
    for name in "abc":
        grow(other)
        heapsift("dump", other.pid, "-o", tmp_path / name)
    answer = heapsift("diff", tmp_path, "--json").json()
    assert answer["snapshots"] == 3
    assert "4 snapshots of other processes" in answer["findings"][0]["text"]
    assert [r["count_last"] - r["count_first"] for r in answer["rows"]] == [2]


def test_a_service_that_was_started_anew_hides_nothing(heapsift, start, series, tmp_path):
    path, _ = series
    for name in "9876":
        (tmp_path / name).write_bytes((path / name).read_bytes())
    other = start("grow")
    for name in "ab":
        heapsift("dump", other.pid, "-o", tmp_path / name)
    answer = heapsift("diff", tmp_path, "--json").json()
    assert answer["snapshots"] == 4
    assert "2 snapshots of other processes" in answer["findings"][0]["text"]


def test_trend_for_people(heapsift, series):
    lines = heapsift("diff", series[0], "--until", "1G",
                     env={**os.environ, "COLUMNS": "80"}).out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("6 snapshots in ") and lines[2].startswith("1.0 GiB in ")
    assert "in all 5" in lines[5] and "in 2 of 5" in lines[6]


def test_a_gate_over_a_folder(heapsift, series):
    path, _ = series
    done = heapsift("diff", path, "--fail-if", "steps_grown = steps", "--json", code=1)
    assert [r["steps_grown"] for r in done.json()["failed"]] == [5]
    assert "steps_grown 5" in done.err
    heapsift("diff", path, "--fail-if", "count_last < count_first")


def test_what_does_not_fit_a_folder(heapsift, series, tmp_path):
    path, _ = series
    assert "no --by" in heapsift("diff", path, "--by", "object", code=2).err
    assert "no column" in heapsift("diff", path, "--fail-if", "count_after > 1", code=2).err
    assert "is missing" in heapsift("diff", path / "9", "--by", "size", code=2).err
    assert "no folder" in heapsift("diff", path / "9", code=2).err
    assert "--until" in heapsift("diff", path / "9", path / "8", "--until", "1G", code=2).err
