#!/usr/bin/env python3
"""Runs the end-to-end tests: real `troupe` processes on a real Kafka.

    python3 tests/e2e/run.py [--smoke] [--only TEXT] [--list] [--results FILE] [--troupe build/release/troupe] [--keep]

A test is a function named unit__condition__expected in test_*.py, here or in tests/chaos/, that takes a harness.Test.
--only runs those whose name (or file) contains the text. --smoke runs the same tests with fewer rows, without those
marked @full_only; ./dev test does, and ./dev test --full does not.
Exit code 1 when one failed.
"""
import environment

environment.ensure()

import argparse         # noqa: E402  (after the packages are there)
import importlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from kafka import Kafka

import harness
from models import Models

HERE = pathlib.Path(__file__).resolve().parent
CHAOS = HERE.parent / "chaos"               # the chaos bench, whose checks and tools are tested here too
DEFAULT_LIMIT_S = 150


class OutOfTime(Exception):
    pass


def options():
    parser = argparse.ArgumentParser(prog="tests/e2e/run.py")
    parser.add_argument("--smoke", action="store_true", help="small budgets, for CI")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="tests whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--results", type=pathlib.Path, metavar="FILE", help="write the counts as JSON")
    parser.add_argument("--troupe", type=pathlib.Path, default=environment.ROOT / "build" / "release" / "troupe")
    parser.add_argument("--keep", action="store_true", help="keep the directory with configs and logs")
    return parser.parse_args()


def tests(only):
    for file in sorted([*HERE.glob("test_*.py"), *CHAOS.glob("test_*.py")]):
        module = importlib.import_module(file.stem)
        for name, function in vars(module).items():
            if callable(function) and name.count("__") == 2 and function.__module__ == file.stem:
                full = f"{file.stem.removeprefix('test_')}.{name}"
                if not only or any(text in full for text in only):
                    yield full, function


def run_one(function, test):
    """None, or what went wrong."""
    def on_alarm(*_):
        raise OutOfTime(f"had not ended after {limit} s")
    limit = getattr(function, "limit_s", DEFAULT_LIMIT_S)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(limit)
    try:
        function(test)
        return None
    except (harness.Failure, OutOfTime) as failure:
        ours = (str(HERE), str(CHAOS))
        where = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
                 for frame in traceback.extract_tb(failure.__traceback__) if frame.filename.startswith(ours)][1:]
        return f"{failure}\n(at {' > '.join(where)})"
    except Exception:   # a bug in a test is a failed test, and the others still run
        return traceback.format_exc()
    finally:
        signal.alarm(0)


def main():
    wanted = options()
    chosen = list(tests(wanted.only))
    if wanted.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    if not chosen:
        sys.exit(f"no test's name contains {' or '.join(wanted.only)}; --list prints the names")
    if not os.access(wanted.troupe, os.X_OK):
        sys.exit(f"{wanted.troupe} is not there; build it with ./dev build, or name another with --troupe")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    started = time.monotonic()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="troupe-e2e-"))
    broker = Kafka(directory / "kafka", properties={"message.max.bytes": 33554432})
    try:
        broker.start()
        models = Models(directory / "models")
        for name, function in chosen:
            if wanted.smoke and getattr(function, "full_only", False):
                counts["skipped"] += 1
                print(f"skip  {name}", flush=True)
                continue
            counts["passed" if report(name, function, directory, broker, wanted, models) else "failed"] += 1
    finally:
        broker.stop()
        if wanted.results:
            wanted.results.parent.mkdir(parents=True, exist_ok=True)
            wanted.results.write_text(json.dumps(counts))
        if counts["failed"] or wanted.keep:
            print(f"configs and logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"end to end: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped "
          f"in {time.monotonic() - started:.0f} s")
    return 1 if counts["failed"] or not counts["passed"] else 0


def report(name, function, directory, broker, wanted, models):
    begin = time.monotonic()
    test = harness.Test(name, directory / name, broker, wanted.troupe.resolve(), models, wanted.smoke)
    try:
        wrong = run_one(function, test)
        logs = test.logs() if wrong else ""
    finally:
        test.close()
    print(f"{'FAIL' if wrong else 'ok  '}  {name}  {time.monotonic() - begin:.1f} s", flush=True)
    if wrong:
        print(wrong, logs, sep="\n", flush=True)
    return not wrong


if __name__ == "__main__":
    sys.exit(main())
