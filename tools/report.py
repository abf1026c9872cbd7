#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""report.py BUILD README: what ctest and pytest left behind, for people.

Prints the ten slowest tests and then what did not run, with its reason, and writes
`passed failed not-run` to BUILD/check/counts. A test that did not run counts as failed
unless the README's list (between the `not-run` marks) names it.
"""
import fnmatch
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path


class Case:
    def __init__(self, name, seconds, state, reason=""):
        self.name, self.seconds = name, seconds
        self.state, self.reason = state, reason


def reason_in(text):
    found = re.search(r"NOT RUN: *([^\n]+)", text or "")
    return found.group(1).strip() if found else ""


def pytest_cases(name, path):
    """One case per test function of a pytest file."""
    for case in ET.parse(path).iter("testcase"):
        skipped, state, reason = case.find("skipped"), "passed", ""
        if case.find("failure") is not None or case.find("error") is not None:
            state = "failed"
        elif skipped is not None:
            state, reason = "not run", reason_in(skipped.get("message"))
        yield Case(f"{name}::{case.get('name')}", float(case.get("time")), state, reason)


def cmocka_cases(name, output):
    """A cmocka program has one time, but its functions are counted. One that says NOT RUN
    on its way did not do all of its work, whatever it says at its end."""
    states = {"OK": "passed", "FAILED": "failed", "SKIPPED": "not run"}
    cases, reason = {}, ""
    for line in output.splitlines():
        mark = re.match(r"\[ +(RUN|OK|FAILED|SKIPPED) +\] (?!\d+ test\(s\))(.+)$", line)
        if not mark:
            reason = reason_in(line) or reason
        elif mark[1] == "RUN":
            reason = ""
        elif mark[2] not in cases:  # skipped and failed ones are listed again at the end
            state = states[mark[1]]
            if reason and state == "passed":
                state = "not run"
            cases[mark[2]] = Case(f"{name}::{mark[2]}", 0.0, state, reason)
    return list(cases.values())


def cases_of(build, test):
    name, seconds = test.get("name"), float(test.get("time") or 0)
    output = test.findtext("system-out") or ""
    failed = test.get("status") != "run"
    junit = build / "pytest" / (name.replace("/", "-") + ".xml")
    if junit.exists():
        cases = list(pytest_cases(name, junit))
    else:
        cases = cmocka_cases(name, output)
        if cases:
            cases[0].seconds = seconds
    if not cases:
        state = "failed" if failed else "passed"
        reason = reason_in(output)
        if reason and not failed:
            state = "not run"
        cases = [Case(name, seconds, state, reason)]
    if failed and all(case.state != "failed" for case in cases):
        cases.append(Case(name, seconds, "failed"))  # killed, or it failed as a whole
    return cases


def allowed_in(readme):
    marked = re.search(r"<!-- not-run -->(.*?)<!-- /not-run -->", readme.read_text(), re.S)
    return re.findall(r"^[-*|] *`([^`]+)`", marked.group(1), re.M) if marked else []


def main():
    build, readme = Path(sys.argv[1]), Path(sys.argv[2])
    counts = build / "check" / "counts"
    try:
        tests = ET.parse(build / "check" / "ctest.xml").iter("testcase")
        cases = [case for test in tests for case in cases_of(build, test)]
    except (OSError, ET.ParseError) as why:
        sys.exit(f"FAIL: ctest left no readable result: {why}")
    if not cases:
        sys.exit("FAIL: ctest found no tests")
    allowed = allowed_in(readme)

    print("\nthe ten slowest tests")
    for case in sorted(cases, key=lambda c: -c.seconds)[:10]:
        print(f"  {case.seconds:7.1f} s  {case.name}")
    wrong = [case for case in cases if case.state == "failed"]
    if wrong:
        print("\nfailed")
    for case in wrong:
        print(f"  {case.name}")
    not_run = [case for case in cases if case.state == "not run"]
    if not_run:
        print("\nnot run here")
    unnamed = 0
    for case in not_run:
        known = case.reason and any(fnmatch.fnmatch(case.name, a) for a in allowed)
        unnamed += not known
        print(f"  {case.name}\n      NOT RUN: {case.reason or '(no reason given)'}"
              + ("" if known else "\n      FAIL: the README's list does not name it"))
    passed = sum(case.state == "passed" for case in cases)
    counts.write_text(f"{passed} {len(wrong) + unnamed} {len(not_run)}\n")


main()
