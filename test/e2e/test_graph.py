# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""The commands over the graph, on a Python process that says where its objects are and how
large it finds them, and on a C process that has no objects at all."""
import json
import os
import re
import signal

import pytest

from conftest import PYTHON

PROGRAM = """
import gc, sys, threading
gc.disable()
class Order:
    def __init__(self, n):
        self.number = n
        self.items = [bytes(1000 + n + i) for i in range(10)]
class Slotted:
    __slots__ = ('left', 'right')
class Lost:
    pass
class Request:
    __module__ = 'company.service.http.handlers.requests'
    def __init__(self, path):
        self.headers = {}
        self._read = False
        self.path = path
REQUEST = Request('/order/17/')
attributes = vars(REQUEST)
CACHE = {'user:%d' % n: Order(n) for n in range(300)}
SLOTTED = Slotted()
SLOTTED.left = SLOTTED.right = CACHE['user:17']
PAYLOAD = b'secret-payload ' * 200000
lost = Lost()
lost.me = lost
lost.text = 'never freed ' * 1000
gone = id(lost)
del lost
go = threading.Event()
def work(argument):
    held = ['local %d' % n + 'x' * 100 for n in range(1000)]
    told.append(id(held))
    ready.set()
    go.wait()
told, ready = [], threading.Event()
threading.Thread(target=work, args=(1,), name='worker').start()
ready.wait()
ORDER = CACHE['user:17']
for name, at in (('cache', id(CACHE)), ('order', id(ORDER)), ('items', id(ORDER.items)),
                 ('slotted', id(SLOTTED)), ('payload', id(PAYLOAD)), ('held', told[0]),
                 ('lost', gone), ('none', id(None)), ('request', id(REQUEST))):
    print(name, hex(at))
for name, of in (('cache', CACHE), ('items', ORDER.items), ('payload', PAYLOAD)):
    print(name + '_size', hex(sys.getsizeof(of)))
print('cache_all', hex(sys.getsizeof(CACHE) + sum(
    sys.getsizeof(o.items) + sum(map(sys.getsizeof, o.items)) for o in CACHE.values())))
print('ready', flush=True)
input()
go.set()
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "shop.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def shop(start, program):
    target = start(PYTHON, program)
    target.at = {name: int(at, 16) for name, at in map(str.split, target.truth)}
    return target


def show(heapsift, target, name, *options):
    return heapsift("show", target.pid, hex(target.at[name]), "--json", *options).rows()[0]


def test_objects_are_where_python_has_them(heapsift, shop):
    rows = {int(row["addr"], 16): row for row in heapsift("objects", shop.pid, "--json").rows()}
    for name, kind in (("cache", "dict"), ("order", "__main__.Order"), ("items", "list"),
                       ("slotted", "__main__.Slotted"), ("payload", "bytes"),
                       ("held", "list"), ("lost", "__main__.Lost"), ("none", "NoneType")):
        row = rows[shop.at[name]]
        assert (row["domain"], row["kind"]) == ("python", kind)
        assert row["size"] == shop.at.get(name + "_size", row["size"])
        assert row["retained"] >= row["size"] > 0
    # all but the orders' own heads and what SLOTTED and ORDER hold, too
    assert rows[shop.at["cache"]]["retained"] > 0.98 * shop.at["cache_all"]
    kinds = [row["kind"] for row in
             heapsift("objects", shop.pid, "--type", "Order", "--json").rows()]
    assert kinds == ["__main__.Order"] * 300
    text = heapsift("objects", shop.pid, "--value", "secret-pay").out
    assert hex(shop.at["payload"]) in text and "b'secret-payload" in text


def test_a_narrow_line_keeps_what_says_most(heapsift, shop):
    env = {**os.environ, "COLUMNS": "80"}
    lines = heapsift("objects", shop.pid, "--type", "Request", env=env).out.splitlines()
    assert re.search(r"\S*[.…]requests.Request .* path='/order/17/'", lines[1])
    assert max(map(len, lines)) <= 80
    lines = heapsift("objects", shop.pid, "--type", "Request", "--sort", "size",
                     env=env).out.splitlines()
    assert " SIZE " in lines[0] and "Request" in lines[1]


def test_a_dict_that_lends_its_values_tells_attributes(heapsift, shop):
    request = show(heapsift, shop, "request")
    assert {a["label"] for a in request["attributes"]} == {".headers", "._read", ".path"}
    assert request["value"].startswith("path='/order/17/'")
    lent = next(r for r in request["referents"] if r["label"] == "__dict__")
    assert lent["value"].startswith("{'headers': {}, '_read': False, ")


