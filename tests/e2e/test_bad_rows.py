"""Bad rows are data: each becomes one dead letter with its reason, every good row is predicted."""
import hashlib
import json
import re

import numpy

import checks
from harness import FEATURES, features_of, games_rows, produce, read_topic, require, wait_until
from marks import limit
from models import linear_classifier
from test_delivery import examine, wait_for_commits, wait_for_outcomes

MB = 1 << 20


def row(**changes):
    fields = {f: 1 for f in FEATURES} | {"User_ID": "x"} | changes
    return json.dumps({k: v for k, v in fields.items() if v is not ...}, separators=(",", ":")).encode()


def with_g1(text):
    """A row whose G1 is this text, as it stands."""
    return row(G1="@").replace(b'"@"', text)


GOOD = row()

# name -> (value, the codes it may have). More than one where RFC 8259 leaves the order of checks open.
BAD = {
    "tombstone": (None, "NULL_VALUE"),
    "empty": (b"", "EMPTY_VALUE"),
    "white space": (b" \t\r\n ", "EMPTY_VALUE"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "INVALID_JSON"),
    "array": (b"[1,2]", "NOT_AN_OBJECT"),
    "number": (b"17", "NOT_AN_OBJECT"),
    "string": (b'"x"', "NOT_AN_OBJECT"),
    "null": (b"null", "NOT_AN_OBJECT"),
    "trailing text": (GOOD + b"x", "INVALID_JSON"),
    "two objects": (GOOD + GOOD, "INVALID_JSON"),
    "not JSON": (b"G1=1;G2=0", "INVALID_JSON"),
    "lone continuation": (row(User_ID="@").replace(b"@", b"\x80"), "INVALID_UTF8"),
    "overlong": (row(User_ID="@").replace(b"@", b"\xc0\x80"), "INVALID_UTF8"),
    "surrogate bytes": (row(User_ID="@").replace(b"@", b"\xed\xa0\x80"), "INVALID_UTF8"),
    "FF FE": (row(User_ID="@").replace(b"@", b"\xff\xfe"), "INVALID_UTF8"),
    "lone surrogate escape": (row(User_ID="@").replace(b"@", rb"\ud800"), "INVALID_UTF8 INVALID_JSON"),
    "NaN": (with_g1(b"NaN"), "INVALID_JSON"),
    "Infinity": (with_g1(b"Infinity"), "INVALID_JSON"),
    "-Infinity": (with_g1(b"-Infinity"), "INVALID_JSON"),
    "nan": (with_g1(b"nan"), "INVALID_JSON"),
    "1e400": (with_g1(b"1e400"), "NUMBER_OUT_OF_RANGE"),
    "-1e400": (with_g1(b"-1e400"), "NUMBER_OUT_OF_RANGE"),
    "1e99999999999": (with_g1(b"1e99999999999"), "NUMBER_OUT_OF_RANGE"),
    "400 digits": (with_g1(b"9" * 400), "NUMBER_OUT_OF_RANGE"),
    "01": (with_g1(b"01"), "INVALID_JSON"),
    "+1": (with_g1(b"+1"), "INVALID_JSON"),
    ".5": (with_g1(b".5"), "INVALID_JSON"),
    "1.": (with_g1(b"1."), "INVALID_JSON"),
    "0x1F": (with_g1(b"0x1F"), "INVALID_JSON"),
    "depth 33 of [": (row(User_ID="@").replace(b'"@"', b"[" * 33 + b"]" * 33), "TOO_DEEP"),
    "depth 1000 of [": (row(User_ID="@").replace(b'"@"', b"[" * 1_000 + b"]" * 1_000), "TOO_DEEP"),
    "depth 100000 of {": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "TOO_DEEP"),
    "a million [": (b"[" * 1_000_000, "TOO_DEEP NOT_AN_OBJECT"),
    "duplicate key": (GOOD[:-1] + b',"G1":0}', "DUPLICATE_KEY"),
    "escaped duplicate": (GOOD[:-1] + rb',"\u00471":0}', "DUPLICATE_KEY"),
    "missing feature": (row(G4=...), "MISSING_FEATURE"),
    "other case": (GOOD.replace(b'"G5"', b'"g5"'), "MISSING_FEATURE"),
    "null feature": (row(G2=None), "NULL_FEATURE"),
    "string feature": (row(G2="a"), "WRONG_TYPE"),
    "numeric string": (row(G2="1.5"), "WRONG_TYPE"),
    "true": (row(G2=True), "WRONG_TYPE"),
    "array feature": (row(G2=[1]), "WRONG_TYPE"),
    "object feature": (row(G2={"a": 1}), "WRONG_TYPE"),
    "200000 keys": (b"{" + b",".join(b'"k%d":0' % i for i in range(200_000)) + b"}",
                    "TOO_MANY_FIELDS MISSING_FEATURE ROW_TOO_LARGE"),
    "10 MB row": (row(User_ID="u" * (10 * MB)), "ROW_TOO_LARGE"),
    "RapidJSON table": (with_g1(b"[0.00000000000000001e-2147483639]"), "WRONG_TYPE NUMBER_OUT_OF_RANGE"),
    # More than nothing, and too little for a double: out of range at the other end.
    "RapidJSON index": (with_g1(b"0.00000000000000001e-2147483639"), "NUMBER_OUT_OF_RANGE"),
    "RapidJSON 330 zeros": (with_g1(b"0." + b"0" * 330 + b"1"), "NUMBER_OUT_OF_RANGE"),
    "RapidJSON 400 zeros": (with_g1(b"0." + b"0" * 400 + b"1"), "NUMBER_OUT_OF_RANGE"),
    "1e-400": (with_g1(b"1e-400"), "NUMBER_OUT_OF_RANGE"),
    "RapidJSON exponent": (with_g1(b"0.00000000000000001e2147483639"), "NUMBER_OUT_OF_RANGE"),
}
# Truncated at every byte: each of these is bad, and in one way or another not JSON.
TRUNCATED = {f"truncated at {i}": (GOOD[:i], "INVALID_JSON EMPTY_VALUE") for i in range(1, len(GOOD))}

