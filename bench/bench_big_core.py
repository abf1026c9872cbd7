# SPDX-License-Identifier: Apache-2.0
"""Cores larger than what reads them may take: every command on one of MILLIONS of records of
1 KiB (10 by default: a process and a file of 10 GiB), and on a small heap beside a vast
reservation that nothing points into: all hole in a file of 100 GiB, in none, and in fact
there, DENSE_GIB of it (1).

   bench_big_core.py BUILD [MILLIONS [DENSE_GIB]]"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
MILLIONS = float(sys.argv[2]) if len(sys.argv) > 2 else 10
DENSE_GIB = int(sys.argv[3]) if len(sys.argv) > 3 else 1
GIB = 1 << 30
GOAL_GB = 2.5
VAST = 100 * GIB
FREE = 0x100000000000  # no mapping of a PIE is near
PAGE = 4096


def run(*words):
    """What it printed; seconds, seconds of processor, peak bytes, and bytes read."""
    began, before = time.monotonic(), bytes_read()
    process = subprocess.Popen([f"{BUILD}/heapsift", *map(str, words)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, words
    return (text, time.monotonic() - began, used.ru_utime + used.ru_stime,
            used.ru_maxrss * 1024, bytes_read() - before)


def bytes_read():
    """Of the children that ended, too."""
    with open("/proc/self/io") as f:
        return int(f.readline().split()[1])


def row(what, seconds, cpu, peak, read, goal_gb=None):
    mark = "  over" if goal_gb and peak > goal_gb * 1e9 else ""
    print(f"{what:34} {seconds:8.2f} s {cpu:8.2f} s {peak / 1e6:8.0f} MB "
          f"{read / 1e9:8.2f} GB{f'  goal {goal_gb} GB' if goal_gb else ''}{mark}", flush=True)


def write_core(folder, *args):
    process = subprocess.Popen([f"{BUILD}/bench/bench_target", *map(str, args)],
                               stdout=subprocess.PIPE, text=True)
    try:
        pid = process.stdout.readline().split()[1]
        run("core", pid, "-o", f"{folder}/core")
    finally:
        process.kill()
        process.wait()
    return f"{folder}/core"


def every_command(core):
    text, *figures = run("objects", core, "--json", "--limit", 20)
    row("objects", *figures, GOAL_GB)
    addr = json.loads(text)["rows"][-1]["addr"]
    for words in (["summary", core], ["top", core], ["why", core, addr], ["show", core, addr],
                  ["blocks", core], ["dump", core, "-o", f"{core}.hsift"]):
        row(words[0], *run(*words)[1:], GOAL_GB)
    row("top of the snapshot", *run("top", f"{core}.hsift")[1:], GOAL_GB)


def reserve(core, in_file, dense):
    """One more PT_LOAD, its header after all others at the end of the file."""
    with open(core, "r+b") as f:
        head = bytearray(f.read(64))
        at, = struct.unpack_from("<Q", head, 32)
        n, = struct.unpack_from("<H", head, 56)
        f.seek(at)
        headers = f.read(56 * n)
        end = -(-f.seek(0, os.SEEK_END) // PAGE) * PAGE
        f.seek(end)
        f.write(headers)
        f.write(struct.pack("<IIQQQQQQ", 1, 6, end + 56 * n + -(end + 56 * n) % PAGE, FREE, 0,
                            VAST if in_file else 0, VAST, PAGE))
        f.seek(-f.tell() % PAGE, os.SEEK_CUR)
        for _ in range(dense << 10):
            f.write(bytes(1 << 19) + b"\x7f" * (1 << 19))
        f.truncate(f.tell() + in_file * (VAST - dense * GIB))
        struct.pack_into("<Q", head, 32, end)
        struct.pack_into("<H", head, 56, n + 1)
        f.seek(0)
        f.write(head)


def beside_a_reservation(what, in_file, dense):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP", "/var/tmp")) as folder:
        core = write_core(folder, "chunks", 10000)
        for command in "top", "summary", "check":
            row(f"{command}, small heap", *run(command, core)[1:])
        reserve(core, in_file, dense)
        for command in "top", "summary", "check":
            row(f"{command}, {what}", *run(command, core)[1:])


print(f"{'core of':34} {'wall':>10} {'processor':>10} {'peak':>11} {'read':>11}")
beside_a_reservation("100 GiB of hole", True, 0)
beside_a_reservation("100 GiB not in it", False, 0)
beside_a_reservation(f"{DENSE_GIB} GiB in it", True, DENSE_GIB)
with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP", "/var/tmp")) as big:
    path = write_core(big, "records", int(MILLIONS * 1e6))
    print(f"{MILLIONS:g} M records, {os.stat(path).st_blocks * 512 / GIB:.1f} GiB:")
    every_command(path)
