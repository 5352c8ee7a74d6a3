"""Reports on change: a node killed, a model pushed, while rows flow."""
import json
import statistics
import subprocess
import threading
import time

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from harness import FEATURES, Offsets, games_rows, partitions_of, require, wait_until
from reports_load import table

PARTITIONS = 6


class Tail(threading.Thread):
    """Follows an output topic: for each source partition, when the first outcome of a row from after begin() came."""

    def __init__(self, bootstrap, topic):
        super().__init__(daemon=True)
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "log_level": 2, "group.id": "bench.tail",
                                  "enable.auto.commit": False})
        self.consumer.assign([TopicPartition(topic, p, OFFSET_END) for p in partitions_of(bootstrap, topic)])
        self.lock = threading.Lock()
        self.since_ms, self.first = None, {}
        self.ending = False

    def run(self):
        while not self.ending:
            for message in self.consumer.consume(1_000, 0.02):
                now = time.monotonic()
                if message.error():
                    continue
                with self.lock:
                    if self.since_ms is not None and message.timestamp()[1] > self.since_ms:
                        partition = int(dict(message.headers())["troupe.source"].decode().rsplit("/", 2)[1])
                        self.first.setdefault(partition, now)
        self.consumer.close()

    def begin(self):
        with self.lock:
            self.since_ms, self.first = time.time() * 1_000, {}
        return time.monotonic()

    def arrived(self):
        with self.lock:
            return dict(self.first)

    def stop(self):
        self.ending = True
        if self.is_alive():
            self.join(10)


def coordinator_of(status):
    return status["cluster"]["coordinator"]["node"]


def failover(bench):
    """kill -9 of one node of three: time until a row produced after the kill has come out of every partition."""
    tries = 2 if bench.smoke else 10
    cluster = bench.cluster("failover", partitions=PARTITIONS)
    cluster.up("a", "b", "c")
    tail = Tail(bench.bootstrap, cluster.preds)
    bench.threads.append(tail)
    tail.start()
    bench.feed(cluster.source, games_rows(10_000_000), 1_000)
    offsets = Offsets(bench.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) > 1_000, 30, "rows to flow")
    results = []
    for number in range(tries):
        ruler = coordinator_of(cluster.status())
        others = [name for name in cluster.nodes if name != ruler]
        victim = ruler if number % 2 == 0 else others[number // 2 % len(others)]
        cluster.nodes[victim].kill()
        killed = tail.begin()
        wait_until(lambda: len(tail.arrived()) == PARTITIONS, 40,
                   lambda: f"every partition to flow; these do: {sorted(tail.arrived())}", every_s=0.01)
        results.append({"coordinator": victim == ruler, "seconds": max(tail.arrived().values()) - killed})
        cluster.nodes[victim].start()
        cluster.wait_ready(victim)
        time.sleep(3)
    def line(who, chosen):
        return [who, len(chosen), *(f"{f(chosen):.2f}" if chosen else "-" for f in (statistics.median, max))]
    text = table(["killed node", "tries", "median s", "worst s"], [
        line("the coordinator's", [r["seconds"] for r in results if r["coordinator"]]),
        line("another", [r["seconds"] for r in results if not r["coordinator"]]),
        line("all", [r["seconds"] for r in results])])
    return {"tries": results, "partitions": PARTITIONS}, text


def push(bench):
    """The longest gap in the output in a window with a push in its middle, beside like windows without."""
    rounds, seconds, rate = (1, 6, 1_000) if bench.smoke else (5, 10, 2_000)
    cluster = bench.cluster("push", partitions=4)
    cluster.up("a", "b")
    names = ",".join(FEATURES)
    for number in range(1, rounds + 1):
        bench.models.variant(number)

    def window(number):
        command = bench.program("latency_client", source=cluster.source, target=cluster.preds, rate=rate,
                                seconds=seconds, warmup=3)
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        time.sleep(4 + seconds / 2)
        if number:
            file = bench.models.dir / f"games_variant_{number}.onnx"
            done = cluster.run("model", "push", file, "--name", "games", "--features", names)
            require(done.code == 0, f"model push: {done}")
        return json.loads(client.communicate(timeout=seconds + 60)[0])

    without, during = [], []
    for number in range(1, rounds + 1):
        without.append(window(0))
        during.append(window(number))
    for one in without + during:
        require(one["n"] == one["sent"], f"{one['sent'] - one['n']} rows never came out")
    calm, busy = ([w["longest_gap_ms"] for w in windows] for windows in (without, during))
    text = table(["longest gap in the output, ms", "median", "most"], [
        ["window without a push", f"{statistics.median(calm):.1f}", f"{max(calm):.1f}"],
        ["window with a push", f"{statistics.median(busy):.1f}", f"{max(busy):.1f}"],
        ["difference", f"{statistics.median(busy) - statistics.median(calm):.1f}", f"{max(busy) - max(calm):.1f}"]])
    return {"rate": rate, "seconds": seconds, "without": without, "during": during}, text