def test_what_is_not_there_is_said(heapsift, shop):
    for wrong, meant in (("order", "Order"), ("equest", "Request")):
        said = heapsift("objects", shop.pid, "--type", wrong, code=1).err
        assert f"did you mean '{meant}'?" in said
    wrong = heapsift("objects", shop.pid, "--type", "Ordr", code=1)
    assert "did you mean" in wrong.err and "(no rows)" in wrong.out
    assert heapsift("objects", shop.pid, "--value", "no such thing 4711", "--json",
                    code=1).rows() == []
    for command in ("show", "why", "tree"):
        assert "is not mapped" in heapsift(command, shop.pid, "0x10", code=1).out
        document = heapsift(command, shop.pid, "0x10", "--json", code=1).json()
        assert document["rows"] == [] and "not mapped" in document["findings"][-1]["text"]
    stack = next(line for line in open(f"/proc/{shop.pid}/maps") if "[stack]" in line)
    assert "in [stack]" in heapsift("why", shop.pid, "0x" + stack.split("-")[0], code=1).out


def test_show_tells_all_around_an_object(heapsift, shop):
    order = show(heapsift, shop, "order")
    labels = {a["label"]: a for a in order["attributes"]}
    assert set(labels) == {".number", ".items"} and labels[".number"]["value"] == "17"
    assert int(labels[".items"]["addr"], 16) == shop.at["items"]
    assert order["block"]["allocator"] == "obmalloc" and order["refcount"] == 4
    assert order["unexplained"] == 0
    referrers = {(r["label"], int(r["addr"], 16)) for r in order["referrers"]}
    assert {("['user:17']", shop.at["cache"]), (".left", shop.at["slotted"]),
            (".right", shop.at["slotted"])} <= referrers
    assert {"group": "module __main__", "kind": "name", "name": "ORDER", "certain": True} \
        in order["roots"]
    items = show(heapsift, shop, "items")
    assert [e["label"] for e in items["elements"]] == [f"[{i}]" for i in range(10)]
    assert [e["size"] for e in items["elements"]] == [1000 + 17 + i + 33 for i in range(10)]
    cache = show(heapsift, shop, "cache", "-n", 5)
    assert len(cache["elements"]) == 5 and cache["elements_total"] == 300
    slotted = show(heapsift, shop, "slotted")
    assert {a["label"] for a in slotted["attributes"]} == {".left", ".right"}


def test_an_address_in_a_part_answers_for_the_owner(heapsift, shop):
    part = show(heapsift, shop, "items")["parts"][0]
    inside = hex(int(part["addr"], 16) + 24)
    assert int(heapsift("show", shop.pid, inside, "--json").rows()[0]["addr"], 16) == \
        shop.at["items"]
    assert "lies in a part of it" in heapsift("show", shop.pid, inside).out
    block = next(row for row in heapsift("blocks", shop.pid, "--json").rows()
                 if row["addr"] == part["addr"])
    assert int(block["owner"], 16) == shop.at["items"]
    assert (block["domain"], block["kind"], block["detail"]) == ("python", "list", "items")


def test_why_leads_from_roots(heapsift, shop):
    document = heapsift("why", shop.pid, hex(shop.at["items"]), "-n", 20, "--json").json()
    paths = {(row["root"]["group"], row["root"]["kind"], row["root"]["name"]):
             [(int(step["addr"], 16), step.get("label")) for step in row["steps"]]
             for row in document["rows"]}
    assert paths["module __main__", "name", "CACHE"] == [
        (shop.at["cache"], None), (shop.at["order"], "['user:17']"),
        (shop.at["items"], ".items")]
    assert paths["module __main__", "name", "ORDER"] == [
        (shop.at["order"], None), (shop.at["items"], ".items")]
    held = heapsift("why", shop.pid, hex(shop.at["held"])).out
    assert re.search(r"^local held in frame work \(shop.py:\d+\), thread \d+$", held, re.M)
    lost = heapsift("why", shop.pid, hex(shop.at["lost"])).out
    assert "Nothing that is alive reaches it" in lost
    assert show(heapsift, shop, "lost")["retained"] > 12000
    none = heapsift("why", shop.pid, hex(shop.at["none"]), "--json").json()
    assert none["in_edges"] > 1000 and none["in_edges_by_kind"]
    assert sum(g["count"] for g in none["in_edges_by_kind"]) == none["in_edges"]