# Unusual, and good: (value of G1, what it means).
ODD = {
    "long fraction": (b"0." + b"0" * 300 + b"1", 0.0), "many digits": (b"1." + b"0" * 400, 1.0),
    "minus zero": (b"-0", 0.0), "2^53+1": (b"9007199254740993", None), "2^63": (b"9223372036854775808", None),
    "2^64": (b"18446744073709551616", None), "denormal": (b"5e-324", 0.0)}


def produce_all(test, cluster, good, bad, seed=1):
    """One bad row after each 100 good ones, round the partitions; odd headers and keys among them."""
    rows, bad_rows = [], [(name, value) for name, (value, _) in bad.items()]
    step = good // len(bad_rows)
    for i, (key, value) in enumerate(games_rows(good, seed)):
        rows.append((key, value, i % 4, None))
        if i % step == 0 and bad_rows:
            name, bad_value = bad_rows.pop()
            headers = [("origin", b"e2e"), ("nothing", None), ("case", name.encode())]
            rows.append((name.encode(), bad_value, i % 4, headers))
    for name, bad_value in bad_rows:
        rows.append((name.encode(), bad_value, 0, [("case", name.encode())]))
    produce(test.bootstrap, cluster.source, rows, **{"message.max.bytes": 32 * MB})


@limit(180)
def bad_rows__one_percent_of_every_kind__each_is_one_dead_letter_and_memory_stays_flat(test):
    bad = BAD | TRUNCATED
    good = 100 * len(bad)
    cluster = test.cluster("bad", partitions=4, topic_config={"max.message.bytes": str(32 * MB)})
    node, = cluster.up("a")
    total, rss = 0, []
    for seed in (1, 2, 3):
        produce_all(test, cluster, good, bad, seed)
        total += good + len(bad)
        wait_for_outcomes(test, cluster, total, 60)
        wait_for_commits(test, cluster)
        require(node.running, "the node died")
        rss.append(node.rss_bytes() / MB)
    print(f"      {test.name}: {' -> '.join(f'{each:.0f}' for each in rss)} MB", flush=True)
    # The first time buffers grow to what the largest row needs. What were kept of the rows, some 15 MB a time, would be
    # kept again each time.
    wait_until(lambda: node.rss_bytes() / MB - rss[0] < 24, 10,
               lambda: f"memory after the same rows twice more: from {rss[0]:.0f} to {node.rss_bytes() / MB:.0f} MB")
    require(rss[-1] < 256, f"the node has {rss[-1]:.0f} MB after rows of 10 MB")
    found = examine(test, cluster).require_clean()
    require(found.dead_letters == 3 * len(bad), f"{found.dead_letters} dead letters for {3 * len(bad)} bad rows")
    check_reasons(test, cluster, bad)


def check_reasons(test, cluster, bad):
    wrong = []
    for letter in read_topic(test.bootstrap, cluster.dlq):
        name = letter.key.decode()
        codes = bad[name][1].split()
        code = letter.headers.get("__troupe.errors.code", b"").decode()
        if code not in codes:
            wrong.append(f"{name}: {code} instead of {' or '.join(codes)}")
        for header in ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset",
                       "__connect.errors.stage", "__connect.errors.exception.message"):
            if not letter.headers.get(header):
                wrong.append(f"{name}: no header {header}")
        if letter.headers.get("case") != letter.key:
            wrong.append(f"{name}: the source's own headers were not kept: {letter.headers}")
        if letter.value != bad[name][0] and name != "10 MB row":
            wrong.append(f"{name}: the value is not the original")
        of_a_feature = code in ("MISSING_FEATURE", "NULL_FEATURE", "WRONG_TYPE")
        if of_a_feature and not letter.headers.get("__troupe.errors.feature"):
            wrong.append(f"{name}: no header __troupe.errors.feature")
    require(not wrong, f"{len(wrong)} dead letters are not as they should be:\n" + "\n".join(wrong[:30]))


