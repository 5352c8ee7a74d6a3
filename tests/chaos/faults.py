"""The kinds of faults: whom each may hit, what it does, how it ends, and what must be seen for it to count.

A fault lives in the bench's own thread: choose(), begin(), then observe() again and again, end() when its time is over.
observe() returns a sentence once the effect was seen; a fault whose effect never shows does not count.
"""
import signal
import subprocess
import sys
import threading
import time

from harness import end_with_parent
from watch import state_of

SETTLING_S = 12             # after its end, for so long an effect may still show
FLOW_S = 3.0                # rows flow when some were seen within so long before


class Fault:
    kind = None
    stops = False           # takes its target away: no second such fault on it at the same time

    def __init__(self, bench, wanted):
        self.bench, self.stand, self.wanted = bench, bench.stand, wanted
        self.target = None
        self.begun = self.begun_ms = self.ended = self.ended_ms = None
        self.flowed = False
        self.evidence = None
        self.tail = []              # of a kill: records that its node had appended in the last 100 ms
        self.last = []              # and those that may belong to the transaction that it left open
        self.company = []           # kinds of the faults that were in force at the same time

    def candidates(self):
        return self.bench.free_nodes()

    def choose(self):
        """False when there is nobody to hit now."""
        found = sorted(self.candidates())
        if found:
            self.target = found[int(self.wanted.pick * len(found))]
        return bool(found)

    def start(self):
        self.flowed = time.monotonic() - self.bench.visible.last < FLOW_S
        self.begun, self.begun_ms = time.monotonic(), time.time() * 1000
        self.begin()

    def stop(self):
        self.end()
        self.ended, self.ended_ms = time.monotonic(), time.time() * 1000

    @property
    def observed(self):
        return self.flowed and self.evidence is not None

    def begin(self):
        raise NotImplementedError

    def end(self):
        pass

    def observe(self):
        return None


# ---- processes of nodes ----

class NodeFault(Fault):
    """Remembers which life of the target it hit, and what that life held."""
    stops = True

    def start(self):
        self.life = self.bench.control.members().get(self.target)
        self.held = self.bench.control.held_by(self.target)
        self.ruled = self.bench.control.coordinator() == self.target
        super().start()

    def moved(self):
        """A sentence when the cluster acted on the loss of that life: all that it held is granted to another life, or,
        of a coordinator, there is another claim; of one that held nothing, it was removed or has joined anew."""
        said = []
        if self.ruled:
            claims = [e.body for e in self.bench.control.since(self.begun, "claim")]
            if not any(c["incarnation"] != self.life for c in claims):
                return None
            said.append("another claim")
        grants = self.bench.control.since(self.begun, "partition/")
        again = {e.body["partition"] for e in grants if e.body["state"] == "granted"
                 and e.body["incarnation"] != self.life}
        if not set(self.held) <= again:
            return None
        if self.held:
            said.append(f"partitions {','.join(map(str, self.held))} granted anew")
        if not said:
            changes = [e.body for e in self.bench.control.since(self.begun, f"member/{self.target}")]
            if not any(c["state"] == "removed" or c["incarnation"] != self.life for c in changes):
                return None
            said.append("removed")
        return ", ".join(said)


class Kill(NodeFault):
    kind = "kill-node"

    def begin(self):
        self.bench.expect_end(self.target, -signal.SIGKILL)
        self.stand.end(self.target, signal.SIGKILL)

    def observe(self):
        # Some were appended before the kill and are read a little after it; no earlier than 2 s is it started again.
        if not self.last and time.monotonic() > self.begun + 1.5:
            self.tail = self.bench.appended.of_node(self.target, self.begun - 0.1, self.begun + 0.3)
            self.last = self.bench.appended.of_node(self.target, self.begun - 0.3, self.begun + 1.2)
        return self.moved() if time.monotonic() > self.begun + 1.5 else None


class KillOwner(Kill):
    kind = "kill-owner"

    def candidates(self):
        return [name for name in super().candidates() if self.bench.control.held_by(name)]


class KillCoordinator(Kill):
    kind = "kill-coordinator"

    def candidates(self):
        return [name for name in super().candidates() if name == self.bench.control.coordinator()]

    def successor_s(self):
        """Seconds until another claim was read."""
        claims = [e.seen for e in self.bench.control.since(self.begun, "claim") if e.body["incarnation"] != self.life]
        return round(claims[0] - self.begun, 2) if claims else None


class KillScorer(Kill):
    kind = "kill-scorer"

    def candidates(self):
        return self.bench.free_nodes(scorer_only=True)


class Freeze(NodeFault):
    def begin(self):
        self.stand.nodes[self.target].freeze()

    def end(self):
        self.stand.nodes[self.target].thaw()


