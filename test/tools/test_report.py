# SPDX-License-Identifier: Apache-2.0
# ctest: not-asan
"""tools/report.py: nothing that failed, or did not run, may look like a pass."""
import subprocess
from pathlib import Path

REPORT = Path(__file__).resolve().parents[2] / "tools" / "report.py"
CTEST = """<testsuite>
<testcase name="unit/test_a" time="0.5" status="run"><system-out>
[       OK ] first
[       OK ] second
</system-out></testcase>
<testcase name="e2e/test_b" time="2" status="{e2e}"><system-out>..s</system-out></testcase>
<testcase name="unit/test_c" time="0.1" status="{unit}"><system-out>{said}</system-out></testcase>
</testsuite>"""
PYTEST = """<testsuites><testsuite>
<testcase name="test_one" time="1.5"/>
<testcase name="test_two" time="0.2"><skipped message="NOT RUN: no freezer here"/></testcase>
{more}
</testsuite></testsuites>"""


def report(tmp_path, readme="- `e2e/test_b::test_two`: freezer", e2e="run", unit="run",
           said="", more=""):
    (tmp_path / "pytest").mkdir()
    (tmp_path / "check").mkdir()
    (tmp_path / "check/ctest.xml").write_text(CTEST.format(e2e=e2e, unit=unit, said=said))
    (tmp_path / "pytest/e2e-test_b.xml").write_text(PYTEST.format(more=more))
    (tmp_path / "README.md").write_text(f"x\n<!-- not-run -->\n{readme}\n<!-- /not-run -->\n")
    done = subprocess.run([REPORT, tmp_path, tmp_path / "README.md"], capture_output=True,
                          text=True)
    return done, (tmp_path / "check/counts").read_text().split()


def test_counts_and_order(tmp_path):
    done, counts = report(tmp_path)
    assert done.returncode == 0 and counts == ["4", "0", "1"]
    lines = done.stdout.splitlines()
    assert "1.5 s" in lines[2] and "test_one" in lines[2]
    assert lines[-1].strip() == "NOT RUN: no freezer here"


def test_not_run_must_be_named_in_readme(tmp_path):
    done, counts = report(tmp_path, readme="")
    assert counts == ["4", "1", "1"] and "does not name it" in done.stdout


def test_not_run_needs_a_reason(tmp_path):
    more = '<testcase name="test_three" time="0"><skipped message="later"/></testcase>'
    done, counts = report(tmp_path, readme="- `e2e/*`: all", more=more)
    assert counts == ["4", "1", "2"] and "(no reason given)" in done.stdout


def test_program_that_cannot_run_is_not_a_pass(tmp_path):
    _, counts = report(tmp_path, readme="- `*`: all", said="NOT RUN: no seccomp")
    assert counts == ["3", "0", "2"]


def test_failure_wins_over_not_run(tmp_path):
    _, counts = report(tmp_path, unit="fail", said="NOT RUN: no seccomp")
    assert counts == ["3", "1", "1"]


def test_failed_case_is_counted_once(tmp_path):
    more = '<testcase name="test_three" time="0"><failure message="x"/></testcase>'
    done, counts = report(tmp_path, e2e="fail", more=more)
    assert counts == ["4", "1", "1"] and "e2e/test_b::test_three" in done.stdout


def test_killed_test_is_a_failure(tmp_path):
    _, counts = report(tmp_path, e2e="fail")
    assert counts == ["4", "1", "1"]


def test_nothing_found_is_a_failure(tmp_path):
    (tmp_path / "check").mkdir()
    (tmp_path / "README.md").write_text("x")
    for text in ["", "<testsuite></testsuite>"]:
        (tmp_path / "check/ctest.xml").write_text(text)
        done = subprocess.run([REPORT, tmp_path, tmp_path / "README.md"], capture_output=True)
        assert done.returncode == 1


def test_cmocka_test_that_says_not_run_did_not_run(tmp_path):
    said = ("[ RUN      ] first\n[       OK ] first\n"
            "[ RUN      ] second\nNOT RUN: no seccomp\n[       OK ] second\n"
            "[ RUN      ] third\nNOT RUN: no tmpfs\n[  SKIPPED ] third\n"
            "[ RUN      ] in fork mode\n[       OK ] in fork mode\n"
            "[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] third\n")
    done, counts = report(tmp_path, readme="- `*`: all", said=said)
    assert counts == ["5", "0", "3"]
    assert "unit/test_c::second\n      NOT RUN: no seccomp" in done.stdout
    assert "unit/test_c::third\n      NOT RUN: no tmpfs" in done.stdout
