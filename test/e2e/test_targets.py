# SPDX-License-Identifier: Apache-2.0
# ctest: serial timeout=300 long not-asan
"""Targets in odd states: each can be looked into and stays as it was, or is refused in
words. What `odd` and `unharmed` say about themselves decides."""
import contextlib
import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import FIXTURES, HEAPSIFT, needs_root, not_run

HARM = HEAPSIFT.parent / "driver" / "harm"
FREEZER = "/sys/fs/cgroup/freezer"


def status(pid, key):
    text = open(f"/proc/{pid}/status").read()
    return re.search(rf"^{key}:\s*(\S+)", text, re.M)[1]


def state_settles(pid, state):
    """A thread that was let go is in its state again once it got the processor."""
    end = time.monotonic() + 10
    while status(pid, "State") != state and time.monotonic() < end:
        time.sleep(0.005)
    assert status(pid, "State") == state
    assert status(pid, "TracerPid") == "0"


def children(pid):
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            found += open(f"/proc/{pid}/task/{tid}/children").read().split()
    return found


def snap(pid, mode, count=10):
    """Takes snapshots: what was said, and whether they could be had."""
    done = subprocess.run([HARM, "snap", str(pid), mode, str(count)], text=True,
                          capture_output=True, timeout=120)
    return done.stdout + done.stderr, done.returncode == 0


def takes(pid, mode, count=10):
    said, done = snap(pid, mode, count)
    assert done, said


def refuses(pid, mode, *words):
    said, done = snap(pid, mode, 1)
    assert not done
    for word in words:
        assert word in said, said


@pytest.fixture
def odd(start):
    def run(*args):
        target = start("odd", *args)
        target.looked_at = int(target.truth[-1].removeprefix("pid "))
        return target

    return run


def unharmed(target):
    target.tell("verdict")
    turns = int(target.line().removeprefix("turns "))
    assert target.line() == "harm 0"
    return turns


def test_stopped_by_a_signal(odd):
    target = odd("stopped")
    pid = target.looked_at
    for mode in ("fork", "freeze", "auto"):
        takes(pid, mode)
        state_settles(pid, "T")
        assert children(pid) == []
    target.tell("what came")
    assert target.line() == "sigchld 0"
    target.tell("continue")
    assert target.line() == "sigchld 0"
    assert target.line() == "slept 1"


def test_in_a_stop_of_its_tracer(odd, heapsift):
    target = odd("traced")
    pid = target.looked_at
    takes(pid, "freeze")
    takes(pid, "auto")
    refuses(pid, "fork", "traced by process", "(odd)", "--mode=freeze")
    assert status(pid, "State") == "t"
    target.tell("still held?")
    assert target.line() == "held 1"


def test_run_by_its_tracer(odd, heapsift):
    pid = odd("traced-running").looked_at
    for mode in ("fork", "freeze", "auto"):
        refuses(pid, mode, "traced by process", "(odd)", "nostop")
    assert "traced by process" in heapsift("summary", pid, code=3).err
    heapsift("summary", pid, "--mode=nostop")


