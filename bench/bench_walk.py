# SPDX-License-Identifier: Apache-2.0
"""Walk with edges of a live process: seconds per million chunks, memory per chunk, and
the same heap seen by other tools (gdb's Python; chap on a core, when it is installed)."""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
GOAL_PER_MILLION, GOAL_FREEZE = 0.15, 0.4


def start_target(*args):
    target = subprocess.Popen([f"{BUILD}/bench/bench_target", *args], text=True,
                              stdout=subprocess.PIPE)
    word, pid, rss = target.stdout.readline().split()
    assert word == "ready"
    return target, pid, int(rss)


def collect(pid, mode):
    text = subprocess.run([f"{BUILD}/bench/bench_collect", pid, mode], check=True, text=True,
                          capture_output=True).stdout
    values = dict(line.split() for line in text.splitlines())
    return {name: v if name == "mode" else float(v) for name, v in values.items()}


def median_of(runs, name):
    return statistics.median(run[name] for run in runs)


def gdb_seconds_per_million(pid):
    if not shutil.which("gdb"):
        return None
    text = subprocess.run(["gdb", "-nx", "-batch", "-p", pid, "-x", "bench/peer_gdb_walk.py"],
                          text=True, capture_output=True).stdout
    hit = re.search(r"PEER chunks (\d+) seconds ([\d.]+)", text)
    return float(hit[2]) / int(hit[1]) * 1e6 if hit else None


def chap_seconds_per_million(pid, chunks):
    if not (shutil.which("chap") and shutil.which("gcore")):
        return None
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcore", "-o", f"{folder}/core", pid], check=True,
                       capture_output=True)
        start = time.time()
        subprocess.run(["chap", f"{folder}/core.{pid}"], input="count used\n", text=True,
                       check=True, capture_output=True)
        return (time.time() - start) / chunks * 1e6


def row(name, value, unit, goal, peer, peer_name):
    ratio = f"{peer / value:6.1f} x" if peer else "       -"
    beside = f"{peer:9.3f} {peer_name}" if peer else f"        - {peer_name} not installed"
    print(f"{name:34} {value:9.3f} {unit:12} goal {goal:<6} {beside:24} {ratio}")


def walk(millions, with_peers):
    target, pid, _ = start_target("chunks", str(int(millions * 1e6)), "free", "10")
    try:
        runs = [collect(pid, "fork") for _ in range(5)]
        chunks = runs[0]["blocks"]
        per_million = median_of(runs, "seconds") / chunks * 1e6
        name = f"walk with edges, {chunks / 1e6:.1f} M chunks"
        if with_peers:
            row(name, per_million, "s/million", GOAL_PER_MILLION,
                gdb_seconds_per_million(pid), "gdb Python, no edges")
        row(name, per_million, "s/million", GOAL_PER_MILLION,
            chap_seconds_per_million(pid, chunks), "chap")
        edges = runs[0]["edges"]
        limit = 48 + 8 * edges / chunks
        peak = median_of(runs, "peak_bytes") / chunks
        row(f"peak memory ({edges / chunks:.2f} edges a chunk)", peak, "bytes/chunk",
            f"{limit:.0f}", None if not with_peers else 240, "chap, as published")
    finally:
        target.kill()
        target.wait()


def freeze(gib):
    target, pid, rss = start_target("bytes", str(gib))
    try:
        runs = [collect(pid, "freeze") for _ in range(5)]
        gibs = rss / (1 << 30)
        row(f"freeze mode, {gibs:.1f} GiB: pause", median_of(runs, "pause_ms") / 1e3 / gibs,
            "s/GiB", GOAL_FREEZE, None, "gcore: see above")
    finally:
        target.kill()
        target.wait()


os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
walk(1, with_peers=True)
walk(10, with_peers=False)
freeze(1)
freeze(4)
