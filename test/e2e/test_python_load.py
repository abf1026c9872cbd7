# SPDX-License-Identifier: Apache-2.0
# ctest: serial timeout=400 not-asan
"""A CPython service under full load, 200 snapshots: each is an answer, says when it was not
quiet or is torn, and the service is late by its pause only."""
import os
import statistics
import time

from conftest import PYTHON, ROOT

SNAPSHOTS = int(os.environ.get("TEST_SNAPSHOTS", "200"))
SECONDS = 300  # fewer snapshots where even they take longer: the machine has much else to do


def gap(target):
    """The longest time between two turns of the service since the last call, ms."""
    target.tell("gap")
    return int(target.line().split()[1]) / 1000


def test_snapshots_of_a_service_under_load(start, heapsift, record_property):
    target = start(PYTHON, ROOT / "test/fixture/python_service.py")
    late, usual, torn, restless = [], [], 0, 0
    end = time.monotonic() + SECONDS
    for n in range(SNAPSHOTS):
        if n >= 20 and time.monotonic() > end:
            break
        gap(target)
        began = time.monotonic()
        answer = heapsift("top", target.pid, "--json").json()
        took = time.monotonic() - began
        late.append(gap(target) - answer["target"]["pause_ms"])
        if n % 4 == 0:
            time.sleep(took)
            usual.append(gap(target))
        kinds = {row["kind"]: row["count"] for row in answer["rows"]}
        assert kinds["__main__.Order"] > 30_000 and kinds["dict"] > 30_000, n
        notes = [f for f in answer["findings"] if f["severity"] == "note"]
        damages = [f for f in answer["findings"] if f["severity"] != "note"]
        restless += any("middle of" in f["text"] or "inside malloc" in f["text"] for f in notes)
        torn += bool(damages)
        assert all(f["where"] and f["text"] for f in damages), damages
        assert target.is_alive()
    record_property("figures", f"{restless} of {len(late)} not quiet, {torn} torn; longest gap "
                    f"{statistics.median(late):.1f} ms beside the pause, "
                    f"{statistics.median(usual):.1f} ms without a snapshot (medians)")
    # What a snapshot takes beside its pause is processor time and copies of pages that the
    # service writes to while the fork lives.
    assert statistics.median(late) < 2 * statistics.median(usual) + 30
    assert torn <= restless
