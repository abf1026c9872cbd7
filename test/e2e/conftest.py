# SPDX-License-Identifier: Apache-2.0
"""What every end-to-end test stands on: the built program, and targets that are always
gone when the test is over."""
import ctypes
import functools
import json
import os
import resource
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAPSIFT = Path(os.environ.get("HEAPSIFT") or ROOT / "build" / "heapsift").resolve()
FIXTURES = HEAPSIFT.parent / "fixture"
PYTHON = os.environ.get("TEST_PYTHON") or "/usr/bin/python3"
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
# What a shell runs in the background ignores SIGINT, and so would all that is started from
# here: an ignored signal is inherited, a handled one is not.
signal.signal(signal.SIGINT, signal.default_int_handler)


def not_run(reason):
    """This machine cannot run the test. Listed last by `make check`, and a failure there
    unless the README names it."""
    pytest.skip("NOT RUN: " + reason)


@functools.cache
def version_of(python):
    """(3, 13)"""
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


def pythons(*versions):
    """Interpreters of these versions ("3.13"), as parameters of a fixture that ends in
    `python_there(path)`: the system's, and all of pyenv's; or TEST_PYTHON's alone."""
    if os.environ.get("TEST_PYTHON"):
        version = "%d.%d" % version_of(PYTHON)
        return [pytest.param(Path(PYTHON), id=version)] if version in versions else []
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = []
    for v in versions:
        system = Path("/usr/bin") / f"python{v}"
        paths = [pytest.param(system, id=f"{v}-system")] if system.exists() else []
        paths += [pytest.param(p, id=p.parts[-3])
                  for p in sorted(pyenv.glob(f"{v}.*/bin/python{v}"))]
        found += paths or [pytest.param(None, id=f"{v}-none")]
    return found


def python_there(path):
    return path or not_run("no CPython of this version here")


def needs_root(what):
    if os.geteuid() != 0:
        not_run(f"only root can {what}")


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def on_one_cpu(*argv):
    """What to run, on one CPU, where its memory is compared byte by byte: the kernel keeps
    the number of the CPU in each thread's struct rseq, and changes it when a thread moves."""
    return ["taskset", "-c", str(min(os.sched_getaffinity(0))), *argv]


class Target:
    """A running target program. It prints the truth about itself line by line, then a line
    `ready`; `truth` holds the lines before it."""

    def __init__(self, argv, **popen):
        popen.setdefault("stderr", None)
        self.process = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True, preexec_fn=die_with_parent, **popen)
        self.pid = self.process.pid
        self.truth = []
        self.pending = b""

    def line(self, timeout=30):
        """The next line the target prints, without its newline."""
        end = time.monotonic() + timeout
        fd = self.process.stdout.fileno()
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise AssertionError(f"target {self.pid} printed no line in {timeout} s")
            more = os.read(fd, 65536)
            if not more:
                raise AssertionError(f"target ended, code {self.process.wait()}, "
                                     f"after {self.truth[-3:]} {self.pending!r}")
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def wait_ready(self, timeout=60):
        while (line := self.line(timeout)) != "ready":
            self.truth.append(line)
        return self

    def tell(self, line):
        """Hand the target a line on its standard input."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def is_alive(self):
        return self.process.poll() is None

    def end(self):
        """Kill it and all it started, whatever state it is in."""
        if self.process.poll() is None:
            for number in (signal.SIGKILL, signal.SIGCONT):
                try:
                    os.killpg(self.pid, number)
                except ProcessLookupError:
                    break
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def needs_plain_cores():
    """The kernel must put a core where the process is, under a name that can be told."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or "|" in pattern or "%" in pattern:
        not_run("the kernel puts cores elsewhere")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 and os.geteuid() != 0:
        not_run("no cores may be written")


def end_with_core(target, folder, number=signal.SIGABRT):
    """Ends a target that runs in `folder` by a signal; the path of its core."""
    resource.prlimit(target.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    os.kill(target.pid, number)
    assert os.WCOREDUMP(os.waitpid(target.pid, 0)[1])
    target.process.returncode = -number
    path, = folder.glob("core*")
    return path


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)

    def rows(self):
        return self.json()["rows"]


@pytest.fixture
def start():
    """start("name", arg...): runs fixture `name` (or a path), waits for its `ready`."""
    targets = []

    def run(program, *args, ready=True, **popen):
        path = Path(program) if "/" in str(program) else FIXTURES / program
        target = Target([path, *args], **popen)
        targets.append(target)
        return target.wait_ready() if ready else target

    yield run
    for target in targets:
        target.end()


@pytest.fixture
def heapsift():
    """heapsift("top", pid, "--json"): runs the program and checks its exit code."""

    def run(*args, code=0, timeout=60, **popen):
        done = subprocess.run([str(HEAPSIFT), *map(str, args)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, **popen)
        assert done.returncode == code, (
            f"heapsift {' '.join(map(str, args))}: exit {done.returncode}, not {code}\n"
            f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return Result(done)

    return run
