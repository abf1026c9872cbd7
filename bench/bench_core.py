# SPDX-License-Identifier: Apache-2.0
"""`heapsift core` beside cp of the file it wrote, on the same file system: on disk, where
both wait until it is there, and in memory, where there is nothing to wait for. gcore on the
same process beside it, where that is installed; and how long the target stands. cp is as
nice as core, which lets its target go first. Figures are medians; what the processors did
is their time, which a busy machine changes less."""
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
GIB = float(sys.argv[2]) if len(sys.argv) > 2 else 2
RUNS = 5
GOAL = 0.7  # of cp's speed


class Target:
    """bench_target, ready."""

    def __init__(self, *args):
        self.process = subprocess.Popen([f"{BUILD}/bench/bench_target", *map(str, args)],
                                        stdout=subprocess.PIPE, text=True)
        word, self.pid, rss = self.process.stdout.readline().split()
        assert word == "ready"
        self.gib = int(rss) / (1 << 30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def timed(*words):
    """Seconds, seconds of processors, and what it printed."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(w) for w in words], check=True, text=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (time.monotonic() - start,
            used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, done.stdout)


def pause_ms(text):
    number, unit = re.search(r"paused ([\d.]+) (\S+)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def core(pid, path):
    """To no file of before: to take that away is no part of either's work."""
    if os.path.exists(path):
        os.unlink(path)
    seconds, cpu, text = timed(f"{BUILD}/heapsift", "core", pid, "-o", path)
    return seconds, cpu, pause_ms(text)


def copy(path, sparse):
    """With the wait for the disk, as core waits."""
    other = path + ".copy"
    seconds, cpu, _ = timed("nice", "cp", "--reflink=never", f"--sparse={sparse}", path, other)
    seconds += timed("sync", other)[0]
    os.unlink(other)
    return seconds, cpu


def row(what, seconds, bytes_, peer, peer_name, goal):
    mark = "" if not goal or peer / seconds >= goal else "  below"
    print(f"{what:28} {seconds:8.3f} s {bytes_ / seconds / 1e6:8.0f} MB/s "
          f"{peer_name:>18} {peer:8.3f} s {peer / seconds:6.2f} x"
          f"{f'  goal {goal}' if goal else ''}{mark}", flush=True)


def beside_copies(target, folder, where):
    path = f"{folder}/x.core"
    runs = []
    for _ in range(RUNS):  # in turns: a busy machine is busy for both
        runs.append((*core(target.pid, path)[:2], *copy(path, "never"), *copy(path, "auto")))
    ours, cpu, never, never_cpu, auto, auto_cpu = (
        statistics.median(column) for column in zip(*runs))
    size = os.stat(path).st_blocks * 512
    row(f"core of {target.gib:.1f} GiB, {where}", ours, size, never, "cp --sparse=never", GOAL)
    row("", ours, size, auto, "cp --sparse=auto", GOAL)
    row("  processors", cpu, size, never_cpu, "cp --sparse=never", None)
    row("", cpu, size, auto_cpu, "cp --sparse=auto", None)
    os.unlink(path)
    return ours, size


def beside_gcore(target, folder, ours, size):
    if shutil.which("gcore"):
        seconds = timed("gcore", "-o", f"{folder}/gcore", target.pid)[0]
        row("", ours, size, seconds, "gcore", None)


def pauses(what, *args):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, Target(*args) as target:
        ms = statistics.median(core(target.pid, f"{folder}/x.core")[2] for _ in range(RUNS))
        threads = int(args[args.index("threads") + 1])
        goal = 20 * target.gib + threads / 100
        print(f"{what:28} {ms:8.3f} ms stood, goal {goal:.1f}{'  over' if ms > goal else ''}",
              flush=True)


os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
with Target("bytes", GIB) as bench_target:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP", "/var/tmp")) as disk:
        beside_gcore(bench_target, disk,
                     *beside_copies(bench_target, disk, "to disk, synced"))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        beside_copies(bench_target, memory, "to memory")
pauses(f"{GIB:g} GiB, 1 thread", "bytes", GIB, "threads", 1)
pauses("0.5 GiB, 500 threads", "bytes", 0.5, "threads", 500)
