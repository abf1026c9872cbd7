# SPDX-License-Identifier: Apache-2.0
"""The target `grow`, and folders of its snapshots."""
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "test" / "support"))
from read_snapshot import Snapshot  # noqa: E402

BLOCK = 50000


def grow(target, size=BLOCK, times=1):
    """How many bytes it got."""
    got = 0
    for _ in range(times):
        target.tell(str(size))
        got += int(target.line())
    return got


def rows_of(heapsift, folder):
    return heapsift("log", folder, "--json").rows()


def times_of(paths):
    """When these snapshots were taken, in nanoseconds since 1970."""
    return [p["time"] * 10**9 + p["time_ns"]
            for path in paths for p in Snapshot(path).rows("processes")]
