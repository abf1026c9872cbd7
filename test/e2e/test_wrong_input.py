# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in an engineer's hands: each ends with the right exit code, at most four
clear lines, and nothing half-written."""
import os
import signal
import subprocess
import threading
import time

import pytest

from conftest import HEAPSIFT, needs_root, not_run

NOBODY = 65534


def said(result, *words):
    """The message on stderr, checked for form and for these words."""
    lines = result.err.rstrip("\n").split("\n")
    assert 1 <= len(lines) <= 4, result.err
    assert lines[0].startswith("heapsift: "), result.err
    for word in words:
        assert word in result.err, result.err
    assert result.out == ""
    return result.err


@pytest.fixture
def sleeper(start):
    return start("/bin/sleep", "1000", ready=False)


def group_members(group):
    """Processes in this process group (a copy has its original's), zombies aside."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.add(int(pid))
    return found


def unused_pid():
    done = subprocess.Popen(["/bin/true"])
    done.wait()
    return done.pid


@pytest.mark.parametrize("command", ["top", "summary", "blocks"])
def test_no_such_process(heapsift, command):
    pid = unused_pid()
    said(heapsift(command, pid, code=3), str(pid), "no")


@pytest.mark.parametrize("option", ["--sysroot", "--debug-dir"])
def test_no_such_folder(heapsift, sleeper, tmp_path, option):
    said(heapsift("top", sleeper.pid, option, tmp_path / "x", code=2),
         f"{option}: there is no folder '{tmp_path}/x'")


def test_dump_of_no_such_process_leaves_no_file(heapsift, tmp_path):
    said(heapsift("dump", unused_pid(), "-o", tmp_path / "x.hsift", code=3))
    assert os.listdir(tmp_path) == []


def test_another_user(heapsift, sleeper):
    needs_root("become another user")
    said(heapsift("top", sleeper.pid, code=3, user=NOBODY, group=NOBODY, extra_groups=[],
                  cwd="/"), "belongs to user root")
    assert sleeper.is_alive()


def test_kernel_thread(heapsift):
    if not os.path.exists("/proc/2/comm") or os.path.exists("/proc/2/exe") and \
            "kthreadd" not in open("/proc/2/comm").read():
        not_run("no kernel threads to be seen from here")
    said(heapsift("top", 2, code=3), "thread of the kernel")


def test_zombie(heapsift):
    child = subprocess.Popen(["/bin/true"])
    while open(f"/proc/{child.pid}/stat").read().split(")")[1].split()[0] != "Z":
        time.sleep(0.01)
    said(heapsift("top", child.pid, code=3), "zombie")
    child.wait()


@pytest.mark.parametrize("mode", ["freeze", "fork"])
def test_a_target_that_dies_while_it_is_read(heapsift, start, tmp_path, mode):
    """Killed at moments spread over the whole read: a whole answer or exit 3, never a hang,
    a crash or a part of a file. A copy may outlive its target, but not the read."""
    codes = set()
    for step in range(30):
        target = start("/usr/bin/python3", "-c",
                       "x = [bytes(50) for i in range(300000)]\nprint('ready', flush=True)\n"
                       "import time; time.sleep(100)")
        out = tmp_path / f"{step}.hsift"
        timer = threading.Timer(step * 0.002, os.kill, (target.pid, signal.SIGKILL))
        timer.start()
        done = subprocess.run([HEAPSIFT, "dump", str(target.pid), "--mode", mode, "-o", out],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30)
        timer.join()
        codes.add(done.returncode)
        assert done.returncode in (0, 3), done.stderr
        assert out.exists() == (done.returncode == 0)
        if done.returncode == 0:
            heapsift("summary", out)
        if done.returncode == 3:
            assert len(done.stderr.splitlines()) <= 4 and done.stderr.startswith("heapsift: ")
        assert group_members(target.pid) <= {target.pid}  # itself may still be dying
        target.end()
    assert 3 in codes
    assert all(name.endswith(".hsift") for name in os.listdir(tmp_path))


def test_existing_output_is_kept(heapsift, sleeper, tmp_path):
    out = tmp_path / "x.hsift"
    out.write_text("mine")
    said(heapsift("dump", sleeper.pid, "-o", out, code=2), str(out), "--force")
    assert out.read_text() == "mine"
    heapsift("dump", sleeper.pid, "-o", out, "--force")
    assert out.read_bytes() != b"mine"
    assert out.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["x.hsift"]


def test_output_in_no_folder(heapsift, sleeper, tmp_path):
    said(heapsift("dump", sleeper.pid, "-o", tmp_path / "none" / "x.hsift", code=4), "none")


def test_output_folder_not_ours(heapsift, tmp_path):
    needs_root("become another user")
    own = subprocess.Popen(["/bin/sleep", "100"], user=NOBODY, group=NOBODY, extra_groups=[])
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o755)
    os.chmod(tmp_path, 0o755)
    try:
        time.sleep(0.1)
        said(heapsift("dump", own.pid, "-o", folder / "x.hsift", code=4, user=NOBODY,
                      group=NOBODY, extra_groups=[], cwd="/"), "ermission")
        assert os.listdir(folder) == []
    finally:
        own.kill()
        own.wait()


def test_full_disk(heapsift, start, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk],
                             capture_output=True, text=True)
    if mounted.returncode:
        not_run(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        target = start("/usr/bin/python3", "-c",
                       "import random\nx = [bytes(random.randrange(600, 3000)) for i in range(30000)]\n"
                       "print('ready', flush=True)\nimport time; time.sleep(100)")
        said(heapsift("dump", target.pid, "-o", disk / "x.hsift", code=4), "space")
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_standard_output_that_is_full(sleeper):
    with open("/dev/full", "w") as full:
        done = subprocess.run([HEAPSIFT, "summary", str(sleeper.pid)], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 4
    assert "space" in done.stderr


@pytest.mark.parametrize("arguments,words", [
    (["tpo", "1"], ["'tpo'", "top"]),
    (["top"], ["TARGET"]),
    (["top", "1", "--sort", "colour"], ["colour"]),
    (["top", "1", "-n", "many"], ["many"]),
    (["top", "1", "--mode=steal"], ["steal"]),
    (["blocks", "1", "--frobnicate"], ["frobnicate"]),
    (["hexdump", "1", "somewhere"], ["somewhere"]),
    (["top", "0"], ["0"]),
    (["top", "99999999999999999999"], ["99999999999999999999"]),
])
def test_wrong_arguments(heapsift, arguments, words):
    said(heapsift(*arguments, code=2), *words)


def test_a_file_that_is_no_snapshot(heapsift, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    said(heapsift("top", path, code=4), str(path))
    said(heapsift("top", tmp_path / "absent", code=4), "absent")
    said(heapsift("top", tmp_path, code=4), str(tmp_path))
    said(heapsift("top", "/dev/null", code=4), "/dev/null")
