"""Records that are extreme beyond their JSON: headers, keys, timestamps, names; and rows as long as a row may be."""
import re
import time

from harness import FEATURES, produce, read_topic, require, wait_until
from marks import limit
from test_bad_rows import GOOD, MB, row
from test_delivery import wait_for_commits, wait_for_outcomes

MANY = [(f"h{i}", str(i).encode()) for i in range(1_000)]
LARGE = [("large", b"x" * MB)]
EVIL = "x\r\nFAKE 2026-01-01 error\x1b[31m"
EVIL_JSON = r'"x\r\nFAKE 2026-01-01 error\u001b[31m"'.encode()
YEAR_9999 = 253_402_300_799_000


def with_field(name, value=b"1"):
    """A good row with one more field; name and value as they stand."""
    return GOOD[:-1] + b"," + name + b":" + value + b"}"


# name -> (key, value, headers, timestamp, expected code or None for a prediction)
CASES = {
    "1000 headers, good": (b"k", GOOD, MANY, 0, None),
    "1000 headers, bad": (b"k", b"{", MANY, 0, "INVALID_JSON"),
    "1 MB header, good": (b"k", GOOD, LARGE, 0, None),
    "1 MB header, bad": (b"k", b"{", LARGE, 0, "INVALID_JSON"),
    "1 MB key, good": (b"k" * MB, GOOD, [], 0, None),
    "1 MB key, bad": (b"k" * MB, b"{", [], 0, "INVALID_JSON"),
    "null key, good": (None, GOOD, [], 0, None),
    "null key, bad": (None, b"{", [], 0, "INVALID_JSON"),
    "empty key": (b"", GOOD, [], 0, None),
    "escaped NUL in a name": (b"k", with_field(rb'"G1\u0000"'), [], 0, None),
    "name that NUL would cut to a feature's": (b"k", GOOD.replace(b'"G1"', rb'"G1\u0000"'), [], 0, "MISSING_FEATURE"),
    "NUL byte in a name": (b"k", with_field(b'"a\x00b"'), [], 0, "INVALID_JSON"),
    "NUL bytes in key and headers": (b"a\x00b", GOOD, [("n", b"\x00\x00")], 0, None),
    "1 MB name": (b"k", with_field(b'"' + b"n" * MB + b'"'), [], 0, None),
    "1 MB name twice": (b"k", with_field(b'"' + b"n" * MB + b'"')[:-1] + b',"' + b"n" * MB + b'":2}', [], 0,
                        "DUPLICATE_KEY"),
    "4M elements": (b"k", with_field(b'"a"', b"[" + b"0," * 3_999_999 + b"0]"), [], 0, None),
    "4M elements as the row": (b"k", b"[" + b"0," * 3_999_999 + b"0]", [], 0, "NOT_AN_OBJECT"),
    "5M elements": (b"k", with_field(b'"a"', b"[" + b"0," * 4_999_999 + b"0]"), [], 0, "ROW_TOO_LARGE"),
    "depth 1,000,000": (b"k", b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000, [], 0, "TOO_DEEP"),
    "depth 1,000,000 below a field": (b"k", with_field(b'"a"', b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000), [], 0,
                                      "TOO_DEEP"),
    "no timestamp, good": (b"k", GOOD, [], -1, None),
    "no timestamp, bad": (b"k", b"{", [], -1, "INVALID_JSON"),
    "year 9999, good": (b"k", GOOD, [], YEAR_9999, None),
    "year 9999, bad": (b"k", b"{", [], YEAR_9999, "INVALID_JSON"),
    "evil header name": (b"k", b"{", [(EVIL, b"1")], 0, "INVALID_JSON"),
    "evil key": (EVIL.encode(), b"{", [], 0, "INVALID_JSON"),
    "evil name twice": (b"k", with_field(EVIL_JSON + b":1," + EVIL_JSON), [], 0, "DUPLICATE_KEY"),
    "evil value of a feature": (b"k", row(G3=EVIL), [], 0, "WRONG_TYPE"),
}
# The second topic of records takes what a topic takes by default: there a key can be too much for the output.
DEFAULT_BYTES = 1_048_588


def has_control_bytes(text):
    return re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


@limit(150)
def records__extreme_headers_keys_times_and_sizes__each_has_its_outcome(test):
    cluster = test.cluster("extreme", partitions=1, topic_config={"max.message.bytes": str(32 * MB)},
                           pipeline={"max_row_bytes": 8 * MB})
    node, = cluster.up("a")
    rows = [(key, value, 0, headers, timestamp) for key, value, headers, timestamp, _ in CASES.values()]
    produce(test.bootstrap, cluster.source, rows, **{"message.max.bytes": 32 * MB})
    wait_for_outcomes(test, cluster, len(rows), 60)
    wait_for_commits(test, cluster)
    require(node.running, "the node died")
    sources = {r.offset: r for r in read_topic(test.bootstrap, cluster.source)}
    predicted = {source_offset(r): r for r in read_topic(test.bootstrap, cluster.preds)}
    dead = {source_offset(r): r for r in read_topic(test.bootstrap, cluster.dlq)}
    wrong = []
    for offset, (name, (key, value, headers, timestamp, expected)) in enumerate(CASES.items()):
        found = predicted if expected is None else dead
        if offset not in found or (offset in predicted) == (offset in dead):
            code = dead[offset].headers["__troupe.errors.code"] if offset in dead else "a prediction"
            wrong.append(f"{name}: {code} instead of {expected or 'a prediction'}")
            continue
        outcome = found[offset]
        if outcome.key != key:
            wrong.append(f"{name}: the key is {outcome.key!r:.60}")
        if timestamp < 0 and not abs(outcome.timestamp / 1_000 - time.time()) < 600:
            wrong.append(f"{name}: without a timestamp it got {outcome.timestamp}, and not the time it was written")
        if timestamp >= 0 and outcome.timestamp != sources[offset].timestamp:
            wrong.append(f"{name}: the timestamp is {outcome.timestamp} instead of {sources[offset].timestamp}")
        if timestamp and sources[offset].timestamp != timestamp:
            wrong.append(f"{name}: the source's timestamp is {sources[offset].timestamp}: nothing was tried")
        if expected:
            check_letter(wrong, name, outcome, value, headers, expected)
    require(not wrong, "\n".join(wrong))
    log = node.log.read_text(errors="replace")
    require(not has_control_bytes(log) and "\nFAKE" not in log, "bytes of a row reached the log as they were")


