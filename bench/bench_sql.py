# SPDX-License-Identifier: Apache-2.0
"""bench_sql.py BUILD [MILLIONS | SNAPSHOT]: questions over a heap of millions of nodes, beside
SQLite itself with the same rows in a table of its own. Of the query alone seconds of CPU, for
it has one thread (the command less one that asks for nothing; of SQLite without what it took
to fill its table), and of the whole command seconds of the clock."""
import csv
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
HEAP = sys.argv[2] if len(sys.argv) > 2 else "10"
PYTHON = os.environ.get("BENCH_PYTHON", "/usr/bin/python3")
HEAPSIFT = f"{BUILD}/heapsift"
RUNS = 5
COLUMNS = "addr, domain, kind, detail, size, footprint"
QUESTIONS = [
    ("filter by size", "SELECT count(*) FROM nodes WHERE size > 512"),
    ("filter by type and size",
     "SELECT count(*) FROM nodes WHERE kind = 'dict' AND size > 300"),
    ("filter, half of the rows", "SELECT count(*) FROM nodes WHERE size > 50"),
    ("group by type", "SELECT kind, count(*), sum(size) FROM nodes GROUP BY kind"),
    ("the largest 20", "SELECT addr, size FROM nodes ORDER BY size DESC LIMIT 20"),
    ("one address", "SELECT kind, size FROM nodes WHERE addr = {addr}"),
]
READY_MADE = "SELECT kind, sum(count), sum(size) FROM types GROUP BY kind"


def snapshot(path):
    process = subprocess.Popen([PYTHON, "bench/python_mess.py", str(int(float(HEAP) * 1e6))],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("ready")
    subprocess.run([HEAPSIFT, "dump", str(process.pid), "-o", path], check=True,
                   stdout=subprocess.DEVNULL)
    process.kill()
    process.wait()


def cpu():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def best(act):
    """The least seconds of CPU, and of the clock."""
    took = []
    for _ in range(RUNS):
        began = cpu(), time.monotonic()
        act()
        took.append((cpu() - began[0], time.monotonic() - began[1]))
    return min(t[0] for t in took), min(t[1] for t in took)


def ask(path, query):
    return best(lambda: subprocess.run([HEAPSIFT, "sql", path, query, "--csv"], check=True,
                                       stdout=subprocess.DEVNULL))


def rows(path):
    """All nodes, as the peer's rows."""
    process = subprocess.Popen([HEAPSIFT, "sql", path, f"SELECT {COLUMNS} FROM nodes", "--csv"],
                               stdout=subprocess.PIPE, text=True)
    lines = csv.reader(process.stdout)
    next(lines)
    for addr, domain, kind, detail, size, footprint in lines:
        yield int(addr, 16), domain, kind, detail, int(size), int(footprint)
    process.wait()


def peer_of(path):
    peer = sqlite3.connect(":memory:")
    peer.execute("CREATE TABLE nodes(addr INT, domain TEXT, kind TEXT, detail TEXT, "
                 "size INT, footprint INT)")
    peer.executemany("INSERT INTO nodes VALUES(?,?,?,?,?,?)", rows(path))
    return peer


def line(what, ours, peer, whole):
    ours = max(ours, 0.01)  # what the clock of CPU tells apart
    theirs = f"{peer:9.2f}{peer / ours:7.1f}" if peer else f"{'-':>9}{'-':>7}"
    print(f"{what:<26}{ours:9.2f}{theirs}{whole:9.2f}", flush=True)


def compare(path):
    peer = peer_of(path)
    n, addr = peer.execute("SELECT count(*), max(addr) FROM nodes").fetchone()
    print(f"sql: {n / 1e6:.1f} M nodes, seconds, best of {RUNS}\n"
          f"{'':<26}{'heapsift':>9}{'SQLite':>9}{'ratio':>7}{'command':>9}")
    nothing, whole = ask(path, "SELECT 1")
    line("nothing", 0, None, whole)
    for what, query in QUESTIONS:
        query = query.format(addr=addr)
        ours, whole = ask(path, query)
        theirs, _ = best(lambda q=query: peer.execute(q).fetchall())
        line(what, ours - nothing, theirs, whole)
    ours, whole = ask(path, READY_MADE)
    line("group by type, from types", ours - nothing, None, whole)


def main():
    if os.path.exists(HEAP):
        compare(HEAP)
        return
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
        path = f"{folder}/mess.hsift"
        snapshot(path)
        compare(path)


main()
