"""One or three brokers of one Kafka, each a process of its own, with a listener for each node: what a node talks to is
the proxy in front of its own listener, so that its connections alone can be delayed, held or cut."""
import os
import signal

from confluent_kafka.admin import AdminClient
from kafka import Kafka, free_ports, new_cluster_id

from harness import wait_until

PROPERTIES = {
    # A broker that was killed is missed for seconds, not for the 9 s of the default.
    "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
    "controller.quorum.election.timeout.ms": 500, "controller.quorum.fetch.timeout.ms": 1500,
    "replica.lag.time.max.ms": 5000,
    # Every node's transactions time out within seconds of its death, as an operator of a chaos bench wants to see.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "log.message.timestamp.type": "CreateTime", "message.max.bytes": 4 << 20,
}


class Brokers:
    """`nodes`: the names that get a listener. `node_host(i)`: where the nodes find broker i, beginning with 0."""

    def __init__(self, directory, count, nodes, node_host):
        self.count, self.nodes = count, list(nodes)
        self.replication_factor = count
        ports = iter(free_ports(count * (2 + 2 * len(self.nodes))))
        clients, controllers = [next(ports) for _ in range(count)], [next(ports) for _ in range(count)]
        self.routes = []                            # for the proxy
        cluster_id = new_cluster_id()
        self.brokers = []
        for i in range(count):
            inside = {name: next(ports) for name in self.nodes}
            outside = {name: next(ports) for name in self.nodes}
            for name in self.nodes:
                self.routes.append({"node": name, "broker": i, "listen": [node_host(i), outside[name]],
                                    "to": ["127.0.0.1", inside[name]]})
            named = {f"NODE_{name.upper()}": name for name in self.nodes}
            properties = {
                **PROPERTIES,
                "node.id": i + 1,
                "controller.quorum.voters": ",".join(f"{n + 1}@127.0.0.1:{p}" for n, p in enumerate(controllers)),
                "listeners": ",".join(
                    [f"PLAINTEXT://127.0.0.1:{clients[i]}", f"CONTROLLER://127.0.0.1:{controllers[i]}",
                     *(f"{listener}://127.0.0.1:{inside[n]}" for listener, n in named.items())]),
                "advertised.listeners": ",".join(
                    [f"PLAINTEXT://127.0.0.1:{clients[i]}",
                     *(f"{listener}://{node_host(i)}:{outside[n]}" for listener, n in named.items())]),
                "listener.security.protocol.map": ",".join(
                    f"{listener}:PLAINTEXT" for listener in ("PLAINTEXT", "CONTROLLER", *named)),
                "inter.broker.listener.name": "PLAINTEXT",
                "offsets.topic.replication.factor": count,
                "transaction.state.log.replication.factor": count,
                "transaction.state.log.min.isr": min(2, count),
                "min.insync.replicas": min(2, count),
            }
            self.brokers.append(Kafka(directory / f"kafka-{i}", clients[i], properties, cluster_id=cluster_id))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in clients)
        self._admin = None

    def bootstrap_of(self, node):
        return ",".join(f"{r['listen'][0]}:{r['listen'][1]}" for r in self.routes if r["node"] == node)

    def start(self):
        os.environ.setdefault("KAFKA_HEAP_OPTS", "-Xms192m -Xmx448m")
        for broker in self.brokers:
            broker.launch()
        for i, broker in enumerate(self.brokers):
            wait_until(broker.serves, 120, f"broker {i} to serve; see {broker.dir / 'kafka.log'}", every_s=0.2)
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        wait_until(lambda: len(self._admin.list_topics(timeout=10).brokers) == self.count, 60,
                   "all brokers to be in the metadata", every_s=0.2)

    def stop(self):
        for broker in self.brokers:
            self.signal(broker, signal.SIGCONT)
            broker.kill()

    @staticmethod
    def signal(broker, number):
        if broker.pid:
            os.kill(broker.pid, number)

    def leaders(self):
        """{(topic, partition): broker number, beginning with 0; None without one} and whether all replicas are in."""
        found, whole = {}, True
        for name, topic in self._admin.list_topics(timeout=5).topics.items():
            for number, partition in topic.partitions.items():
                found[name, number] = partition.leader - 1 if partition.leader > 0 else None
                whole = whole and len(partition.isrs) == len(partition.replicas)
        return found, whole
