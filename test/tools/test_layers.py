# SPDX-License-Identifier: Apache-2.0
# ctest: not-asan
"""tools/layers.sh and tools/fnlen.sh against small trees that break one rule each."""
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"

CLEAN = {
    "src/base/base.h": "int base(void);\n",
    "src/base/err.h": "int err(void);\n",
    "src/model/model.h": '#include "base/base.h"\nint model(void);\n',
    "src/mem/mem.h": '#include "base/err.h"\n',
    "src/mem/live.c": '#include "mem/mem.h"\n#include "mem/live_int.h"\n'
                      "long ptrace(int, ...);\nlong seize(void);\n"
                      "long seize(void) { return ptrace(1); }\n"
                      'const char *p(void);\nconst char *p(void) { return "/proc/1/mem"; }\n',
    "src/mem/live_int.h": "int live(void);\n",
    "src/heap/heap.h": '#include "mem/mem.h"\n',
    "src/heap/ptmalloc/ptm.c": '#include "heap/heap.h"\n/* not ptrace(), nor "/proc/1/mem" */\n'
                               "static const char *const names[] = { \"a\", \"b\" };\n"
                               "const char *name(int i);\n"
                               "const char *name(int i) { return names[i]; }\n",
    "src/out/out.h": '#include "model/model.h"\n',
    "src/main.c": '#include "heap/heap.h"\n#include <stdio.h>\n'
                  'int main(void) { return puts("x") < 0; }\n',
}

BREACHES = {
    "upwards": ("src/mem/up.c", '#include "heap/heap.h"\n', "heap/ is not below mem/"),
    "sideways": ("src/snap/s.c", '#include "mem/mem.h"\n', "mem/ is not below snap/"),
    "shower reads": ("src/out/o.c", '#include "heap/heap.h"\n', "out/ reads no target"),
    "inner header": ("src/heap/i.c", '#include "mem/live_int.h"\n', "internal to mem/"),
    "second door": ("src/heap/other.h", "int o(void);\n", "the door of heap/ is heap.h"),
    "no such header": ("src/heap/n.c", '#include "heap/gone.h"\n', "not in src/"),
    "no layer": ("src/misc/m.c", "int m(void);\n", "'misc' is no layer"),
    "same name": ("src/heap/live.c", "int l(void);\n", "more than one file"),
    "ptrace": ("src/heap/t.c", "long ptrace(int, ...);\nlong f(void);\n"
               "long f(void) { return ptrace(1); }\n", "uses 'ptrace'"),
    "stdout": ("src/out/p.c", '#include <stdio.h>\nvoid f(void);\nvoid f(void) { puts("x"); }\n',
               "uses 'puts'"),
    "raw door": ("src/heap/r.c", 'const char *f(void);\nconst char *f(void) '
                 '{ return "/proc/%d/mem"; }\n', "opens a process's memory"),
    "global": ("src/heap/g.c", "int counter(void);\nint counter(void) "
               "{ static int n; return n++; }\n", "mutable global 'n."),
    "data": ("src/heap/d.c", "extern int level;\nint level = 3;\n", "mutable global 'level'"),
    "more than one": ("src/base/ending.c", "extern int ending, more;\nint ending = 3, more = 4;\n",
                      "ending.c has the mutable global 'more'"),
    "tag": ("src/tag/t.c", '#include "base/base.h"\n', "tag/ includes nothing of src/"),
    "long file": ("src/heap/long.c", "int f(void);\n" * 701, "more than 700 lines"),
}


def make_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPDX + text)
    for name in files:
        path = root / name
        if name.endswith(".c") and name != "src/heap/n.c":
            target = root / "build/x.dir" / (name + ".o")
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["gcc", "-O1", "-c", "-fPIE", f"-I{root}/src", "-o", target, path],
                           check=True)


def run(tool, root):
    done = subprocess.run([TOOLS / tool, root], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_clean_tree_passes(tmp_path):
    make_tree(tmp_path, CLEAN)
    assert run("layers.sh", tmp_path) == (0, "")


@pytest.mark.parametrize("name", BREACHES)
def test_breach_is_named(tmp_path, name):
    path, text, words = BREACHES[name]
    make_tree(tmp_path, CLEAN | {path: text})
    code, said = run("layers.sh", tmp_path)
    assert code == 1
    assert [line for line in said.splitlines() if path in line or "more than one" in line]
    assert words in said


def test_missing_licence_line_is_named(tmp_path):
    make_tree(tmp_path, CLEAN)
    (tmp_path / "src/heap/heap.h").write_text("int h(void);\n")
    code, said = run("layers.sh", tmp_path)
    assert code == 1 and "src/heap/heap.h has no SPDX line" in said


def function(name, lines):
    """A function of `lines` lines, from its name to its last brace."""
    return f"int {name}(void)\n{{\n" + "\tg();\n" * (lines - 3) + "}\n"


@pytest.mark.parametrize("lengths, stored, code, words", [
    ([5, 10, 60], "10 60 60", 0, "functions 3, median 10, p90 60, longest 60"),
    ([5, 10, 61], "10 70 70", 1, "has 61 lines; the ceiling is 60"),
    ([5, 11, 20], "10 20 20", 1, "the median rose from 10 to 11"),
    ([5, 10, 20], "10 19 20", 1, "the p90 rose from 19 to 20"),
    ([5, 10, 21], "10 21 20", 1, "the longest rose from 20 to 21"),
])
def test_function_lengths(tmp_path, lengths, stored, code, words):
    bodies = [function(f"f{i}", n) for i, n in enumerate(lengths)]
    (tmp_path / "src").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "src/a.c").write_text("struct s {\n\tint a;\n};\n\n" + "\n".join(bodies))
    (tmp_path / "tools/fnlen.stored").write_text(stored + "\n")
    found, said = run("fnlen.sh", tmp_path)
    assert found == code and words in said


def test_signature_over_two_lines_counts(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/fnlen.stored").write_text("99 99 60\n")
    (tmp_path / "src/a.c").write_text("/* c */\nstatic int f(int a,\n\t     int b)\n{\n\tg();\n}\n")
    assert "longest 5" in run("fnlen.sh", tmp_path)[1]
