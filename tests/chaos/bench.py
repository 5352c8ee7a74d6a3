"""A chaos run: rows flow, faults come and go by plan, ended nodes are started again as a supervisor would; then all is
mended, the rows are waited for, and the verdicts are asked."""
import collections
import contextlib
import json
import random
import re
import signal
import sys
import time

from confluent_kafka import KafkaException

from checks import CommitWatch
from faults import KINDS, SETTLING_S
from harness import Failure, Feeder, Offsets, require, wait_until
from rows import Rows, Versions
from stand import JOINER, PARTITIONS, SCORER
from watch import AppendedReader, ControlReader, ResourceWatch, VisibleReader

RESTART_S = (2.0, 4.0)
LEAVE_LIMIT_S = 60
QUIET_LIMIT_S = 120
OPEN_STATES = r"\b(Ongoing|PrepareCommit|PrepareAbort)\b"

Exit = collections.namedtuple("Exit", "at node code expected tail")


class Life:
    """One process of a node."""

    def __init__(self):
        self.began = time.monotonic()
        self.expected = set()               # exit codes that a fault has asked for
        self.handled = False
        self.leaving = None                 # since when
        self.restart_at = None


class Bench:
    def __init__(self, stand, seed, rate):
        self.stand, self.seed, self.rate = stand, seed, rate
        self.dice = random.Random(f"bench {seed}")
        self.rows = Rows(seed)
        self.versions = Versions(stand.directory / "models", seed)
        self.lives = {}
        self.faults, self.active = [], []   # all so far; those in force or settling
        self.ends = {}                      # fault -> when its time is over
        self.exits, self.problems = [], []
        self.skipped = collections.Counter()
        self.watchers = []
        self.feeder = None

    # ---- the run ----

    def set_up(self):
        stand = self.stand
        stand.up()
        cluster = stand.cluster
        self.topics = [cluster.source, cluster.preds, cluster.dlq]
        self.lives = {name: Life() for name in stand.nodes}
        control = "troupe.chaos.control"
        wait_until(lambda: control in stand.test.admin.list_topics(timeout=10).topics, 60, "the control topic")
        bootstrap = stand.brokers.bootstrap
        self.control = ControlReader(bootstrap, control)
        self.visible = VisibleReader(bootstrap, [cluster.preds, cluster.dlq])
        self.appended = AppendedReader(bootstrap, [cluster.preds, cluster.dlq])
        self.commits = CommitWatch(bootstrap, cluster.group, cluster.source, [cluster.preds, cluster.dlq], 0.2)
        self.resources = ResourceWatch(stand.running)
        self.watchers = [self.control, self.visible, self.appended, self.commits, self.resources]
        for watcher in self.watchers:
            watcher.start()
        cluster.push(self.versions.make(), limit_s=90)
        self._wait_whole(90)
        self.feeder = Feeder(bootstrap, cluster.source, self.rows, self.rate)
        self.feeder.start()
        wait_until(lambda: len(self.visible.arrivals) == PARTITIONS, 60, "rows of every partition to flow")

    def _wait_whole(self, limit_s):
        """Until every node but the joiner is a member and every partition is granted."""
        names = {*self.stand.names, SCORER}

        def whole():
            self._supervise()
            require(not self.control.failure, f"the control topic can't be read: {self.control.failure}")
            held = sum(len(self.control.held_by(name)) for name in self.control.members())
            return names <= set(self.control.members()) and held == PARTITIONS
        wait_until(whole, limit_s, lambda: f"all nodes and partitions; members are {self.control.members()}, "
                   f"partitions { {n: self.control.held_by(n) for n in self.control.members()} }", every_s=0.1)

    def run(self, plan, seconds):
        begin = tick = time.monotonic()
        slots = collections.deque(plan)
        looked = waited = 0.0
        while time.monotonic() - begin < seconds:
            now = time.monotonic()
            if self._without_kafka():       # nothing else would show: the rest of the plan waits
                waited += now - tick
            tick = now
            while slots and now >= begin + waited + slots[0].at and not self._without_kafka():
                for wanted in slots.popleft().wanted:
                    self._begin(wanted)
            self._end_due(now)
            if now - looked > 0.25:
                looked = now
                self._look()
            self._supervise()
            time.sleep(0.02)
        self._mend()

    def _without_kafka(self):
        return self.stand.brokers.count == 1 and any(fault.kind.startswith("broker-") for fault in self.ends)

    def _begin(self, wanted):
        fault = KINDS[wanted.kind](self, wanted)
        with contextlib.suppress(KafkaException):   # a broker that does not say who leads
            if not fault.choose():
                self.skipped[wanted.kind] += 1
                return
            fault.start()
            fault.company = [other.kind for other in self.ends]
            for other in self.ends:
                other.company.append(fault.kind)
            self.faults.append(fault)
            self.active.append(fault)
            self.ends[fault] = fault.begun + wanted.seconds
            say(f"{fault.kind} {fault.target}" + (f" for {wanted.seconds:.1f} s" if wanted.seconds else ""))

    def _end_due(self, now):
        for fault, due in list(self.ends.items()):
            if now >= due and (not hasattr(fault, "over") or fault.over()):
                fault.stop()
                del self.ends[fault]

    def _look(self):
        for fault in list(self.active):
            if fault.evidence is None:
                with contextlib.suppress(KafkaException):
                    fault.evidence = fault.observe()
            if fault.ended and time.monotonic() > fault.ended + SETTLING_S:
                self.active.remove(fault)

    def _mend(self):
        """Ends what is in force, then lets effects settle."""
        limit = time.monotonic() + 60
        while (self.ends or self.active) and time.monotonic() < limit:
            self._end_due(float("inf"))
            self._look()
            self._supervise()
            time.sleep(0.05)

    # ---- processes ----

    def expect_end(self, name, code):
        self.lives[name].expected.add(code)

    def leave(self, name):
        life = self.lives[name]
        life.expected.add(0)
        life.leaving = time.monotonic()
        self.stand.end(name, signal.SIGTERM)

    def _supervise(self):
        now = time.monotonic()
        for name, node in self.stand.nodes.items():
            life = self.lives[name]
            if node.running:
                if life.handled or life.restart_at:         # started by a fault
                    life = self.lives[name] = Life()
                if life.leaving and now > life.leaving + LEAVE_LIMIT_S:
                    self.problems.append(f"C8 node {name} had not ended {LEAVE_LIMIT_S} s after SIGTERM")
                    self.expect_end(name, -signal.SIGKILL)
                    life.leaving = None
                    self.stand.end(name, signal.SIGKILL)
                continue
            if node.process and not life.handled:
                life.handled = True
                code = node.process.returncode
                expected = code in life.expected
                self.exits.append(Exit(now, name, code, expected, "" if expected else node.log_tail(8)))
                if not expected:
                    say(f"node {name} ended by itself with {code}")
                    if code < 0:
                        self.problems.append(f"C9 node {name} died of signal {-code}; see {node.log}")
                if name != JOINER:
                    life.restart_at = now + self.dice.uniform(*RESTART_S)
            if life.restart_at and now >= life.restart_at:
                node.start()
                self.lives[name] = Life()

    def free_nodes(self, with_scorer=False, scorer_only=False):
        """Members that run and that no fault has taken away."""
        stopped = {fault.target for fault in self.ends if fault.stops and fault.kind != "join"}
        members = self.control.members()
        names = [SCORER] if scorer_only else [n for n in self.stand.nodes if with_scorer or n != SCORER]
        return [n for n in names if n in members and n not in stopped and self.stand.nodes[n].running
                and not self.lives[n].leaving]

    def idle_joiners(self):
        return [] if self.stand.nodes[JOINER].running or any(f.kind == "join" for f in self.ends) else [JOINER]

    def free_brokers(self):
        if any(fault.kind.startswith("broker-") for fault in self.ends):
            return []
        _, whole = self.stand.brokers.leaders()
        return range(self.stand.brokers.count) if whole else []

    # ---- the end ----

    def quiet(self):
        """No more rows and faults: everything has its outcome and is committed, or it is said what is not."""
        cluster = self.stand.cluster
        bootstrap = self.stand.brokers.bootstrap
        sent = self.feeder.stop()
        since = self.fed_until = time.monotonic()
        offsets = Offsets(bootstrap, cluster.group)
        ends = offsets.ends(cluster.source)
        if sum(ends.values()) != sent:
            say(f"the producer sent {sent} rows, the source holds {sum(ends.values())}")

        def committed():
            self._supervise()
            with contextlib.suppress(KafkaException):
                return offsets.committed(cluster.source) == {p: e for p, e in ends.items() if e}
        try:
            wait_until(committed, QUIET_LIMIT_S, lambda: f"commits at {ends}; they are at "
                       f"{offsets.committed(cluster.source)}", every_s=0.1)
            say(f"all rows committed {time.monotonic() - since:.1f} s after the last")
        except Failure as failure:
            self.problems.append(f"C8 {failure}")
            self._keep_status()
        try:
            self._wait_whole(60)
        except Failure as failure:
            self.problems.append(f"C8 {failure}")
            self._keep_status()
        self._wait_for_readers(offsets)
        self._look_for_open_transactions()
        offsets.close()
        for watcher in self.watchers:
            watcher.stop()
        return sent

    def _wait_for_readers(self, offsets):
        topics = (self.stand.cluster.preds, self.stand.cluster.dlq)
        high = Offsets(self.stand.brokers.bootstrap, isolation="read_uncommitted")
        try:
            for topic in topics:
                try:
                    wait_until(lambda: offsets.ends(topic) == high.ends(topic), 30, every_s=0.1, what=lambda:
                               f"no open transaction in {topic}: last stable {offsets.ends(topic)}, {high.ends(topic)}")
                except Failure as failure:
                    self.problems.append(f"C8 {failure}")
            for reader, asked in ((self.visible, offsets), (self.appended, high)):
                reader.wait_for({(topic, p): end for topic in topics for p, end in asked.ends(topic).items()}, 60)
        except Failure as failure:
            self.problems.append(f"C2 {failure}")
        finally:
            high.close()
        for reader in (self.visible, self.appended, self.control):
            if reader.failure:
                self.problems.append(f"C2 {type(reader).__name__} failed: {reader.failure}")

    def _look_for_open_transactions(self):
        """What Kafka's own tool says; tried again, since the coordinator may be writing just then."""
        brokers = self.stand.brokers
        for attempt in (1, 2, 3):
            listed = brokers.brokers[0].run_class("org.apache.kafka.tools.TransactionsCommand",
                                                  ["--bootstrap-server", brokers.bootstrap, "list"])
            found = [line.split()[0] for line in listed.splitlines() if re.search(OPEN_STATES, line)]
            if not found:
                return
            time.sleep(3)
        self.problems.append(f"C8 transactions are open: {', '.join(found)}")

    def _keep_status(self):
        with contextlib.suppress(Failure, ValueError):
            status = self.stand.cluster.status()
            (self.stand.directory / "status.json").write_text(json.dumps(status, indent=1))


started = time.monotonic()


def say(text):
    print(f"{time.monotonic() - started:7.1f} s  {text}", file=sys.stderr, flush=True)