def source_offset(record):
    headers = record.headers
    where = headers.get("__connect.errors.offset") or headers["troupe.source"].rpartition(b"/")[2]
    return int(where)


def check_letter(wrong, name, letter, value, headers, expected):
    code = letter.headers["__troupe.errors.code"].decode()
    message = letter.headers["__connect.errors.exception.message"].decode()
    if code != expected:
        wrong.append(f"{name}: {code} instead of {expected}")
    if letter.value != value:
        wrong.append(f"{name}: the value is not the original")
    kept = {h: letter.headers.get(h) for h, _ in headers}
    if kept != dict(headers):
        wrong.append(f"{name}: not all headers of the source were kept: {str(kept)[:200]}")
    if len(message) > 1_024 or has_control_bytes(message) or "\n" in message or "\t" in message:
        wrong.append(f"{name}: not a sentence for people: {message!r:.200}")


@limit(90)
def records__larger_than_the_outcome_topics_take__are_cut_or_rejected_and_the_stream_goes_on(test):
    cluster = test.cluster("narrow", create=False, pipeline={"max_row_bytes": 8 * MB})
    test.topic(cluster.source, 1, {"max.message.bytes": str(32 * MB)})
    for topic in (cluster.preds, cluster.dlq):
        test.topic(topic, 1, {"max.message.bytes": str(DEFAULT_BYTES)})
    node, = cluster.up("a")
    large = b"k" * (2 * MB)
    rows = [(large, GOOD, 0, []), (b"h", b"{", 0, [("large", b"x" * 2 * MB)]), (large, b"{", 0, [("large", large)]),
            (b"last", GOOD, 0, [])]
    produce(test.bootstrap, cluster.source, rows, **{"message.max.bytes": 32 * MB})
    wait_for_outcomes(test, cluster, len(rows), 30)
    wait_for_commits(test, cluster)
    require(node.running, "the node died")
    require([r.key for r in read_topic(test.bootstrap, cluster.preds)] == [b"last"], "not the one that fits")
    letters = {source_offset(r): r for r in read_topic(test.bootstrap, cluster.dlq)}
    codes = [letters[offset].headers["__troupe.errors.code"].decode() for offset in range(3)]
    require(codes == ["OUTPUT_TOO_LARGE", "INVALID_JSON", "INVALID_JSON"], f"{codes}")
    key_length = letters[0].headers["__troupe.errors.original.key.length"]
    require(letters[0].key is None and key_length == str(2 * MB).encode(),
            "a key that does not fit is not told by its length")
    require(letters[1].key == b"h" and letters[1].value == b"{"
            and letters[1].headers["__troupe.errors.original.headers"] == b"1", f"{letters[1].headers}")
    require(letters[2].key is None and letters[2].value == b"{", "the third letter is cut too much")


def raw_in(texts):
    """Those of {name: text} that hold control characters, or a line that a row or a name has made up."""
    return [f"{name}: {text!r:.400}" for name, text in texts.items()
            if has_control_bytes(text) or re.search(r"^(troupe: )?FAKE", text, re.M)]


@limit(120)
def names__line_ends_and_escapes_of_rows_and_features__reach_no_log_raw(test):
    """What stops a pipeline is told in the log and in the status: it must not write lines or colours of its own."""
    evil_row = with_field(EVIL_JSON + b":1," + EVIL_JSON)
    for name, features, value, code in (("evil-row", FEATURES, evil_row, "DUPLICATE_KEY"),
                                        ("evil-feature", [*FEATURES[:9], EVIL], GOOD, "MISSING_FEATURE")):
        cluster = test.cluster(name, partitions=1, pipeline={"errors": {"tolerance": "none"}})
        node, = cluster.start("a")
        cluster.push(test.models.games_v1, "games", "--features", ",".join(features))
        cluster.wait_ready("a")
        produce(test.bootstrap, cluster.source, [(EVIL.encode(), value, 0, [(EVIL, EVIL.encode())])])
        wait_until(lambda: code in node.log.read_text(), 20, lambda: f"{code} in the log: {node.log_tail(3)}")
        wait_until(lambda: code in cluster.run("status").out, 20, f"{code} in the status", every_s=0.3)
        wrong = raw_in({"log": node.log.read_text(errors="replace"), "status": cluster.run("status").out,
                        "model list": cluster.run("model", "list").out})
        require(not wrong, "line ends or escapes reached a person raw:\n" + "\n".join(wrong))
        require(node.running, "the node died")
        node.stop()
