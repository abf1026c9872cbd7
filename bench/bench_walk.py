# SPDX-License-Identifier: Apache-2.0
"""Walk with edges of a live process, its memory, and freeze mode, beside other tools on
the same heap in the same run: gdb's Python stepping over the chunks, and chap on a core of
the process, where they are installed. Figures of ours are medians of five."""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
SIZES = [float(word) for word in sys.argv[2:]] or [1, 10]  # millions of chunks
RUNS = 5


class Target:
    """bench_target, ready."""

    def __init__(self, *args):
        self.args = args

    def __enter__(self):
        self.process = subprocess.Popen([f"{BUILD}/bench/bench_target", *self.args],
                                        stdout=subprocess.PIPE, text=True)
        word, self.pid, rss = self.process.stdout.readline().split()
        assert word == "ready"
        self.gib = int(rss) / (1 << 30)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def collect(pid, mode):
    """Medians of what bench_collect prints."""
    runs = []
    for _ in range(RUNS):
        text = subprocess.run([f"{BUILD}/bench/bench_collect", pid, mode], check=True,
                              text=True, capture_output=True).stdout
        values = dict(line.split() for line in text.splitlines())
        assert values.pop("mode") == mode
        runs.append({name: float(value) for name, value in values.items()})
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def gdb_walk(pid):
    """Seconds per million chunks, or None without gdb."""
    if not shutil.which("gdb"):
        return None
    text = subprocess.run(["gdb", "-nx", "-batch", "-p", pid, "-x", "bench/peer_gdb_walk.py"],
                          text=True, capture_output=True).stdout
    hit = re.search(r"PEER chunks (\d+) seconds ([\d.]+)", text)
    return float(hit[2]) / int(hit[1]) * 1e6 if hit else None


def chap_count(pid):
    """Seconds and peak bytes of chap counting what is in use, or None without chap."""
    if not (shutil.which("chap") and shutil.which("gcore")):
        return None
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
        subprocess.run(["gcore", "-o", f"{folder}/core", pid], check=True,
                       capture_output=True)
        start = time.monotonic()
        chap = subprocess.Popen(["chap", f"{folder}/core.{pid}"], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        chap.stdin.write(b"count used\n")
        chap.stdin.close()
        usage = os.wait4(chap.pid, 0)[2]
        return time.monotonic() - start, usage.ru_maxrss * 1024


def row(what, value, unit, goal, peer, peer_name):
    beside = f"{peer:9.3f} {peer / value:7.1f} x" if peer else f"{'-':>9} {'-':>9}"
    mark = "" if value <= goal else "  over"
    print(f"{what:36} {value:9.3f} {unit:9} {goal:7.2f} {peer_name:>12} {beside}{mark}",
          flush=True)


def walk(millions):
    with Target("chunks", str(int(millions * 1e6)), "free", "10") as target:
        cost = collect(target.pid, "fork")
        chunks, edges = cost["blocks"], cost["edges"]
        name = f"walk with edges, {chunks / 1e6:.1f} M chunks"
        per_million = cost["seconds"] / chunks * 1e6
        chap = chap_count(target.pid)
        row(name, per_million, "s/million", 0.15, chap and chap[0] / chunks * 1e6, "chap")
        if millions <= 1:
            row(name, per_million, "s/million", 0.15, gdb_walk(target.pid), "gdb Python")
        row(f"  its peak, {edges / chunks:.1f} edges a chunk", cost["peak_bytes"] / chunks,
            "B/chunk", 48 + 8 * edges / chunks, chap and chap[1] / chunks, "chap")


def freeze(gib):
    with Target("bytes", str(gib), "free", "2") as target:
        cost = collect(target.pid, "freeze")
        row(f"freeze mode, {target.gib:.1f} GiB: pause", cost["pause_ms"] / 1e3 / target.gib,
            "s/GiB", 0.4, None, "")


os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
print(f"{'':36} {'heapsift':>9} {'':9} {'goal':>7} {'beside':>12} {'':>9} {'ratio':>9}")
for size in SIZES:
    walk(size)
freeze(1)
freeze(4)