@limit(90)
def odd_rows__unusual_numbers__are_predicted(test):
    cluster = test.cluster("odd", partitions=1)
    node, = cluster.up("a")
    produce(test.bootstrap, cluster.source, [(name.encode(), with_g1(text)) for name, (text, _) in ODD.items()])
    wait_for_outcomes(test, cluster, len(ODD), 20)
    require(node.running, "the node died")
    dead = [(r.key, r.headers.get("__troupe.errors.code")) for r in read_topic(test.bootstrap, cluster.dlq)]
    require(not dead, f"rejected: {dead}")
    for record in read_topic(test.bootstrap, cluster.preds):
        meant = ODD[record.key.decode()][1]
        if meant is None:
            continue
        expected = test.models.predict(1, features_of([with_g1(str(meant).encode())]))[0]
        got = json.loads(record.value)["pred"]
        require(abs(got - expected) <= 1e-6, f"{record.key}: {got} instead of {expected}")


@limit(90)
def bad_row__dead_letter_topic_takes_less_than_the_source__value_is_cut_and_described(test):
    cluster = test.cluster("cut", create=False)
    test.topic(cluster.source, 1, {"max.message.bytes": str(8 * MB)})
    test.topic(cluster.preds, 1)
    test.topic(cluster.dlq, 1, {"max.message.bytes": str(64 * 1024)})
    cluster.up("a")
    value = b"[" + b"1," * MB + b"1]"
    produce(test.bootstrap, cluster.source, [(b"big", value), (b"good", GOOD)], **{"message.max.bytes": 32 * MB})
    wait_for_outcomes(test, cluster, 2, 30)
    letter, = read_topic(test.bootstrap, cluster.dlq)
    require(value.startswith(letter.value) and 0 < len(letter.value) < 64 * 1024, f"{len(letter.value)} bytes")
    text = b" ".join(v for v in letter.headers.values() if v)
    require(hashlib.sha256(value).hexdigest().encode() in text, f"no sha256 of the original: {letter.headers}")
    require(str(len(value)).encode() in text, f"no length of the original: {letter.headers}")


@limit(120)
def bad_row__tolerance_none__stops_the_pipeline_says_where_and_resumes_when_the_cause_is_gone(test):
    cluster = test.cluster("strict", partitions=1, pipeline={"errors": {"tolerance": "none"}})
    node, = cluster.up("a")
    produce(test.bootstrap, cluster.source, [*games_rows(10), (b"bad", row(G10=...)), *games_rows(10, seed=2)])
    wait_for_outcomes(test, cluster, 10, 20)
    place = re.compile(rf"{cluster.source}/0\b.{{0,12}}\b10\b")
    wait_until(lambda: place.search(node.log.read_text()), 15, "the log to name partition 0 and offset 10")
    require(place.search(json.dumps(cluster.status())), f"the status does not say where: {cluster.status()}")
    require(place.search(cluster.run("status").out), "the status for people does not say where")
    require(scored_offsets(test, cluster) == list(range(10)), "rows beyond the bad one came out")

    def resume():
        done = cluster.run("pipeline", "resume", "games")
        require(done.code == 0 and "games" in done.out, f"pipeline resume: {done}")
    resume()                                            # in vain: the row is still there, and as bad as before
    wait_until(lambda: node.log.read_text().count("pipeline games is stopped") == 2, 15, "the second stop at the row")
    require(scored_offsets(test, cluster) == list(range(10)), "rows beyond the bad one came out after resuming")
    # A model that can do without the missing feature: now the row is good.
    frugal = linear_classifier(numpy.ones((2, 9)), numpy.zeros(2), [0, 1], "LOGISTIC", test.dir / "frugal.onnx")
    cluster.push(frugal, "games", "--features", ",".join(FEATURES[:9]))
    resume()
    wait_for_outcomes(test, cluster, 21, 20)
    wait_for_commits(test, cluster)
    require(scored_offsets(test, cluster) == list(range(21)), "not every row came out once and in order")
    pipeline, = cluster.status()["cluster"]["pipelines"]
    require(pipeline["state"] == "running" and not pipeline["problem"], f"the status says {pipeline}")
    unknown = cluster.run("pipeline", "resume", "chess")
    require(unknown.code == 1 and "chess" in unknown.err, f"resuming a pipeline that is not there: {unknown}")


def scored_offsets(test, cluster):
    return [checks.source_of(r)[2] for r in read_topic(test.bootstrap, cluster.preds)]
