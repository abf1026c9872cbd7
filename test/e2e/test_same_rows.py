# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""A process that stands still, its cores and a snapshot of each give the same rows, byte for
byte: what is true of memory does not depend on how it was had.

Of one fixture after the other: the process by a fork and held still; gdb's core,
heapsift's own, the kernel's at last. The first is what the others are held against.
(--mode=nostop is not among them: it has no registers, and those are roots.)
Every row of every command that needs neither residency (a core does not know it) nor the
bytes themselves (a snapshot does not keep them).

What may differ, and why, is in EXCEPT.
"""
import concurrent.futures
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import FIXTURES, HEAPSIFT, LIBC, ROOT, not_run, python_there, pythons

SYS_TGKILL = 234
SERVICE = """
import collections, ctypes, decimal, os, queue, socket, sqlite3, sys, threading
database = sqlite3.connect(":memory:")
database.execute("create table orders as select 1 as number, 'one' as name")
cursor = database.execute("select * from orders")
prices = [decimal.Decimal(n) / 7 for n in range(100)]
numbers = (ctypes.c_int * 500)()
class Order:
    def __init__(self, n):
        self.number, self.lines = n, [n, str(n) * 20, {"price": n * 1.5}]
class Slotted:
    __slots__ = ("order", "__weakref__")
book = {n: Order(n) for n in range(2000)}
recent = collections.deque(list(book.values())[:50], maxlen=50)
pair = Slotted(); pair.order = book[7]
blob = bytearray(300_000)
work, events = queue.Queue(), []
def serve(n):
    mine = {"thread": n, "orders": [Order(n * 1000 + i) for i in range(100)]}
    events.append(n)
    work.get()
def generate():
    local = [Order(i) for i in range(10)]
    for order in local:
        yield order
running = generate()
next(running)
left, right = socket.socketpair()
def listen():
    buffer = bytearray(5000)
    events.append(0)
    left.recv_into(buffer)
threads = [threading.Thread(target=serve, args=(n,), name=f"worker-{n}") for n in range(3)]
threads.append(threading.Thread(target=listen))
for thread in threads:
    thread.start()
while len(events) < len(threads):
    pass
print("ready", flush=True)
work.get()
"""
# Names of threads, but for the process's own, are nowhere in others' cores.
EXCEPT = [(re.compile(rb"(?<=[ \"])(\d+) \([^()\"]*\)(?=[\",])"), rb"\1")]


def run(*args):
    done = subprocess.run([str(HEAPSIFT), *map(str, args)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, (args, done.returncode, done.stderr.decode())
    return done.stdout


def rows_of(*args):
    """The rows and how many there are, as they were printed."""
    out = run(*args, "--json")
    return out[out.index(b'"rows": ['):out.rindex(b'"findings": [')]


def commands(target):
    """All that is compared; addresses of some objects, and of some blocks."""
    largest = re.findall(rb'"addr": "(0x[0-9a-f]+)"', rows_of("objects", target, "-n", 200))
    some = [a.decode() for a in (largest[0], largest[len(largest) // 2])]
    return [("top",), ("objects", "-n", "0"), ("tree",), ("blocks", "--all"), ("sizes",),
            ("waste",), ("arenas", "--bins"), ("arenas", "--classes"),
            *(("show", a) for a in some), *(("why", a) for a in some)]


def first_differences(want, got):
    lines = zip(want.split(b"\n"), got.split(b"\n"))
    pairs = [(a.decode(), b.decode()) for a, b in lines if a != b]
    return "\n".join(f"  {a[:300]}\n  {b[:300]}" for a, b in pairs[:6])


def without_exceptions(rows):
    for pattern, replacement in EXCEPT:
        rows = pattern.sub(replacement, rows)
    return rows


class Sources:
    """All that a standing process can be looked into by."""

    def __init__(self, target, folder):
        self.target, self.folder = target, folder
        self.named = {}
        # asleep, so that nothing is done between the stop and the kernel's core
        self.wait_for("S")
        os.kill(target.pid, signal.SIGSTOP)
        self.wait_for("T")

    def wait_for(self, state):
        """Until each thread is in that state, and has not been in another meanwhile."""
        before = None
        for _ in range(500):
            now = [re.findall(r"^State:\t(.)|^.*_switches:\t(\d+)", p.read_text(), re.M)
                   for p in Path(f"/proc/{self.target.pid}/task").glob("*/status")]
            if now == before and all(thread[0][0] == state for thread in now):
                return
            before = now
            time.sleep(0.02)
        raise AssertionError(f"not all threads are in state {state}: {now}")

    def add_live(self):
        pid = self.target.pid
        self.named["fork"] = (pid, "--mode=fork")
        self.named["freeze"] = (pid, "--mode=freeze")

    def add_cores(self):
        pid = self.target.pid
        subprocess.run(["gcore", "-o", self.folder / "gdb", str(pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        self.named["gcore"] = (self.folder / f"gdb.{pid}",)
        run("core", pid, "-o", self.folder / "own.core")
        self.named["own core"] = (self.folder / "own.core",)

    def add_snapshots(self):
        for name, (target, *mode) in list(self.named.items()):
            path = self.folder / (name.replace(" ", "-") + ".hsift")
            run("dump", target, *mode, "-o", path)
            self.named["snapshot of " + name] = (path,)

    def end_as_core(self):
        """The kernel's core; the process is gone then. A core goes to its folder."""
        resource.prlimit(self.target.pid, resource.RLIMIT_CORE,
                         (resource.RLIM_INFINITY,) * 2)
        # the thread that dies comes first in the core, whatever its age
        youngest = max(map(int, os.listdir(f"/proc/{self.target.pid}/task")))
        LIBC.syscall(SYS_TGKILL, self.target.pid, youngest, signal.SIGABRT)
        os.kill(self.target.pid, signal.SIGCONT)
        assert os.WCOREDUMP(os.waitpid(self.target.pid, 0)[1])
        self.target.process.returncode = -signal.SIGABRT
        path, = (self.folder / "cwd").glob("core*")
        return path


