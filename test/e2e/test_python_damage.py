# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""An interpreter whose heap is overwritten with garbage: an answer within seconds, that says
what is wrong, from little memory."""
import resource
import time

import pytest

from conftest import FIXTURES, ROOT, python_there, pythons

FIXTURE = ROOT / "test" / "fixture" / "python_damage.py"
SECONDS = 10            # a second where there is nothing else to do; ASan's build needs more
BYTES = 1 << 30         # the target has 30 MB


@pytest.mark.parametrize("kind", ["count", "type", "size", "items", "list", "keys",
                                  "any"])
@pytest.mark.parametrize("python", pythons("3.11", "3.13"))
def test_damage_is_an_answer(start, heapsift, python, kind):
    target = start(python_there(python), FIXTURE, FIXTURES / "python_damage.so", kind, "1")
    assert int(target.truth[0].split()[1]) > 1000
    before = time.monotonic()
    answer = heapsift("objects", target.pid, "--json", "-n", "5", "--mode", "freeze").json()
    assert time.monotonic() - before < SECONDS
    assert answer["total_rows"] > 5000
    assert answer["findings"] or kind == "list"
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    assert used < BYTES, used
    assert target.is_alive()
