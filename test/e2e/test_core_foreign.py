# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=180
"""A kernel's core of a program whose files are no more where they were: gone, moved below
another root, replaced by others, known by build-id, offered by a server. It is made once;
what the process printed is the truth.
"""
import http.server
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import HEAPSIFT, PYTHON, Target, not_run


SERVICE = """
import ctypes, os, resource, signal
class Order: pass
held = [Order() for _ in range(1234)]
text = ctypes.CDLL(None).strerror
text.restype = ctypes.c_void_p
at = text(2) # a constant text of libc's
print(hex(at), ctypes.string_at(at).hex())
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
if os.fork() == 0:
    os.chdir("whole")
    open("/proc/self/coredump_filter", "w").write("0x3f")
    os.abort()
os.wait()
print("ready", flush=True)
signal.pause()
"""


def build_id(path):
    notes = subprocess.run(["readelf", "-nW", path], capture_output=True, text=True,
                           check=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes)[1]


class Foreign:
    """The core, and the folder its program and libraries were in; they are there no more."""

    def __init__(self, folder):
        self.was, self.away = folder / "was", folder / "away"
        self.core, self.whole = folder / "foreign.core", folder / "whole" / "whole.core"
        self.whole.parent.mkdir()
        (self.was / "lib").mkdir(parents=True)
        shutil.copy(PYTHON, self.was / "python")
        needed = subprocess.run(["ldd", PYTHON], capture_output=True, text=True).stdout
        for path in re.findall(r"=> (/\S+)", needed):
            shutil.copy(path, self.was / "lib")
        self.files = {p.name: p for p in [self.was / "python", *self.was.glob("lib/*")]}
        self.ids = {name: build_id(p) for name, p in self.files.items()}
        self.truth = self.dump(folder)
        self.was.rename(self.away)
        self.gone = {name: self.away / p.relative_to(self.was)
                     for name, p in self.files.items()}

    def dump(self, folder):
        target = Target([self.was / "python", "-c", SERVICE], cwd=folder,
                        env={"LD_LIBRARY_PATH": str(self.was / "lib"), "PYTHONHOME": "/usr"})
        try:
            target.wait_ready()
            os.kill(target.pid, signal.SIGABRT)
            target.process.wait()
        finally:
            target.end()
        for core in self.core, self.whole:
            path, = core.parent.glob("core*")
            path.rename(core)
        return target.truth

    def sysroot(self, folder):
        root = folder / "root"
        shutil.copytree(self.away, Path(f"{root}{self.was}"))
        return root


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or "|" in pattern or "%" in pattern:
        not_run("the kernel puts cores elsewhere")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 and os.geteuid() != 0:
        not_run("no cores may be written")
    made = Foreign(tmp_path_factory.mktemp("foreign"))
    yield made
    made.core.unlink()
    made.whole.unlink()


@pytest.fixture
def look(foreign, heapsift):
    """look("--exe", FILE...): the evidence on modules' files, rows of those that are missing,
    and what other commands say of them; the objects are all there whatever it is."""

    def ask(*options, env=None, core=foreign.core):
        env = {**os.environ, "DEBUGINFOD_URLS": "", **(env or {})}
        rows = heapsift("check", core, "--json", *options, env=env).rows()
        answer = heapsift("top", core, "--json", *options, env=env).json()
        counts = {row["kind"]: row["count"] for row in answer["rows"]}
        assert counts["__main__.Order"] == 1234
        said = [f["text"] for f in answer["findings"] if f["where"] == "modules"]
        missing = {row["answer"]: row for row in rows if row["item"] == "missing file"}
        assert any("are missing" in text for text in said) == bool(missing), said
        found, = (row for row in rows if row["item"] == "files of modules")
        return found, missing, said

    return ask


def assert_text(heapsift, foreign, there, *options, core=None):
    """The constant text is there as the process printed it, or it is a hole."""
    at, truth = foreign.truth[0].split()
    rows = heapsift("hexdump", core or foreign.core, at, len(truth) // 2, "--json", *options,
                    code=0 if there else 1).rows()
    if there:
        assert "".join(row["hex"] for row in rows).replace(" ", "") == truth
    else:
        assert all(row["hole"] for row in rows)


def test_without_files(look, foreign, heapsift):
    """Each missing file is listed, with the build-id that readelf reads from it."""
    _, missing, said = look()
    assert set(missing) == {str(p) for p in foreign.files.values()}
    for name, path in foreign.files.items():
        assert f"build-id {foreign.ids[name]};" in missing[str(path)]["evidence"]
        assert "No such file" in missing[str(path)]["evidence"]
        assert "--sysroot" in missing[str(path)]["cure"]
        assert ("--exe" in missing[str(path)]["cure"]) == (name == "python")
    assert len(said) == 1
    assert_text(heapsift, foreign, False)


