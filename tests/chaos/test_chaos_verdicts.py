"""The chaos bench's own checks: each fault, planted into a flawless run, must be found, and as what it is."""
import collections
import json

import report
import verdicts
from checks import source_of, verify_commits
from harness import Record, require
from rows import Rows, all_rows, bits_of
from watch import Entry, digest

ROWS, PARTITIONS, PER_TRANSACTION = 600, 2, 5
SHA = {1: "aa", 2: "bb"}
START_MS, STEP_MS = 1_000_000, 200
Run = collections.namedtuple("Run", "sources outputs dead entries transactions")


def predict(version, values):
    table = all_rows().sum(axis=1) / 100 + version
    return [float("nan") if bits_of(v) is None else table[bits_of(v)] for v in values]


def control(at_ms, key, **body):
    return Entry(at_ms, at_ms, 0.0, key, body)


def grant(partition, offset, node, generation):
    return control(START_MS, f"partition/games/dsp/{partition}", partition=partition, offset=offset, node=node,
                   incarnation=node, generation=generation, state="granted")


def planted():
    """A flawless run: two source partitions, from a third of the rows on by version 2, then back to version 1; both
    partitions change their owner in the middle; every 50th row is poison."""
    rows = Rows(7)
    per_partition = ROWS // PARTITIONS
    switch_ms = [START_MS + STEP_MS * (per_partition * i // 3) for i in range(3)]
    entries = [control(0, "model/games/1", version=1, sha256="aa"), control(1, "model/games/2", version=2, sha256="bb"),
               *(control(switch_ms[i], "alias/games/champion", version=v) for i, v in enumerate((1, 2, 1))),
               *(grant(p, 0, "a", 1) for p in range(PARTITIONS)),
               *(grant(p, per_partition // 2, "b", 1) for p in range(PARTITIONS))]
    sources, outputs, dead = [], [], []
    transactions = collections.defaultdict(list)
    for i in range(ROWS):
        partition, offset = i % PARTITIONS, i // PARTITIONS
        key, value = next(rows)
        key = key + str(partition).encode()         # a key lives in one partition
        if i % 50 == 0:
            value = value[:-4]
        made = START_MS + STEP_MS * offset
        sources.append(Record("dsp", partition, offset, key, value, {}, made))
        node = "a" if offset < per_partition // 2 else "b"
        if i % 50 == 0:
            headers = {"__connect.errors.topic": b"dsp", "__connect.errors.partition": str(partition).encode(),
                       "__connect.errors.offset": str(offset).encode()}
            record = Record("dlq", partition, len(dead), key, value, headers, made)
            dead.append(record)
        else:
            version = (1, 2, 1)[sum(made >= s for s in switch_ms) - 1]
            headers = {"troupe.model": f"games@{version}", "troupe.source": f"dsp/{partition}/{offset}",
                       "troupe.sha256": SHA[version], "troupe.node": node}
            headers = {name: text.encode() for name, text in headers.items()}
            body = {"User_ID": json.loads(value)["User_ID"], "pred": predict(version, [value])[0]}
            record = Record("preds", partition, i, key, json.dumps(body).encode(), headers, made)
            outputs.append(record)
        transactions[f"{node}-{partition}-{offset // PER_TRANSACTION}"].append(
            (record.topic, record.partition, record.offset))
    return Run(sources, outputs, dead, entries, transactions)


def examined(run, exactly_once=True, cap=3):
    _, problems = verdicts.examine(run.sources, run.outputs, run.dead, predict, verdicts.Log(run.entries),
                                   exactly_once, cap, run.transactions)
    return {check: found for check, found in problems.items() if found}


def expect(checks, run, **options):
    """Exactly these checks find something."""
    found = examined(run, **options)
    require(set(found) == set(checks.split()), f"found {found}, expected {checks}")


def changed(records, i, **change):
    return [*records[:i], records[i]._replace(**change), *records[i + 1:]]


def verdicts__flawless_run__find_nothing(_test):
    expect("", planted())
    expect("", planted(), exactly_once=False)


def verdicts__loss__is_found(_test):
    run = planted()
    whole = [where for records in run.transactions.values() for where in records]
    for lost in (run.outputs[10], run.dead[3]):
        gone = (lost.topic, lost.partition, lost.offset)
        require(gone in whole, "the planted record belongs to no transaction")
        rest = run._replace(outputs=[r for r in run.outputs if r is not lost],
                            dead=[r for r in run.dead if r is not lost])
        expect("C1 C4", rest)                       # missing, and its transaction is torn
        expect("C1", rest._replace(transactions={}))


def verdicts__duplicate__is_found(_test):
    run = planted()
    again = run._replace(outputs=[*run.outputs, run.outputs[20]._replace(offset=10_000)])
    expect("C1", again)
    expect("", again, exactly_once=False)
    more = [run.outputs[20 + i]._replace(offset=10_000 + i) for i in range(5)]
    expect("", run._replace(outputs=[*run.outputs, *more]), exactly_once=False, cap=3)      # two lanes
    expect("C10", run._replace(outputs=[*run.outputs, *more]), exactly_once=False, cap=2)


def verdicts__swap__is_found(_test):
    run = planted()
    i = next(i for i, r in enumerate(run.outputs) if r.partition == run.outputs[i + 2].partition)
    first, second = run.outputs[i], run.outputs[i + 2]
    outputs = changed(changed(run.outputs, i, offset=second.offset), i + 2, offset=first.offset)
    expect("C3", run._replace(outputs=outputs))


def verdicts__keys_out_of_order__are_found(_test):
    """The source itself has a key's rows in another order: no consumer of one key would see its numbers grow."""
    run = planted()
    seen = {}
    for i, source in enumerate(run.sources):
        if source.key in seen and b"G3" in source.value and b"G3" in run.sources[seen[source.key]].value:
            break
        seen[source.key] = i
    else:
        raise AssertionError("no key comes twice")
    j = seen[source.key]
    sources = changed(changed(run.sources, i, value=run.sources[j].value), j, value=source.value)
    require("C3" in examined(run._replace(sources=sources)), "a swap within a key was not found")


def verdicts__torn_transaction__is_found(_test):
    run = planted()
    name, records = next((n, r) for n, r in run.transactions.items() if len(r) == PER_TRANSACTION)
    torn = {**run.transactions, name: [*records, ("preds", 0, 77_777)]}
    expect("C4", run._replace(transactions=torn))
    aborted = {**run.transactions, "gone": [("preds", 0, 77_777), ("preds", 0, 77_778)]}
    expect("", run._replace(transactions=aborted))


def verdicts__early_commit__is_found(_test):
    run = planted()
    found, _ = verdicts.examine(run.sources, run.outputs, run.dead, predict, verdicts.Log(run.entries), True, 0)
    verify_commits(found, "dsp", [(0, {0: 50}, {"preds": {0: 10, 1: 10}, "dlq": {0: 0, 1: 0}})])
    require(found.problems["commit"], "a commit ahead of its outcomes was not found")


def verdicts__wrong_value__is_found(_test):
    run = planted()
    body = json.loads(run.outputs[9].value)
    body["pred"] += 2e-6
    expect("C5", run._replace(outputs=changed(run.outputs, 9, value=json.dumps(body).encode())))


def verdicts__wrong_version__is_found(_test):
    run = planted()
    i = next(i for i, r in enumerate(run.outputs) if r.headers["troupe.model"] == b"games@2") + 20
    version_1 = {**run.outputs[i].headers, "troupe.model": b"games@1", "troupe.sha256": b"aa"}
    lied = run._replace(outputs=changed(run.outputs, i, headers=version_1))
    expect("C5 C6", lied)                           # the value is still that of version 2, and the walk goes back
    right = predict(1, [source_row(run, run.outputs[i]).value])[0]
    value = json.dumps({**json.loads(run.outputs[i].value), "pred": right}).encode()
    expect("C6", run._replace(outputs=changed(run.outputs, i, headers=version_1, value=value)))


def source_row(run, record):
    return next(s for s in run.sources if (s.topic, s.partition, s.offset) == source_of(record))


def verdicts__version_never_pushed_or_other_content__is_found(_test):
    run = planted()
    other = {**run.outputs[5].headers, "troupe.sha256": b"cc"}
    expect("C6", run._replace(outputs=changed(run.outputs, 5, headers=other)))
    unknown = {**run.outputs[5].headers, "troupe.model": b"games@9"}
    require("C6" in examined(run._replace(outputs=changed(run.outputs, 5, headers=unknown))), "games@9 was not found")


def verdicts__version_long_after_it_was_replaced__is_found(_test):
    run = planted()
    # The log says that version 2 came at once, so what version 1 scored afterwards is late.
    entries = [e if e.key != "alias/games/champion" or e.body["version"] != 2
               else e._replace(made_ms=START_MS - 2 * verdicts.GRACE_MS) for e in run.entries]
    first = next(e for e in entries if e.key == "alias/games/champion")
    entries = [e._replace(made_ms=START_MS - 3 * verdicts.GRACE_MS) if e is first else e for e in entries]
    last = [e for e in entries if e.key == "alias/games/champion"][-1]
    late = [e for e in entries if e is not last]
    require("C6" in examined(run._replace(entries=late)), "a version long replaced was not found")


def verdicts__version_seen_before_it_was_in_force__is_found(_test):
    log = verdicts.Log(planted().entries)
    require(not verdicts.seen_too_early({1: START_MS, 2: START_MS + 100_000}, log), "a sound time was found")
    require(verdicts.seen_too_early({2: START_MS}, log), "version 2 was seen too early and nobody noticed")


def verdicts__row_of_a_node_without_the_grant__is_found(_test):
    run = planted()
    stray = {**run.outputs[8].headers, "troupe.node": b"b"}
    expect("C7", run._replace(outputs=changed(run.outputs, 8, headers=stray)))


def verdicts__good_row_among_the_dead__is_found(_test):
    run = planted()
    good = run.outputs[12]
    source = source_row(run, good)
    headers = {"__connect.errors.topic": b"dsp", "__connect.errors.partition": str(source.partition).encode(),
               "__connect.errors.offset": str(source.offset).encode()}
    letter = Record("dlq", source.partition, 9_000, source.key, source.value, headers, source.timestamp)
    outputs = [r for r in run.outputs if r is not good]
    expect("C1", run._replace(outputs=outputs, dead=[*run.dead, letter], transactions={}))


def verdicts__reader_that_saw_another_sequence__is_found(_test):
    run = planted()
    records = [*run.outputs, *run.dead]
    seen = collections.defaultdict(lambda: ([], []))
    for record in records:
        seen[record.topic, record.partition][0].append(record.offset)
        seen[record.topic, record.partition][1].append(digest(record))
    require(not verdicts.same_sequence(seen, digest, records), "the same sequence was called another")
    for other in (records[:-1], changed(records, 4, value=b"{}"), [*records, records[0]._replace(offset=99_999)]):
        require(verdicts.same_sequence(seen, digest, other), "another sequence was not found")


def report__pause_of_one_partition__is_the_time_until_rows_flow_again(_test):
    steady = [i / 10 for i in range(1000)]
    paused = [t for t in steady if not 30 < t < 34.5]
    arrivals = {p: (steady, steady) for p in range(5)} | {5: (paused, paused)}
    require(report.longest_pause(arrivals, 29.5, 36, 99) == 4.5, "the pause of partition 5")
    require(report.longest_pause(arrivals, 40, 50, 99) == 0.1, "a time when nothing paused")
    ended = {**arrivals, 5: (steady[:400], steady[:400])}
    require(report.longest_pause(ended, 39.5, 45, 99) is None, "a partition that never came back")
    require(report.caught_up(arrivals, 31.0, 31.0) == 3.5, "the first outcome of a row made after the end")
    require(report.caught_up(ended, 41.0, 41.0) is None, "no outcome of any later row")