class FreezeShort(Freeze):
    kind = "freeze-short"

    def candidates(self):
        return [name for name in super().candidates() if self.bench.control.held_by(name)]

    def observe(self):
        """It had outcomes just before, and none while it was stopped."""
        now = time.monotonic()
        if self.ended is None or now < self.ended + 0.3 or now > self.ended + 5:
            return None
        before = self.bench.appended.of_node(self.target, self.begun - 2, self.begun)
        during = self.bench.appended.of_node(self.target, self.begun + 0.3, self.ended)
        return f"{len(before)} outcomes in the 2 s before, none while stopped" if before and not during else None


class FreezeLong(Freeze):
    kind = "freeze-long"

    def observe(self):
        return self.moved()


class FreezeScorer(FreezeLong):
    kind = "freeze-scorer"

    def candidates(self):
        return self.bench.free_nodes(scorer_only=True)


class Join(Fault):
    kind = "join"
    stops = True

    def candidates(self):
        return self.bench.idle_joiners()

    def begin(self):
        self.stand.nodes[self.target].start()

    def end(self):
        self.bench.leave(self.target)

    def observe(self):
        grants = self.bench.control.since(self.begun, "partition/")
        got = {e.body["partition"] for e in grants if e.body["node"] == self.target and e.body["state"] == "granted"}
        return f"partitions {','.join(map(str, sorted(got)))} granted to it" if got else None


class Leave(NodeFault):
    kind = "leave"

    def begin(self):
        self.bench.leave(self.target)

    def observe(self):
        node = self.stand.nodes[self.target]
        ended = not node.running or self.bench.lives[self.target].began > self.begun
        moved = self.moved()
        return f"it ended, {moved}" if ended and moved else None


# ---- Kafka ----

class BrokerFault(Fault):
    def candidates(self):
        return self.bench.free_brokers()

    def choose(self):
        found = super().choose()
        if found:
            self.number, self.target = self.target, f"broker {self.target}"
            self.broker = self.stand.brokers.brokers[self.number]
        return found

    def start(self):
        leaders, _ = self.stand.brokers.leaders()
        self.led = [tp for tp, leader in leaders.items() if leader == self.number and tp[0] in self.bench.topics]
        super().start()


class BrokerKill(BrokerFault):
    """kill -9; the broker is started again when the fault's time is over, and the fault ends when it serves."""
    kind = "broker-kill"
    launched = False

    def begin(self):
        self.stand.brokers.signal(self.broker, signal.SIGKILL)

    def over(self):
        if not self.launched:
            self.broker.launch()
            self.launched = True
        return self.broker.serves()

    def observe(self):
        if self.stand.brokers.count == 1:
            return "the only broker was gone" if self.ended else None
        leaders, _ = self.stand.brokers.leaders()
        if any(leaders.get(tp) in (None, self.number) for tp in self.led):
            return None
        return f"{len(self.led)} partitions led by others" if self.led else None


class BrokerRestart(BrokerKill):
    """The same in good order, by SIGTERM: what the only broker can bear, since it is back within seconds."""
    kind = "broker-restart"

    def begin(self):
        self.stand.brokers.signal(self.broker, signal.SIGTERM)

    def over(self):
        return (self.launched or not self.broker.pid) and super().over()


class BrokerFreeze(BrokerFault):
    kind = "broker-freeze"

    def begin(self):
        self.stand.brokers.signal(self.broker, signal.SIGSTOP)
        self.stopped = False

    def end(self):
        self.stopped = state_of(self.broker.pid) == "T"
        self.stand.brokers.signal(self.broker, signal.SIGCONT)

    def observe(self):
        if self.ended is None or not self.stopped or not self.led:
            return None
        return f"stopped while it led {len(self.led)} partitions"


# ---- the network ----

class NetworkFault(Fault):
    chances = {}

    def candidates(self):
        return self.bench.free_nodes(with_scorer=True)

    def begin(self):
        self.lost_before = self.stand.losses(self.target)
        self.chances = self.wanted_chances()
        self.stand.impair(self.target, self.chances)

    def end(self):
        self.stand.mend(self.target, self.chances)
        self.lost = self.stand.losses(self.target) - self.lost_before

    def observe(self):
        if self.ended is None or self.lost < self.stand.losses_min:
            return None
        removed = [e.body["reason"] for e in self.bench.control.since(self.begun, f"member/{self.target}")
                   if e.body["state"] == "removed"]
        return f"{self.lost} {self.stand.losses_of} kept back" + (f"; removed: {removed[0]}" if removed else "")

    def share(self):
        """A second number out of the same draw."""
        return self.wanted.pick * 7919 % 1


