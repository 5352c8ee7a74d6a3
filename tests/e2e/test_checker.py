"""The checker itself: each kind of fault, planted, must be found (a checker that finds nothing proves nothing)."""
import json

import checks
from harness import Failure, Record, games_rows, require

ROWS = 400


def planted():
    """A flawless run of two source partitions into two output partitions, half of it by version 2; one dead letter."""
    sources, outputs, ends = [], [], {0: 0, 1: 0}
    for i, (key, value) in enumerate(games_rows(ROWS)):
        partition, offset = i % 2, i // 2
        sources.append(Record("dsp", partition, offset, key, value, {}, 1000 + i))
        version = 1 if offset < ROWS // 4 else 2
        target = (i // 7) % 2
        headers = {"troupe.model": f"games@{version}".encode(), "troupe.source": f"dsp/{partition}/{offset}".encode()}
        pred = predict(version, [value])[0]
        body = json.dumps({"User_ID": json.loads(value)["User_ID"], "pred": pred}).encode()
        outputs.append(Record("preds", target, ends[target], key, body, headers, 1000 + i))
        ends[target] += 1
    bad = Record("dsp", 0, ROWS // 2, b"k", b"{", {}, 1)
    dead = bad._replace(topic="dlq", offset=0, headers={
        "__connect.errors.topic": b"dsp", "__connect.errors.partition": b"0",
        "__connect.errors.offset": str(bad.offset).encode()})
    return sources + [bad], outputs, [dead]


def predict(version, values):
    return [version / 10 + sum(v for k, v in json.loads(value).items() if k[0] == "G") / 100 for value in values]


def expect_found(kind, sources, outputs, dead, duplicates_max=0):
    try:
        checks.check(sources, outputs, dead, predict).require_clean(duplicates_max)
    except Failure as failure:
        require(kind in str(failure), f"found, but not as {kind}: {failure}")
        return
    raise Failure(f"a planted fault of the kind {kind} was not found")


def checker__flawless_run__finds_nothing(_test):
    found = checks.check(*planted(), predict).require_clean()
    require(found.outcomes == ROWS + 1 and found.duplicates == 0 and found.dead_letters == 1, str(found))
    require(found.versions == {1: ROWS // 2, 2: ROWS // 2}, str(found))


def checker__planted_loss__is_found(_test):
    sources, outputs, dead = planted()
    expect_found("lost", sources, outputs[:37] + outputs[38:], dead)
    expect_found("lost", sources, outputs, [])


def checker__planted_duplicate__is_found_beyond_the_cap(_test):
    sources, outputs, dead = planted()
    outputs.append(outputs[5]._replace(offset=10_000))
    expect_found("duplicate", sources, outputs, dead)
    checks.check(sources, outputs, dead, predict).require_clean(duplicates_max=1)


def checker__planted_swap__is_found(_test):
    sources, outputs, dead = planted()
    first, second = outputs[14], outputs[16]        # of the same source partition, in the same output partition
    outputs[14], outputs[16] = first._replace(offset=second.offset), second._replace(offset=first.offset)
    expect_found("disorder", sources, outputs, dead)


def checker__planted_wrong_value__is_found(_test):
    sources, outputs, dead = planted()
    body = json.loads(outputs[9].value)
    body["pred"] += 2e-6
    outputs[9] = outputs[9]._replace(value=json.dumps(body).encode())
    expect_found("value", sources, outputs, dead)
    body["pred"] = None
    outputs[9] = outputs[9]._replace(value=json.dumps(body).encode())
    expect_found("value", sources, outputs, dead)


def checker__planted_wrong_key_time_carry_or_dead_value__is_found(_test):
    for kind, change in (("key", {"key": b"other"}), ("timestamp", {"timestamp": 5}),
                         ("carried", {"value": b'{"User_ID":"x","pred":0.5}'})):
        sources, outputs, dead = planted()
        outputs[3] = outputs[3]._replace(**change)
        expect_found(kind, sources, outputs, dead)
    sources, outputs, dead = planted()
    expect_found("dead letter", sources, outputs, [dead[0]._replace(value=b"{}")])


def checker__planted_old_version__is_found(_test):
    sources, outputs, dead = planted()
    last = outputs[-1]
    outputs[-1] = last._replace(headers={**last.headers, "troupe.model": b"games@1"})
    expect_found("version", sources, outputs, dead)


def checker__planted_early_commit__is_found(_test):
    sources, outputs, dead = planted()
    ends = {"preds": {0: 10_000, 1: 10_000}, "dlq": {0: 1, 1: 0}}
    fine = checks.check(sources, outputs, dead, predict)
    checks.verify_commits(fine, "dsp", [(0, {0: 50, 1: 60}, ends), (1, {0: ROWS // 2 + 1}, ends)])
    fine.require_clean()
    early = {"preds": {0: 10, 1: 10}, "dlq": {0: 0, 1: 0}}
    checks.verify_commits(fine, "dsp", [(0, {0: 50}, early)])
    require("commit" in fine.problems, "a commit ahead of its outcomes was not found")
