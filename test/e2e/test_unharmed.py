# SPDX-License-Identifier: Apache-2.0
# ctest: serial timeout=600 long not-asan
"""The target never notices: snapshots of a target that checks itself, and kills of the tool
and of its guardian at every moment of a dump."""
import os
import re
import subprocess

import pytest
from conftest import HEAPSIFT

HARM = HEAPSIFT.parent / "driver" / "harm"
SNAPSHOTS = 1000
KILLS = 1000
KILLS_PER_PHASE = 100


def harm(what, target, mode, count, timeout=500):
    done = subprocess.run([HARM, what, str(target.pid), mode, str(count)], text=True,
                          capture_output=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verdict(target):
    """What the target complains about, and how many of its calls were interrupted."""
    target.tell("verdict")
    lines = []
    end = r"complaints (\d+) eintr (\d+) rounds (\d+)"
    while not (match := re.fullmatch(end, line := target.line())):
        lines.append(line)
    assert int(match[3]) > 1000
    assert int(match[1]) == 0 and not lines, lines
    return int(match[2])


def check_content(target):
    assert verdict(target) == 0, "calls were interrupted"


def children_of(pid):
    threads = os.listdir(f"/proc/{pid}/task")
    return [child for tid in threads
            for child in open(f"/proc/{pid}/task/{tid}/children").read().split()]


def hits(out):
    return {name: int(n) for name, n in re.findall(r"^(\w+) (\d+) \(", out, re.M)}


@pytest.mark.parametrize("mode", ["fork", "freeze"])
def test_many_snapshots_and_no_complaint(start, mode):
    target = start("unharmed", 8)
    before = children_of(target.pid)
    print(harm("snap", target, mode, SNAPSHOTS))
    check_content(target)
    assert children_of(target.pid) == before


@pytest.mark.parametrize("mode", ["fork", "freeze"])
def test_the_tool_is_killed_at_every_moment(start, mode):
    target = start("unharmed", 8)
    count = KILLS if mode == "fork" else KILLS // 5
    out = harm("kill-tool", target, mode, count)
    assert "fine" in out
    assert sum(hits(out).values()) >= count
    if mode == "fork":
        assert min(hits(out).values()) >= KILLS_PER_PHASE, out
    check_content(target)


def test_the_guardian_is_killed_at_every_moment(start):
    """No death, no second copy, no zombie; a thread that stood, and that the guardian had
    not got to yet, may see EINTR: nothing else."""
    target = start("unharmed", 8)
    out = harm("kill-guardian", target, "fork", KILLS)
    assert "fine" in out
    assert min(hits(out).values()) >= KILLS_PER_PHASE, out
    told = int(re.search(r"^told (\d+)", out, re.M)[1])
    assert told >= 0.8 * sum(hits(out)[p] for p in ("seizing", "injected", "reading")), out
    print("calls interrupted:", verdict(target))
