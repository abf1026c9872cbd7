# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""A CPython that never stands still is found each time it is looked for."""
import csv
import io

import pytest

from conftest import ROOT, python_there, pythons

LOOKS = 100


@pytest.mark.parametrize("python", pythons("3.11", "3.13"))
def test_always_found(start, heapsift, python):
    target = start(python_there(python), ROOT / "test/fixture/python_busy.py")
    for n in range(LOOKS):
        rows = {row["item"]: row["answer"]
                for row in csv.DictReader(io.StringIO(heapsift("check", target.pid, "--csv").out))}
        assert rows["layout of CPython"] in ("3.11", "3.13"), (n, rows)
        assert rows.get("obmalloc's arenas", "0x").startswith("0x"), (n, rows)
        assert rows.get("interned texts", "0x").startswith("0x"), (n, rows)
    assert target.is_alive()
