# SPDX-License-Identifier: Apache-2.0
"""CPython in the states that a snapshot meets: collecting, asleep, holding the GIL; an array
with a view; an object whose address still lies in dead stack."""
import pytest

from conftest import PYTHON, ROOT, not_run

FIXTURE = ROOT / "test/fixture/python_states.py"


def begin(start, state):
    target = start(PYTHON, FIXTURE, state)
    return target, {words[0]: [int(w) for w in words[1:]] for words in
                    (line.split() for line in target.truth)}


def row_at(rows, addr):
    return next((row for row in rows if int(row["addr"], 16) == addr), None)


@pytest.mark.parametrize("state", ["collecting", "asleep", "holding", "spinning"])
def test_things_are_found_in_every_state(start, heapsift, state):
    target, truth = begin(start, state)
    rows = heapsift("objects", target.pid, "--json", "-n", "0").rows()
    assert sum(row["kind"] == "__main__.Thing" for row in rows) == 1000
    things = row_at(rows, truth["things"][0])
    assert things["kind"] == "dict" and not things["possible"]
    assert things["retained"] > 1000 * 48
    assert target.is_alive()


def test_what_is_being_collected_is_found(start, heapsift):
    """The collector has it off its lists, and nothing reaches it."""
    target, truth = begin(start, "collecting")
    answer = heapsift("objects", target.pid, "--json", "-n", "0").json()
    garbage = row_at(answer["rows"], truth["garbage"][0])
    assert garbage["kind"] == "list"
    assert garbage["retained"] >= 1000 * 56
    assert any("collect" in finding["text"] for finding in answer["findings"])


@pytest.mark.parametrize("state", ["asleep", "holding"])
def test_a_sleeping_process_is_quiet(start, heapsift, state):
    target, _ = begin(start, state)
    answer = heapsift("top", target.pid, "--json").json()
    assert not any("middle of" in finding["text"] for finding in answer["findings"])


def test_a_process_that_has_just_begun(start, heapsift):
    """All its objects are in the collector's youngest list, and few."""
    target = start(PYTHON, "-c", "import time; print('ready', flush=True); time.sleep(1000)")
    used = [row["bytes"] for row in heapsift("summary", target.pid, "--json").rows()
            if row["category"] == "obmalloc" and row["detail"] == "used"]
    assert used and used[0] > 500_000


@pytest.fixture
def numpy(start):
    try:
        return begin(start, "numpy")
    except AssertionError:
        not_run("numpy is not installed for " + PYTHON)


def test_an_array_is_counted_once(numpy, heapsift):
    target, truth = numpy
    nbytes = truth["data"][1]
    rows = [row for row in heapsift("top", target.pid, "--json").rows()
            if row["kind"] == "numpy.ndarray"]
    assert len(rows) == 1
    assert nbytes < rows[0]["size"] < nbytes + 10_000
    assert nbytes < rows[0]["retained"] < nbytes + 10_000
    assert sum(row["size"] for row in heapsift("top", target.pid, "--json").rows()) < 1.5 * nbytes


def test_an_address_in_the_data_leads_to_its_owner(numpy, heapsift):
    target, truth = numpy
    shown = heapsift("show", target.pid, hex(truth["data"][0] + 4_000_000), "--json").rows()[0]
    assert int(shown["addr"], 16) == truth["array"][0]
    paths = heapsift("why", target.pid, hex(truth["data"][0] + 4_000_000), "--json").rows()
    best = paths[0]
    assert best["certain"]
    assert best["root"]["group"].endswith("__main__") and best["root"]["name"] == "STORE"
    assert [int(step["addr"], 16) for step in best["steps"]] == \
        [truth["store"][0], truth["array"][0]]
    assert best["steps"][1]["label"] == "['prices']"


ARRAYS = """
import numpy as np
KEPT = [np.zeros(shape, dtype) for shape in ((), (3,), (2, 5), (1, 2, 3)) for dtype in
        ("f8", "f4", "f2", "i1", "i4", "u2", "u8", "c16", "?", "O", "S5", "U7", "M8[D]",
         "m8[s]", "i4,f8", ">i8")]
for array in KEPT:
    of = array.dtype
    name = of.str[1:] if of.kind in "SUV" else of.name.partition("[")[0]
    print(id(array), name, array.shape)
print("ready", flush=True)
input()
"""


def test_arrays_say_what_numpy_says_of_them(numpy, start, heapsift, tmp_path):
    path = tmp_path / "arrays.py"
    path.write_text(ARRAYS)
    target = start(PYTHON, path)
    truth = dict(line.split(" ", 1) for line in target.truth)
    values = {str(int(row["addr"], 16)): row["value"] for row in
              heapsift("objects", target.pid, "--type", "numpy.ndarray", "--json").rows()}
    assert len(truth) == 64 and truth == {at: values[at] for at in truth}


def test_a_dropped_local_holds_nothing(start, heapsift):
    target, truth = begin(start, "stale")
    rows = heapsift("objects", target.pid, "--json", "-n", "0").rows()
    holder = row_at(rows, truth["holder"][0])
    assert holder["retained"] > 50_000_000
    paths = heapsift("why", target.pid, hex(truth["large"][0]), "--json").rows()
    assert paths and all(path["root"]["kind"] in ("name", "module") for path in paths)
