"""The report of a run: what happened when, how long it took until rows flowed again, and the verdicts."""
import json
import statistics

import numpy

from stand import PARTITIONS
from verdicts import PROMISES, SHOWN, Verdict

# A pause is the fault's when it began from so long before its beginning to so long after its end.
BEFORE_S, AFTER_S = 0.5, 5.0
NEVER_S = 20                # a partition without an outcome for so long before the last row has not recovered


def longest_pause(arrivals, begin, end, until):
    """Seconds without an outcome, of the partition that waited longest: of the pauses that began from `begin` to `end`;
    None: one never ended, though rows were sent until `until`. arrivals: as VisibleReader has them."""
    worst = 0.0
    for seen, _ in arrivals.values():
        times = numpy.asarray(seen)
        pauses = numpy.diff(times)[(times[:-1] >= begin) & (times[:-1] <= end)]
        worst = max(worst, float(pauses.max(initial=0)))
        if times[-1] < min(end, until - NEVER_S):
            return None
    return round(worst, 2)


def caught_up(arrivals, ended, ended_ms):
    """Seconds from the fault's end until every partition had an outcome of a row that was made after it, so until what
    had piled up was worked off. None: never."""
    firsts = []
    for seen, made in arrivals.values():
        fresh = numpy.asarray(seen)[numpy.asarray(made) > ended_ms]
        firsts.append(fresh.min() if len(fresh) else numpy.inf)
    worst = max(firsts, default=numpy.inf) - ended
    return None if len(firsts) < PARTITIONS or numpy.isinf(worst) else round(max(0.0, float(worst)), 2)


def fault_lines(faults, arrivals, commits, begin, until, exactly_once, visible_places):
    """`begin`, `until`: when the first and the last rows were sent."""
    lines = []
    for fault in faults:
        line = {
            "at_s": round(fault.begun - begin, 1), "kind": fault.kind,
            "target": str(fault.target) + (f" {fault.target_text}" if hasattr(fault, "target_text") else ""),
            "seconds": round(fault.ended - fault.begun, 1), "with": fault.company, "observed": fault.observed,
            "evidence": fault.evidence, "rows_flowed": fault.flowed,
            "recovery_s": longest_pause(arrivals, fault.begun - BEFORE_S, fault.ended + AFTER_S, until),
            "caught_up_s": caught_up(arrivals, fault.ended, fault.ended_ms),
            "committed_again_s": committed_again(fault, commits),
        }
        if fault.tail or fault.kind.startswith("kill"):
            line["rows_in_last_100_ms"] = len(fault.tail)
            line["in_open_transaction"] = exactly_once and any(w not in visible_places for w in fault.last)
        if fault.kind == "kill-coordinator":
            line["successor_s"] = successor_s = fault.successor_s()
            line["others_pause_s"] = successor_s and pause_of_others(fault, successor_s, arrivals, until)
        if getattr(fault, "said", None):
            line["said"] = fault.said
        line["verdict"] = ("never recovered" if line["recovery_s"] is None else
                           "counts" if fault.observed else "not observed")
        lines.append(line)
    return lines


def pause_of_others(fault, successor_s, arrivals, until):
    """The longest pause, while nobody coordinated, of the partitions that the coordinator's node did not hold."""
    others = {p: times for p, times in arrivals.items() if p not in fault.held}
    return longest_pause(others, fault.begun, fault.begun + successor_s, until)


def committed_again(fault, commits):
    """Seconds from the fault's end until the committed offset of every partition had moved; None: never."""
    after = [(at, committed) for at, committed, _ in commits.samples if at >= fault.ended]
    if not after:
        return None
    base = after[0][1]
    for at, committed in after:
        if len(committed) == PARTITIONS and all(committed[p] > base.get(p, -1) for p in committed):
            return round(at - fault.ended, 2)
    return None


