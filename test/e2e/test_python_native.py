# SPDX-License-Identifier: Apache-2.0
"""What foreign libraries keep for Python's objects is reached from those objects. (What
they retain is another matter: a library's globals, and stale words, may lead there too.)"""
import pytest

from conftest import ROOT, python_there, pythons

FIXTURE = ROOT / "test" / "fixture" / "python_native.py"


def native_size(rows, heapsift, snapshot, addr):
    """Bytes of the native blocks that the object leads to by itself."""
    [told] = heapsift("show", snapshot, addr, "--json", "-n", "0").rows()
    blocks = [rows[r["addr"]] for r in told["referents"] if not r["certain"]]
    return sum(b["size"] for b in blocks if b["domain"] != "python")


@pytest.mark.parametrize("python", pythons("3.11", "3.13"))
def test_native_memory_is_reached_from_its_object(start, heapsift, tmp_path, python):
    target = start(python_there(python), FIXTURE)
    objects = dict(line.split() for line in target.truth)
    snapshot = tmp_path / "native.hsift"
    heapsift("dump", target.pid, "-o", snapshot)
    rows = {row["addr"]: row for row in
            heapsift("objects", snapshot, "--json", "--limit", "0").rows()}
    for name, addr in objects.items():
        assert native_size(rows, heapsift, snapshot, addr) > 0, name
