"""Proves the promises on what a run left in Kafka: nothing here knows how Troupe works, only what must come out.

Every output carries the header troupe.source ("dsp/3/1234567"), every dead letter the headers
__connect.errors.topic/partition/offset; so each outcome is traced to the one source record it belongs to.
tests/e2e/test_checker.py plants a fault of each kind and demands that it is found.
"""
import collections
import contextlib
import json
import threading
import time

import numpy
from confluent_kafka import KafkaException

from harness import Failure, Offsets, features_of, require

TOLERANCE = 1e-6
SHOWN = 5

Outcome = collections.namedtuple("Outcome", "source record dead")


def source_of(record):
    """(topic, partition, offset) of the source record that an outcome belongs to."""
    headers = record.headers
    if "__connect.errors.topic" in headers:
        return (headers["__connect.errors.topic"].decode(), int(headers["__connect.errors.partition"]),
                int(headers["__connect.errors.offset"]))
    require("troupe.source" in headers, f"an output without the header troupe.source: {record}")
    topic, partition, offset = headers["troupe.source"].decode().rsplit("/", 2)
    return topic, int(partition), int(offset)


def model_version(record):
    name, _, version = record.headers["troupe.model"].decode().rpartition("@")
    require(name and version.isdigit(), f"header troupe.model is not name@version: {record.headers}")
    return int(version)


class Findings:
    """What a check found. `duplicates` counts outcomes beyond the first of a source record."""

    def __init__(self):
        self.problems = collections.defaultdict(list)
        self.outcomes = 0
        self.dead_letters = 0
        self.duplicates = 0
        self.repeated = []                          # source records of the duplicates, one entry each
        self.versions = collections.Counter()
        self.worst_difference = 0.0

    def add(self, kind, text):
        self.problems[kind].append(text)

    def require_clean(self, duplicates_max=0):
        if self.duplicates > duplicates_max:
            self.add("duplicate", f"{self.duplicates} outcomes too many; at most {duplicates_max} allowed")
        if self.problems:
            raise Failure("\n".join(f"{kind}: {len(found)} x, such as {'; '.join(map(str, found[:SHOWN]))}"
                                    for kind, found in self.problems.items()))
        return self

    def __str__(self):
        return (f"{self.outcomes} outcomes, {self.dead_letters} dead letters, {self.duplicates} duplicates, "
                f"versions {dict(self.versions)}, worst difference {self.worst_difference:.1e}")


def check(sources, outputs, dead_letters=(), predict=None, rollbacks=False):
    """sources, outputs, dead_letters: Records as read. predict(version, values) -> the expected `pred` of those rows.
    Finds: lost, unknown, disorder, key, timestamp, carried, value, version. Duplicates are only counted. With
    `rollbacks` a version may be followed by an older one."""
    found = Findings()
    by_source = {(r.topic, r.partition, r.offset): r for r in sources}
    first = {}
    last_offset, last_version = {}, {}
    for dead, records in ((False, outputs), (True, dead_letters)):
        for record in sorted(records, key=lambda r: (r.topic, r.partition, r.offset)):
            where = source_of(record)
            source = by_source.get(where)
            if source is None:
                found.add("unknown", f"outcome {record.topic}/{record.partition}/{record.offset} names {where}")
                continue
            found.outcomes += 1
            if where in first:
                found.duplicates += 1
                found.repeated.append(where)
                continue
            first[where] = Outcome(where, record, dead)
            # Order is promised per source partition within an output partition, leaving out repetitions after a crash.
            lane = (where[0], where[1], record.topic, record.partition)
            if last_offset.get(lane, -1) > where[2]:
                found.add("disorder", f"{where} after offset {last_offset[lane]} in {record.topic}/{record.partition}")
            last_offset[lane] = where[2]
            _check_copy(found, source, record, dead)
            if not dead:
                version = model_version(record)
                found.versions[version] += 1
                if version < last_version.get(lane, 0) and not rollbacks:
                    found.add("version", f"{where} by version {version} after {last_version[lane]}")
                last_version[lane] = max(version, last_version.get(lane, 0))
            else:
                found.dead_letters += 1
    for where in by_source:
        if where not in first:
            found.add("lost", where)
    if predict:
        _check_values(found, [o for o in first.values() if not o.dead], by_source, predict)
    found.first = first
    return found


