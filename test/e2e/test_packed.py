# SPDX-License-Identifier: Apache-2.0
"""Packed files and standard input: what is unpacked is, byte for byte, what the programs
zstd, lz4, xz and gzip packed."""
import contextlib
import os
import pty
import random
import shutil
import struct
import subprocess
import tempfile

import pytest

from conftest import HEAPSIFT, not_run

PRINT_FILE = HEAPSIFT.parent / "driver" / "print_file"
NO_TMPFILE = HEAPSIFT.parent / "driver" / "no_tmpfile"
MIB = 1 << 20
PACKERS = {
    "zst": ["zstd", "-q", "-c"],
    "zst-size": ["zstd", "-q", "-c", "{file}"],
    "lz4": ["lz4", "-q", "-c", "-B5"],
    "lz4-size": ["lz4", "-q", "-c", "-B5", "--content-size", "{file}"],
    "xz": ["xz", "-1", "-c"],
    "xz-blocks": ["xz", "-0", "-c", "--block-size=300000"],
    "gz": ["gzip", "-1", "-c"],
}
RANDOM = random.Random(4).randbytes(MIB)
HOLE = 5 * MIB
CONTENT = RANDOM[:700_001] + bytes(HOLE) + RANDOM[700_001:] + b"the odd end"


TELL_SIZE = ("zst-size", "lz4-size", "xz", "xz-blocks")


