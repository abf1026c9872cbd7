# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""Series of snapshots: what watch takes, and when."""
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import HEAPSIFT, LIBC, needs_root, not_run
from growing import Snapshot, grow, rows_of, times_of


UNIFIED = [Path(p) for p in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")]


def wait_until(what, seconds=60):
    """Nothing is timed: this is how long a broken test takes."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


class Watch:
    """A running watch, its lines as they come."""

    def __init__(self, *args, **popen):
        popen.setdefault("stdout", subprocess.PIPE)
        self.process = subprocess.Popen([str(HEAPSIFT), "watch", *map(str, args)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        **popen)

    def end(self, timeout=60):
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, (out or b"").decode(), err.decode()


@pytest.fixture
def watch():
    running = []

    def run(*args, **popen):
        running.append(Watch(*args, **popen))
        return running[-1]

    yield run
    for it in running:
        it.process.kill()
        it.process.communicate()


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def snapshots(folder):
    return sorted(p for p in folder.glob("*") if not p.name.startswith("."))


# ---- every so often ----


def test_what_stands_in_the_way_for_a_moment_ends_no_series(watch, start, tmp_path):
    """Another tracer has the process, as another heapsift would."""
    target, folder = start("grow"), tmp_path / "new"
    it = watch(target.pid, "--every", "200ms", "--count", "3", "-o", folder)
    wait_until(lambda: folder.exists() and snapshots(folder))
    while LIBC.ptrace(PTRACE_SEIZE, target.pid, None, None) != 0:  # it is being read
        time.sleep(0.001)
    assert select.select([it.process.stderr], [], [], 60)[0]
    assert LIBC.ptrace(PTRACE_INTERRUPT, target.pid, None, None) == 0
    os.waitpid(target.pid, 0x40000000)  # __WALL
    assert LIBC.ptrace(PTRACE_DETACH, target.pid, None, None) == 0
    code, _, err = it.end()
    assert code == 0 and len(snapshots(folder)) == 3, err
    assert "one snapshot is missing" in err and "traced" in err


def test_series(watch, start, heapsift, tmp_path):
    target, folder = start("grow"), tmp_path / "new"
    it = watch(target.pid, "--every", "200ms", "--count", "5", "-o", folder, "--label", "L")
    wait_until(lambda: folder.exists() and snapshots(folder))
    unit = grow(target)
    while it.process.poll() is None:
        assert grow(target) == unit
        time.sleep(0.005)
    code, out, err = it.end()
    assert (code, err) == (0, "")
    files = snapshots(folder)
    assert len(files) == 5 and folder.stat().st_mode & 0o777 == 0o700
    assert all(re.fullmatch(rf"{target.pid}-\d{{8}}T\d{{6}}Z-000{n}\.hsift", f.name)
               for n, f in enumerate(files, 1))
    assert all(f.stat().st_mode & 0o777 == 0o600 for f in files)
    lines = out.splitlines()
    assert len(lines) == 6 and [line.split()[-1] for line in lines[1:]] == list(map(str, files))
    rows = rows_of(heapsift, folder)
    assert [r["file"] for r in rows] == [f.name for f in reversed(files)]
    assert {r["label"] for r in rows} == {"L"}
    changes = [r["size_change"] for r in rows[:-1]]
    assert all(c >= 0 and c % unit == 0 for c in changes) and sum(changes) > 0
    assert [c // unit for c in changes] == [r["count_change"] for r in rows[:-1]]


def test_nothing_is_overwritten(watch, start, tmp_path):
    """Of runs in one second, which begin to count anew."""
    target = start("grow")
    for _ in range(3):
        assert watch(target.pid, "--every", "1ms", "--count", "2", "-o", tmp_path).end()[0] == 0
    assert len(snapshots(tmp_path)) == 6


def test_ring(watch, start, heapsift, tmp_path):
    target = start("grow")
    (tmp_path / f"{target.pid}-0.hsift").write_text("not ours")
    code, out, _ = watch(target.pid, "--every", "50ms", "--count", "7", "--ring", "3",
                         "-o", tmp_path).end()
    said = [Path(line.split()[-1]) for line in out.splitlines()[1:]]
    assert code == 0 and len(said) == 7
    assert snapshots(tmp_path)[1:] == said[-3:]
    assert len(rows_of(heapsift, tmp_path)) == 3


def test_target_ends(watch, start, tmp_path):
    target = start("grow")
    it = watch(target.pid, "--every", "100ms", "-o", tmp_path)
    wait_until(lambda: len(snapshots(tmp_path)) >= 2)
    target.process.stdin.close()
    code, _, err = it.end()
    assert code == 0
    assert re.search(rf"process {target.pid} has ended; {len(snapshots(tmp_path))} snapshots",
                     err)


def test_target_is_killed_and_not_waited_for(watch, start, tmp_path):
    target = start("grow")
    folder = tmp_path / "new"
    it = watch(target.pid, "--when", "rss>1T", "-o", folder)
    wait_until(folder.exists)
    os.kill(target.pid, signal.SIGKILL)
    code, out, err = it.end()
    assert (code, out) == (0, "") and "has ended; 0 snapshots" in err
    assert snapshots(folder) == []


def process_with_pid(pid):
    """A new process that has this pid, which is free."""
    for _ in range(300):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError as why:
            not_run(f"pids cannot be chosen: {why}")
        new = subprocess.Popen(["/bin/sleep", "100"])
        if new.pid == pid:
            return new
        new.kill()
        new.wait()
    return not_run("another process takes every pid that gets free")


def test_a_pid_is_given_to_another(watch, start, tmp_path):
    target, folder = start("grow"), tmp_path / "new"
    it = watch(target.pid, "--every", "300ms", "-o", folder)
    wait_until(lambda: folder.exists() and snapshots(folder))
    it.process.send_signal(signal.SIGSTOP)
    target.end()
    stranger = process_with_pid(target.pid)
    try:
        it.process.send_signal(signal.SIGCONT)
        code, _, err = it.end()
        assert code == 0 and "has ended" in err
        assert {p["exe"][-5:] for f in snapshots(folder)
                for p in Snapshot(f).rows("processes")} == {b"/grow"}
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(watch, start, heapsift, tmp_path, number):
    target = start("many_blocks", "300000")
    it = watch(target.pid, "--every", "1ms", "-o", tmp_path, start_new_session=True)
    wait_until(lambda: len(snapshots(tmp_path)) >= 2)
    if number == signal.SIGINT:
        os.killpg(it.process.pid, number)  # as the terminal does
    else:
        it.process.send_signal(number)
    code, _, err = it.end()
    assert code == -number and err == ""
    wait_until(lambda: not any(str(tmp_path).encode() in Path(p, "cmdline").read_bytes()
                               for p in Path("/proc").glob("[0-9]*") if readable(p)))
    rows = rows_of(heapsift, tmp_path)
    assert len(rows) == len(list(tmp_path.iterdir())) == len(snapshots(tmp_path))
    assert all("size" in r for r in rows) and target.is_alive()


def readable(proc):
    try:
        Path(proc, "cmdline").read_bytes()
        return True
    except OSError:
        return False


def test_full_disk(watch, start, heapsift, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk],
                             capture_output=True, text=True)
    if mounted.returncode:
        not_run(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        it = watch(start("grow").pid, "--every", "20ms", "-o", disk)
        code, out, err = it.end()
        assert code == 4 and "space" in err
        said = [Path(line.split()[-1]) for line in out.splitlines()[1:]]
        assert said and list(map(str, snapshots(disk))) == list(map(str, said))
        assert len(rows_of(heapsift, disk)) == len(said) == len(os.listdir(disk))
    finally:
        subprocess.run(["umount", disk], check=True)


# ---- on a condition ----


def resident(target):
    text = Path(f"/proc/{target.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


def test_when_it_is_large(watch, start, heapsift, tmp_path):
    target = start("grow")
    limit = resident(target) + (8 << 20)
    it = watch(target.pid, "--when", f"psi>99%, rss>{limit}", "-o", tmp_path)
    grow(target, 1 << 20, times=4)
    with pytest.raises(subprocess.TimeoutExpired):  # looked at once a second
        it.process.wait(2.5)
    assert snapshots(tmp_path) == []
    got = grow(target, 1 << 20, times=8)
    code, out, _ = it.end()
    assert code == 0 and out.splitlines()[1].endswith(f"rss>{limit}")
    row, = rows_of(heapsift, tmp_path)
    assert row["label"] == f"rss>{limit}" and row["rss"] > limit and row["size"] > got


def test_when_again(watch, start, heapsift, tmp_path):
    target = start("grow")
    it = watch(target.pid, "--when", "rss>4K", "--every", "300ms", "--count", "3", "-o",
               tmp_path)
    assert it.end()[0] == 0
    times = times_of(snapshots(tmp_path))
    assert len(times) == 3 and all(b - a >= 3e8 for a, b in zip(times, times[1:]))


def test_when_it_grows(watch, start, heapsift, tmp_path):
    """As fast as told, over all of two seconds; not before, for it stands still."""
    target = start("grow")
    it = watch(target.pid, "--when", "growth>1M/s", "-o", tmp_path)
    grow(target, 8 << 20)  # at once: no growth that goes on
    with pytest.raises(subprocess.TimeoutExpired):
        it.process.wait(3)
    while it.process.poll() is None:
        grow(target, 1 << 20)
        time.sleep(0.05)
    code, out, _ = it.end()
    assert code == 0 and out.splitlines()[1].endswith("growth>1M/s")


def test_stream(watch, start, heapsift, tmp_path):
    target, path = start("grow"), tmp_path / "x"
    got = grow(target, 1 << 16, times=3)
    with open(path, "wb") as out:
        it = watch(target.pid, "--when", "rss>4K", "-o", "-", stdout=out)
        code, _, err = it.end()
    assert code == 0 and "rss>4K" in err
    heapsift("dump", target.pid, "-o", tmp_path / "y")
    top = [heapsift("top", tmp_path / name, "--json").rows() for name in "xy"]
    assert top[0] == top[1] and sum(r["size"] for r in top[0]) >= got


def test_stream_of_what_ends_before(watch, start):
    target = start("grow")
    it = watch(target.pid, "--when", "rss>1T", "-o", "-")
    time.sleep(0.2)
    target.process.stdin.close()
    code, out, err = it.end()
    assert (code, out) == (1, "") and "has ended" in err


def a_cgroup(name, needs=()):
    """A folder of cgroup version 2 with these files, or NOT RUN."""
    needs_root("make cgroups")
    for root in UNIFIED:
        if not (root / "cgroup.controllers").exists():
            continue
        group = root / name
        group.mkdir()
        if all((group / file).exists() for file in needs):
            return group
        group.rmdir()
    return not_run(f"no cgroup of version 2 that has {' and '.join(needs)}")


def test_psi_of_a_cgroup(watch, start, tmp_path):
    """Its own cgroup's pressure is asked for, and it has none: there is no snapshot."""
    group = a_cgroup(f"heapsift-test-{os.getpid()}", ["memory.pressure"])
    target = start("grow")
    try:
        (group / "cgroup.procs").write_text(str(target.pid))
        it = watch(target.pid, "--when", "psi", "-o", tmp_path)
        opened = Path(f"/proc/{it.process.pid}/fd")
        wait_until(lambda: any(os.path.realpath(f) == str(group / "memory.pressure")
                               for f in opened.iterdir()))
        with pytest.raises(subprocess.TimeoutExpired):
            it.process.wait(2.5)
        assert snapshots(tmp_path) == []
    finally:
        target.end()
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def a_tight_cgroup():
    """A cgroup with a limit of memory, of version 1, that a target can thrash in."""
    needs_root("limit a cgroup's memory")
    root = Path("/sys/fs/cgroup/memory")
    if not (root / "memory.limit_in_bytes").exists():
        not_run("no memory controller of cgroup version 1")
    own = re.search(r":memory:(.*)", Path("/proc/self/cgroup").read_text())[1]
    group = next(p for p in (root / own.lstrip("/"), root) if p.exists())
    group = group / f"heapsift-test-{os.getpid()}"
    group.mkdir()
    return group


THRASH = """
import mmap, sys
print("ready", flush=True)
sys.stdin.readline()
with open(sys.argv[1], "w+b") as f:
    for i in range(64):
        f.write(b"x" * (1 << 20))
    f.flush()
    m = mmap.mmap(f.fileno(), 64 << 20)
    while True:
        sum(m[i] for i in range(0, 64 << 20, 4096))
"""


def test_psi(watch, start, tmp_path):
    """A target that reads a file again and again that does not fit into its memory."""
    if not Path("/proc/pressure/memory").exists():
        not_run("a kernel without memory pressure (psi)")
    group = a_tight_cgroup()
    target = start("/usr/bin/python3", "-c", THRASH, tmp_path / "thrash")
    folder = tmp_path / "d"
    try:
        (group / "cgroup.procs").write_text(str(target.pid))
        (group / "memory.limit_in_bytes").write_text("24M")
        it = watch(target.pid, "--when", "psi>1%", "-o", folder)
        with pytest.raises(subprocess.TimeoutExpired):
            it.process.wait(2.5)
        target.tell("go")
        code, out, _ = it.end()
        assert code == 0 and out.splitlines()[1].endswith("psi>1%")
    finally:
        target.end()
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_memory_high(watch, start, tmp_path):
    group = a_cgroup(f"heapsift-test-{os.getpid()}", ["memory.high", "memory.events"])
    target = start("grow")
    try:
        (group / "cgroup.procs").write_text(str(target.pid))
        (group / "memory.high").write_text("16M")
        it = watch(target.pid, "--when", "memory.high", "-o", tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            it.process.wait(2.5)
        target.tell(str(32 << 20))
        code, out, _ = it.end()
        assert code == 0 and out.splitlines()[1].endswith("memory.high")
    finally:
        target.end()
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_memory_high_is_not_set(heapsift, start, tmp_path):
    err = heapsift("watch", start("grow").pid, "--when", "memory.high", "-o", tmp_path / "d",
                   code=3).err
    assert "memory.high" in err and "rss>" in err and not (tmp_path / "d").exists()


# ---- what is refused ----


@pytest.mark.parametrize("arguments,words", [
    (["1"], ["--every", "--when"]),
    (["1", "--every", "5"], ["500ms, 30s"]),
    (["1", "--every", "1s"], ["-o DIR"]),
    (["1", "--every", "1s", "-o", "-"], ["--when", "dump 1"]),
    (["1", "--when", "psi", "--ring", "2", "-o", "-"], ["one snapshot"]),
    (["1", "--every", "1s", "--ring", "99999999999", "-o", "d"], ["--ring", "1000000"]),
    (["1", "--when", "psi", "--count", "2", "-o", "-"], ["one snapshot"]),
    (["1", "--when", "rss>lots", "-o", "d"], ["rss>lots", "rss>6G", "growth>10%/h"]),
    (["1", "--when", "psi,", "-o", "d"], ["''", "psi>20%"]),
    (["core.1", "--every", "1s", "-o", "d"], ["PID", "core.1"]),
    (["1", "--every", "1s", "-o", "/etc/passwd"], ["/etc/passwd", "folder"]),
    (["1", "--every", "1s", "-o", "d", "--memory", "all", "--no-values"], ["--memory"]),
])
def test_refused(heapsift, arguments, words, tmp_path):
    err = heapsift("watch", *arguments, code=2, cwd=tmp_path).err
    assert all(word in err for word in words), err
    assert len(err.splitlines()) <= 4 and not any(tmp_path.iterdir())


def test_no_such_process(heapsift, tmp_path):
    heapsift("watch", "4194999", "--every", "1s", "-o", tmp_path / "d", code=3)
    heapsift("watch", "99999999999999", "--every", "1s", "-o", tmp_path / "d", code=3)
    assert not (tmp_path / "d").exists()