def test_a_core_with_everything(look, foreign, heapsift):
    """Filter 0x3f: the files' memory is in the core, which stands for them."""
    found, missing, said = look(core=foreign.whole)
    assert f"{len(foreign.files)} in the core itself" in found["evidence"]
    assert not missing and not said
    assert_text(heapsift, foreign, True, core=foreign.whole)


def test_sysroot(look, foreign, heapsift, tmp_path):
    root = foreign.sysroot(tmp_path)
    found, missing, said = look("--sysroot", root)
    assert f"{len(foreign.files)} below --sysroot" in found["evidence"]
    assert not missing and not said
    assert_text(heapsift, foreign, True, "--sysroot", root)


def test_other_files(look, foreign, heapsift, tmp_path):
    """Files of these names that are other ones are not used, and it is said."""
    root = foreign.sysroot(tmp_path)
    for name, other in (("libc.so.6", "libm.so.6"), ("python", "libc.so.6")):
        shutil.copy(foreign.gone[other], f"{root}{foreign.files[name]}")
    _, missing, _ = look("--sysroot", root)
    assert set(missing) == {str(foreign.files["libc.so.6"]), str(foreign.files["python"])}
    evidence = missing[str(foreign.files["libc.so.6"])]["evidence"]
    assert "is another file" in evidence and foreign.ids["libm.so.6"] in evidence
    assert_text(heapsift, foreign, False, "--sysroot", root)


def test_exe(look, foreign):
    found, missing, _ = look("--exe", foreign.gone["python"])
    assert "1 by --exe" in found["evidence"]
    assert set(missing) == {str(p) for n, p in foreign.files.items() if n != "python"}


def test_wrong_exe(look, foreign):
    _, missing, said = look("--exe", "/bin/true")
    assert str(foreign.files["python"]) in missing
    assert [text for text in said if text == (
        "'/bin/true' is not the program of this core: its build-id is "
        f"{build_id('/bin/true')}, the core's {foreign.ids['python']}")]


def test_debug_dir_by_build_id(look, foreign, heapsift, tmp_path):
    for name, path in foreign.gone.items():
        number = foreign.ids[name]
        folder = tmp_path / ".build-id" / number[:2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / number[2:])
    found, missing, _ = look("--debug-dir", tmp_path)
    assert f"{len(foreign.files)} by --debug-dir" in found["evidence"]
    assert not missing
    assert_text(heapsift, foreign, True, "--debug-dir", tmp_path)


def test_debug_dir_by_name(look, foreign):
    found, missing, _ = look("--debug-dir", foreign.away / "lib")
    assert f"{len(foreign.files) - 1} by --debug-dir" in found["evidence"]
    assert set(missing) == {str(foreign.files["python"])}


def test_debug_information_is_no_file(look, foreign, heapsift, tmp_path):
    """What objcopy leaves of a library has its build-id, but not its bytes."""
    subprocess.run(["objcopy", "--only-keep-debug", foreign.gone["libc.so.6"],
                    tmp_path / "libc.so.6"], check=True)
    _, missing, _ = look("--debug-dir", tmp_path)
    libc = missing[str(foreign.files["libc.so.6"])]
    assert "only its debug information was found" in libc["evidence"]
    assert_text(heapsift, foreign, False, "--debug-dir", tmp_path)


@pytest.fixture
def server(foreign):
    """A debuginfod server that has all the files but one."""
    offered = {f"/buildid/{foreign.ids[name]}/executable": path
               for name, path in foreign.gone.items() if name != "libm.so.6"}
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            path = offered.get(self.path)
            self.send_response(200 if path else 404)
            body = path.read_bytes() if path else b"none"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}", asked
    httpd.shutdown()
    httpd.server_close()


def has_client():
    done = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True)
    return "libdebuginfod.so.1" in done.stdout


def test_debuginfod(look, foreign, server, tmp_path):
    """Missing files come from the servers; others are not asked for."""
    if not has_client():
        not_run("libdebuginfod1 is not installed")
    url, asked = server
    env = {"DEBUGINFOD_URLS": url, "DEBUGINFOD_CACHE_PATH": str(tmp_path)}
    found, missing, _ = look(env=env)
    assert f"{len(foreign.files) - 1} from debuginfod" in found["evidence"]
    assert set(missing) == {str(foreign.files["libm.so.6"])}
    assert {path.split("/")[2] for path in asked} == set(foreign.ids.values())


def test_debuginfod_that_is_down(look, foreign, tmp_path):
    if not has_client():
        not_run("libdebuginfod1 is not installed")
    env = {"DEBUGINFOD_URLS": "http://127.0.0.1:1", "DEBUGINFOD_CACHE_PATH": str(tmp_path)}
    _, missing, said = look(env=env)
    assert len(missing) == len(foreign.files)
    assert [text for text in said if text.startswith("debuginfod servers cannot be asked")]
