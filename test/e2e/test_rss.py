# SPDX-License-Identifier: Apache-2.0
"""`summary` accounts for every resident byte: its rows add up to the kernel's own RSS."""
import os
import signal
import time

import pytest

# Touches memory in every way a process has it: brk and mmapped malloc blocks, anonymous
# and shared mappings, the zero page, files, a thread's stack, untouched reserve.
TARGET = r"""
import ctypes, mmap, os, sys, threading, time
blocks = [bytes(i % 3000 + 1) for i in range(100000)]
large = [bytearray(3 << 20) for i in range(5)]
shared = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
shared[:4 << 20] = b"s" * (4 << 20)
private = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
private[:1 << 20] = b"p" * (1 << 20)
zeroes = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
total = sum(zeroes[i] for i in range(0, 64 << 20, 4096))
exe = open(sys.executable, "rb")
mapped = mmap.mmap(exe.fileno(), 0, prot=mmap.PROT_READ)
seen = sum(mapped[i] for i in range(0, len(mapped), 4096))
copied = mmap.mmap(exe.fileno(), 0, flags=mmap.MAP_PRIVATE,
                   prot=mmap.PROT_READ | mmap.PROT_WRITE)
copied[:1 << 20] = b"c" * (1 << 20)
reserve = mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
threads = [threading.Thread(target=time.sleep, args=(1000,), daemon=True) for i in range(8)]
[t.start() for t in threads]
print("ready", flush=True)
time.sleep(1000)
"""


def kernel_rss(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Rss line")


@pytest.fixture
def target(start):
    target = start("/usr/bin/python3", "-c", TARGET)
    time.sleep(0.2)
    return target


def test_stopped_target_in_freeze_mode_to_the_page(heapsift, target):
    os.kill(target.pid, signal.SIGSTOP)
    answer = heapsift("summary", target.pid, "--mode=freeze", "-n", 0, "--json").json()
    assert sum(row.get("resident", 0) for row in answer["rows"]) == kernel_rss(target.pid)
    assert answer["rss"] == kernel_rss(target.pid)


def test_running_target_in_fork_mode_within_half_a_percent(heapsift, target):
    answer = heapsift("summary", target.pid, "--mode=fork", "-n", 0, "--json").json()
    rss = kernel_rss(target.pid)
    assert answer["target"]["mode"] == "fork"
    assert abs(sum(row.get("resident", 0) for row in answer["rows"]) - rss) <= 0.005 * rss
    assert abs(answer["rss"] - rss) <= 0.005 * rss


def test_mapped_bytes_are_the_maps(heapsift, target):
    answer = heapsift("summary", target.pid, "--mode=freeze", "-n", 0, "--json").json()
    mapped = 0
    for line in open(f"/proc/{target.pid}/maps"):
        if "[vsyscall]" not in line:
            start, end = line.split()[0].split("-")
            mapped += int(end, 16) - int(start, 16)
    assert abs(sum(row["bytes"] for row in answer["rows"]) - mapped) <= 4096


def test_reserved_address_space_costs_no_time(heapsift, target):
    began = time.monotonic()
    heapsift("summary", target.pid)
    assert time.monotonic() - began < 20  # a terabyte read page by page would take minutes
