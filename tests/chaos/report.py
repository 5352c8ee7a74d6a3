"""The report of a run: what happened when, how long it took until rows flowed again, and the verdicts."""
import json
import statistics

from stand import PARTITIONS
from verdicts import PROMISES, SHOWN, Verdict


def recovery(fault, visible):
    """Seconds until a row that came after the fault (or after its end) was seen with its outcome, of the slowest
    partition: (from its beginning, from its end); None: never."""
    def until(begun, begun_ms):
        first = visible.first_arrivals(begun_ms)
        return round(max(0.0, max(first.values()) - begun), 2) if len(first) == PARTITIONS else None
    return until(fault.begun, fault.begun_ms), until(fault.ended, fault.ended_ms)


def fault_lines(faults, visible, commits, begin, exactly_once, visible_places):
    lines = []
    for fault in faults:
        from_begin, from_end = recovery(fault, visible)
        line = {
            "at_s": round(fault.begun - begin, 1), "kind": fault.kind,
            "target": str(fault.target) + (f" {fault.target_text}" if hasattr(fault, "target_text") else ""),
            "seconds": round(fault.ended - fault.begun, 1), "with": fault.company, "observed": fault.observed,
            "evidence": fault.evidence, "rows_flowed": fault.flowed,
            "recovery_s": from_end if fault.flows_at_end else from_begin,
            "recovery_from_begin_s": from_begin, "recovery_from_end_s": from_end,
            "committed_again_s": committed_again(fault, commits),
        }
        if fault.tail or fault.kind.startswith("kill"):
            line["rows_in_last_100_ms"] = len(fault.tail)
            line["in_open_transaction"] = exactly_once and any(w not in visible_places for w in fault.tail)
        if getattr(fault, "said", None):
            line["said"] = fault.said
        line["verdict"] = ("never recovered" if line["recovery_s"] is None else
                           "counts" if fault.observed else "not observed")
        lines.append(line)
    return lines


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
