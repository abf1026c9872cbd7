# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=600 not-asan
"""On real programs no object has more references that surely own it than it counts, and no
sure reference leads to what is no object: one that is told twice, or is borrowed, or read
where nothing was written, shows here."""
import collections
import http.client
import os
import socket
import subprocess
import time

import pytest
from conftest import HEAPSIFT, ROOT, die_with_parent, not_run, python_there, pythons

PRINT_GRAPH = HEAPSIFT.parent / "driver" / "print_graph"
FIXTURE = ROOT / "test" / "fixture"
SHOP = ROOT / "demo" / "shop"
IMMORTAL, WEAK = 0xFFFFFFFF, 9


def explain(rows):
    """Objects with more edges than references, by type, with the labels that lead there."""
    nodes = {r[1]: r for r in rows if r[0] == "node" and r[3] == "python"}
    to = collections.defaultdict(list)
    for r in rows:
        if r[0] == "edge" and 2 <= int(r[3]) < WEAK and r[1] in nodes:
            to[r[2]].append(f"{nodes[r[1]][4]}.{r[4]}")
    return [(r[4], a, r[5], len(to[a]), to[a][:5]) for a, r in nodes.items()
            if int(r[5]) < IMMORTAL - 1 and len(to[a]) >= int(r[5]) > 0][:200]


def check(pid):
    for _ in range(3):  # one that was quiet
        done = subprocess.run([PRINT_GRAPH, str(pid)], capture_output=True, text=True,
                              errors="replace", timeout=120)
        assert done.returncode == 0, done.stderr
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        found = [r[3] for r in rows if r[0] == "finding"]
        if not any("of a change" in text or "inside malloc" in text for text in found):
            break
    assert sum(r[0] == "node" and r[3] == "python" for r in rows) > 10_000
    bad = [text for text in found if "than they count" in text or "no object" in text]
    over = [o for o in explain(rows) if o[3] > int(o[2])]
    assert not bad and not over, (bad, over)


@pytest.mark.parametrize("python", pythons("3.11", "3.13"))
@pytest.mark.parametrize("program", ["stdlib", "asyncio", "many"])
def test_no_reference_is_told_too_often(start, tmp_path, python, program):
    env = {**os.environ, "DISPLAY": ""}
    target = start(python_there(python), FIXTURE / f"python_{program}.py", env=env, cwd=tmp_path,
                   stderr=subprocess.DEVNULL)
    check(target.pid)


def test_django(tmp_path):
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import django"], capture_output=True).returncode:
        not_run("no Django here")
    env = {**os.environ, "SHOP_DATABASE": str(tmp_path / "shop"), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([python, SHOP / "fill.py"], env=env, check=True, timeout=60)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    service = subprocess.Popen([python, SHOP / "manage.py", "runserver", "--noreload",
                                f"127.0.0.1:{port}"], env=env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        for visit in range(300):
            visit_shop(port, visit, time.monotonic() + 30)
        check(service.pid)
    finally:
        service.kill()
        service.wait()


def visit_shop(port, visit, end):
    path = f"/{'product' if visit % 10 else 'order'}/{visit % 50 + 1}/?utm_id={visit}"
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            assert connection.getresponse().status == 200
            return connection.close()
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.1)
