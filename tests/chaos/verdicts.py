"""What a chaos run must have left in Kafka, check by check (C1 to C10). Pure: records and logs in, findings out; that
each planted fault is found is tested in test_chaos_verdicts.py. What a single run of rows must satisfy is in
tests/e2e/checks.py; here is what only many versions, owners and transactions can break."""
import collections

import numpy

from checks import check, model_version
from rows import bits_of, number_within_key

SHOWN = 20
GRACE_MS = 30_000           # a row that came so long after a version was replaced is not scored by it any more
# C9: growth that is shown by a process which lived long enough to have settled.
SETTLE_S, LIVED_S = 45, 150
RSS_SLOPE_MAX_KB_MIN = 4096

Verdict = collections.namedtuple("Verdict", "check ok text rows")

PROMISES = {
    "C1": "every row has exactly one outcome (at least one in at_least_once), and only bad rows are dead letters",
    "C2": "a reader that was there from the start saw the same sequence",
    "C3": "outcomes keep the order of their source partition and of their key",
    "C4": "a transaction is visible as a whole or not at all; commits cover exactly what has an outcome",
    "C5": "every prediction is what the named model answers to the row",
    "C6": "the model version was in force then, and follows the control log",
    "C7": "rows come from the node that its partition was granted to",
    "C8": "every row is committed, no transaction is open, all nodes are back",
    "C9": "memory, descriptors and threads do not grow without bound; no process crashed",
    "C10": "what is repeated stays within the cap of each lane that ended",
}
OF_KIND = {"lost": "C1", "unknown": "C1", "duplicate": "C1", "dead letter": "C1", "disorder": "C3", "key order": "C3",
           "key": "C5", "timestamp": "C5", "carried": "C5", "value": "C5", "commit": "C4", "torn": "C4"}


class Log:
    """What the control topic said of versions and owners. entries: ControlReader.entries"""

    def __init__(self, entries):
        self.entries = list(entries)
        models = [e.body for e in self.entries if e.key.startswith("model/games/")]
        self.sha256_of = {body["version"]: body["sha256"] for body in models}
        moves = [e for e in self.entries if e.key == "alias/games/champion"]
        self.champions = [(e.made_ms, e.body["version"]) for e in moves]         # in the order they came
        self.grants = collections.defaultdict(list)     # source partition -> [(offset, node, generation)]
        for entry in self.entries:
            body = entry.body
            if entry.key.startswith("partition/") and body["state"] == "granted":
                self.grants[body["partition"]].append((body["offset"], body["node"], body["generation"]))

    def lanes(self):
        """How many lanes ever held a partition."""
        return len({(e.body["node"], e.body["incarnation"], e.body["generation"]) for e in self.entries
                    if e.key.startswith("partition/") and e.body["state"] == "granted"})


def examine(sources, outputs, dead, predict, log, exactly_once, cap, transactions=None):
    """All checks on records; returns (Findings, extra problems by check)."""
    found = check(sources, outputs, dead, predict, rollbacks=True)
    problems = collections.defaultdict(list)
    by_source = {(r.topic, r.partition, r.offset): r for r in sources}
    for outcome in found.first.values():
        if outcome.dead and bits_of(by_source[outcome.source].value) is not None:
            found.add("dead letter", f"{outcome.source} is a good row")
    allowed = 0 if exactly_once else cap * log.lanes()
    if exactly_once and found.duplicates:
        problems["C1"] += [f"duplicate: {where}" for where in found.repeated]
    elif found.duplicates > allowed:
        problems["C10"].append(f"{found.duplicates} repeated, {allowed} allowed ({log.lanes()} lanes x {cap})")
    key_order(found, by_source, exactly_once)
    problems["C6"] += versions_in_force(found, by_source, log, exactly_once)
    if exactly_once:
        problems["C7"] += owners(found, log)
    if transactions:
        visible = {(r.topic, r.partition, r.offset) for r in (*outputs, *dead)}
        for text in torn(transactions, visible):
            found.add("torn", text)
    for kind, rows in found.problems.items():
        problems[OF_KIND[kind]] += [f"{kind}: {row}" for row in rows]
    return found, problems


def key_order(found, by_source, exactly_once):
    """Rows of a key come in the order of their numbers, within the outputs and within the dead letters. In
    at_least_once only first outcomes are looked at, which is what `found` holds."""
    last = {}
    for outcome in sorted(found.first.values(), key=_place):
        number = number_within_key(by_source[outcome.source].value)
        if number is None:
            continue
        lane = (outcome.record.topic, outcome.record.partition, outcome.record.key)
        if last.get(lane, 0) >= number:
            found.add("key order", f"{outcome.record.key}: {number} after {last[lane]}")
        last[lane] = number


def _place(outcome):
    return outcome.record.topic, outcome.record.partition, outcome.record.offset