def pack(packer, content):
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        words = [word.format(file=file.name) for word in PACKERS[packer]]
        return subprocess.run(words, stdin=file, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def packed():
    return {name: pack(name, CONTENT) for name in PACKERS}


class Unpacked:
    def __init__(self, done):
        assert done.returncode in (0, 1), done
        self.bytes, self.failed = done.stdout, done.returncode == 1
        self.said = done.stderr.decode().strip()
        if not self.failed:
            size, self.disk, self.mtime, self.links = map(int, self.said.split()[:4])
            assert size == len(self.bytes)
            self.note = self.said.split(" ", 4)[4] if self.said.count(" ") > 3 else ""


def unpack(path, *before, **run):
    return Unpacked(subprocess.run([*before, PRINT_FILE, path], capture_output=True, **run))


def unpack_bytes(content, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(content)
    return unpack(path)


@pytest.mark.parametrize("packer", PACKERS)
def test_every_byte(packed, packer, tmp_path):
    path, work = tmp_path / "x", tmp_path / "work"
    work.mkdir()
    path.write_bytes(packed[packer])
    os.utime(path, (1_000_000_000, 1_100_000_000))
    got = unpack(path, env={**os.environ, "TMPDIR": str(work)})
    assert got.bytes == CONTENT
    assert not got.note
    assert got.mtime == 1_100_000_000  # a core's time is its file's
    assert got.links == 0 and os.listdir(work) == []
    assert got.disk < len(CONTENT) - HOLE + 64 * 1024


@pytest.mark.parametrize("packer", PACKERS)
def test_frames_one_after_the_other(packed, packer, tmp_path):
    got = unpack_bytes(packed[packer] + pack(packer, b"more"), tmp_path)
    assert got.bytes == CONTENT + b"more" and not got.note


def test_frame_to_be_skipped_first(packed, tmp_path):
    """As pzstd writes them."""
    skipped = struct.pack("<II", 0x184D2A50, 4) + b"abcd"
    got = unpack_bytes(skipped + packed["zst"], tmp_path)
    assert got.bytes == CONTENT and not got.note


@pytest.mark.parametrize("content", [CONTENT, b"", b"x"], ids=["much", "none", "little"])
@pytest.mark.parametrize("packer", [None, "zst", "xz"])
def test_from_a_pipe(content, packer):
    data = pack(packer, content) if packer else content
    got = unpack("-", input=data)
    assert got.bytes == content and not got.note


def test_pipe_that_begins_slowly(packed):
    run = subprocess.Popen([PRINT_FILE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, bufsize=0)
    for i in range(70):
        run.stdin.write(packed["gz"][i:i + 1])
    out, _ = run.communicate(packed["gz"][70:])
    assert out == CONTENT


def test_regular_file_on_standard_input(packed, tmp_path):
    """Is used as it is, from its first byte, wherever it stands."""
    path = tmp_path / "x"
    for content in (CONTENT, packed["lz4"]):
        path.write_bytes(content)
        with open(path, "rb") as file:
            file.seek(100)
            got = unpack("-", stdin=file)
            assert got.bytes == CONTENT
            assert got.links == (1 if content is CONTENT else 0)


@pytest.mark.parametrize("packer", PACKERS)
def test_cut_short(packed, packer, tmp_path):
    whole = packed[packer]
    for keep in (10, 3000, len(whole) // 2, len(whole) - 300_000, len(whole) - 1):
        got = unpack_bytes(whole[:keep], tmp_path)
        if got.failed:
            assert "cut short" in got.said and keep <= 3000
            continue
        assert CONTENT.startswith(got.bytes)
        assert "cut short" in got.note and str(len(got.bytes)) in got.note
        if keep == len(whole) - 1:
            assert len(got.bytes) == len(CONTENT)
        if keep == len(whole) // 2:
            assert len(got.bytes) > MIB // 4


@pytest.mark.parametrize("packer", PACKERS)
def test_damaged(packed, packer, tmp_path):
    whole = bytearray(packed[packer])
    for at in (12, len(whole) // 3, 2 * len(whole) // 3, len(whole) - 3):
        damaged = whole[:]
        damaged[at] ^= 0x55
        got = unpack_bytes(damaged, tmp_path)
        assert "damaged (" in got.said or "cut short" in got.said, at
    got = unpack_bytes(bytes(whole) + b"what follows is no frame", tmp_path)
    assert got.bytes == CONTENT and "damaged (" in got.note


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode:
        not_run(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield {**os.environ, "TMPDIR": str(folder)}
    finally:
        subprocess.run(["umount", folder], check=True)


def test_no_room(tmp_path):
    """What tells its size is not begun; what does not ends before the disk is full; what is
    mostly zeroes fits."""
    large, airy = RANDOM * 8, RANDOM + bytes(40 * MIB)
    with small_disk(tmp_path / "disk", "4m") as env:
        for packer in PACKERS:
            path = tmp_path / "x"
            path.write_bytes(pack(packer, large))
            got = unpack(path, env=env)
            assert got.failed
            need = "takes 8 MiB" if packer in TELL_SIZE else "more than 3 MiB"
            for word in (need, str(path), env["TMPDIR"], "3 MiB to spare", "set TMPDIR"):
                assert word in got.said
            path.write_bytes(pack(packer, airy))
            assert unpack(path, env=env).bytes == airy
        got = unpack("-", env=env, input=large)
        assert "keep 'standard input'" in got.said and "more than" in got.said
        assert unpack("-", env=env, input=airy).bytes == airy
        assert os.listdir(tmp_path / "disk") == []
        assert shutil.disk_usage(tmp_path / "disk").used == 0


def test_folder_that_cannot_be_written(packed, tmp_path):
    got = unpack("-", input=packed["zst"], env={"TMPDIR": str(tmp_path / "none")})
    assert got.failed and str(tmp_path / "none") in got.said and "TMPDIR" in got.said


def test_file_system_without_unnamed_files(packed, tmp_path):
    done = subprocess.run([NO_TMPFILE, PRINT_FILE, "-"], input=packed["zst"],
                          capture_output=True, env={"TMPDIR": str(tmp_path)})
    if done.returncode == 77:
        not_run("a seccomp filter cannot be set")
    got = Unpacked(done)
    assert got.bytes == CONTENT and got.links == 0
    assert os.listdir(tmp_path) == []


# ---- commands ----

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A core and a snapshot of one process, packed and not."""
    folder = tmp_path_factory.mktemp("files")
    target = subprocess.Popen(
        ["/usr/bin/python3", "-c", "x = [str(i) * 9 for i in range(30000)]\n"
         "print('ready', flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        target.stdout.readline()
        pid = str(target.pid)
        subprocess.run([HEAPSIFT, "dump", pid, "-o", folder / "a.hsift"], check=True,
                       capture_output=True)
        subprocess.run(["gcore", "-o", folder / "core", pid], check=True, capture_output=True)
    finally:
        target.kill()
        target.communicate()
    (folder / f"core.{pid}").rename(folder / "core")
    for name, packer in (("core", "zst"), ("core", "lz4-size"), ("a.hsift", "gz"), ("a.hsift", "xz")):
        (folder / f"{name}.{packer}").write_bytes(pack(packer, (folder / name).read_bytes()))
    return folder


def rows(name, files, command, *options):
    return subprocess.run([HEAPSIFT, command, name, "--csv", *options], check=True,
                          capture_output=True, cwd=files).stdout


@pytest.mark.parametrize("name", ["core.zst", "core.lz4-size", "a.hsift.gz", "a.hsift.xz"])
def test_commands_read_packed_files(files, name):
    whole = name.rsplit(".", 1)[0]
    for command in ("top", "blocks"):
        assert rows(name, files, command) == rows(whole, files, command)


@pytest.mark.parametrize("name", ["core", "core.zst", "a.hsift", "a.hsift.gz"])
def test_commands_read_standard_input(files, name):
    with subprocess.Popen(["cat", files / name], stdout=subprocess.PIPE) as cat:
        done = subprocess.run([HEAPSIFT, "top", "-", "--csv"], stdin=cat.stdout,
                              capture_output=True, check=True)
    assert done.stdout == rows(name, files, "top")


def test_the_dash_alone_is_a_target(files):
    done = subprocess.run([HEAPSIFT, "-"], input=(files / "core.zst").read_bytes(),
                          capture_output=True, check=True)
    assert b"WHO HOLDS MOST" in done.stdout


def test_dump_of_a_core_on_a_pipe(files, heapsift, tmp_path):
    done = subprocess.run([HEAPSIFT, "dump", "-", "-o", tmp_path / "b.hsift"],
                          input=(files / "core").read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "b.hsift", files, "top") == rows("core", files, "top")


def test_cut_core_is_read_and_the_cut_is_said(files, heapsift, tmp_path):
    packed = (files / "core.zst").read_bytes()
    (tmp_path / "cut.zst").write_bytes(packed[:len(packed) * 9 // 10])
    shown = heapsift("summary", tmp_path / "cut.zst", "--json").json()
    assert any("cut short" in f["text"] and "cut.zst" in f["text"] for f in shown["findings"])
    assert shown["rows"]


def test_cut_snapshot_is_refused(files, heapsift, tmp_path):
    packed = (files / "a.hsift.xz").read_bytes()
    (tmp_path / "cut.xz").write_bytes(packed[:len(packed) * 9 // 10])
    shown = heapsift("top", tmp_path / "cut.xz", code=4)
    assert "cut short" in shown.err and "cut.xz" in shown.err


def test_what_is_no_target(heapsift, tmp_path):
    """Is known by its first bytes; a large one is not unpacked to its end."""
    path = tmp_path / "x.tar.gz"
    path.write_bytes(pack("gz", RANDOM * 8))
    with small_disk(tmp_path / "disk", "2m") as env:
        shown = heapsift("top", path, code=4, env=env)
    assert "neither" in shown.err and "x.tar.gz" in shown.err
    done = subprocess.run([HEAPSIFT, "top", "-"], input=b"", capture_output=True)
    assert done.returncode == 4 and b"standard input" in done.stderr
    assert "folder" in heapsift("top", tmp_path, code=4).err
    assert "device" in heapsift("top", "/dev/zero", code=4).err


def test_terminal(tmp_path):
    ours, theirs = pty.openpty()
    done = subprocess.run([HEAPSIFT, "top", "-"], stdin=theirs, capture_output=True, timeout=20)
    os.close(ours), os.close(theirs)
    assert done.returncode == 2 and b"terminal" in done.stderr
