# SPDX-License-Identifier: Apache-2.0
"""What heapsift tells of real programs, held to what they and the kernel know of themselves,
while each is at work and goes on as if nobody had looked."""
import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import HEAPSIFT, Load
from read_snapshot import Snapshot

PROGRAMS = ["postgres", "redis", "nginx", "ruby"]
MMAPPED = 0xffff
USED = 0


@pytest.fixture(params=PROGRAMS)
def app(request):
    return request.getfixturevalue(request.param)


def heapsift(*args, code=0):
    done = subprocess.run([HEAPSIFT, *map(str, args)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def answer(*args):
    return json.loads(heapsift(*args, "--json"))


def kernel_rss(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s*(\d+) kB", rollup, re.M)[1]) * 1024


def bad_findings(answer):
    return [f for f in answer["findings"] if f["severity"] != "note"]


def test_every_resident_byte_is_told(app):
    told = answer("summary", app.pid)
    rss = kernel_rss(app.pid)
    rows = {(r["category"], r["detail"]): r.get("resident", 0) for r in told["rows"]}
    assert not bad_findings(told)
    assert abs(sum(rows.values()) - rss) <= 0.005 * rss
    assert abs(told["rss"] - rss) <= 0.005 * rss
    assert ("malloc", "used") in rows
    unexplained = sum(v for (category, _), v in rows.items() if category == "unexplained")
    if app.name != "Ruby":  # most of its heap is its own, which nobody here can read
        assert unexplained < 0.01 * rss


def test_arenas_are_all_that_malloc_has(app, tmp_path):
    """Each adds up, and all together to the sizes of the chunks in use."""
    path = tmp_path / "it.hsift"
    heapsift("dump", app.pid, "-o", path)
    rows = answer("arenas", path)["rows"]
    assert any(r["kind"] == "main" for r in rows)
    for row in rows:
        assert row["used"] + row["free"] + row["overhead"] == row["system"] > 0
    sizes = answer("sizes", path)["rows"]
    assert sum(row["bytes"] for row in sizes) == sum(row["used"] for row in rows)


def test_what_was_walked_is_what_malloc_had_from_the_system(app, tmp_path):
    """Each arena's chunks, end to end, against malloc's own count of its bytes."""
    path = tmp_path / "it.hsift"
    heapsift("dump", app.pid, "-o", path)
    snapshot = Snapshot(path, texts=False)
    system, walked = snapshot.column("arenas.system"), {}
    for size, extra, arena in zip(*(snapshot.column("blocks." + c)
                                    for c in ("size", "extra", "arena"))):
        walked[arena] = walked.get(arena, 0) + size + 8 * extra
    heaps = list(zip(*(snapshot.column("heaps." + c) for c in ("start", "end", "arena"))))
    assert system[0] == walked[0] == sum(end - start for start, end, a in heaps if a == 0)
    for arena, bytes_had in enumerate(system):
        spans = [end - start for start, end, a in heaps if a == arena]
        # A heap begins with its heap_info, the first one with the arena itself, too.
        heads = 0 if arena == 0 else 4096 + 64 * (len(spans) - 1)
        assert sum(spans) <= bytes_had
        assert bytes_had - heads <= walked[arena] <= bytes_had


def test_nobody_notices(app):
    before, wanted = app.ask(), app.children
    with Load(app.load) as load:
        for mode in ("fork", "freeze", "fork", "freeze"):
            told = answer("top", app.pid, f"--mode={mode}")
            assert told["target"]["mode"] == mode and not bad_findings(told)
            assert app.ask() == before
    assert load.rounds > 0
    assert app.children_now() == wanted
    assert app.status("TracerPid") == "0" and app.status("State")[0] in "RS"


def test_redis_counts_the_same_bytes(redis):
    """used_memory is what zmalloc gave out, by malloc_usable_size; little else is malloc's:
    what libraries and Lua have."""
    own = redis.redis.info("used_memory")
    used = sum(row["size"] for row in answer("blocks", redis.pid)["rows"])
    assert own <= used <= 1.03 * own


def test_redis_that_grows(redis):
    """Twice as much of it is seen as twice as much."""
    def look():
        return sum(row["size"] for row in answer("blocks", redis.pid)["rows"])
    own, seen = redis.redis.info("used_memory"), look()
    for n in range(2000):
        redis.redis.ask("SET", f"large:{n}", "x" * 5000)
    grown = redis.redis.info("used_memory") - own
    assert grown > 2000 * 5000
    assert abs(look() - seen - grown) <= 0.01 * grown


def test_ruby_threads_have_their_own_arenas(ruby):
    assert len(list(Path(f"/proc/{ruby.pid}/task").iterdir())) >= 4
    used = {row.get("arena") for row in answer("blocks", ruby.pid)["rows"]}
    assert len(used - {None}) > 1
