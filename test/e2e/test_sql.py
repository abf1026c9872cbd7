# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""SQL over the heap: the answers are those that the process itself gives, that other commands
give, and that Python works out of all rows; every query of docs/QUESTIONS.md runs; and what
is more than a question is refused before the target is touched."""
import collections
import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from conftest import FIXTURES, HEAPSIFT, PYTHON, ROOT, Target, on_one_cpu

SERVICE = """
import collections, gc, sys
class Order:
    def __init__(self, n):
        self.number, self.lines = n, ["line"] * (n % 50)
book = {n: Order(n) for n in range(500)}
words = ["a word that is here often: %d" % (n % 3) for n in range(300)]
big = list(range(100000, 150000))
queue = collections.deque([big])
gc.collect()
gc.disable()
print(id(big), id(book), id(book[7]), id(book[7].__dict__))
counts = collections.Counter(type(o).__name__ for o in gc.get_objects())
print(counts["Order"], counts["deque"], sys.getsizeof(big), sys.getsizeof(book))
print(sum(map(sys.getsizeof, words)))
print("ready", flush=True)
sys.stdin.read()
"""
NO_PROCESS = "999999999"
QUESTIONS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/QUESTIONS.md").read_text(), re.S)


def snapshot_of(target, folder):
    path = folder / "s.hsift"
    subprocess.run([HEAPSIFT, "dump", str(target.pid), "-o", path], check=True)
    return path


@pytest.fixture(scope="module")
def service():
    process = Target(on_one_cpu(PYTHON, "-c", SERVICE)).wait_ready()
    yield process
    process.end()


@pytest.fixture(scope="module")
def snapshot(service, tmp_path_factory):
    return snapshot_of(service, tmp_path_factory.mktemp("sql"))


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    process = Target([FIXTURES / "unharmed", "8"]).wait_ready()
    path = snapshot_of(process, tmp_path_factory.mktemp("native"))
    process.end()
    return path


@pytest.fixture
def sql(heapsift, snapshot):
    return lambda query: heapsift("sql", snapshot, query, "--json").rows()


def test_the_process_says_the_same(service, sql):
    big, book, order, attributes = map(int, service.truth[0].split())
    orders, queues, big_size, book_size = map(int, service.truth[1].split())
    assert sql("SELECT count(*) AS n FROM nodes WHERE kind = '__main__.Order'") == [
        {"n": orders}]
    assert sql("SELECT count AS n FROM types WHERE kind = 'collections.deque'") == [
        {"n": queues}]
    assert sql(f"SELECT kind, size, addr FROM nodes WHERE addr IN ({big}, {book})"
               " ORDER BY kind") == [
        {"kind": "dict", "size": book_size, "addr": hex(book)},
        {"kind": "list", "size": big_size, "addr": hex(big)}]
    assert sql("SELECT sum(size) AS n FROM strings WHERE value GLOB '*is here often: [0-9]''' "
               ) == [{"n": int(service.truth[2])}]
    # 50,000 items, each in its place.
    assert sql(f"SELECT count(*) AS n, min(label), max(length(label)) FROM edges "
               f"WHERE source = {big}")[0]["n"] == 50000
    assert sql(f"SELECT e.label, n.value FROM edges e JOIN nodes n ON n.addr = e.target "
               f"WHERE e.source = {big} AND e.label IN ('[0]', '[777]', '[49999]') ORDER BY 2"
               ) == [{"label": f"[{i}]", "value": str(100000 + i)} for i in (0, 777, 49999)]
    # So it is when they are asked for in any order, and another list in between.
    far = " UNION ALL ".join(f"SELECT {i} AS i, '[{i}]' AS label"
                             for i in (49999, 3, 777, 20000, 256, 257, 512, 19999))
    for row in sql(f"SELECT i, (SELECT n.value FROM edges e JOIN nodes n ON n.addr = e.target "
                   f"WHERE e.source = {big} AND e.label = w.label) AS value, "
                   f"(SELECT max(label) FROM edges WHERE source = {order}) AS other "
                   f"FROM ({far}) w"):
        assert row["value"] == str(100000 + row["i"])
    first, = sql(f"SELECT min(rowid) AS row FROM edges WHERE source = {big} "
                 "AND label LIKE '[%'")
    for row in sql(f"SELECT i, (SELECT label FROM edges WHERE rowid = {first['row']} + i) AS l "
                   f"FROM ({far}) w"):
        assert row["l"] == f"[{row['i']}]"
    # The order is in the book, and who has its dict is the order.
    assert [row["label"] for row in sql(
        f"SELECT label FROM edges WHERE source = {book} AND target = {order}")] == ["[7]"]
    # An address in the middle of the list's items is the list's.
    items, = sql(f"SELECT addr, size FROM parts WHERE owner = {big}")
    middle = int(items["addr"], 16) + items["size"] // 2
    assert sql(f"SELECT owner({middle}) AS addr, owner(16) AS nobody") == [{"addr": big}]
    assert sql(f"SELECT kind FROM nodes WHERE addr = owner({middle})") == [{"kind": "list"}]


def test_groups_are_those_of_top_and_of_all_rows(heapsift, snapshot, sql):
    top = {(r["domain"], r["kind"], r["detail"]):
           [r[k] for k in ("count", "size", "footprint", "retained")]
           for r in heapsift("top", snapshot, "--json").rows()}
    assert {(r["domain"], r["kind"], r["detail"]):
            [r[k] for k in ("count", "size", "footprint", "retained")]
            for r in sql("SELECT * FROM types")} == top
    grouped = sql("SELECT domain, kind, detail, count(*) AS count, sum(size) AS size, "
                  "sum(footprint) AS footprint FROM nodes GROUP BY domain, kind, detail")
    assert {(r["domain"], r["kind"], r["detail"]): [r["count"], r["size"], r["footprint"]]
            for r in grouped} == {words: sums[:3] for words, sums in top.items()}
    sums = collections.defaultdict(lambda: [0, 0])
    for row in heapsift("objects", snapshot, "--json").rows():
        sums[row["kind"]][0] += 1
        sums[row["kind"]][1] += row["size"]
    by_kind = sql("SELECT kind, count(*) AS n, sum(size) AS size FROM nodes GROUP BY kind")
    assert {r["kind"]: [r["n"], r["size"]] for r in by_kind} == sums
    assert [r["kind"] for r in by_kind] == sorted(sums, key=str.encode)


def test_rows_are_those_of_commands(heapsift, snapshot, sql):
    objects = {r["addr"]: r for r in heapsift("objects", snapshot, "--json").rows()}
    nodes = sql("SELECT addr, domain, kind, size, footprint, retained, retained_footprint, "
                "possible, value FROM nodes")
    assert {r["addr"]: r for r in nodes} == objects and len(nodes) == len(objects)
    assert sql("SELECT * FROM blocks") == heapsift(
        "blocks", snapshot, "--all", "--sort", "addr", "--json").rows()
    text = "SELECT addr, size, kind, value FROM nodes ORDER BY retained DESC, addr LIMIT 30"
    for a, b in zip(sql(text), heapsift("objects", snapshot, "--json", "-n30").rows()):
        assert objects[a["addr"]]["retained"] == b["retained"]
    answer, = (r for r in sql("SELECT * FROM process"))
    assert answer["source"] == "snapshot" and answer["python"].startswith("CPython")


def test_memory_of_every_kind_has_a_word(heapsift, start, tmp_path):
    target = start(FIXTURES / "regions", PYTHON)
    truth = {name: int(n) for name, n in (line.split() for line in target.truth)}
    for at in (target.pid, snapshot_of(target, tmp_path)):
        states = {r.get("state"): r["size"] for r in heapsift(
            "sql", at, "SELECT state, sum(size) AS size FROM pages GROUP BY state",
            "--json").rows()}
        kinds = {r.get("kind"): r["size"] for r in heapsift(
            "sql", at, "SELECT kind, sum(size) AS size FROM regions GROUP BY kind",
            "--json").rows()}
        assert None not in states and None not in kinds and "?" not in {*states, *kinds}
        # What the kernel did not give, the fixture does not name.
        assert states.get("slack", 0) == truth.get("slack", 0)
        assert kinds.get("hugetlb", 0) == truth.get("hugetlb", 0)


def test_what_is_not_known_is_null(heapsift, start, tmp_path):
    target = start(FIXTURES / "heap_truth-static", tmp_path / "truth", "live=20000")
    core = tmp_path / "core"
    subprocess.run([HEAPSIFT, "core", str(target.pid), "-o", core], check=True)

    def ask(at, query):
        return heapsift("sql", at, query, "--json").rows()
    assert ask(target.pid, "SELECT rss FROM process")[0]["rss"] > 0
    assert ask(core, "SELECT rss FROM process") == [{}]
    assert ask(core, "SELECT 1 AS n FROM process WHERE rss IS NULL AND pid > 0") == [{"n": 1}]
    # An unsorted list is for chunks of any size.
    unsorted = ask(core, "SELECT low, high FROM bins WHERE kind = 'unsorted'")
    assert unsorted and unsorted == [{}] * len(unsorted)


def test_the_tree_of_dominators_is_there(heapsift, service, snapshot, sql):
    order = int(service.truth[0].split()[2])
    up, = sql(f"SELECT n.dominator, d.kind FROM nodes n JOIN nodes d "
              f"ON d.addr = n.dominator WHERE n.addr = {order}")
    assert up == {"dominator": hex(int(service.truth[0].split()[1])), "kind": "dict"}
    book = service.truth[0].split()[1]
    assert sql(f"SELECT held_by, name FROM roots WHERE kind = 'name' AND target = {book}"
               ) == [{"held_by": "module __main__", "name": "book"}]
    total, = sql("SELECT sum(size) AS n FROM nodes")
    groups, = sql("SELECT sum(retained) AS n FROM root_groups "
                  "WHERE kind IN ('all', 'unreached')")
    assert groups == total


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_every_question_of_the_page_runs(heapsift, snapshot, native, number):
    rows = heapsift("sql", snapshot, QUESTIONS[number], "--json").rows()
    if number not in (3, 12, 13):
        assert rows, "it has an answer in a Python process"
    answer = heapsift("sql", native, QUESTIONS[number])
    assert not re.search(r"\binf\b|\bnan\b", answer.out)


def test_there_are_twenty_questions():
    assert len(QUESTIONS) == 20
    named = (ROOT / "README.md").read_text()
    assert "docs/QUESTIONS.md" in named


def test_answers_that_are_known(service, sql):
    assert sql(QUESTIONS[1])[0]["domain"] == "python"
    own = {r["kind"]: r["count"] for r in sql(QUESTIONS[2])}
    assert own["__main__.Order"] == 500
    held = sql(QUESTIONS[8])  # who refers to the largest list
    assert sorted((r["kind"], r["label"]) for r in held) == [
        ("collections.deque", "[0]"), ("dict", "['big']")]
    to = sql(QUESTIONS[9])
    assert [(r["kind"], r["count(*)"]) for r in to] == [("int", 50000)]
    lists = {r["kind"]: r["count(*)"] for r in sql(QUESTIONS[10])}
    assert lists["dict"] + lists["__main__.Order"] >= 500
    twice = {r["value"]: r["count(*)"] for r in sql(QUESTIONS[14])}
    assert [twice[f"'a word that is here often: {n}'"] for n in range(3)] == [100] * 3
    states = {r["state"] for r in sql(QUESTIONS[17])}
    assert {"used", "top", "obmalloc-free"} <= states


def test_process_core_and_snapshot_answer_alike(heapsift, start, tmp_path):
    target = start(PYTHON, "-c", SERVICE)
    core = tmp_path / "core"
    subprocess.run([HEAPSIFT, "core", str(target.pid), "-o", core], check=True)
    snapshot = snapshot_of(target, tmp_path)
    for query in ("SELECT * FROM nodes WHERE size > 1000", "SELECT * FROM types",
                  "SELECT count(*), sum(source_node), sum(target_node) FROM edges",
                  "SELECT start, end, kind FROM regions",
                  "SELECT arena, kind, addr, heaps, system, used, free FROM arenas",
                  "SELECT held_by, kind, target FROM roots WHERE kind = 'name'"):
        answers = [heapsift("sql", at, query, "--csv").out
                   for at in (target.pid, core, snapshot)]
        assert answers[0] == answers[1] == answers[2], query


REFUSED = ["ATTACH '/tmp/x.db' AS x", "PRAGMA table_list", "INSERT INTO nodes VALUES (1)",
           "CREATE TABLE x(a)", "CREATE TEMP VIEW x AS SELECT 1", "DROP TABLE nodes",
           "UPDATE nodes SET size = 1", "DELETE FROM nodes", "VACUUM INTO '/tmp/x.db'",
           "SELECT load_extension('/tmp/x.so')", "SELECT writefile('/tmp/x', 'y')",
           "SELECT readfile('/etc/passwd')", "SELECT edit('x')", "SELECT 1; DROP TABLE nodes",
           "SELECT * FROM sqlite_master", "SELECT * FROM pragma_database_list", "BEGIN", "",
           "SELECT ?", "SELECT sise FROM nodes", "SELECT * FROM nodez", "SELECT", "frobnicate"]


@pytest.mark.parametrize("query", REFUSED)
def test_only_questions_are_taken(heapsift, query):
    """With exit code 2, in few words, and before the target is looked at."""
    err = heapsift("sql", NO_PROCESS, query, code=2).err.splitlines()
    assert 1 <= len(err) <= 4
    assert all(line.startswith("heapsift: ") for line in err)


def test_the_schema_is_of_no_target(heapsift):
    for words in ([NO_PROCESS], [NO_PROCESS, "SELECT 1"]):
        err = heapsift("sql", "--schema", *words, code=2).err
        assert err.startswith("heapsift: sql: --schema takes no TARGET")


def test_errors_show_the_place(heapsift):
    err = heapsift("sql", NO_PROCESS, "SELECT addr,\n  sise FROM nodes", code=2).err
    assert err == ("heapsift: sql: no column 'sise'; did you mean 'size'?\n"
                   "heapsift:     sise FROM nodes\n"
                   "heapsift:     ^\n")
    err = heapsift("sql", NO_PROCESS, "SELECT 1 FROM nodez", code=2).err.splitlines()
    assert err[:3] == ["heapsift: sql: no table 'nodez'; did you mean 'nodes'?",
                       "heapsift:   SELECT 1 FROM nodez", "heapsift:                 ^"]
    assert err[3].startswith("heapsift: tables: nodes, types, strings, ")


def test_limits_are_said(heapsift, snapshot):
    out = heapsift("sql", snapshot, "SELECT addr FROM nodes").out
    total = heapsift("sql", snapshot, "SELECT count(*) AS n FROM nodes", "--json").rows()[0]["n"]
    assert f"… 100 of {total:,} rows; -n 0 shows all" in out
    answer = heapsift("sql", snapshot, "SELECT addr FROM nodes", "--json").json()
    assert answer["total_rows"] == len(answer["rows"]) == total
    answer = heapsift("sql", snapshot, "SELECT addr FROM nodes", "--json", "-n2").json()
    assert len(answer["rows"]) == 2 and answer["total_rows"] == total
    assert answer["truncated"] is True
    assert heapsift("sql", snapshot, "SELECT 1 WHERE 0", "--json").rows() == []


def test_time_is_limited(heapsift, snapshot):
    forever = ("SELECT count(*) FROM nodes a, nodes b, nodes c "
               "WHERE a.size + b.size + c.size = -1")
    err = heapsift("sql", snapshot, forever, "--timeout", "1", code=2, timeout=30).err
    assert "the query took longer than 1 second" in err and len(err.splitlines()) == 2


def test_it_says_that_it_goes_on_and_can_be_ended(snapshot):
    ours, theirs = pty.openpty()
    run = subprocess.Popen([HEAPSIFT, "sql", snapshot, "SELECT count(*) FROM nodes a, nodes b, "
                            "nodes c WHERE a.size + b.size + c.size = -1"],
                           stdout=subprocess.DEVNULL, stderr=theirs,
                           env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while b"rows looked at: " not in seen:
        seen += os.read(ours, 4096)
    run.send_signal(signal.SIGINT)
    assert run.wait(10) == -signal.SIGINT
    os.close(ours)


def test_the_schema_is_what_can_be_asked(heapsift, snapshot):
    rows = json.loads(subprocess.run([HEAPSIFT, "sql", "--schema", "--json"], check=True,
                                     capture_output=True).stdout)["rows"]
    tables = collections.defaultdict(list)
    for row in rows:
        assert row["text"] and row["type"] in ("text", "address", "bytes", "number", "bool")
        tables[row["table"]].append(row["column"])
    text = heapsift("sql", "--schema").out
    for table, columns in tables.items():
        assert re.search(rf"^{table}: ", text, re.M)
        answer = heapsift("sql", snapshot, f"SELECT {', '.join(columns)} FROM {table}",
                          "--csv", "-n1")
        assert answer.out.splitlines()[0].split(",") == columns
        assert len(columns) == len(set(columns))
    assert {"nodes", "types", "strings", "parts", "edges", "roots", "blocks", "arenas",
            "regions", "pages", "modules", "threads", "frames", "findings"} <= set(tables)
