"""Everything that runs during a chaos run: brokers, proxy, namespaces, nodes; how to start and end each of them."""
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

from brokers import Brokers
from certificates import make_authority, make_certificate
from harness import Cluster, Test, end_with_parent, require, wait_until
from namespaces import Namespaces, sweep

HERE = pathlib.Path(__file__).resolve().parent
SCORER, JOINER = "s", "j"
PARTITIONS = 6
CAP = 5_000                 # max_uncommitted_rows: what a lane may repeat in at_least_once
NODE_PORT, HTTP_PORT = 4800, 8080
HEADERS = ["troupe.model", "troupe.source", "troupe.sha256", "troupe.node", "troupe.lane"]
IMPAIRMENTS = ("kafka_in", "kafka_out", "peers_in", "peers_out")


class Proxy:
    """The proxy's process, and what it told."""

    def __init__(self, directory, routes):
        file = directory / "routes.json"
        file.write_text(json.dumps(routes, indent=1))
        self.events = []                            # (time, event)
        with open(directory / "proxy.log", "ab") as log:
            self.process = subprocess.Popen([sys.executable, str(HERE / "proxy.py"), str(file)], text=True, bufsize=1,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            preexec_fn=end_with_parent)
        threading.Thread(target=self._listen, daemon=True).start()
        wait_until(lambda: self.of("ready"), 20, "the proxy to be ready")

    def _listen(self):
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def of(self, event, node=None, since=0.0):
        return [e for at, e in list(self.events)
                if at >= since and e["event"] == event and node in (None, e.get("node"))]

    def stop(self):
        self.process.kill()
        self.process.wait(10)


class Stand:
    def __init__(self, directory, troupe, nodes, brokers, delivery):
        self.directory = directory
        self.names = [chr(ord("a") + i) for i in range(nodes)]
        self.all_names = [*self.names, SCORER, JOINER]
        self.no_namespaces = Namespaces.why_not()
        self.spaces = None if self.no_namespaces else Namespaces(self.all_names, brokers)
        host = self.spaces.broker_host if self.spaces else lambda _: "127.0.0.1"
        self.brokers = Brokers(directory, brokers, self.all_names, host)
        self.delivery = delivery
        self.test = Test("chaos", directory, self.brokers, troupe, None, False)
        self.proxy = self.cluster = None
        self.nodes = {}
        self.faults_of = {name: [] for name in self.all_names}      # impairments in force, {one of IMPAIRMENTS: chance}

    # ---- up and down ----

    def up(self):
        sweep()
        if self.spaces:
            self.spaces.up()
        self.brokers.start()
        self.proxy = Proxy(self.directory, self.brokers.routes)
        output = {"carry": ["User_ID"], "prediction": "pred", "headers": list(HEADERS)}
        if self.delivery == "exactly_once":
            output["headers"].append("troupe.txn")
        pipeline = {"output": output, "delivery": self.delivery, "max_inflight_rows": CAP // 2,
                    "max_uncommitted_rows": CAP, "max_batch_size": 256}
        self.cluster = Cluster(self.test, "chaos", partitions=PARTITIONS, pipeline=pipeline,
                               cluster={"replication_factor": self.brokers.count},
                               # A request that is held is given up after 10 s, so that it can come late.
                               kafka={"socket.timeout.ms": 10_000})
        tls = {}
        if self.spaces:
            make_authority(self.directory, "ca")
            tls = make_certificate(self.directory, "ca", "node")
            # Commands dial the nodes too, so the file itself names a certificate.
            self.cluster.content["node"]["tls"] = {key.rpartition(".")[2]: value for key, value in tls.items()}
            self.cluster.write()
        for name in self.all_names:
            self.nodes[name] = self._node(name)
        for name in (*self.names, SCORER):
            self.nodes[name].start()

    def _node(self, name):
        settings = {"kafka.bootstrap.servers": self.brokers.bootstrap_of(name)}
        if name == SCORER:
            settings["node.roles"] = ["scorer"]
        if not self.spaces:
            return self.cluster.node(name, settings, start=False)
        settings |= {"node.listen": f"{self.spaces.node_host(name)}:{NODE_PORT}",
                     "node.http": f"127.0.0.1:{HTTP_PORT}"}
        return self.cluster.node(name, settings, start=False, prefix=self.spaces.command_prefix(name))

    def down(self):
        self.test.close()
        self.brokers.stop()
        if self.proxy:
            self.proxy.stop()
        if self.spaces:
            self.spaces.down()

    def possible(self, kind):
        """Whether this machine and this delivery can do the kind. Without namespaces only what a proxy can do."""
        return bool(self.spaces) or kind not in ("loss", "cut-peers")

    # ---- nodes ----

    def running(self):
        return [(name, node.pid) for name, node in self.nodes.items() if node.running]

    def end(self, name, number=signal.SIGTERM):
        self.nodes[name].signal(number)

    # ---- the network ----

    def impair(self, name, chances):
        """Adds an impairment, {one of IMPAIRMENTS: chance of losing a packet}; several on a node: the worst counts."""
        require(set(chances) <= set(IMPAIRMENTS), f"{chances}")
        self.faults_of[name].append(chances)
        self._apply(name)

    def mend(self, name, chances):
        self.faults_of[name].remove(chances)
        self._apply(name)

    def _apply(self, name):
        worst = {kind: max([0.0, *(c.get(kind, 0.0) for c in self.faults_of[name])]) for kind in IMPAIRMENTS}
        if self.spaces:
            self.spaces.impair(name, **worst)
        else:
            self.proxy.tell(do="cut", node=name, **{"in": worst["kafka_in"] == 1, "out": worst["kafka_out"] == 1})

    def losses(self, name):
        """A number that grows while an impairment bites: packets dropped, or chunks that the proxy kept back."""
        if self.spaces:
            return self.spaces.dropped(name)
        return self.count(name)["cut"]

    def count(self, name):
        """What the proxy counted for the node."""
        asked = time.monotonic()
        self.proxy.tell(do="count")
        return wait_until(lambda: self.proxy.of("count", name, asked), 10, "the proxy to answer", every_s=0.005)[-1]
