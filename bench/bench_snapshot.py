# SPDX-License-Identifier: Apache-2.0
"""Snapshots of real heaps: bytes for each object, and of the largest how long it takes to
open it and print `top`, and to write it beside libzstd at level 1 with two threads on the
same columns."""
import os
import re
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
MILLIONS = float(sys.argv[2]) if len(sys.argv) > 2 else 10
PYTHON = os.environ.get("BENCH_PYTHON", "/usr/bin/python3")
RUNS = 3
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, "test/support")
from read_snapshot import Snapshot  # noqa: E402

VALUES = {"objects.value", "previews.low", "previews.high", "strings.end", "strings.bytes"}
SHOP = """
import runpy, sys
sys.path.insert(0, "demo/shop")
runpy.run_path("demo/shop/fill.py")
from django.test import Client
client = Client()
for n in range(500):
    client.get("/", HTTP_HOST="127.0.0.1")
print("ready", flush=True)
sys.stdin.readline()
"""


def targets():
    yield "standard library", [PYTHON, "test/fixture/python_stdlib.py"]
    yield "Django", [PYTHON, "-c", SHOP]
    yield "malloc, 1 M blocks", [f"{BUILD}/bench/bench_target", "chunks", "1000000"]
    yield "Python, 1.1 M, alike", [PYTHON, "bench/python_load.py", "1000000"]
    yield "Python, mixed", [PYTHON, "bench/python_mess.py", str(int(MILLIONS * 1e6))]


def dump(argv, path):
    shop = {"SHOP_DATABASE": path + ".sqlite", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True,
                               env={**os.environ, **shop})
    try:
        while not (line := process.stdout.readline()).startswith("ready"):
            if not line:
                return False
        subprocess.run([f"{BUILD}/heapsift", "dump", str(process.pid), "-o", path, "--force"],
                       check=True, stdout=subprocess.DEVNULL)
    finally:
        process.kill()
        process.wait()
    return True


def is_derived(name):
    return name.startswith("dominators.") or name.startswith("groups.retained")


def sizes(path):
    """Nodes, and bytes of what is known, derived, and values."""
    snapshot = Snapshot(path, texts=False)
    used = sum(state == owner == 0 for state, owner in
               zip(snapshot.column("blocks.state"), snapshot.column("blocks.owner")))
    sums = [0, 0, 0]
    for name, section in snapshot.sections.items():
        kind = 2 if name in VALUES else 1 if is_derived(name) else 0
        sums[kind] += sum(size for size, _ in section.frames)
    return snapshot.sections["objects.addr"].rows + used, *sums


def best(argv):
    took = []
    for _ in range(RUNS):
        began = time.monotonic()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        took.append(time.monotonic() - began)
    return min(took)


def row(what, value, unit, goal="", beside=""):
    print(f"{what:44} {value:10.3f} {unit:9} {goal:>8}  {beside}", flush=True)


print(f"{'snapshot of':24} {'nodes':>12} {'B/node':>8} {'+derived':>9} {'+values':>8}"
      "   (goal: 24, 32)")
with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
    path = os.path.join(folder, "it.hsift")
    for what, argv in targets():
        if not dump(argv, path):
            print(f"{what:24} not run")
            continue
        nodes, known, derived, values = sizes(path)
        print(f"{what:24} {nodes:12,} {known / nodes:8.2f} {(known + derived) / nodes:9.2f} "
              f"{(known + derived + values) / nodes:8.2f}", flush=True)
    print(f"\n{'':44} {'heapsift':>10} {'':9} {'goal':>8}  beside")
    row(f"open {nodes / 1e6:.1f} M nodes and print top",
        best([f"{BUILD}/heapsift", "top", path]), "s", "1.0")
    words = dict(re.findall(r"(\w+) ([\d.]+)", subprocess.run(
        [f"{BUILD}/bench/bench_snapshot", path], check=True, text=True,
        stdout=subprocess.PIPE).stdout))
    figures = {name: float(value) for name, value in words.items()}
    row("  open alone", figures["open"], "s")
    row("write its columns", figures["write"], "s", "",
        f"zstd -1, 2 threads: {figures['zstd']:.3f} s")
    row("  speed, of zstd's", figures["zstd"] / figures["write"], "x", "0.8")
    row("  size, of zstd's", os.path.getsize(path) / figures["zstd_size"], "x")
    row("  raw", figures["raw"] / nodes, "B/node")
