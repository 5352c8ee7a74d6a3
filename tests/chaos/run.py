#!/usr/bin/env python3
"""The chaos bench: real Kafka, real nodes, faults from a seed, and the proof that nothing was lost, repeated, torn,
swapped or wrong. docs/chaos.md says how to read its report.

    python3 tests/chaos/run.py --minutes M --seed S [--nodes N] [--brokers 1|3]
        [--delivery exactly_once|at_least_once] [--smoke] [--only KIND ...] [--alone] [--rate R] [--dir D] [--troupe T]

Exit code 1 when a check failed; everything is kept then, and always with --dir.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import environment      # noqa: E402

environment.ensure()

import argparse         # noqa: E402  (after the packages are there)
import os
import shutil
import signal
import tempfile
import time

import report
import verdicts
from bench import Bench, say
from faults import KINDS
from harness import read_topic
from plan import make_plan
from stand import CAP, Stand
from watch import digest

SMOKE = {"minutes": 2.0, "seed": 5, "brokers": 1, "nodes": 3, "rate": 1000}


def options():
    parser = argparse.ArgumentParser(prog="./dev chaos", description="Real Kafka, real nodes, faults from a seed.")
    parser.add_argument("--minutes", type=float, default=10, help="how long faults come; default 10")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--nodes", type=int, default=3, choices=range(1, 8), help="beside one that only scores")
    parser.add_argument("--brokers", type=int, default=1, choices=(1, 3))
    parser.add_argument("--delivery", default="exactly_once", choices=("exactly_once", "at_least_once"))
    parser.add_argument("--smoke", action="store_true", help="2 minutes, one broker, a fixed seed")
    parser.add_argument("--only", action="append", choices=sorted(KINDS), help="only faults of these kinds")
    parser.add_argument("--alone", action="store_true", help="one fault at a time, for recovery times")
    parser.add_argument("--rate", type=int, default=1800, metavar="ROWS", help="rows a second; default 1800")
    parser.add_argument("--dir", type=pathlib.Path, help="keep everything here; default: a new temporary one")
    parser.add_argument("--troupe", type=pathlib.Path,
                        default=environment.ROOT / "build" / "release" / "troupe")
    wanted = parser.parse_args()
    if wanted.smoke:
        vars(wanted).update(SMOKE)
    if wanted.seed is None:
        wanted.seed = int(time.time()) % 1_000_000
    if not os.access(wanted.troupe, os.X_OK):
        sys.exit(f"{wanted.troupe} is not there; build it with ./dev build, or name another with --troupe")
    return wanted


def on_signal(number, _):
    raise SystemExit(f"ended by signal {number}")


def main():
    wanted = options()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    directory = (wanted.dir or pathlib.Path(tempfile.mkdtemp(prefix="troupe-chaos-"))).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    stand = Stand(directory, wanted.troupe.resolve(), wanted.nodes, wanted.brokers, wanted.delivery)
    network = f"namespaces on bridge {stand.spaces.bridge}" if stand.spaces else f"proxy ({stand.no_namespaces})"
    say(f"seed {wanted.seed}, {directory}, {network}")
    failed = True
    try:
        found = run(wanted, stand, directory, network)
        print(report.write(found, directory), flush=True)
        failed = not all(verdict["ok"] for verdict in found["verdicts"].values())
    finally:
        stand.down()
        if failed or wanted.dir:
            say(f"configs, logs and report.json are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


def run(wanted, stand, directory, network):
    kinds = wanted.only or [kind for kind in KINDS if stand.possible(kind)]
    plan = make_plan(wanted.seed, wanted.minutes * 60, kinds, wanted.alone)
    bench = Bench(stand, wanted.seed, wanted.rate)
    bench.set_up()
    begin = time.monotonic()
    say(f"rows flow; {sum(len(slot.wanted) for slot in plan)} faults in {len(plan)} slots")
    bench.run(plan, wanted.minutes * 60)
    seconds = time.monotonic() - begin
    sent = bench.quiet()
    say("checking")
    return judge(wanted, stand, bench, network, begin, seconds, sent)


def judge(wanted, stand, bench, network, begin, seconds, sent):
    cluster, exactly_once = stand.cluster, wanted.delivery == "exactly_once"
    sources, outputs, dead = (read_topic(stand.brokers.bootstrap, topic, 300)
                              for topic in (cluster.source, cluster.preds, cluster.dlq))
    log = verdicts.Log(bench.control.entries)
    found, problems = verdicts.examine(sources, outputs, dead, bench.versions.predictor(log.sha256_of), log,
                                       exactly_once, CAP, bench.appended.transactions)
    bench.commits.verify(found)
    problems["C4"] += [f"commit: {text}" for text in found.problems.get("commit", ())]
    problems["C2"] += verdicts.same_sequence(bench.visible.sequence, digest, [*outputs, *dead])
    wall = time.time() - time.monotonic()
    problems["C6"] += verdicts.seen_too_early({v: (at + wall) * 1000 for v, at in bench.visible.versions.items()}, log)
    for problem in bench.problems:
        check, _, text = problem.partition(" ")
        problems[check].append(text)
    growth = verdicts.growth(bench.resources.samples)
    problems["C9"] += [f"{g}" for g in growth if g["rss_kb_per_minute"] > verdicts.RSS_SLOPE_MAX_KB_MIN]
    places = {(r.topic, r.partition, r.offset) for r in (*outputs, *dead)}
    lines = report.fault_lines(bench.faults, bench.visible, bench.commits, begin, exactly_once, places)
    problems["C8"] += [f"{line['kind']} of {line['target']} at {line['at_s']} s: rows never flowed again"
                       for line in lines if line["recovery_s"] is None]
    counted = [line for line in lines if line["observed"]]
    unexpected = [e for e in bench.exits if not e.expected]
    totals = {
        "faults": len(lines), "observed": len(counted), "kinds": len({line["kind"] for line in counted}),
        "kills_with_rows_just_appended": sum(line.get("rows_in_last_100_ms", 0) > 0 for line in lines),
        "kills_in_open_transactions": sum(line.get("in_open_transaction", False) for line in lines),
        "rows_sent": sent, "rows": len(sources), "predictions": len(outputs), "dead_letters": len(dead),
        "duplicates": found.duplicates, "lost": len(found.problems.get("lost", ())),
        "transactions": len(bench.appended.transactions), "lanes": log.lanes(),
        "unexpected_exits": len(unexpected), "nobody_to_hit": sum(bench.skipped.values()),
    }
    return {
        "seed": wanted.seed, "minutes": wanted.minutes, "seconds": round(seconds), "nodes": wanted.nodes,
        "brokers": wanted.brokers, "delivery": wanted.delivery, "rate": wanted.rate, "network": network,
        "rows": len(sources), "faults": lines, "by_kind": report.by_kind(lines), "totals": totals, "growth": growth,
        "worst_difference": found.worst_difference, "versions": dict(found.versions),
        "skipped": dict(bench.skipped),
        "unexpected_exits": [{"at_s": round(e.at - begin, 1), "node": e.node, "code": e.code, "tail": e.tail}
                             for e in unexpected],
        "verdicts": {v.check: {"ok": v.ok, "promise": v.text, "count": len(v.rows), "rows": v.rows[:verdicts.SHOWN]}
                     for v in report.verdicts(problems)},
    }


if __name__ == "__main__":
    sys.exit(main())