def test_held_by_gdb(start, heapsift):
    if not shutil.which("gdb"):
        not_run("gdb is not installed")
    target = start("/bin/sleep", "1000", ready=False)
    with subprocess.Popen(["gdb", "-q", "-p", str(target.pid)], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as gdb:
        end = time.monotonic() + 30
        while status(target.pid, "State") != "t" and time.monotonic() < end:
            time.sleep(0.05)
        takes(target.pid, "auto")
        assert status(target.pid, "TracerPid") == str(gdb.pid)
        assert status(target.pid, "State") == "t"
        gdb.kill()
    assert target.is_alive()


def test_waiting_for_a_vfork(odd):
    target = odd("vfork")
    state_settles(target.pid, "D")
    for mode in ("fork", "freeze"):
        refuses(target.pid, mode, "vfork", "try again")
        state_settles(target.pid, "D")
    assert unharmed(target) == 0


def test_short_vforks_are_waited_for(odd):
    target = odd("vfork-short")
    for mode in ("fork", "freeze"):
        takes(target.pid, mode)
    assert unharmed(target) > 3


def test_500_threads(odd):
    target = odd("threads", 500)
    for mode in ("fork", "freeze"):
        takes(target.pid, mode)
    unharmed(target)
    state_settles(target.pid, "S")
    assert len(os.listdir(f"/proc/{target.pid}/task")) == 502


def test_threads_born_and_dying(odd):
    target = odd("churn")
    before = unharmed(target)
    for mode in ("fork", "freeze"):
        takes(target.pid, mode, 100)
    assert unharmed(target) > before + 100
    assert children(target.pid) == []


def test_a_filter_that_kills_who_forks(odd):
    target = odd("seccomp")
    if os.geteuid() == 0:
        takes(target.pid, "fork")
    else:
        refuses(target.pid, "fork", "only root")
    takes(target.pid, "freeze")
    unharmed(target)
    assert children(target.pid) == []


@contextlib.contextmanager
def held(pid, mode):
    """While a snapshot is open."""
    with subprocess.Popen([HARM, "keep", str(pid), mode, "1"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as harm:
        assert harm.stdout.readline() == "held\n"
        yield harm
        said, _ = harm.communicate("\n", timeout=60)
        assert harm.returncode == 0, said


def test_a_filter_that_comes_during_the_read(odd):
    """The call that reaps the child must not be the one that the filter kills for."""
    target = odd("told")
    with held(target.pid, "fork"):
        target.tell("filter")
        assert target.line() == "filter 0"
    unharmed(target)
    assert children(target.pid) == []


def test_a_vfork_that_comes_during_the_read(odd):
    target = odd("told")
    with held(target.pid, "fork"):
        target.tell("vfork")
        state_settles(target.pid, "D")
    took = int(target.line().removeprefix("vfork "))
    assert 1500 <= took < 1700
    unharmed(target)
    assert children(target.pid) == []


def test_replaced_by_another_program(odd):
    """exec by any of its threads, at any moment: no stall, and true words."""
    target = odd("exec")
    for mode in ("auto", "freeze"):
        done = subprocess.run([HARM, "try", str(target.pid), mode, "200"], text=True,
                              capture_output=True, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
        taken, slowest = re.search(r"^taken (\d+), slowest (\d+) ms", done.stdout,
                                   re.M).groups()
        why = set(re.findall(r"^refused: (.*)", done.stdout, re.M))
        print(mode, taken, slowest, why)
        assert target.is_alive()
        assert int(slowest) < 1000
        assert int(taken) > 0
        assert all(re.search("replaced|copy", w)
                   for w in why), why
    assert children(target.pid) == []


def test_its_system_calls_are_dispatched_to_itself(odd):
    """As Wine does: a call by our hand would be one more signal, and that is death."""
    target = odd("dispatch")
    refuses(target.pid, "fork", "Syscall User Dispatch", "--mode=freeze")
    takes(target.pid, "auto")
    before = unharmed(target)
    time.sleep(0.1)
    assert unharmed(target) > before


def test_in_a_restartable_sequence(odd):
    target = odd("rseq")
    takes(target.pid, "fork", 25)
    before = unharmed(target)
    time.sleep(0.1)
    assert unharmed(target) > before


def test_without_its_main_thread(odd, heapsift):
    target = odd("headless")
    for mode in ("fork", "freeze", "auto"):
        takes(target.pid, mode)
    assert children(target.pid) == []
    unharmed(target)
    assert "its main thread has ended" in heapsift("check", target.pid).out


def test_at_the_end_of_its_stack(odd):
    target = odd("deep")
    takes(target.pid, "auto")
    unharmed(target)


def test_on_a_small_stack_with_data_below(odd):
    """The frames of the injected call must not lie below such a stack."""
    target = odd("coroutine")
    before = unharmed(target)
    takes(target.pid, "fork", 50)
    assert unharmed(target) > before


def test_private_huge_pages(odd):
    pool = "/proc/sys/vm/nr_hugepages"
    before = open(pool).read()
    with contextlib.suppress(OSError):
        write(pool, str(int(before) + 2))
    try:
        target = odd("hugetlb")
        if "memory none" in target.truth:
            not_run("no huge pages can be had")
        refuses(target.pid, "fork", "hugetlb")
        takes(target.pid, "auto")
        unharmed(target)
        target.end()
    finally:
        with contextlib.suppress(OSError):
            write(pool, before)


def test_faults_of_its_own(odd):
    """A missing page of such a range is not asked for: that would wait for the target."""
    target = odd("userfault")
    if "memory none" in target.truth:
        not_run("userfaultfd cannot be had")
    refuses(target.pid, "fork", "userfaultfd")
    takes(target.pid, "auto")
    unharmed(target)


# ---- frozen ----

@contextlib.contextmanager
def cgroup(parent, name):
    folder = os.path.join(parent, f"{name}-{os.getpid()}")
    try:
        os.mkdir(folder)
    except OSError as error:
        not_run(f"no cgroup can be made in {parent}: {error.strerror}")
    try:
        yield folder
    finally:
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                break
            time.sleep(0.05)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def wait_for(path, text):
    end = time.monotonic() + 10
    while text not in open(path).read():
        assert time.monotonic() < end, f"{path}: no {text}"
        time.sleep(0.01)


def check_frozen(target, heapsift):
    for mode in ("freeze", "auto"):
        takes(target.pid, mode)
    refuses(target.pid, "fork", "frozen by its cgroup", "--mode=freeze")
    assert "frozen by its cgroup" in heapsift("summary", target.pid).out
    assert "frozen; it is read as it stands" in heapsift("check", target.pid).out


def test_frozen_by_a_cgroup_of_version_1(odd, heapsift):
    if not os.path.isdir(FREEZER):
        not_run("no freezer of cgroup version 1")
    with cgroup(FREEZER, "heapsift") as folder:
        target = odd("threads", 5)
        write(f"{folder}/cgroup.procs", str(target.pid))
        write(f"{folder}/freezer.state", "FROZEN")
        wait_for(f"{folder}/freezer.state", "FROZEN")
        check_frozen(target, heapsift)
        assert "FROZEN" in open(f"{folder}/freezer.state").read()
        write(f"{folder}/freezer.state", "THAWED")
        unharmed(target)
        target.end()


def test_frozen_by_a_cgroup_of_version_2(odd, heapsift):
    mounts = re.findall(r"^cgroup2 (\S+)", open("/proc/mounts").read(), re.M)
    if not mounts:
        not_run("no cgroup version 2 is mounted")
    with cgroup(mounts[0], "heapsift") as folder:
        target = odd("threads", 5)
        write(f"{folder}/cgroup.procs", str(target.pid))
        write(f"{folder}/cgroup.freeze", "1")
        wait_for(f"{folder}/cgroup.events", "frozen 1")
        check_frozen(target, heapsift)
        assert "frozen 1" in open(f"{folder}/cgroup.events").read()
        write(f"{folder}/cgroup.freeze", "0")
        unharmed(target)
        target.end()


def test_little_memory_left(start, heapsift):
    """Its cgroup could not hold what it writes while a child lives: no fork."""
    parent = "/sys/fs/cgroup/memory"
    if not os.path.isdir(parent):
        not_run("no memory controller of cgroup version 1")
    with cgroup(parent, "heapsift") as folder:
        target = start("unharmed", 64)
        write(f"{folder}/cgroup.procs", str(target.pid))
        limit = int(open(f"{folder}/memory.usage_in_bytes").read()) + (4 << 20)
        write(f"{folder}/memory.limit_in_bytes", str(limit))
        refuses(target.pid, "fork", "memory limit", "cgroup")
        takes(target.pid, "auto")
        assert "memory limit" in heapsift("check", target.pid).out
        target.end()


def test_memory_runs_short_while_a_child_lives(start):
    """What it writes is there twice then: the child is ended before that can hurt."""
    parent = "/sys/fs/cgroup/memory"
    if not os.path.isdir(parent):
        not_run("no memory controller of cgroup version 1")
    with cgroup(parent, "heapsift") as folder:
        target = start("unharmed", 64)
        write(f"{folder}/cgroup.procs", str(target.pid))
        write(f"{folder}/memory.limit_in_bytes", str(1 << 30))
        with subprocess.Popen([HARM, "hold", str(target.pid), "fork", "3000"], text=True,
                              stdout=subprocess.PIPE) as holder:
            assert holder.stdout.readline() == "held\n"
            used = int(open(f"{folder}/memory.usage_in_bytes").read())
            write(f"{folder}/memory.limit_in_bytes", str(used + (2 << 20)))
            assert "ran short of memory" in holder.stdout.read()
        target.tell("verdict")
        assert target.line().startswith("complaints 0")
        target.end()


# ---- elsewhere ----

def test_in_namespaces_of_its_own(start):
    needs_root("make namespaces")
    outer = start("/usr/bin/unshare", "--pid", "--mount", "--fork", "--mount-proc",
                  "--kill-child", FIXTURES / "unharmed", 4)
    inner = int(children(outer.pid)[0])
    assert os.stat(f"/proc/{inner}/ns/pid").st_ino != os.stat("/proc/self/ns/pid").st_ino
    before = children(inner)
    for mode in ("fork", "freeze"):
        takes(inner, mode, 50)
    outer.tell("verdict")
    assert outer.line().startswith("complaints 0")
    assert children(inner) == before


def test_children_in_another_namespace(start):
    """Its next child would be process 1 of a new namespace: that is not for us."""
    needs_root("make namespaces")
    outer = start("/usr/bin/unshare", "--pid", "/bin/sh", "-c",
                  "echo ready; exec sleep 1000")
    refuses(outer.pid, "fork", "another pid namespace")
    takes(outer.pid, "auto")