class Loss(NetworkFault):
    kind = "loss"

    def wanted_chances(self):
        chance = 0.05 + 0.25 * self.share()
        return dict.fromkeys(("kafka_in", "kafka_out", "peers_in", "peers_out"), chance)


class CutKafka(NetworkFault):
    kind = "cut-kafka"

    def wanted_chances(self):
        return {"kafka_in": 1.0, "kafka_out": 1.0}


class CutPeers(NetworkFault):
    kind = "cut-peers"

    def wanted_chances(self):
        return {"peers_in": 1.0, "peers_out": 1.0}


class CutOneWay(NetworkFault):
    kind = "cut-one-way"

    def wanted_chances(self):
        ways = self.stand.ways()
        way = ways[int(self.share() * len(ways))]
        self.target_text = way
        return {way: 1.0}


class Delay(Fault):
    """200 +- 100 ms on every chunk between a node and Kafka."""
    kind = "delay"

    def candidates(self):
        taken = {fault.target for fault in self.bench.active if fault.kind == self.kind}
        return [name for name in self.bench.free_nodes() if name not in taken]

    def begin(self):
        self.before = self.stand.count(self.target)["delayed"]
        self.stand.proxy.tell(do="delay", node=self.target, ms=200, jitter=100)

    def end(self):
        self.stand.proxy.tell(do="delay", node=self.target, ms=0, jitter=0)
        self.delayed = self.stand.count(self.target)["delayed"] - self.before

    def observe(self):
        return f"{self.delayed} chunks delayed" if self.ended and self.delayed > 20 else None


class DelayedEndTxn(Fault):
    """Jepsen's case: the end of a transaction stays on the way until its sender has given up, and then comes."""
    kind = "delayed-end-txn"

    def candidates(self):
        taken = {fault.target for fault in self.bench.active if fault.kind == self.kind}
        rules = self.bench.control.coordinator()    # in at_least_once nobody else has transactions
        return [name for name in self.bench.free_nodes()
                if name not in taken and (self.stand.delivery == "exactly_once" or name == rules)]

    def begin(self):
        self.stand.proxy.tell(do="hold", node=self.target)

    def end(self):
        self.stand.proxy.tell(do="release", node=self.target)

    def observe(self):
        released = self.stand.proxy.of("released", self.target, self.begun)
        if not released:
            return None
        return "held and released" + (" after its sender had given up" if released[-1]["sender_gone"] else "")


# ---- models, rows, the machine ----

class ModelFault(Fault):
    """Runs a command beside the bench; seen when the alias has moved and rows scored by that version came out."""

    def candidates(self):
        busy = any(isinstance(fault, ModelFault) and not fault.evidence for fault in self.bench.active)
        return [] if busy else ["games"]

    def begin(self):
        self.said = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            self.said = self.command()
        except Exception as why:            # a command that failed is reported with the fault
            self.said = f"failed: {why}"

    def observe(self):
        moved = [e.body["version"] for e in self.bench.control.since(self.begun, "alias/")]
        if not moved or self.bench.visible.last_of_version.get(moved[-1], 0) < self.begun:
            return None
        return f"version {moved[-1]} is in force and scores"


class Push(ModelFault):
    kind = "push"

    def command(self):
        self.stand.cluster.push(self.bench.versions.make(), limit_s=60)


class Rollback(ModelFault):
    kind = "rollback"

    def candidates(self):
        champion = self.bench.control.latest("alias/games/champion").get("alias/games/champion", {})
        return super().candidates() if champion.get("previous") else []

    def command(self):
        done = self.stand.cluster.run("model", "rollback", "games", limit_s=60)
        return None if done.code == 0 else f"failed: {done.err.strip()}"


class Poison(Fault):
    kind = "poison"

    def candidates(self):
        return [] if self.bench.rows.poison else ["1 % of the rows"]

    def begin(self):
        self.bench.rows.poison = True

    def end(self):
        self.bench.rows.poison = False

    def observe(self):
        seen = sum(1 for at in self.bench.visible.dead_letters[:] if at > self.begun)
        return f"{seen} dead letters" if seen else None


class CpuHog(Fault):
    kind = "cpu-hog"

    def candidates(self):
        return ["2 processes"]

    def begin(self):
        self.burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=end_with_parent)
                        for _ in range(2)]

    def end(self):
        for process in self.burning:
            process.kill()
            process.wait(10)

    def observe(self):
        return "burnt" if self.ended else None


KINDS = {cls.kind: cls for cls in (
    Kill, KillOwner, KillCoordinator, KillScorer, FreezeShort, FreezeLong, FreezeScorer, Join, Leave, BrokerKill,
    BrokerRestart, BrokerFreeze, Delay, Loss, CutKafka, CutPeers, CutOneWay, Push, Rollback, Poison, CpuHog,
    DelayedEndTxn)}