def test_the_tree_holds_everything_once(heapsift, shop):
    rows = heapsift("tree", shop.pid, "--json").rows()
    nodes = [row["addr"] for row in rows if "addr" in row]
    assert len(nodes) == len(set(nodes)) == len(heapsift("objects", shop.pid, "--json").rows())
    stack = []
    for row in rows:
        del stack[row["depth"]:]
        if stack:
            assert row.get("parent", "").startswith("0x") == ("addr" in stack[-1])
            stack[-1]["left"] -= row["retained"]
            stack[-1]["kids"] -= 1
            assert stack[-1]["left"] >= 0
        stack.append({**row, "left": row["retained"] - row.get("size", 0),
                      "kids": row["children"]})
    one = heapsift("tree", shop.pid, hex(shop.at["cache"]), "--json").rows()
    assert one[0]["depth"] == 0 and int(one[0]["addr"], 16) == shop.at["cache"]
    assert sum(row["size"] for row in one) == one[0]["retained"]
    for width in (60, 80, 120):
        text = heapsift("tree", shop.pid, env={**os.environ, "COLUMNS": str(width)}).out
        lines = text.splitlines()
        assert max(map(len, lines[:-2])) <= width and 10 <= len(lines) <= 24
    assert len(heapsift("tree", shop.pid, "--depth", 0, "-n", 3).out.splitlines()) < 9


def test_one_screen_says_what_matters(heapsift, shop):
    for width in (60, 80):
        text = heapsift(shop.pid, env={**os.environ, "COLUMNS": str(width)}).out
        assert len(text.splitlines()) <= 24
        assert max(len(line) for line in text.splitlines()
                   if not line.startswith("PID")) <= width
    assert "__main__.PAYLOAD" in text
    document = heapsift(shop.pid, "--json").json()
    assert document["command"] == "overview"
    hint = next(row for row in document["rows"] if row["section"] == "next")
    assert heapsift(*hint["hint"].split()[1:]).out.startswith("dict at ")
    assert int(hint["addr"], 16) == shop.at["cache"]


def test_a_process_without_objects_has_a_screen_too(heapsift, start):
    target = start("/bin/cat", ready=False)
    target.tell("here")
    assert target.line() == "here"
    document = heapsift(target.pid, "--json").json()
    assert {"memory", "types", "next"} <= {row["section"] for row in document["rows"]}
    text = heapsift(target.pid).out
    assert len(text.splitlines()) <= 24 and "RESIDENT MEMORY" in text
    row = heapsift("objects", target.pid, "-n", 1, "--json").rows()[0]
    assert row["domain"] != "python" and row["retained"] >= row["size"]
    heapsift("show", target.pid, row["addr"])
    heapsift("why", target.pid, row["addr"])
    assert heapsift("tree", target.pid).out.startswith(" RETAINED")


MANY = """
import time
parts = [[bytearray(1000)] for _ in range(5000)]
for part in parts:
    globals()['part%d' % id(part)] = part
parts = None
print('ready', flush=True)
input()
"""


def test_where_no_one_holds_much_the_kind_is_the_hint(heapsift, start, tmp_path):
    path = tmp_path / "many.py"
    path.write_text(MANY)
    target = start(PYTHON, path)
    hint = next(row["hint"] for row in heapsift(target.pid, "--json").rows()
                if row["section"] == "next")
    assert hint == f"heapsift objects {target.pid} --type bytearray"
    assert len(heapsift(target.pid).out.splitlines()) <= 24


def rows_of(text):
    return text[text.index('"rows"'):text.index('"findings"')]


def test_a_snapshot_answers_as_the_target_does(heapsift, shop, tmp_path):
    os.kill(shop.pid, signal.SIGSTOP)
    path = tmp_path / "one.hsift"
    heapsift("dump", shop.pid, "--mode=freeze", "-o", path)
    at = {name: hex(address) for name, address in shop.at.items()}
    for command in (["objects"], ["tree"], ["top"], ["show", at["order"]],
                    ["show", at["none"]], ["why", at["items"]], ["why", at["none"]],
                    ["why", at["lost"]], ["blocks", "--all"], ["tree", at["cache"]]):
        live, saved = (heapsift(command[0], of, *command[1:], "--mode=freeze", "--json").out
                       for of in (shop.pid, path))
        assert rows_of(live) == rows_of(saved), command
    live, saved = (heapsift("overview", of, "--mode=freeze", "--json").rows()
                   for of in (shop.pid, path))
    assert [row for row in live if row["section"] != "next"] == \
        [row for row in saved if row["section"] != "next"]


def test_no_values_leaves_no_value(heapsift, shop, tmp_path):
    full, bare, stripped = (tmp_path / name for name in ("full", "bare", "stripped"))
    heapsift("dump", shop.pid, "-o", full)
    heapsift("dump", shop.pid, "--no-values", "-o", bare)
    heapsift("dump", full, "--no-values", "-o", stripped)
    for path, there in ((full, True), (bare, False), (stripped, False)):
        text = heapsift("objects", path, "--json").out + \
            heapsift("why", path, hex(shop.at["items"]), "--json").out
        for secret in ("user:17", "secret-payload", "never freed"):
            assert (secret in text) == there
    labels = [step.get("label") for row in
              heapsift("why", bare, hex(shop.at["items"]), "--json").rows()
              for step in row["steps"]]
    assert "[str]" in labels and ".items" in labels
