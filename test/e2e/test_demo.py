# SPDX-License-Identifier: Apache-2.0
# ctest: not-asan serial
"""`make demo`, once built: what it prints, how wide, how long, and what it leaves behind."""
import os
import re
import signal
import subprocess
import time

from conftest import HEAPSIFT, ROOT


def start_demo(tmp_path):
    env = dict(os.environ, BUILD=os.path.relpath(HEAPSIFT.parent, ROOT), TMPDIR=str(tmp_path))
    return subprocess.Popen([ROOT / "demo" / "run.sh"], env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True)


def processes_of(tmp_path):
    """Command lines of what still runs with our folder as an argument."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline") as f:
                    line = f.read()
            except OSError:
                continue
            if str(tmp_path) in line:
                found.append(line)
    return found


def test_demo_tells_its_story(tmp_path):
    subprocess.run([ROOT / "tools/build.sh", HEAPSIFT.parent, "orderbook", "traders"], check=True)
    began = time.monotonic()
    demo = start_demo(tmp_path)
    out, _ = demo.communicate(timeout=100)
    took = time.monotonic() - began
    assert demo.returncode == 0, out
    for command in ("summary", "top", "blocks", "objects", "why", "core"):
        assert re.search(rf"^\$ heapsift {command} \d+", out, re.M), out
    assert re.search(r"^\$ heapsift \d+$", out, re.M), out
    assert re.search(r"^\$ heapsift why shop.core 0x", out, re.M), out
    assert out.count("name PAGES") == 2
    assert "market::Subscriber" in out
    assert "module catalog.cache, name PAGES" in out
    assert "module catalog.audit, name recorder" in out
    assert "\x1b" not in out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert took < 40
    assert processes_of(tmp_path) == [] and os.listdir(tmp_path) == []


def test_interrupted_demo_leaves_nothing(tmp_path):
    demo = start_demo(tmp_path)
    for line in demo.stdout:
        if line.startswith("$ heapsift"):
            break
    assert processes_of(tmp_path)
    os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=20)
    assert demo.returncode == 130
    assert processes_of(tmp_path) == [] and os.listdir(tmp_path) == []
