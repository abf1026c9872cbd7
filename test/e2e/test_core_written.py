# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""Cores that heapsift writes, read by gdb beside the one that gcore makes of the same
stopped process, and their memory beside /proc/PID/mem."""
import ctypes
import mmap
import os
import re
import signal
import struct
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import FIXTURES, HEAPSIFT, LIBC, PYTHON, ROOT, Target, on_one_cpu

PAGE = 4096
SPARSE = 64 << 20  # of the fixture
EXE = FIXTURES / "core_written"
PT_LOAD, PT_NOTE, PN_XNUM = 1, 4, 0xffff
# Kept as zeroes: memory of which the process says that no core may hold it.
LEFT_OUT = {"dontdump", "file-clean", "file-shared"}


class Core:
    """A core by the ELF specification: segments (address, memory size, offset, file size)
    and notes (owner, type, bytes)."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.content = content = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        assert content[:7] == b"\x7fELF\x02\x01\x01"
        kind, machine = struct.unpack_from("<HH", content, 16)
        assert (kind, machine) == (4, 62)
        offset, = struct.unpack_from("<Q", content, 32)
        n, = struct.unpack_from("<H", content, 56)
        self.segments, self.notes = [], []
        for i in range(n):
            kind, _, at, addr, _, filesz, memsz, _ = struct.unpack_from(
                "<IIQQQQQQ", content, offset + 56 * i)
            if kind == PT_LOAD:
                self.segments.append((addr, memsz, at, filesz))
            elif kind == PT_NOTE:
                self.read_notes(content[at:at + filesz])

    def read_notes(self, text):
        while text:
            owner, size, kind = struct.unpack_from("<III", text)
            end = 12 + (owner + 3) // 4 * 4
            self.notes.append((text[12:12 + owner - 1].decode(), kind, text[end:end + size]))
            text = text[end + (size + 3) // 4 * 4:]

    def of_threads(self, owner, kind):
        """This note of each thread."""
        tid, found = None, {}
        for note in self.notes:
            if note[:2] == ("CORE", 1):
                tid, = struct.unpack_from("<i", note[2], 32)
            if note[:2] == (owner, kind):
                found[tid] = note[2]
        return found

    def fpregs(self):
        """Which gdb does not look at when there is XSTATE; without MXCSR_MASK, the
        processor's."""
        return {tid: desc[:28] + desc[32:416]
                for tid, desc in self.of_threads("CORE", 2).items()}

    def xstate(self):
        return self.of_threads("LINUX", 0x202)

    def memory(self, addr, size):
        """None where nothing was dumped."""
        for start, memsz, offset, filesz in self.segments:
            if start <= addr and addr + size <= start + memsz:
                at = offset + addr - start
                return self.content[at:at + size] if filesz else None
        raise AssertionError(f"no segment holds {addr:#x}")


def wait_stopped(pid):
    def states():
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/stat") as f:
                yield f.read().rsplit(")", 1)[1].split()[0]
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 10
    while set(states()) != {"T"} and time.monotonic() < end:
        time.sleep(0.01)


def memory_of(pid, addr, size):
    with open(f"/proc/{pid}/mem", "rb", 0) as f:
        f.seek(addr)
        return f.read(size)


def maps_of(pid):
    """Each mapping: its line, start, end and protection."""
    with open(f"/proc/{pid}/maps") as f:
        for line in f:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            yield line, start, end, line.split()[1]


def private_memory_of(pid):
    return {start: memory_of(pid, start, end - start)
            for line, start, end, prot in maps_of(pid)
            if prot[3] == "p" and end - start < SPARSE and "[v" not in line}


def bytes_of_memfd(pid):
    """How much memory it has, whoever touched it."""
    fds = Path(f"/proc/{pid}/fd").iterdir()
    return next(fd for fd in fds if "memfd:" in os.readlink(fd)).stat().st_blocks * 512


def write_core(pid, path, *args):
    done = subprocess.run([HEAPSIFT, "core", str(pid), "-o", path, *args],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The fixture, stopped, with what it told and the cores of it."""
    folder = tmp_path_factory.mktemp("core")
    (folder / "mapped").write_bytes(b"m" * 2 * PAGE)
    target = Target(on_one_cpu(EXE, folder / "mapped")).wait_ready()
    wait_stopped(target.pid)
    truth = [line.split() for line in target.truth]
    told = write_core(target.pid, folder / "ours")
    memfd = bytes_of_memfd(target.pid)
    memory = private_memory_of(target.pid)  # gdb, which comes next, changes some
    subprocess.run(["gcore", "-o", folder / "gcore", str(target.pid)], check=True,
                   capture_output=True)
    yield SimpleNamespace(
        pid=target.pid, folder=folder, told=told, ours=folder / "ours",
        gcore=folder / f"gcore.{target.pid}", core=Core(folder / "ours"),
        private=memory, memfd=memfd,
        threads={w[1]: int(w[2]) for w in truth if w[0] == "thread"},
        memory={w[1]: (int(w[2], 16), int(w[3])) for w in truth if w[0] == "memory"})
    target.end()


def gdb(*words):
    """gdb 13 does not know the form in which the kernel has the vector registers of some AMD
    processors, in its own cores either: that it says so is not about us."""
    said = subprocess.run(["gdb", "-nx", "-batch", *map(str, words)], capture_output=True,
                          text=True, timeout=120).stdout
    return re.sub(r"^warning: Section `\.reg-xstate/\d+' in core file too small\.\n", "", said,
                  flags=re.M)


def xstate_of(tid):
    """All registers but the general ones, as the kernel tells a tracer."""
    SEIZE, INTERRUPT, GETREGSET, DETACH, WALL = 0x4206, 0x4207, 0x4204, 17, 0x40000000
    buffer = ctypes.create_string_buffer(16384)
    iov = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), len(buffer))
    ptrace = LIBC.ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert ptrace(SEIZE, tid, None, None) == ptrace(INTERRUPT, tid, None, None) == 0
    os.waitpid(tid, WALL)
    assert ptrace(GETREGSET, tid, 0x202, ctypes.addressof(iov)) == 0
    assert ptrace(DETACH, tid, None, None) == 0
    return buffer.raw[:iov[1]]


def readable(registers, ours):
    """The lines of those that gdb can read of our core; never fewer than the general ones."""
    known = [line.split()[0] for line in ours.splitlines() if "<unavailable>" not in line]
    assert len(known) >= 40
    return [line for line in registers.splitlines() if line.split()[0] in known]


def by_thread(text):
    """What `thread apply all` says of each thread: {tid: text}."""
    parts = re.split(r"^Thread \d+ \(.*LWP (\d+)\).*:$", text, flags=re.M)
    assert len(parts) > 2, text
    return {int(tid): body.split("[Inferior")[0].strip()
            for tid, body in zip(parts[1::2], parts[2::2])}


def test_every_thread_has_the_backtrace_that_gdb_sees_live(stopped):
    command = ["-ex", "thread apply all bt"]
    live = by_thread(gdb("-p", stopped.pid, *command))
    ours = by_thread(gdb(EXE, stopped.ours, *command))
    assert set(ours) == set(stopped.threads.values())
    assert ours == live
    for name, function in (("first", "main"), ("spins", "spin"), ("reads", "read_pipe"),
                           ("waits", "wait_for_condition"), ("handles", "on_signal")):
        assert function in ours[stopped.threads[name]]
    assert "signal handler called" in ours[stopped.threads["handles"]]


def test_all_registers_are_those_of_gcore(stopped):
    command = ["-ex", "thread apply all info all-registers"]
    ours = by_thread(gdb(EXE, stopped.ours, *command))
    theirs, gcore = by_thread(gdb(EXE, stopped.gcore, *command)), Core(stopped.gcore)
    if {len(x) for x in gcore.xstate().values()} != {len(x) for x in stopped.core.xstate().values()}:
        # gdb has a form of its own for them: see gdb().
        assert set(ours) == set(theirs)
        for tid, text in ours.items():
            assert readable(text, text) == readable(theirs[tid], text)
    else:
        assert ours == theirs
    assert stopped.core.fpregs() == gcore.fpregs()
    spins = ours[stopped.threads["spins"]]
    assert re.search(r"^r12 +0x1122334455667788", spins, re.M)
    if "ymm7" in spins and "<unavailable>" not in re.search(r"^ymm7 .*", spins, re.M)[0]:
        ymm7 = re.search(r"^ymm7 .*", spins, re.M)[0]
        assert "v2_int128 = {0x" + "f" * 32 in ymm7.lower() or "-1, -1" in ymm7


def test_vector_registers_are_those_the_kernel_tells(stopped):
    """Byte for byte, but for the header: which of them are in use, as the processor sees it."""
    ours = stopped.core.xstate()
    assert set(ours) == set(stopped.threads.values())
    for tid, state in ours.items():
        truth = xstate_of(tid)
        assert len(state) == len(truth) > 576
        assert state[:512] == truth[:512] and state[576:] == truth[576:]
    assert b"\xff" * 16 in ours[stopped.threads["spins"]]


def test_a_call_is_shown_as_it_was_interrupted(start, tmp_path):
    """Of a process that runs: what we do to hide our stop from it is not in the core."""
    (tmp_path / "mapped").write_bytes(b"m" * 2 * PAGE)
    target = start(EXE, tmp_path / "mapped")
    tids = {w[1]: int(w[2]) for w in map(str.split, target.truth) if w[0] == "thread"}
    write_core(target.pid, tmp_path / "ours")
    command = ["-ex", "thread apply all p {$rax, $orig_rax, $rip}"]
    ours = by_thread(gdb(EXE, tmp_path / "ours", *command))
    live = by_thread(gdb("-p", target.pid, *command))
    for name in ("first", "waits", "reads", "polls", "handles"):
        values = [re.sub(r"^\$\d+ = ", "", seen[tids[name]]) for seen in (ours, live)]
        assert values[0] == values[1], name


def test_the_main_thread_is_first_and_no_signal_is_told(stopped):
    text = gdb(EXE, stopped.ours, "-ex", "info threads", "-ex", "p $_siginfo.si_signo")
    assert re.search(rf"^\* 1 .*LWP {stopped.pid}\)", text, re.M), text
    assert "terminated with signal" not in text and "$1 = 0" in text


def test_notes_are_well_formed_and_in_the_kernels_order(stopped):
    readelf = subprocess.run(["readelf", "-W", "-n", "-l", stopped.ours],
                             capture_output=True, text=True)
    assert readelf.returncode == 0 and not readelf.stderr
    # Linux include/uapi/linux/elf.h: PRSTATUS 1, PRPSINFO 3, SIGINFO, AUXV 6, FILE, PRFPREG 2,
    # X86_XSTATE 0x202.
    thread = [("CORE", 1), ("CORE", 2), ("LINUX", 0x202)]
    process = [("CORE", 3), ("CORE", 0x53494749), ("CORE", 6), ("CORE", 0x46494c45)]
    kinds = [note[:2] for note in stopped.core.notes if note[0] != "HEAPSIFT"]
    assert kinds == thread[:1] + process + thread[1:] + 5 * thread
    assert all(at % PAGE == 0 for _, _, at, _ in stopped.core.segments)
    with open(f"/proc/{stopped.pid}/auxv", "rb") as f:
        assert stopped.core.notes[3][2] == f.read()
    info = stopped.core.notes[1][2]
    assert info[40:56].rstrip(b"\0") == b"first"
    assert info[56:].startswith(bytes(EXE)[:79])


def test_threads_have_their_names(stopped):
    """In a note that ARCHITECTURE.md tells of: a core has no place for them."""
    notes = [n[2] for n in stopped.core.notes if n[:2] == ("HEAPSIFT", 0x48530001)]
    pairs = [struct.unpack("<I16s", note) for note in notes]
    assert {name.rstrip(b"\0").decode(): tid for tid, name in pairs} == stopped.threads


@pytest.mark.parametrize("mode", ["fork", "freeze", "nostop"])
def test_memory_is_that_of_the_process(stopped, mode):
    path = stopped.folder / mode
    write_core(stopped.pid, path, "--mode", mode)
    core = Core(path)
    for name, (addr, size) in stopped.memory.items():
        truth = memory_of(stopped.pid, addr, size)
        assert core.memory(addr, size) == (None if name in LEFT_OUT else truth), name
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()


def test_all_private_memory_is_there(stopped):
    """Whole mappings, those of libraries included, by the maps of the process."""
    count, changed = 0, set()
    for line, start, end, _ in maps_of(stopped.pid):
        got = stopped.core.memory(start, end - start)
        if start in stopped.private and got is not None:
            changed |= {start + i for i, (a, b) in enumerate(zip(got, stopped.private[start]))
                        if a != b} if got != stopped.private[start] else set()
            count += 1
        if "[vvar" in line or "[vsyscall]" in line:
            assert got is None
        elif ".so" in line or str(EXE) in line or "[vdso]" in line:
            assert got is not None, line
    assert count > 10
    # The kernel tells the thread that it had make the fork its processor (struct rseq).
    assert not changed or max(changed) - min(changed) < 32


def test_what_nobody_touched_takes_no_room(stopped):
    stat = stopped.ours.stat()
    assert stat.st_size > 3 * SPARSE  # three mappings, a page used of each
    assert stat.st_blocks * 512 < 16 << 20
    assert re.match(r"wrote \S+: [\d.]+ MiB \([\d.]+ MiB mapped\), 6 threads\n",
                    stopped.told), stopped.told
    assert "16 KiB are left out" in stopped.told
    assert stopped.memfd == PAGE  # nor has it been touched now


def test_a_stream_is_the_file_with_its_zeroes(start, tmp_path):
    target = start("/bin/cat", ready=False)
    target.tell("here")
    assert target.line() == "here"
    stream = subprocess.run([HEAPSIFT, "core", str(target.pid), "-o", "-"],
                            capture_output=True, timeout=60)
    assert stream.returncode == 0 and not stream.stderr
    (tmp_path / "streamed").write_bytes(stream.stdout)
    core = Core(tmp_path / "streamed")
    addr, size, _, filesz = next(s for s in core.segments if s[3])
    assert core.memory(addr, filesz) == memory_of(target.pid, addr, filesz)
    assert len(stream.stdout) == max(s[2] + s[3] for s in core.segments)


def test_a_full_disk_leaves_nothing(heapsift, start, tmp_path):
    target = start("/bin/cat", ready=False)
    said = heapsift("core", target.pid, "-o", "/dev/full", code=4).err
    assert "No space left" in said
    script = ('mount -t tmpfs -o size=64k none "$0" && cd "$0" || exit 77\n'
              '"$1" core "$2" -o x.core; code=$?; ls -A; exit $code')
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, tmp_path, HEAPSIFT,
                           str(target.pid)], capture_output=True, text=True)
    if os.geteuid() == 0 and done.returncode != 77:
        assert (done.returncode, done.stdout) == (4, ""), done.stderr
        assert "No space left" in done.stderr
    with open(f"/proc/{target.pid}/task/{target.pid}/children") as f:
        assert f.read() == ""
    target.tell("lives")
    assert target.line() == "lives"


def test_an_interrupt_leaves_nothing(start):
    """While it waits for a reader of the stream, with a fork of the target to be read."""
    target = start("/bin/cat", ready=False)
    children = f"/proc/{target.pid}/task/{target.pid}/children"
    run = subprocess.Popen([HEAPSIFT, "core", str(target.pid), "-o", "-"],
                           stdout=subprocess.PIPE)
    os.read(run.stdout.fileno(), 1)
    run.send_signal(signal.SIGINT)
    assert run.wait(10) == -signal.SIGINT
    end = time.monotonic() + 10
    while os.path.getsize(children) or open(children).read():
        assert time.monotonic() < end, "its fork is still there"
    target.tell("lives")
    assert target.line() == "lives"


def test_a_fork_that_is_killed_is_told(start):
    target = start("/bin/cat", ready=False)
    run = subprocess.Popen([HEAPSIFT, "core", str(target.pid), "-o", "-"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.read(run.stdout.fileno(), 1)
    with open(f"/proc/{target.pid}/task/{target.pid}/children") as f:
        fork = int(f.read())
    os.kill(fork, signal.SIGKILL)
    while os.path.exists(f"/proc/{fork}"):  # until it is reaped; heapsift waits for us
        time.sleep(0.01)
    said = run.communicate(timeout=30)[1].decode()
    assert run.returncode == 3 and "was killed" in said, said


def test_what_cannot_be_stopped_is_read_as_it_stands(start, tmp_path):
    """By another tracer: where its threads stand is known, but not their registers."""
    target = start("/bin/cat", ready=False)
    tracer = subprocess.Popen(["gdb", "-nx", "-q", "-p", str(target.pid)],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    tracer.stdin.write(b"python open('%s', 'w')\n" % bytes(tmp_path / "attached"))
    tracer.stdin.flush()
    end = time.monotonic() + 30
    while not (tmp_path / "attached").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "traced by process" in write_core(target.pid, tmp_path / "ours")
    tracer.communicate(b"kill\nquit\n")
    assert "read" in gdb("/bin/cat", tmp_path / "ours", "-ex", "bt")


def test_words_are_checked_before_the_process_is(heapsift, tmp_path):
    there = tmp_path / "there"
    there.touch()
    for said, args in ((r"-o FILE is missing", ["1"]), (r"exists; --force", ["1", "-o", there]),
                       (r"is no process number", [there, "-o", tmp_path / "new"])):
        assert re.search(said, heapsift("core", *args, code=2).err)
    heapsift("core", "999999999", "-o", there, "--force", code=3)


def test_heapsift_reads_it_as_the_live_process(heapsift, start, tmp_path):
    target = start(PYTHON, ROOT / "test/fixture/python_heap.py", tmp_path / "truth",
                   stderr=subprocess.DEVNULL)
    wait_stopped(target.pid)
    path = tmp_path / "python.core"
    write_core(target.pid, path)
    for command in ("top", "objects", "blocks", "tree"):
        args = ["--json"] + (["-n", "2000"] if command != "top" else [])
        assert heapsift(command, path, *args).rows() == \
            heapsift(command, target.pid, *args).rows()
