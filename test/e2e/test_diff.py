# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""What came, went and stayed, held against what the targets did: every block that a program
allocated and freed, every object that gc.get_objects() has. The service of the demo, which
leaks: diff names the leak first."""
import collections
import http.client
import os
import random
import socket
import subprocess
import time

import pytest

from conftest import PYTHON, ROOT, not_run

SCRIPT = ROOT / "test" / "fixture" / "python_diff.py"


class Blocks:
    """The fixture diff_blocks and what is in its heap, by its own word: address -> size."""

    def __init__(self, target):
        self.target = target
        self.live, self.slots = {}, {}

    def do(self, line):
        self.target.tell(line)
        word, slot, addr, *usable = self.target.line().split()
        addr = int(addr, 16)
        if word == "free":
            del self.live[addr], self.slots[int(slot)]
        else:
            self.live[addr] = int(usable[0])
            if word == "alloc":
                self.slots[int(slot)] = addr

    def now(self):
        self.target.tell("say")
        assert self.target.line() == "ready"
        return dict(self.live)


@pytest.fixture
def blocks(start):
    return Blocks(start("diff_blocks"))


def fates(before, after, between=None):
    """By the rule: the same address and size. What was freed and allocated again alike
    counts as survived, for nothing can tell."""
    same = {a for a in before if after.get(a) == before[a]}
    if between is not None:
        same = {a for a in same if between.get(a) == after[a]}
    came = {a for a in after if a not in same}
    early = came if between is None else {a for a in came if between.get(a) == after[a]}
    return {"survived": same, "gone": set(before) - same, "new": early, "recent": came - early}


def addresses(rows):
    found = collections.defaultdict(set)
    for r in rows:
        found[r["state"]].add(int(r["addr"], 16))
    return found


def expect_fates(heapsift, targets, truth, known):
    """Of the blocks the program knows of; nothing else came or went."""
    answer = heapsift("diff", *targets, "--by", "object", "--state", "all", "--json").json()
    got = addresses(answer["rows"])
    for state, want in truth.items():
        assert {a for a in got[state] if a in known} == want, state
        if state != "survived":
            assert got[state] <= known, state
    return answer


def random_work(blocks, rng, steps):
    for _ in range(steps):
        free = [s for s in range(600) if s not in blocks.slots]
        if blocks.slots and rng.random() < 0.45 or not free:
            blocks.do(f"free {rng.choice(sorted(blocks.slots))}")
        else:
            size = rng.choice([24, 40, 100, 1000, 1400, 5000, 9000, 200000])
            blocks.do(f"alloc {free[0]} {size}")


def dump(heapsift, target, path, *more):
    heapsift("dump", target, "-o", path, *more)
    return path


def test_blocks_that_came_and_went(blocks, heapsift, tmp_path):
    rng = random.Random(7)
    random_work(blocks, rng, 400)
    looks, files = [blocks.now()], [dump(heapsift, blocks.target.pid, tmp_path / "0.hsift")]
    for i in (1, 2):
        random_work(blocks, rng, 300)
        looks.append(blocks.now())
        files.append(dump(heapsift, blocks.target.pid, tmp_path / f"{i}.hsift"))
    known = set().union(*looks)
    truth = fates(looks[0], looks[1])
    reused = {a for a in truth["gone"] if a in looks[1]}
    assert all(truth[s] for s in ("new", "gone", "survived")) and reused, "a poor test"

    answer = expect_fates(heapsift, files[:2], truth, known)
    assert answer["reused"] == len(reused)
    assert any("something else now" in f["text"] for f in answer["findings"])
    expect_fates(heapsift, files[1:], fates(looks[1], looks[2]), known)

    three = fates(looks[0], looks[2], looks[1])
    assert all(three[s] for s in ("new", "recent", "gone", "survived")), "a poor test"
    expect_fates(heapsift, files, three, known)
    rows = heapsift("diff", *files, "--json").rows()
    for state in ("new", "recent", "gone"):
        assert sum(r[state] for r in rows) == len(three[state])

    # Kinds are sizes here.
    counts = [collections.Counter(look.values()) for look in looks]
    got = {int(r["detail"].split()[0]): (r["count_before"], r["count_after"])
           for r in rows if r["domain"] == "uncategorized"}
    for size, (before, after) in got.items():
        # heapsift's own view has blocks of libc's, too: they do not change
        assert after - before == counts[2][size] - counts[0][size]
    assert {s for s in counts[0] | counts[2] if counts[0][s] != counts[2][s]} <= set(got)


def test_blocks_new_since_and_still_there(blocks, heapsift, tmp_path):
    rng = random.Random(11)
    looks, files = [], []
    for i in range(3):
        random_work(blocks, rng, 200)
        looks.append(blocks.now())
        files.append(dump(heapsift, blocks.target.pid, tmp_path / f"{i}.hsift"))
    s1, s2, s3 = looks
    want = {a for a in s2 if s1.get(a) != s2[a] and s3.get(a) == s2[a]}
    assert want and len(want) < len(s2)
    options = ("--new-since", files[0], "--still-in", files[2], "--json")
    for command in ("objects", "blocks"):
        rows = heapsift(command, files[1], *options).rows()
        assert {int(r["addr"], 16) for r in rows} == want, command
        assert all(r["size"] == s2[int(r["addr"], 16)] for r in rows)
    top = heapsift("top", files[1], *options).rows()
    assert sum(r["count"] for r in top) == len(want)
    assert sum(r["size"] for r in top) == sum(s2[a] for a in want)
    rows = heapsift("blocks", files[1], "--still-in", files[2], "--json").rows()
    known = set(s1) | set(s2) | set(s3)
    assert {int(r["addr"], 16) for r in rows if int(r["addr"], 16) in known} == \
        {a for a in s2 if s3.get(a) == s2[a]}


def test_label_log_diff(blocks, heapsift, tmp_path):
    """A label on how it was, then what was freed and what is new since, of the process."""
    for slot in range(10):
        blocks.do(f"alloc {slot} {1000 + 100 * slot}")
    before = blocks.now()
    dump(heapsift, blocks.target.pid, tmp_path / "a.hsift", "--label", "before the work")
    for slot in (2, 5):
        blocks.do(f"free {slot}")
    blocks.do("alloc 20 70000")
    after = blocks.now()
    said = heapsift("diff", tmp_path / "a.hsift", blocks.target.pid, "--by", "object")
    assert '"before the work"' in said.out
    lines = [line.split() for line in said.out.splitlines()]
    assert {line[0]: int(line[1], 16) for line in lines if line[:1] in (["new"], ["gone"])} \
        and sorted((line[0], int(line[1], 16)) for line in lines
                   if line[:1] in (["new"], ["gone"])) == \
        sorted([("gone", a) for a in before.keys() - after.keys()] +
               [("new", a) for a in after.keys() - before.keys()])
    by_size = heapsift("diff", tmp_path / "a.hsift", blocks.target.pid, "--by", "size",
                       "--json").rows()
    gone, = (after.keys() - before.keys())
    assert by_size[0]["size"] - after[gone] in (8, 16) and by_size[0]["count_growth"] == 1
    assert [r["count_growth"] for r in by_size] == [1, -1, -1]


def test_a_list_in_c_is_named_by_its_variable(blocks, heapsift, tmp_path):
    for _ in range(50):
        blocks.do("push 500")
    before = blocks.now()
    dump(heapsift, blocks.target.pid, tmp_path / "a.hsift")
    for _ in range(300):
        blocks.do("push 500")
    after = blocks.now()
    first = heapsift("diff", tmp_path / "a.hsift", blocks.target.pid, "--json").json()
    holder = first["holders"][0]
    assert holder["growth"] == sum(after.values()) - sum(before.values())
    assert len(first["holders"]) == 1
    assert holder["name"] == "global journal"


# ---- Python ----


class Objects:
    def __init__(self, target):
        self.target = target
        self.kinds, self.values = self.take(target.truth)

    @staticmethod
    def take(lines):
        words = [line.split(maxsplit=2) for line in lines]
        return ({int(w[2]): w[1] for w in words if w[0] == "object"},
                {int(w[1]): w[2] for w in words if w[0] == "value"})

    def do(self, *lines):
        for line in lines:
            self.target.tell(line)
        self.target.tell("say")
        self.target.truth = []
        self.target.wait_ready()
        self.kinds, self.values = self.take(self.target.truth)
        return self.kinds


@pytest.fixture
def objects(start):
    return Objects(start(PYTHON, SCRIPT))


OWN = {f"__main__.{name}" for name in ("Item", "Bag", "Row", "Slotted", "Service")}


def own(rows):
    found = collections.defaultdict(set)
    for r in rows:
        if r["kind"] in OWN:
            found[r["state"]].add((int(r["addr"], 16), r["kind"]))
    return found


def test_python_objects_that_came_and_went(objects, heapsift, tmp_path):
    pid, looks, files = objects.target.pid, [dict(objects.kinds)], []
    files.append(dump(heapsift, pid, tmp_path / "0.hsift"))
    # What is dropped leaves addresses that what comes next takes: the rule cannot tell
    # those apart, so first more comes than goes.
    for i, lines in enumerate((("keep 300", "drop 50"), ("keep 100", "drop 20")), 1):
        looks.append(dict(objects.do(*lines)))
        files.append(dump(heapsift, pid, tmp_path / f"{i}.hsift"))
    sets = [set(look.items()) for look in looks]

    rows = heapsift("diff", *files[:2], "--by", "object", "--state", "all", "--json").rows()
    got = own(rows)
    assert got["new"] == sets[1] - sets[0] and got["gone"] == sets[0] - sets[1]
    assert got["survived"] == sets[0] & sets[1]
    assert len(got["gone"]) == 150 and len(got["new"]) == 900

    rows = heapsift("diff", *files, "--by", "object", "--state", "new", "--json").rows()
    assert own(rows)["new"] == (sets[1] - sets[0]) & sets[2]
    rows = heapsift("objects", files[1], "--new-since", files[0], "--still-in", files[2],
                    "--type", "__main__.*", "--json").rows()
    assert {(int(r["addr"], 16), r["kind"]) for r in rows} == (sets[1] - sets[0]) & sets[2]

    kinds = {r["kind"]: r for r in heapsift("diff", *files[:2], "--json").rows()}
    for kind in OWN - {"__main__.Service"}:
        before, after = ({a for a, k in s if k == kind} for s in sets[:2])
        if before != after:
            r = kinds[kind]
            assert (r["count_before"], r["count_after"]) == (len(before), len(after))
            assert (r["new"], r["gone"]) == (len(after - before), len(before - after))
    assert "__main__.Service" not in kinds  # it did not change


def test_values_tell_who_came_to_an_address(objects, heapsift, tmp_path):
    pid, before = objects.target.pid, dict(objects.values)
    dump(heapsift, pid, tmp_path / "a.hsift")
    objects.do("churn")
    after = objects.values
    again = {a for a in before if a in after}
    assert len(again) > 100 and all(before[a] != after[a] for a in again), "a poor test"
    rows = heapsift("diff", tmp_path / "a.hsift", pid, "--by", "object", "--state", "all",
                    "--json").rows()
    got = addresses(rows)
    assert not got["survived"] & (before.keys() | after.keys())
    assert got["new"] >= after.keys() and got["gone"] >= before.keys()
    values = {int(r["addr"], 16): r.get("value") for r in rows if r["state"] == "new"}
    assert all(values[a] == after[a] for a in after)


def without(answer, *fields):
    return [{k: v for k, v in row.items() if k not in fields} for row in answer["rows"]]


def test_process_core_and_snapshot_compare_alike(objects, heapsift, tmp_path):
    pid = objects.target.pid
    a = dump(heapsift, pid, tmp_path / "a.hsift")
    heapsift("core", pid, "-o", tmp_path / "a.core")
    objects.do("keep 100", "drop 30", "churn")
    b = dump(heapsift, pid, tmp_path / "b.hsift")
    heapsift("core", pid, "-o", tmp_path / "b.core")
    a_core, b_core = tmp_path / "a.core", tmp_path / "b.core"
    for by, pairs in (("kind", ((a, pid), (a_core, b))), ("object", ((a_core, pid),)),
                      ("size", ((a, b_core),)), ("holder", ((a_core, b_core),))):
        want = heapsift("diff", a, b, "--by", by, "--json").json()
        assert want["rows"]
        for x, y in pairs:
            got = heapsift("diff", x, y, "--by", by, "--json").json()
            assert got["rows"] == want["rows"], (by, x, y)
            assert [t["kind"] for t in got["targets"]] == \
                ["core" if str(f).endswith("core") else "live" if f == pid else "snapshot"
                 for f in (x, y)]


def test_holders_of_python(objects, heapsift, tmp_path):
    pid = objects.target.pid
    a = dump(heapsift, pid, tmp_path / "a.hsift")
    objects.do("keep 500")
    answer = heapsift("diff", a, pid, "--json").json()
    names = [h["name"] for h in answer["holders"]]
    # An item is held by the cache and by the log: what holds both has grown by it.
    assert names[0].startswith("__main__.SERVICE"), names
    assert sum(h["growth"] for h in answer["holders"]) <= \
        sum(r["growth"] for r in answer["rows"] if r["growth"] > 0)
    item = next(r for r in answer["rows"] if r["kind"] == "__main__.Item")
    assert item["holder"] == names[0]


# ---- the gate ----


def test_fail_if_is_a_gate(objects, heapsift, tmp_path):
    pid = objects.target.pid
    a = dump(heapsift, pid, tmp_path / "a.hsift")
    objects.do("keep 300")
    rule = 'kind="__main__.Item" and count_after > {}'
    passed = heapsift("diff", a, pid, "--fail-if", rule.format(500), "--json")
    assert passed.json()["failed"] == [] and passed.err == ""
    failed = heapsift("diff", a, pid, "--fail-if", rule.format(499), "--json", code=1)
    row, = failed.json()["failed"]
    assert (row["kind"], row["count_before"], row["count_after"]) == ("__main__.Item", 200, 500)
    assert failed.err == ("heapsift: failed: kind '__main__.Item', count_after 500 "
                          f"({rule.format(499)})\n")
    # Also of a kind that did not change, and of which no row is shown.
    quiet = heapsift("diff", a, pid, "--fail-if", "kind = '__main__.Service' and count_after = 1",
                     "--json", code=1)
    assert all(r["kind"] != "__main__.Service" for r in quiet.rows())
    assert "kind '__main__.Service'" in quiet.err
    # What --where shows is another question.
    heapsift("diff", a, pid, "--fail-if", rule.format(500), "--where", "kind = 'none such'")
    heapsift("diff", a, pid, "--where", "kind = 'none such'", code=1)
    heapsift("diff", a, pid, "--fail-if", "knd = 'x'", code=2)
    heapsift("diff", a, tmp_path / "none.hsift", "--fail-if", "new > 1", code=4)


# ---- two processes, or the wrong way round ----


def test_other_processes_are_compared_by_kind_alone(start, heapsift, tmp_path):
    one, other = start(PYTHON, SCRIPT), Objects(start(PYTHON, SCRIPT))
    a = dump(heapsift, one.pid, tmp_path / "a.hsift")
    other.do("keep 77")
    answer = heapsift("diff", a, other.target.pid, "--json").json()
    item, = (r for r in answer["rows"] if r["kind"] == "__main__.Item")
    assert (item["count_before"], item["count_after"], item["count_growth"]) == (200, 277, 77)
    assert "new" not in item and "holders" not in answer
    assert any("not one process" in f["text"] for f in answer["findings"])
    for by in ("object", "holder"):
        said = heapsift("diff", a, other.target.pid, "--by", by, code=4)
        assert "not of one process" in said.err
    said = heapsift("top", other.target.pid, "--new-since", a, code=4)
    assert "not of the same process" in said.err


def test_order_of_time_is_said(blocks, heapsift, tmp_path):
    a = dump(heapsift, blocks.target.pid, tmp_path / "a.hsift")
    b = dump(heapsift, blocks.target.pid, tmp_path / "b.hsift")
    assert "was taken before" in heapsift("diff", blocks.target.pid, a).out
    assert "was taken before" in heapsift("diff", b, a).out
    assert "was taken before" not in heapsift("diff", a, b).out
    same = heapsift("diff", blocks.target.pid, blocks.target.pid, "--json").json()
    assert same["rows"] == [] and len(same["targets"]) == 2


# ---- the demo ----


class Shop:
    """The demo's service, and its visitors."""

    def __init__(self, start, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        env = dict(os.environ, SHOP_DATABASE=str(folder / "shop.sqlite"),
                   PYTHONDONTWRITEBYTECODE="1")
        subprocess.run([PYTHON, ROOT / "demo/shop/fill.py"], check=True, env=env)
        self.target = start(PYTHON, ROOT / "demo/shop/manage.py", "runserver", "--noreload",
                            f"127.0.0.1:{self.port}", ready=False, env=env,
                            stderr=subprocess.DEVNULL)
        self.visits = 0
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.1)
        raise AssertionError("the shop does not open")

    def visit(self, times):
        for _ in range(times):
            self.visits += 1
            number = self.visits % 50 + 1
            path = (f"/order/{number}/" if self.visits % 10 == 9
                    else f"/product/{number}/?utm_id={self.visits:08x}")
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
            connection.close()


