"""What the end-to-end tests drive: the troupe binary, nodes as real processes, topics of a real Kafka, rows.

Every wait has a limit and says what it waited for. Processes are ended by their own id. Each test gets a Test object
with a directory of its own (configs, logs), and topics and a cluster name that no other test uses.
"""
import collections
import contextlib
import ctypes
import json
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import numpy
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

FEATURES = [f"G{i}" for i in range(1, 11)]

Record = collections.namedtuple("Record", "topic partition offset key value headers timestamp")


class Failure(AssertionError):
    """A test's expectation that did not hold."""


def require(condition, what):
    if not condition:
        raise Failure(what)


def wait_until(condition, limit_s, what, every_s=0.05):
    """Returns the first true result of condition(); `what` completes 'waited N s for'."""
    deadline = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"waited {limit_s} s for {what() if callable(what) else what}")
        time.sleep(every_s)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in found:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in found]


def end_with_parent():
    """Runs in the child: a node of a test run goes when the run is killed, whatever killed it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


# ---- processes ----

class Node:
    """One `troupe node` process."""

    def __init__(self, troupe, config, name, directory, settings=(), prefix=()):
        self.troupe, self.config, self.name = troupe, config, name
        self.settings = dict(settings)
        self.prefix = list(prefix)                  # a command that runs the command given to it
        self.listen_port, self.http_port = free_ports(2)
        self.log = pathlib.Path(directory) / f"node-{name}.log"
        self.process = None

    def start(self):
        settings = {"node.listen": f"127.0.0.1:{self.listen_port}", "node.http": f"127.0.0.1:{self.http_port}",
                    **self.settings}
        command = [*self.prefix, self.troupe, "node", "--config", str(self.config), "--name", self.name]
        for key, value in settings.items():
            command += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.log.parent, preexec_fn=end_with_parent)
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.running:
            self.process.send_signal(number)

    def stop(self, limit_s=20):
        """SIGTERM and wait; returns the exit code. A node that does not go is killed, and that is a failure."""
        self.thaw()
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"node {self.name} had not ended {limit_s} s after SIGTERM") from None

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait(10)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def http(self, path, limit_s=2, **headers):
        """(status, body); status 0 when nobody answers."""
        try:
            asked = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", headers=headers)
            with urllib.request.urlopen(asked, timeout=limit_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError as error:
            return 0, str(error)

    def ready(self):
        return self.http("/readyz")[0] == 200

    def rss_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def log_tail(self, lines=25):
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


Done = collections.namedtuple("Done", "code out err")


class Cluster:
    """One config file and the nodes started from it. `pipeline`, `cluster` and `node` are merged into the file."""

    def __init__(self, test, name, partitions=4, pipeline=None, cluster=None, node=None, kafka=None, create=True,
                 topic_config=None):
        self.test, self.name = test, name
        self.source, self.preds, self.dlq = f"{name}-dsp", f"{name}-preds", f"{name}-dlq"
        self.group = f"troupe.{name}.games"
        self.nodes = {}
        if create:
            for topic in (self.source, self.preds, self.dlq):
                test.topic(topic, partitions, topic_config)
        self.content = {
            "cluster": {"name": name, **(cluster or {})},
            "kafka": {"bootstrap.servers": test.bootstrap, **(kafka or {})},
            "pipelines": [{
                "name": "games", "subscribe": self.source, "startingOffsets": "earliest", "model": "games",
                "topic": self.preds,
                "output": {"carry": ["User_ID"], "prediction": "pred", "headers": ["troupe.model", "troupe.source"]},
                "errors": {"deadletterqueue.topic.name": self.dlq},
                **(pipeline or {})}],
            "node": {"scorers": 1, **(node or {})},
        }
        self.config = test.dir / f"{name}.json"
        self.write()

    def write(self):
        self.config.write_text(json.dumps(self.content, indent=2))

    def run(self, *arguments, **options):
        """troupe ARGUMENTS --config FILE"""
        return self.test.run(*arguments, "--config", str(self.config), **options)

    def node(self, name, settings=(), start=True, prefix=()):
        node = Node(self.test.troupe, self.config, name, self.test.dir, settings, prefix)
        self.nodes[name] = node
        self.test.nodes.append(node)
        return node.start() if start else node

    def start(self, *names, limit_s=30):
        """Starts nodes and waits until they answer over HTTP."""
        nodes = [self.node(name) for name in names]
        for node in nodes:
            self.wait_alive(node, limit_s)
        return nodes

    def wait_alive(self, node, limit_s=30):
        def answers():
            require(node.running, f"node {node.name} ended with {node.process.poll()}")
            return node.http("/healthz")[0] == 200
        wait_until(answers, limit_s, f"node {node.name} to answer /healthz")

    def wait_ready(self, *names, limit_s=40):
        for name in names or self.nodes:
            node = self.nodes[name]
            wait_until(lambda: node.ready() or (require(node.running, f"node {node.name} ended") and False), limit_s,
                       lambda: f"node {node.name} to be ready (it says {node.http('/readyz')})")

    def push(self, file, name="games", *more, limit_s=60):
        """Pushes a model, again while there is no coordinator; its inputs are the games features unless told more."""
        deadline = time.monotonic() + limit_s
        while True:
            done = self.run("model", "push", str(file), "--name", name, *(more or ("--features", ",".join(FEATURES))))
            refused = "refused" in done.err or "can't" in done.err
            if done.code == 0 or refused or time.monotonic() > deadline:
                require(done.code == 0, f"model push: {done}")
                return done
            time.sleep(0.5)

    def up(self, *names, model=None):
        """Nodes started, model pushed, everything ready: what most tests begin with."""
        self.start(*names)
        self.push(model or self.test.models.games_v1)
        self.wait_ready(*names)
        return [self.nodes[name] for name in names]

    def status(self):
        done = self.run("status", "--json", limit_s=15)
        require(done.code == 0, f"status --json: {done}")
        return json.loads(done.out)


class Test:
    """What a test function gets."""

    def __init__(self, name, directory, kafka, troupe, models, smoke):
        self.name, self.dir, self.kafka, self.troupe = name, pathlib.Path(directory), kafka, str(troupe)
        self.models, self.smoke = models, smoke
        self.bootstrap = kafka.bootstrap
        self.nodes, self.threads = [], []
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        self.dir.mkdir(parents=True, exist_ok=True)

    def cluster(self, name, **options):
        return Cluster(self, name, **options)

    def topic(self, name, partitions=4, config=None):
        wanted = NewTopic(name, partitions, self.kafka.replication_factor, config=config or {})
        future = self.admin.create_topics([wanted])[name]
        future.result(20)
        # Created is not yet served: a broker tells of the leaders a moment later.
        offsets = Offsets(self.bootstrap)
        wait_until(lambda: len(offsets.partitions(name)) == partitions and offsets.answers(name), 10,
                   f"topic {name} to be served", every_s=0.02)
        offsets.close()
        return name

    def run(self, *arguments, stdin="", limit_s=30):
        """Runs the troupe binary to its end."""
        try:
            done = subprocess.run([self.troupe, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                                  errors="replace", timeout=limit_s, cwd=self.dir)
        except subprocess.TimeoutExpired:
            raise Failure(f"troupe {' '.join(map(str, arguments))} had not ended after {limit_s} s") from None
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments, **options):
        done = self.run(*arguments, **options)
        require(done.code == 0, f"troupe {' '.join(map(str, arguments))}: {done}")
        return done.out

    def feed(self, topic, rows, rate):
        feeder = Feeder(self.bootstrap, topic, rows, rate)
        self.threads.append(feeder)
        feeder.start()
        return feeder

    def close(self):
        for thread in self.threads:
            thread.stop()
        for node in self.nodes:
            if node.process:
                node.thaw()
                node.kill()

    def logs(self):
        return "\n".join(f"---- {node.log.name} ----\n{node.log_tail()}" for node in self.nodes)


# ---- Kafka ----

def partitions_of(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    return sorted(admin.list_topics(topic, 10).topics[topic].partitions)


class Offsets:
    """Asks for end offsets and committed offsets of topics, with one connection kept. The end is the last stable
    offset; with isolation="read_uncommitted" it is the high watermark."""

    def __init__(self, bootstrap, group="e2e.nobody", isolation="read_committed"):
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "log_level": 2, "group.id": group,
                                  "enable.auto.commit": False, "allow.auto.create.topics": False,
                                  "isolation.level": isolation})
        self.known = {}

    def partitions(self, topic):
        found = self.known.get(topic) or sorted(self.consumer.list_topics(topic, 10).topics[topic].partitions)
        if found:
            self.known[topic] = found
        return found

    def answers(self, topic):
        try:
            return self.ends(topic) is not None
        except KafkaException:
            return False

    def ends(self, topic):
        """{partition: end offset}"""
        return {p: self.consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in self.partitions(topic)}

    def total(self, *topics):
        return sum(sum(self.ends(topic).values()) for topic in topics)

    def committed(self, topic):
        """{partition: committed offset of the group}; only those that have one."""
        asked = [TopicPartition(topic, p) for p in self.partitions(topic)]
        return {tp.partition: tp.offset for tp in self.consumer.committed(asked, 10) if tp.offset >= 0}

    def close(self):
        self.consumer.close()


def open_reader(bootstrap, **more):
    """A consumer without a group's help, for assign(); it sees what is committed."""
    return Consumer({"bootstrap.servers": bootstrap, "log_level": 2, "group.id": "e2e.reader",
                     "enable.auto.commit": False, "isolation.level": "read_committed",
                     "auto.offset.reset": "error", "fetch.message.max.bytes": 16 << 20,
                     "receive.message.max.bytes": 256 << 20, "allow.auto.create.topics": False,
                     "message.max.bytes": 32 << 20, **more})


