# SPDX-License-Identifier: Apache-2.0
# ctest: quick
"""The command line as people and programs meet it: words, exit codes, terminals, pipes,
completion. Any live process will do as a target."""
import csv
import fcntl
import io
import itertools
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import HEAPSIFT, ROOT

COMMANDS = [line.split("\t")[0] for line in subprocess.run(
    [HEAPSIFT, "complete", "--", "", ""], capture_output=True, text=True,
    check=True).stdout.splitlines()]
NO_PROCESS = "999999999"


@pytest.fixture
def target(start):
    """A process that sleeps, and can be read."""
    t = start("/bin/cat", ready=False)  # waits for us to say something
    t.tell("here")
    assert t.line() == "here"
    return t


def on_terminal(*args, width=80, **env):
    """Runs it with a terminal for stdout; what it printed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, width, 0, 0))
    environ = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    run = subprocess.Popen([HEAPSIFT, *map(str, args)], stdout=theirs,
                           env={**environ, "TERM": "xterm", **env})
    os.close(theirs)
    out = b""
    try:
        while more := os.read(ours, 65536):
            out += more
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert run.wait() == 0
    return out.decode().replace("\r\n", "\n")


def test_errors_are_few_clear_lines(heapsift, target, tmp_path):
    (tmp_path / "text").write_text("no snapshot\n")
    cases = [
        (2, "unknown command 'topp'; did you mean 'top'?", ["topp", target.pid]),
        (4, "cannot read 'gone.hsift': no such file", ["gone.hsift"]),
        (2, "unknown option '--jsn'; did you mean '--json'?", [target.pid, "--jsn"]),
        (2, "takes an address such as", ["why", target.pid, "here"]),
        (2, "takes an address such as", ["show", target.pid, "0x12345678901234567"]),
        (2, "ADDR is missing", ["why", target.pid]),
        (2, "--depth takes a whole number", ["tree", target.pid, "--depth", "-1"]),
        (2, "CSV has no room", ["why", target.pid, "0x10", "--csv"]),
        (2, "no column 'value1' to sort by", ["objects", target.pid, "--sort", "value1"]),
        (3, NO_PROCESS, [NO_PROCESS]),
        (3, NO_PROCESS, ["why", NO_PROCESS, "0x10"]),
        (4, "is neither a core file nor a heapsift snapshot", [tmp_path / "text"]),
        (4, "cannot open", ["objects", tmp_path / "absent"]),
        (2, "a command comes first", ["--json", "top", target.pid]),
        (2, "TARGET is missing", ["top"]),
        (2, "unknown option '--jsn'; did you mean '--json'?", ["top", "--jsn", target.pid]),
        (2, "-o FILE is missing", ["dump", target.pid]),
        (3, NO_PROCESS, ["top", NO_PROCESS]),
        (3, "", ["top", "2" if os.path.exists("/proc/2") else NO_PROCESS]),
        (4, "cannot open", ["top", tmp_path / "absent"]),
        (4, "is neither a core file nor a heapsift snapshot", ["top", tmp_path / "text"]),
        (4, "", ["top", tmp_path]),
        (4, "\\x1b[2J", ["top", "\x1b[2J"]),
    ]
    for code, words, args in cases:
        result = heapsift(*args, code=code)
        lines = result.err.splitlines()
        assert result.out == ""
        assert 1 <= len(lines) <= 4, result.err
        assert all(line.startswith("heapsift: ") for line in lines), result.err
        assert words in result.err and "\x1b" not in result.err


def test_arguments_are_checked_before_the_target(heapsift, tmp_path):
    there = tmp_path / "there"
    there.write_text("")
    for args in (["top", NO_PROCESS, "--sort", "nothing"], ["top", NO_PROCESS, "-n", "x"],
                 ["dump", NO_PROCESS, "-o", there], ["hexdump", NO_PROCESS, "here"],
                 ["blocks", NO_PROCESS, "--mode", "sideways"]):
        heapsift(*args, code=2)
    heapsift("dump", NO_PROCESS, "-o", tmp_path / "no" / "file", code=4)
    heapsift("dump", NO_PROCESS, "-o", there, "--force", code=3)
    assert there.read_text() == ""
    assert os.listdir(tmp_path) == ["there"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_manual_know_every_option(heapsift, command):
    shown = heapsift(command, "--help").out
    assert shown == heapsift("help", command).out
    assert max(map(len, shown.splitlines())) <= 80
    manual = heapsift("help", "--manual", command).out.replace("\\-", "-")
    options = heapsift("complete", "--", f"{command}\nx\nx\nx", "--").out
    for option in (line.split("\t")[0] for line in options.splitlines()):
        assert option in manual
        assert option in shown or option == "--help"
    assert f"heapsift-{command}" in heapsift("help", "--manual").out.replace("\\-", "-")


def test_formats_tell_the_same(heapsift, target):
    document = heapsift("blocks", target.pid, "--json", "--sort", "addr").json()
    assert document["schema"] == "heapsift/1" and document["command"] == "blocks"
    assert document["target"]["pid"] == target.pid
    assert document["target"]["kind"] == "live"
    assert document["target"]["exe"] == os.readlink(f"/proc/{target.pid}/exe")
    assert document["total_rows"] == len(document["rows"]) > 0
    assert not document["truncated"]
    text = heapsift("blocks", target.pid, "--csv", "--sort", "addr").out
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [r["addr"] for r in rows] == [r["addr"] for r in document["rows"]]
    assert [int(r["size"]) for r in rows] == [r["size"] for r in document["rows"]]
    cut = heapsift("blocks", target.pid, "--json", "-n", 1).json()
    assert cut["truncated"] and cut["total_rows"] == document["total_rows"]
    assert "of " in heapsift("blocks", target.pid, "--csv", "-n", 1).err


def test_summary_adds_up_to_rss(heapsift, target):
    document = heapsift("summary", target.pid, "--json", "-n", 0).json()
    resident = sum(row["resident"] for row in document["rows"])
    assert document["rss"] > 0
    assert abs(resident - document["rss"]) <= document["rss"] * 0.005


def test_programs_get_all_rows_and_people_a_sum_of_the_rest(heapsift, start):
    target = start("/usr/bin/python3", "-c", "print('ready', flush=True); input()")
    for command, column in (("summary", "bytes"), ("top", "size")):
        rows = heapsift(command, target.pid, "--json").rows()
        text = heapsift(command, target.pid, "--csv").out
        assert len(rows) == len(list(csv.DictReader(io.StringIO(text)))) > 20
        lines = heapsift(command, target.pid, "--bytes",
                         env={**os.environ, "COLUMNS": "200"}).out.splitlines()
        assert lines[22].startswith("TOTAL") and len(rows) == 20 + int(
            re.match("the other ([0-9]+) rows? ", lines[21])[1])
        end = lines[0].index(column.upper()) + len(column)
        numbers = [int(line[:end].split()[-1].replace(",", "")) for line in lines[1:23]]
        assert sum(numbers[:-1]) == numbers[-1] == sum(row[column] for row in rows)
    assert len(heapsift("top", target.pid, "--json", "-n", 20).rows()) == 20


def test_a_mode_that_was_asked_for_is_said_once(heapsift, target):
    for mode, findings, words in (("fork", 0, "fork snapshot, paused"),
                                  ("freeze", 0, "frozen while read, paused"),
                                  ("nostop", 1, "read while it ran")):
        document = heapsift("top", target.pid, "--json", "--mode", mode).json()
        assert document["target"]["mode"] == mode
        assert len(document["findings"]) == findings
        text = heapsift("top", target.pid, "--mode", mode).out
        assert words in text.splitlines()[-1]
        assert text.count("torn") == findings


def test_a_terminal_gets_colour_and_its_width(target):
    for width in (60, 80, 120):
        shown = on_terminal("summary", target.pid, width=width)
        assert "\x1b[1m" in shown
        plain = re.sub("\x1b\\[[0-9]*m", "", shown)
        assert max(map(len, plain.splitlines())) <= width
    for quiet in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_terminal("summary", target.pid, **quiet)
    assert "\x1b[1m" in on_terminal("summary", target.pid, NO_COLOR="")


def test_a_pipe_gets_plain_text(heapsift, target):
    assert "\x1b" not in heapsift("summary", target.pid).out


def test_output_that_cannot_be_written(target):
    with open("/dev/full", "w") as full:
        run = subprocess.run([HEAPSIFT, "top", str(target.pid)], stdout=full,
                             stderr=subprocess.PIPE, text=True)
    assert run.returncode == 4
    assert run.stderr == "heapsift: cannot write the output: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)  # nobody reads: nobody wants to know
    run = subprocess.run([HEAPSIFT, "top", str(target.pid)], stdout=writer,
                         stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert run.returncode == 4 and run.stderr == ""


def test_a_dump_reads_like_the_target(heapsift, target, tmp_path):
    path = tmp_path / "it's a file.hsift"
    told = heapsift("dump", target.pid, "-o", path, "--label", "before").out
    assert told.startswith(f"wrote {path}: ")
    document = heapsift("top", path, "--json").json()
    assert document["target"]["kind"] == "snapshot"
    assert document["target"]["pid"] == target.pid
    assert document["target"]["label"] == "before"
    last = heapsift("top", path).out.splitlines()[-1]
    assert last.startswith(f'snapshot of PID {target.pid} (cat) "before" · ')
    streamed = subprocess.run([HEAPSIFT, "dump", path, "-o", "-"], capture_output=True,
                              check=True).stdout
    (tmp_path / "copy").write_bytes(streamed)
    assert heapsift("top", tmp_path / "copy", "--json").rows() == document["rows"]


BUSY = """
import ctypes, threading
libc = ctypes.CDLL("libstdc++.so.6")
libc.malloc.restype = ctypes.c_void_p
def work(seed):
    for i in range(4000):
        at = ctypes.c_void_p(libc.malloc(seed * i * i % 9000 + 1))
        ctypes.memset(at, 97 + i % 26, 1)
        if i % 3 == 0:
            libc.free(at)
threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("ready", flush=True)
input()
"""


def first_difference(one, other):
    if one == other:
        return None
    pairs = itertools.zip_longest(one.splitlines(), other.splitlines())
    return next(pair for pair in pairs if pair[0] != pair[1])


def test_a_dump_answers_every_command_as_the_target_does(heapsift, start, tmp_path):
    """Of a target that stands still, in one mode: the same rows, byte for byte."""
    target = start("/usr/bin/python3", "-c", BUSY,
                   env={**os.environ, "PYTHONMALLOC": "malloc"})
    os.kill(target.pid, signal.SIGSTOP)
    path = tmp_path / "one.hsift"
    heapsift("summary", target.pid, "--mode=freeze")  # the first read may fault pages in
    heapsift("dump", target.pid, "--mode=freeze", "-o", path)
    for command in (["top"], ["summary", "-n", "0"], ["blocks", "--all", "-n", "0"],
                    ["blocks", "--free", "--sort", "addr"]):
        live = heapsift(*command, target.pid, "--mode=freeze", "--json").out
        saved = heapsift(*command, path, "--json").out
        rows = [text[text.index('"rows"'):text.index('"findings"')] for text in (live, saved)]
        assert first_difference(*rows) is None
        assert len(json.loads(live)["rows"]) > (10_000 if "--all" in command else 20)
        assert '"rss"' not in live or json.loads(live)["rss"] == json.loads(saved)["rss"]
        csvs = [heapsift(*command, of, "--mode=freeze", "--csv").out
                for of in (target.pid, path)]
        assert first_difference(*csvs) is None
        texts = [heapsift(*command, of, "--mode=freeze", "--bytes").out.rsplit("\n", 2)[0]
                 for of in (target.pid, path)]
        assert first_difference(*texts) is None


@pytest.mark.parametrize("mode", ["fork", "freeze", "nostop"])
def test_hexdump_shows_the_bytes_that_are_there(heapsift, target, mode):
    rows = heapsift("blocks", target.pid, "--json", "-n", 0).rows()
    with open(f"/proc/{target.pid}/mem", "rb", buffering=0) as memory:
        for block in rows[:8] + rows[-8:]:
            memory.seek(int(block["addr"], 16))
            truth = memory.read(min(block["size"], 100))
            shown = heapsift("hexdump", target.pid, block["addr"], len(truth), "--json",
                             "--mode", mode).rows()
            assert bytes.fromhex("".join(row["hex"] for row in shown)) == truth
    nothing = heapsift("hexdump", target.pid, "0x10000", "--mode", mode, code=1).out
    assert "cannot be read" in nothing


def state_of(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]


def copies_of(path):
    """Processes that run this program, whoever their parent is."""
    pids = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") == str(path):
                pids.add(int(pid))
        except OSError:
            pass
    return pids


@pytest.mark.parametrize("mode", ["fork", "freeze"])
def test_a_slow_reader_of_a_hexdump_holds_nothing_up(start, tmp_path, mode):
    """Far more output than a pipe takes, and nobody reads it: the target runs, alone."""
    program = tmp_path / "held"  # a program nobody else runs
    shutil.copy("/bin/cat", program)
    target = start(program, ready=False)
    target.tell("here")
    target.line()
    stack = next(line for line in open(f"/proc/{target.pid}/maps") if "[stack]" in line)
    first, end = (int(word, 16) for word in stack.split()[0].split("-"))
    command = [HEAPSIFT, "hexdump", str(target.pid), hex(first), str(end - first), "--json",
               "--mode", mode]
    assert len(subprocess.run(command, capture_output=True, check=True).stdout) > 100_000
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        select.select([run.stdout], [], [], 30)
        time.sleep(0.2)  # the pipe is full by now, and far from all of it written
        assert run.poll() is None
        assert state_of(target.pid) == "S"
        assert copies_of(program) == {target.pid}
        target.tell("alive")
        assert target.line(5) == "alive"
        document = json.load(run.stdout)
    assert run.returncode == 0
    assert document["target"]["pause_ms"] > 0


def complete(*words):
    """What bash offers for the last of these words."""
    script = f"""
        . <({HEAPSIFT} completion bash)
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _heapsift "$1" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
        ((${{#COMPREPLY[@]}} == 0)) || printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    out = subprocess.run(["bash", "-c", script, "bash", HEAPSIFT, *words], text=True,
                         check=True, capture_output=True)
    assert out.stderr == ""
    return out.stdout.split("\n")[:-1]


def test_bash_completes(target, tmp_path, monkeypatch):
    (tmp_path / "a file.hsift").write_text("")
    monkeypatch.chdir(tmp_path)
    assert complete("") == COMMANDS
    assert complete("su") == ["summary"]
    assert complete("top", "--so") == ["--sort"]
    assert complete("top", "--sort", "c") == ["count"]
    assert complete("top", "--mode", "=", "f") == ["fork", "freeze"]
    assert complete("top", "--mode", "=") == ["auto", "fork", "freeze", "nostop"]
    assert complete("help", "b") == ["blocks"]
    assert complete("completion", "") == ["bash", "zsh", "fish"]
    assert complete("top", "a") == ["a file.hsift"]
    assert complete("dump", "1", "-o", "a") == ["a file.hsift"]
    assert str(target.pid) in complete("top", "")
    assert complete("top", "--json", str(target.pid)) == [str(target.pid)]
    assert complete("blocks", "1", "--fr") == ["--free"]
    assert complete("nothing", "") == []


def test_version(heapsift):
    version = re.search(r"VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()
                        .split("project(")[1])[1]
    assert heapsift("--version").out == f"heapsift {version}\n"
    assert heapsift("-V").out == f"heapsift {version}\n"
    assert heapsift().out == heapsift("help").out == heapsift("--help").out


def test_a_fork_that_grows_too_old_is_ended(start):
    """The tool is held up while it reads: the copy must not live on for long."""
    target = start("/usr/bin/python3", "-c",
                   "x = [bytes(2000) for i in range(150000)]\nprint('ready', flush=True)\n"
                   "import time; time.sleep(100)")
    children = f"/proc/{target.pid}/task/{target.pid}/children"
    tool = subprocess.Popen([HEAPSIFT, "top", str(target.pid), "--mode=fork", "--max-child=1"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not open(children).read() and tool.poll() is None:
        time.sleep(0.001)
    tool.send_signal(signal.SIGSTOP)
    time.sleep(1.6)
    assert open(children).read() == ""
    tool.send_signal(signal.SIGCONT)
    out, err = tool.communicate(timeout=30)
    assert (tool.returncode, out) == (3, "")
    assert "too old" in err and "--max-child" in err
