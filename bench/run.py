#!/usr/bin/env python3
"""Measures Troupe on a real Kafka; docs/benchmarks.md says what each report means and keeps the figures.

    python3 bench/run.py [throughput] [latency] [exactly-once] [scale] [failover] [push] [--smoke]
                         [--build build/release]

Without names all reports run. Each writes build/bench/<report>.json and prints its table as Markdown. Whatever is
compared runs in alternation (A B A B ...) in the same session, since a shared machine drifts. --smoke only shows that
the reports work.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
import environment      # noqa: E402

environment.ensure()

import argparse         # noqa: E402  (after the packages are there)
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time

from confluent_kafka import KafkaException
from kafka import Kafka, version as kafka_version

import harness
import reports_load
import reports_change
from models import Models

REPORTS = {"throughput": reports_load.throughput, "latency": reports_load.latency,
           "exactly-once": reports_load.exactly_once, "scale": reports_load.scale,
           "failover": reports_change.failover, "push": reports_change.push}


class Bench(harness.Test):
    """What a report gets: a test's means, and the measuring programs."""

    def __init__(self, name, directory, kafka, build, models, smoke):
        super().__init__(name, directory, kafka, build / "troupe", models, smoke)
        self.programs = build / "bench"
        self.count = 0

    def unique(self, name):
        self.count += 1
        return f"{name}{self.count}"

    def program(self, name, *arguments, **flags):
        """The command line of one of bench/*.cpp; flags as keyword arguments, True for one without a value."""
        command = [str(self.programs / name), "--bootstrap", self.bootstrap, *map(str, arguments)]
        for flag, value in flags.items():
            if value is not None and value is not False:
                command += ["--" + flag.replace("_", "-")] + ([] if value is True else [str(value)])
        return command

    def measure(self, name, limit_s=300, **flags):
        """Runs a measuring program to its end; its JSON."""
        done = subprocess.run(self.program(name, **flags), capture_output=True, text=True, timeout=limit_s,
                              stdin=subprocess.DEVNULL)
        harness.require(done.returncode == 0, f"{name}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def delete(self, *topics):
        for future in self.admin.delete_topics(list(topics)).values():
            future.result(20)


def machine():
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "-C", str(environment.ROOT), "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "kafka": kafka_version(),
            "commit": commit, "load_before": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}


def options():
    parser = argparse.ArgumentParser(prog="bench/run.py")
    parser.add_argument("reports", nargs="*", metavar="REPORT", help=", ".join(REPORTS))
    parser.add_argument("--smoke", action="store_true", help="small budgets; the figures mean nothing")
    parser.add_argument("--build", type=pathlib.Path, default=environment.ROOT / "build" / "release")
    parser.add_argument("--out", type=pathlib.Path, default=environment.ROOT / "build" / "bench")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.reports if name not in REPORTS]
    if unknown:
        parser.error(f"there is no report {', '.join(unknown)}; there are {', '.join(REPORTS)}")
    return wanted


def main():
    wanted = options()
    for program in ("troupe", "bench/relay", "bench/load", "bench/latency_client"):
        if not os.access(wanted.build / program, os.X_OK):
            sys.exit(f"{wanted.build / program} is not there; run ./dev build first")
    wanted.out.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=wanted.out))
    failed = False
    try:
        for name in wanted.reports or REPORTS:
            failed |= not run_report(name, directory / name, wanted)
    finally:
        if not failed:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


def run_report(name, directory, wanted):
    about = machine()
    # A broker for each report: what one leaves behind must not slow the next.
    with Kafka(directory / "kafka", properties={"message.max.bytes": 33554432}) as broker:
        models = Models(directory / "models")
        bench = Bench(name, directory / "run", broker, wanted.build.resolve(), models, wanted.smoke)
        try:
            result, table = REPORTS[name](bench)
        except (harness.Failure, KafkaException, subprocess.TimeoutExpired) as failure:
            print(f"{name}: {failure}\n{bench.logs()}", file=sys.stderr)
            return False
        finally:
            bench.close()
    (wanted.out / f"{name}.json").write_text(json.dumps({"machine": about, "smoke": wanted.smoke, **result}, indent=1))
    print(f"\n### {name}{' (smoke: the figures mean nothing)' if wanted.smoke else ''}\n\n{table}\n", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