def by_kind(lines):
    table = {}
    for line in lines:
        if line["observed"]:
            table.setdefault(line["kind"], []).append(line)
    found = {}
    for kind, group in sorted(table.items()):
        times = [line["recovery_s"] for line in group if line["recovery_s"] is not None]
        alone = [line["recovery_s"] for line in group if line["recovery_s"] is not None and not line["with"]]
        found[kind] = {"count": len(group), "p50_s": _median(times), "max_s": max(times, default=None),
                       "alone": len(alone), "alone_p50_s": _median(alone), "alone_max_s": max(alone, default=None)}
        for what in ("successor_s", "others_pause_s", "committed_again_s"):
            times = [line[what] for line in group if line.get(what) is not None and not line["with"]]
            found[kind][what] = {"p50": _median(times), "max": max(times, default=None)}
    return found


def _median(times):
    return round(statistics.median(times), 2) if times else None


def verdicts(problems):
    return [Verdict(name, not problems.get(name), text, [str(row) for row in problems.get(name, ())])
            for name, text in PROMISES.items()]


def as_text(report):
    """The table for people."""
    out = [f"chaos, seed {report['seed']}: {report['rows']} rows in {report['seconds']} s, {report['nodes']} nodes and "
           f"a scorer, {report['brokers']} broker(s), {report['delivery']}, {report['network']}", ""]
    out.append(f"{'at':>6} {'kind':17} {'target':20} {'for':>5} {'flows again':>11}  {'seen':4} evidence")
    for line in report["faults"]:
        flows = "never" if line["recovery_s"] is None else f"{line['recovery_s']:.1f} s"
        out.append(f"{line['at_s']:6.1f} {line['kind']:17} {line['target']:20.20} {line['seconds']:5.1f} {flows:>11}  "
                   f"{'yes' if line['observed'] else 'no':4} {line['evidence'] or ''}"
                   + (f"  [{line['said']}]" if line.get("said") else "")
                   + (f"  with {', '.join(line['with'])}" if line["with"] else ""))
    out += ["", f"{'kind':17} {'seen':>5} {'p50':>7} {'max':>7}   {'alone':>5} {'p50':>7} {'max':>7}"]
    for kind, row in report["by_kind"].items():
        numbers = [f"{row[k]:7.2f}" if row[k] is not None else f"{'-':>7}"
                   for k in ("p50_s", "max_s", "alone_p50_s", "alone_max_s")]
        out.append(f"{kind:17} {row['count']:5} {numbers[0]} {numbers[1]}   {row['alone']:5} {numbers[2]} {numbers[3]}")
    for kind, row in report["by_kind"].items():
        if row["successor_s"]["p50"] is not None:
            out.append(f"{kind}: another coordinator after {row['successor_s']['p50']} s (most "
                       f"{row['successor_s']['max']} s); meanwhile the partitions of others stood still for at most "
                       f"{row['others_pause_s']['max']} s")
    totals = report["totals"]
    out += ["", ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in totals.items())]
    for found in report["growth"]:
        out.append(f"node {found['node']} (process {found['process']}, {found['minutes']} min): {found['rss_mb']} MB "
                   f"{found['rss_kb_per_minute']:+} kB/min, {found['descriptors']} descriptors "
                   f"{found['descriptors_per_minute']:+}/min, {found['threads']} threads "
                   f"{found['threads_per_minute']:+}/min")
    for gone in report["unexpected_exits"]:
        out.append(f"node {gone['node']} ended by itself with {gone['code']} at {gone['at_s']} s: "
                   + (gone["tail"].splitlines() or [""])[-1])
    out.append("")
    for name, verdict in report["verdicts"].items():
        out.append(f"{'ok  ' if verdict['ok'] else 'FAIL'} {name:4} {verdict['promise']}")
        out += [f"          {row}" for row in verdict["rows"][:SHOWN]]
        if verdict["count"] > SHOWN:
            out.append(f"          and {verdict['count'] - SHOWN} more")
    return "\n".join(out)


def write(report, directory):
    (directory / "report.json").write_text(json.dumps(report, indent=1))
    text = as_text(report)
    (directory / "report.txt").write_text(text + "\n")
    return text