def record_of(message):
    return Record(message.topic(), message.partition(), message.offset(), message.key(), message.value(),
                  dict(message.headers() or ()), message.timestamp()[1])


def read_topic(bootstrap, topic, limit_s=60):
    """Everything that is in the topic now, as Records in the order of each partition."""
    consumer = open_reader(bootstrap, **{"enable.partition.eof": True})
    try:
        left = {}
        for partition in sorted(consumer.list_topics(topic, 10).topics[topic].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
            if high > low:
                left[partition] = high
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in left])
        records = []
        deadline = time.monotonic() + limit_s
        while left:
            require(time.monotonic() < deadline, f"reading {topic} was not done after {limit_s} s")
            for message in consumer.consume(10_000, 0.2):
                partition, offset = message.partition(), message.offset()
                # The end may be a transaction's marker, which is never handed out: only the end of the log tells.
                at_end = message.error() and message.error().code() == KafkaError._PARTITION_EOF
                require(at_end or message.error() is None, f"reading {topic}: {message.error()}")
                if not at_end:
                    records.append(record_of(message))
                if offset + (not at_end) >= left.get(partition, 1 << 62):
                    del left[partition]
        return records
    finally:
        consumer.close()


def open_producer(bootstrap, **more):
    return Producer({"bootstrap.servers": bootstrap, "log_level": 2, "linger.ms": 5,
                     "queue.buffering.max.messages": 2_000_000, "partitioner": "murmur2_random",
                     "enable.idempotence": True, **more})


