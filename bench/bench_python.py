# SPDX-License-Identifier: Apache-2.0
"""A CPython process of a million objects: `dump` with retained sizes, how long the process
stands, what it costs in memory; beside tools that work inside the process, on the same load
in the same run, where pip can install them. Figures of ours are medians of five."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
OBJECTS = int(float(sys.argv[2]) * 1e6) if len(sys.argv) > 2 else 1_000_000
PYTHON = os.environ.get("BENCH_PYTHON", "/usr/bin/python3")
RUNS = 5
PEERS = {"guppy": "guppy3", "pympler": "pympler", "objgraph": "objgraph"}


def load(*words, python=PYTHON):
    process = subprocess.Popen([python, "bench/python_load.py", str(OBJECTS), *words],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline().startswith("ready")
    return process


def rows(file, *words):
    text = subprocess.run([f"{BUILD}/heapsift", *words, file, "--json"], check=True,
                          text=True, capture_output=True).stdout
    return json.loads(text)


def dump(pid, file):
    began = time.monotonic()
    process = subprocess.Popen([f"{BUILD}/heapsift", "dump", str(pid), "-o", file, "--force"],
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return time.monotonic() - began, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def count_edges(file):
    """From the contents of the snapshot (docs/SNAPSHOT.md)."""
    with open(file, "rb") as f:
        data = f.read()
    at = int.from_bytes(data[-32:-24], "little") + 4
    while True:
        name = at + 4 + int.from_bytes(data[at:at + 4], "little")
        rows, frames = data[name + 4:name + 12], data[name + 24:name + 28]
        if data[at + 4:name] == b"edge_to.node":
            return int.from_bytes(rows, "little")
        at = name + 28 + 12 * int.from_bytes(frames, "little")


def ours(file):
    target = load()
    try:
        runs = [dump(target.pid, file) for _ in range(RUNS)]
    finally:
        target.kill()
        target.wait()
    answer = rows(file, "top")
    objects = sum(row["count"] for row in answer["rows"])
    python = sum(row["count"] for row in answer["rows"] if row["domain"] == "python")
    seconds, peak, busy = (statistics.median(run[i] for run in runs) for i in range(3))
    return seconds, peak, busy, objects, python, answer["target"]["pause_ms"]


def peer_python():
    """An interpreter that has the peers, or None."""
    folder = f"{BUILD}/peers"
    if not os.path.exists(f"{folder}/bin/python3"):
        subprocess.run([PYTHON, "-m", "venv", folder], capture_output=True)
    done = subprocess.run([f"{folder}/bin/python3", "-m", "pip", "install", "-q",
                           *PEERS.values()], capture_output=True)
    return f"{folder}/bin/python3" if done.returncode == 0 else None


def peer(python, name):
    """Seconds the process stands while the tool works, and the memory it adds."""
    process = load(name, python=python)
    words = process.stdout.readline().split()
    process.kill()
    process.wait()
    return (float(words[1]), int(words[2])) if words else None


def row(what, value, unit, goal="", beside=""):
    print(f"{what:44} {value:10.3f} {unit:9} {goal:>8}  {beside}", flush=True)


os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
    file = f"{folder}/load.hsift"
    seconds, peak, busy, nodes, objects, pause = ours(file)
    size = os.path.getsize(file)
    edges = count_edges(file)
print(f"{PYTHON}, {objects:,} Python objects, {nodes:,} nodes, {edges:,} edges")
print(f"{'':44} {'heapsift':>10} {'':9} {'goal':>8}  beside: stands, adds")
row("dump with retained sizes", seconds, "s", "1.0")
row("  processor time of it", busy, "s")
row("  the process stands", pause, "ms", "20")
row("  peak memory for each node", peak / nodes, "B", f"{48 + 8 * edges / nodes:.1f}")
row("  the file, for each node", size / nodes, "B")
peers = peer_python()
for name in PEERS if peers else ():
    cost = peer(peers, name)
    if cost:
        row(f"  beside {PEERS[name]}, in the process", cost[0] / seconds, "x as long",
            beside=f"{cost[0]:.1f} s, {cost[1] / (1 << 20):.0f} MiB")