def _check_copy(found, source, record, dead):
    if record.key != source.key:
        found.add("key", f"{record.key} instead of {source.key}")
    if record.timestamp != source.timestamp:
        found.add("timestamp", f"{record.timestamp} instead of {source.timestamp}")
    if dead and record.value != source.value and b"sha256" not in b" ".join(
            name.encode() for name in record.headers):
        found.add("dead letter", f"value {record.value!r:.60} instead of {source.value!r:.60}")


def _check_values(found, outcomes, by_source, predict):
    by_version = collections.defaultdict(list)
    for outcome in outcomes:
        by_version[model_version(outcome.record)].append(outcome)
    for version, group in by_version.items():
        expected = predict(version, [by_source[o.source].value for o in group])
        predictions = [json.loads(o.record.value) for o in group]
        for outcome, prediction in zip(group, predictions):
            user = _user_of(by_source[outcome.source].value)
            if prediction.get("User_ID") != user:
                found.add("carried", f"{outcome.source}: User_ID {prediction.get('User_ID')} instead of {user}")
        got = numpy.array([p.get("pred", numpy.nan) for p in predictions], dtype=numpy.float64)
        difference = numpy.abs(got - expected)
        worst = float(numpy.max(numpy.nan_to_num(difference), initial=0))
        found.worst_difference = max(found.worst_difference, worst)
        for i in numpy.flatnonzero(~(difference <= TOLERANCE)):
            found.add("value", f"{group[i].source}: {got[i]!r} instead of {expected[i]!r} by version {version}")


def games_predictor(models):
    """scikit-learn's answer; NaN, which no prediction equals, for a row that should never have been predicted."""
    def predict(version, values):
        try:
            return models.predict(version, features_of(values))
        except (ValueError, TypeError, KeyError):
            if len(values) == 1:
                return numpy.array([numpy.nan])
            half = len(values) // 2
            return numpy.concatenate([predict(version, values[:half]), predict(version, values[half:])])
    return predict


def _user_of(value):
    try:
        return json.loads(value).get("User_ID")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


class CommitWatch(threading.Thread):
    """Samples committed offsets, then the ends of the outcome topics, while a test runs. verify() afterwards proves of
    every sample that each source record below the committed offset had an outcome by then."""

    def __init__(self, bootstrap, group, source, outcome_topics, every_s=0.1):
        super().__init__(daemon=True)
        # Not the last stable offset: of a transaction, the committed offset may show before the outcomes' markers.
        self.arguments = (bootstrap, group, "read_uncommitted")
        self.source, self.outcome_topics, self.every_s = source, outcome_topics, every_s
        self.samples = []
        self.ending = threading.Event()

    def run(self):
        offsets = Offsets(*self.arguments)
        while not self.ending.wait(self.every_s):
            with contextlib.suppress(KafkaException):       # a broker that is down: no sample
                committed = offsets.committed(self.source)
                ends = {topic: offsets.ends(topic) for topic in self.outcome_topics}
                self.samples.append((time.monotonic(), committed, ends))
        offsets.close()

    def stop(self):
        self.ending.set()
        if self.is_alive():
            self.join(30)

    def longest_stop(self, topic):
        """Seconds for which a partition of the topic got nothing, at most, between the first and the last of its rows;
        as exact as the samples are."""
        worst = 0.0
        for partition in self.samples[-1][2][topic]:
            grown = [(now, ends[topic][partition]) for now, _, ends in self.samples]
            grown = [now for (now, end), (_, before) in zip(grown[1:], grown) if end > before]
            worst = max([worst, *(b - a for a, b in zip(grown, grown[1:]))])
        return worst

    def verify(self, found):
        """`found`: Findings of check() over the same records."""
        require(self.samples, "no committed offset was ever sampled")
        verify_commits(found, self.source, self.samples)


def verify_commits(found, source, samples):
    checked = collections.defaultdict(int)      # below this offset every record was found durable in an earlier sample
    for _, committed, ends in samples:
        for partition, commit in committed.items():
            for offset in range(checked[partition], commit):
                outcome = found.first.get((source, partition, offset))
                if outcome is None:
                    found.add("commit", f"{partition}/{offset} lies below the committed {commit} and has no outcome")
                    continue
                record = outcome.record
                if record.offset >= ends[record.topic][record.partition]:
                    found.add("commit", f"{partition}/{offset} was committed ({commit}) before its outcome was there")
            checked[partition] = max(checked[partition], commit)