def produce(bootstrap, topic, rows, **more):
    """rows: (key, value[, partition[, headers[, timestamp]]]); waits until all are durable."""
    producer = open_producer(bootstrap, **more)
    lost = []
    for row in rows:
        key, value, partition, headers, timestamp = (*row, *(-1, None, 0)[len(row) - 2:])
        producer.produce(topic, value, key, partition, headers=headers, timestamp=timestamp,
                         on_delivery=lambda error, _: error and lost.append(error))
        producer.poll(0)
    require(producer.flush(60) == 0 and not lost, f"producing to {topic} failed: {lost[:1]}")


class Feeder(threading.Thread):
    """Produces rows at a steady rate until they end or stop() is called."""

    def __init__(self, bootstrap, topic, rows, rate):
        super().__init__(daemon=True)
        self.bootstrap, self.topic, self.rows, self.rate = bootstrap, topic, rows, rate
        self.ending = threading.Event()
        self.sent = 0

    def run(self):
        producer = open_producer(self.bootstrap, **{"linger.ms": 1})
        start = time.monotonic()
        for key, value in self.rows:
            producer.produce(self.topic, value, key)
            self.sent += 1
            if self.sent % 50 == 0:
                producer.poll(0)
                ahead = start + self.sent / self.rate - time.monotonic()
                if ahead > 0 and self.ending.wait(ahead):
                    break
            if self.ending.is_set():
                break
        producer.flush(30)

    def stop(self):
        self.ending.set()
        if self.is_alive():
            self.join(40)
        return self.sent


# ---- rows ----

def game_bits(count, seed=1):
    return numpy.random.default_rng(seed).integers(0, 2, size=(count, len(FEATURES)))


def games_rows(count, seed=1):
    """(key, value) of `count` games rows; the key is the User_ID, unique within the seed."""
    for i, bits in enumerate(game_bits(count, seed).tolist()):
        user = f"4be94cd4-21e7-48b8-{seed:04x}-{i:012x}"
        row = "{" + ",".join(f'"{f}":{b}' for f, b in zip(FEATURES, bits)) + f',"User_ID":"{user}"' + "}"
        yield user.encode(), row.encode()


def features_of(values):
    """Matrix of the games features of JSON rows."""
    return numpy.array([[row[f] for f in FEATURES] for row in map(json.loads, values)], dtype=numpy.float64)