def versions_in_force(found, by_source, log, exactly_once):
    """Along each lane (with repetitions: each source partition within an output partition) the versions walk through
    the champions as the control log names them; none is used before, or long after, it was in force; the digest of
    the content is the one that was registered."""
    problems = []
    champions = [version for _, version in log.champions]
    since = {}
    replaced = collections.defaultdict(int)             # version -> when it was last replaced, 0 while in force
    for i, (made_ms, version) in enumerate(log.champions):
        since.setdefault(version, made_ms)
        replaced[version] = log.champions[i + 1][0] if i + 1 < len(log.champions) else 0
    at = collections.defaultdict(int)                   # lane -> index among the champions
    for outcome in sorted((o for o in found.first.values() if not o.dead), key=lambda o: o.source):
        version, where = model_version(outcome.record), outcome.source
        lane = where[1] if exactly_once else (where[1], outcome.record.partition)
        digest = outcome.record.headers.get("troupe.sha256", b"").decode()
        if digest != log.sha256_of.get(version):
            problems.append(f"{where}: version {version} with digest {digest[:12]}")
        if version not in since:
            problems.append(f"{where}: version {version} was never in force")
            continue
        step = at[lane]
        while step < len(champions) and champions[step] != version:
            step += 1
        if step == len(champions):
            problems.append(f"{where}: version {version} after {champions[at[lane]]}, which the control log has not")
        else:
            at[lane] = step
        if replaced[version] and by_source[where].timestamp > replaced[version] + GRACE_MS:
            problems.append(f"{where}: version {version}, {by_source[where].timestamp - replaced[version]} ms after it "
                            "was replaced")
    return problems


def seen_too_early(first_seen_ms, log):
    """first_seen_ms: {version: when its first outcome was seen}. No outcome before the version's first activation."""
    since = {}
    for made_ms, version in log.champions:
        since.setdefault(version, made_ms)
    return [f"version {version} was seen {since.get(version, 0) - seen:.0f} ms before it was in force"
            for version, seen in first_seen_ms.items() if seen < since.get(version, float("inf"))]


def owners(found, log):
    """In exactly_once the rows from one grant's offset up to the next one's come from the granted node."""
    problems = []
    by_partition = collections.defaultdict(list)
    for outcome in found.first.values():
        if not outcome.dead:
            by_partition[outcome.source[1]].append(outcome)
    for partition, outcomes in by_partition.items():
        grants = log.grants[partition]
        starts = numpy.array([offset for offset, _, _ in grants])
        if (numpy.diff(starts) < 0).any():
            problems.append(f"partition {partition}: a grant goes back to an older offset: {starts.tolist()}")
            continue
        for outcome in outcomes:
            i = int(numpy.searchsorted(starts, outcome.source[2], side="right")) - 1
            node = outcome.record.headers.get("troupe.node", b"").decode()
            if i < 0 or node != grants[i][1]:
                problems.append(f"{outcome.source} by node {node}, granted to {grants[i][1] if i >= 0 else 'nobody'}")
    return problems


def torn(transactions, visible):
    """transactions: {text: [(topic, partition, offset)]}, committed or not; visible: those that were committed."""
    for transaction, records in transactions.items():
        missing = [where for where in records if where not in visible]
        if missing and len(missing) < len(records):
            yield f"{transaction}: {len(missing)} of {len(records)} are not visible, such as {missing[0]}"


def same_sequence(sequence, digest, records):
    """sequence: {(topic, partition): (offsets, digests)} as the concurrent reader saw it."""
    problems = []
    again = collections.defaultdict(lambda: ([], []))
    for record in records:
        offsets, digests = again[record.topic, record.partition]
        offsets.append(record.offset)
        digests.append(digest(record))
    for where in sorted({*sequence, *again}):
        before, after = sequence.get(where, ((), ())), again.get(where, ((), ()))
        if list(before[0]) != after[0]:
            only_before, only_after = set(before[0]) - set(after[0]), set(after[0]) - set(before[0])
            problems.append(f"{where}: seen before only {sorted(only_before)[:5]} ({len(only_before)}), after only "
                            f"{sorted(only_after)[:5]} ({len(only_after)})")
        elif list(before[1]) != after[1]:
            problems.append(f"{where}: the same offsets with other contents")
    return problems


def growth(samples):
    """samples: {(name, process): [Sample]} -> a line for each process that lived long enough."""
    grown = []
    for (name, process), found in samples.items():
        settled = [s for s in found if s.at > found[0].at + SETTLE_S]
        if not settled or settled[-1].at - found[0].at < LIVED_S:
            continue
        at = numpy.array([s.at for s in settled]) / 60
        slopes = [float(numpy.polyfit(at, [getattr(s, field) for s in settled], 1)[0])
                  for field in ("rss_kb", "descriptors", "threads")]
        grown.append({"node": name, "process": process, "minutes": round((settled[-1].at - found[0].at) / 60, 1),
                      "rss_mb": round(settled[-1].rss_kb / 1024), "rss_kb_per_minute": round(slopes[0]),
                      "descriptors": settled[-1].descriptors, "descriptors_per_minute": round(slopes[1], 2),
                      "threads": settled[-1].threads, "threads_per_minute": round(slopes[2], 2)})
    return grown