def kernel_writes_cores_here():
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return not set("/|%") & set(pattern) and (limit or os.geteuid() == 0)


@pytest.fixture
def compare(start, tmp_path):
    """compare(program, arg...): the same rows from everywhere."""
    (tmp_path / "cwd").mkdir()

    def check(*argv, direct=lambda name, command: True, **environment):
        """`direct`: which commands look into a source itself and not only its snapshot."""
        target = start(*argv, cwd=tmp_path / "cwd", env={**os.environ, **environment})
        sources = Sources(target, tmp_path)
        sources.add_live()
        sources.add_cores()
        sources.add_snapshots()
        first, = sources.named["snapshot of fork"]
        want = {c: rows_of(c[0], first, *c[1:]) for c in commands(first)}
        wrong = compare_all(sources.named, want, direct)
        assert not wrong, "\n".join(wrong)
        if not kernel_writes_cores_here():
            not_run("the kernel puts cores elsewhere")
        sources.named = {"kernel's core": (sources.end_as_core(),)}
        sources.add_snapshots()
        wrong = compare_all(sources.named, want, direct)
        assert not wrong, "\n".join(wrong)

    yield check
    for path in (*tmp_path.glob("*.core"), *tmp_path.glob("gdb.*"),
                 *(tmp_path / "cwd").glob("core*")):
        path.unlink()


def compare_one(name, source, command, expected):
    target, *mode = source
    got = rows_of(command[0], target, *command[1:], *mode)
    if "gcore" in name or "kernel" in name:  # our own cores keep them
        got, expected = without_exceptions(got), without_exceptions(expected)
    if got == expected:
        return []
    return [f"{name}: {' '.join(command)}\n{first_differences(expected, got)}"]


def compare_all(sources, want, direct):
    jobs = [(name, source, c, want[c]) for name, source in sources.items() for c in want
            if "snapshot" in name or direct(name, c[0])]
    wrong = []
    for job in jobs:  # a process can be held still by one at a time
        if isinstance(job[1][0], int):
            wrong += compare_one(*job)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        files = [pool.submit(compare_one, *j) for j in jobs if not isinstance(j[1][0], int)]
        return wrong + [w for done in files for w in done.result()]


def trees_alone(name, command):
    """A process or core is scanned for each command anew: seconds."""
    return command == "tree"


def test_roots_of_every_kind_and_threads(compare):
    compare("roots", FIXTURES / "roots_lib.so")


def test_cxx_classes(compare, tmp_path):
    source = ROOT / "test" / "fixture" / "cxx"
    subprocess.run(["c++", "-O1", "-o", tmp_path / "classes", source / "classes.cc",
                    source / "shapes.cc"], check=True)
    compare(tmp_path / "classes")


def test_a_heap_of_several_arenas(compare, tmp_path):
    compare("heap_truth", tmp_path / "truth", "live=5000")


@pytest.mark.parametrize("python", pythons("3.11")[:1] + pythons("3.13"))
def test_a_python_service(compare, tmp_path, python):
    (tmp_path / "service.py").write_text(SERVICE)
    compare(python_there(python), tmp_path / "service.py", direct=trees_alone,
            MALLOC_ARENA_MAX="1")  # gdb writes 64 MiB of zeroes for each other
