#!/usr/bin/env python3
"""Adds up what `./dev test` ran and prints the closing line: N passed, N failed[, N skipped].

    python3 tools/test_summary.py DIRECTORY

DIRECTORY holds <build>.xml from `ctest --output-junit`, one per build; if the tests of the Python package ran,
python.status (the exit code of pytest) and python.junit (what it writes with --junitxml); and, if the end-to-end tests
ran, e2e.status (the exit code of their runner) and e2e.json ({"passed": n, "failed": n, "skipped": n}), and likewise
chaos.status and chaos.json of the chaos bench, whose checks are counted. A ctest entry is a whole Boost suite, so its
cases are counted from the report that Boost prints; a case that ran in two builds counts twice. An entry that failed
without reporting a failed case (it crashed, timed out or could not start) counts as one failure.
Exit code 1 when anything failed or nothing passed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

# "passed with warnings" is a line of its own, apart from "passed", so both are counted; "aborted" ones are among the
# failed. Boost calls every case of the suites that were not asked for skipped, so that figure says nothing; the log
# does.
REPORT = re.compile(r"^\s*(\d+) test cases? out of \d+ (passed|failed|timed out)\b", re.MULTILINE)
SKIPPED = re.compile(r'Test case "[^"]*" is skipped because')


def count_entry(status, output):
    """(passed, failed, skipped) cases of one ctest entry; `status` as in JUnit's file: run, fail, notrun, disabled."""
    if status == "disabled":
        return 0, 0, 1
    counts = {"passed": 0, "failed": 0, "timed out": 0}
    for number, outcome in REPORT.findall(output):
        counts[outcome] += int(number)
    failed = counts["failed"] + counts["timed out"]
    if status != "run" and failed == 0:
        failed = 1
    return counts["passed"], failed, len(SKIPPED.findall(output))


def count_build(junit):
    total = [0, 0, 0]
    try:
        root = ElementTree.parse(junit).getroot()
    except ElementTree.ParseError as error:
        print(f"{junit} cannot be read ({error}); that counts as a failure", file=sys.stderr)
        return 0, 1, 0
    for case in root.iter("testcase"):
        output = case.findtext("system-out") or ""
        total = [a + b for a, b in zip(total, count_entry(case.get("status"), output))]
    return tuple(total)


def count_runner(status_file, results_file):
    """The runner's own numbers; one failure when it failed without naming any, or left no numbers."""
    status = int(status_file.read_text())
    try:
        results = json.loads(results_file.read_text())
        passed, failed, skipped = (int(results.get(name, 0)) for name in ("passed", "failed", "skipped"))
    except (OSError, ValueError):
        passed, failed, skipped = 0, 1, 0
    return passed, failed or (1 if status else 0), skipped


def count_pytest(status_file, junit):
    """pytest's own numbers; one failure when it failed without naming any, or left no numbers."""
    status = int(status_file.read_text())
    try:
        suite = next(ElementTree.parse(junit).getroot().iter("testsuite"))
        tests, failures, errors, skipped = (int(suite.get(x, 0)) for x in ("tests", "failures", "errors", "skipped"))
    except (OSError, ElementTree.ParseError, StopIteration, ValueError):
        return 0, 1, 0
    failed = failures + errors
    return tests - failed - skipped, failed or (1 if status else 0), skipped


def line(counts):
    passed, failed, skipped = counts
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main(directory):
    parts = [(junit.stem, count_build(junit)) for junit in sorted(directory.glob("*.xml"))]
    if (directory / "python.status").exists():
        parts.append(("python", count_pytest(directory / "python.status", directory / "python.junit")))
    if (directory / "e2e.status").exists():
        parts.append(("end to end", count_runner(directory / "e2e.status", directory / "e2e.json")))
    if (directory / "chaos.status").exists():
        parts.append(("chaos", count_runner(directory / "chaos.status", directory / "chaos.json")))
    for name, counts in parts:
        print(f"{name}: {line(counts)}", file=sys.stderr)
    total = [sum(column) for column in zip(*(counts for _, counts in parts))] or [0, 0, 0]
    if total[0] == 0 and total[1] == 0:
        print("no test ran at all; that counts as a failure", file=sys.stderr)
        total[1] = 1
    sys.stderr.flush()
    print(line(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
