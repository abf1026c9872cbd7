# SPDX-License-Identifier: Apache-2.0
# ctest: not-asan serial
"""`make install PREFIX=` and DESTDIR: the program runs from where it was put."""
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(tmp_path, **more):
    build = Path(os.environ["HEAPSIFT"]).parent
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"BUILD={build}",
                    *(f"{key}={value}" for key, value in more.items())], check=True)


def test_prefix(tmp_path):
    install(tmp_path, PREFIX=tmp_path)
    said = subprocess.run([tmp_path / "bin/heapsift", "--version"], capture_output=True,
                          text=True, check=True)
    assert said.stdout.startswith("heapsift ")
    assert (tmp_path / "share/man/man1/heapsift.1").is_file()


def test_destdir(tmp_path):
    install(tmp_path, PREFIX="/opt/heapsift", DESTDIR=tmp_path)
    assert (tmp_path / "opt/heapsift/bin/heapsift").is_file()
