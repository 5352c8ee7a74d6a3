"""Who watches while a run goes on, a thread each: readers of the outcomes, the control topic, the nodes' resources.

All of them start before the first fault and never start again. Times are of the steady clock, except those that come
out of Kafka, which are of the wall clock, in milliseconds.
"""
import array
import collections
import json
import pathlib
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from checks import source_of
from harness import Failure, open_reader, record_of, wait_until

FRESH_S = 15                # how long a record stays among the recent ones


def text_of(record, header):
    value = record.headers.get(header)
    return value.decode() if value is not None else None


class Follower(threading.Thread):
    """Reads whole topics from their beginnings for as long as the run lasts."""

    def __init__(self, bootstrap, topics, isolation):
        super().__init__(daemon=True)
        self.consumer = open_reader(bootstrap, **{"isolation.level": isolation, "enable.partition.eof": True,
                                                  "fetch.wait.max.ms": 50, "reconnect.backoff.max.ms": 500,
                                                  "topic.metadata.refresh.interval.ms": 2000})
        self.positions = {}                         # (topic, partition) -> offset read up to; markers count
        self.ending = threading.Event()
        self.failure = None
        self.consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)
                              for topic in topics for partition in self._partitions(topic)])

    def _partitions(self, topic):
        """Of a new topic every broker learns in its own time."""
        return wait_until(lambda: self.consumer.list_topics(topic, 10).topics[topic].partitions, 30,
                          f"{topic} to have partitions")

    def run(self):
        try:
            while not self.ending.is_set():
                now = None
                for message in self.consumer.consume(1000, 0.02):
                    now = now or time.monotonic()
                    error = message.error()
                    if error is None:
                        self.on_record(record_of(message), now)
                        self.positions[message.topic(), message.partition()] = message.offset() + 1
                    elif error.code() == KafkaError._PARTITION_EOF:
                        self.positions[message.topic(), message.partition()] = message.offset()
                    elif error.fatal() or not _passes(error):
                        raise Failure(f"{type(self).__name__}: {error}")
        except Exception as why:                    # told at the end: a reader that fell silent proves nothing
            self.failure = why
        finally:
            self.consumer.close()

    def stop(self):
        self.ending.set()
        if self.is_alive():
            self.join(30)

    def wait_for(self, ends, limit_s):
        """Until everything below the ends, {(topic, partition): offset}, was read."""
        wait_until(lambda: self.failure or all(self.positions.get(k, 0) >= end for k, end in ends.items()), limit_s,
                   lambda: f"{type(self).__name__} to reach {ends}; it is at {self.positions}", every_s=0.2)


def _passes(error):
    return error.retriable() or error.code() in (
        KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE,
        KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE)


class VisibleReader(Follower):
    """The read_committed reader: what a user would see, and when."""

    def __init__(self, bootstrap, topics):
        super().__init__(bootstrap, topics, "read_committed")
        self.sequence = collections.defaultdict(lambda: (array.array("q"), array.array("q")))
        # Source partition -> when its outcomes were seen, and when the rows had been made.
        self.arrivals = collections.defaultdict(lambda: (array.array("d"), array.array("q")))
        self.versions = {}                          # model version -> when its first outcome was seen
        self.last_of_version = {}
        self.dead_letters = array.array("d")
        self.last = 0.0

    def on_record(self, record, now):
        offsets, digests = self.sequence[record.topic, record.partition]
        offsets.append(record.offset)
        digests.append(digest(record))
        seen, made = self.arrivals[source_of(record)[1]]
        seen.append(now)
        made.append(record.timestamp)
        self.last = now
        model = text_of(record, "troupe.model")
        if model is None:
            self.dead_letters.append(now)
        else:
            version = int(model.rpartition("@")[2])
            self.versions.setdefault(version, now)
            self.last_of_version[version] = now


def digest(record):
    return hash((record.key, record.value, record.timestamp, tuple(record.headers.items())))


class AppendedReader(Follower):
    """The read_uncommitted reader: what was appended, committed or not. `transactions`: text -> (topic, partition,
    offset) of all its records; empty where records name no transaction."""

    def __init__(self, bootstrap, topics):
        super().__init__(bootstrap, topics, "read_uncommitted")
        self.recent = collections.deque()           # (seen, node, (topic, partition, offset)), newest last
        self.transactions = collections.defaultdict(list)

    def on_record(self, record, now):
        where = (record.topic, record.partition, record.offset)
        self.recent.append((now, text_of(record, "troupe.node"), where))        # a dead letter names none
        while now - self.recent[0][0] > FRESH_S:
            self.recent.popleft()
        transaction = text_of(record, "troupe.txn")
        if transaction:
            self.transactions[transaction].append(where)

    def of_node(self, node, since, until=None):
        """The records of the node that were seen in that time."""
        return [where for seen, name, where in list(self.recent)
                if name == node and seen >= since and (until is None or seen < until)]


Entry = collections.namedtuple("Entry", "offset made_ms seen key body")


class ControlReader(Follower):
    """The control topic from its first record on, before anything is compacted."""

    def __init__(self, bootstrap, topic):
        super().__init__(bootstrap, [topic], "read_committed")
        self.entries = []

    def on_record(self, record, now):
        body = json.loads(record.value) if record.value else {}
        self.entries.append(Entry(record.offset, record.timestamp, now, (record.key or b"").decode(), body))

    def since(self, when, prefix):
        return [e for e in list(self.entries) if e.seen >= when and e.key.startswith(prefix)]

    def latest(self, prefix):
        """{key: body} of the newest records."""
        return {e.key: e.body for e in list(self.entries) if e.key.startswith(prefix)}

    def coordinator(self):
        claims = self.latest("claim")
        return next(iter(claims.values()), {}).get("node")

    def members(self):
        return {b["node"]: b["incarnation"] for b in self.latest("member/").values() if b["state"] == "joined"}

    def held_by(self, node):
        """Source partitions that are granted to the node."""
        return sorted(b["partition"] for b in self.latest("partition/").values()
                      if b["state"] == "granted" and b["node"] == node)


Sample = collections.namedtuple("Sample", "at rss_kb descriptors threads")


class ResourceWatch(threading.Thread):
    """Memory, descriptors and threads of processes, by (name, process id)."""

    def __init__(self, running, every_s=1.0):
        super().__init__(daemon=True)
        self.running, self.every_s = running, every_s       # running() -> [(name, process id)]
        self.samples = collections.defaultdict(list)
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(self.every_s):
            for name, process in self.running():
                sample = resources_of(process)
                if sample:
                    self.samples[name, process].append(sample)

    def stop(self):
        self.ending.set()
        if self.is_alive():
            self.join(10)


def resources_of(process):
    try:
        status = dict(line.split(":", 1) for line in
                      pathlib.Path(f"/proc/{process}/status").read_text().splitlines() if ":" in line)
        if "VmRSS" not in status:
            return None                             # ended, and not yet waited for
        count = len(list(pathlib.Path(f"/proc/{process}/fd").iterdir()))
        return Sample(time.monotonic(), int(status["VmRSS"].split()[0]), count, int(status["Threads"]))
    except (OSError, ValueError):
        return None


def state_of(process):
    """The kernel's letter for what a process does: T is stopped."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