def test_the_leak_of_the_demo_is_named_first(start, heapsift, tmp_path):
    if subprocess.run([PYTHON, "-c", "import django"], capture_output=True).returncode != 0:
        not_run("no Django for this Python")
    shop = Shop(start, tmp_path)
    shop.visit(60)
    a = dump(heapsift, shop.target.pid, tmp_path / "a.hsift", "--label", "before")
    shop.visit(200)
    b = dump(heapsift, shop.target.pid, tmp_path / "b.hsift", "--label", "after")
    answer = heapsift("diff", a, b, "--json").json()
    names = [h["name"] for h in answer["holders"]]
    # 180 pages with a tracking id of their own, and 20 requests with what hangs on them; how
    # much garbage awaits the collector is a matter of the moment.
    pages, requests = "catalog.cache.PAGES", "catalog.audit.recorder.requests"
    assert names[0] == pages
    assert [n for n in names if n != "nothing reaches it"][:2] == [pages, requests], names
    assert answer["rows"][0]["holder"] == pages
    row, = (r for r in answer["rows"]
            if r["kind"] == "django.core.handlers.wsgi.WSGIRequest")
    assert row["count_growth"] == 20 and row["holder"] == requests
    new = heapsift("diff", a, b, "--by", "object", "--state", "new", "--json",
                   "--where", "kind LIKE '%SafeString' AND size > 5000").rows()
    assert len(new) == 180
    assert heapsift("diff", a, b, "--by", "holder", "--json").rows()[0]["name"] == pages
    lines = heapsift("diff", a, b, env=dict(os.environ, COLUMNS="80")).out.splitlines()
    assert lines[0] == "WHO GREW" and lines[2].endswith(pages)
    assert all(len(line) <= 80 for line in lines)
