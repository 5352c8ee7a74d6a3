"""What is wrong is refused: one clear line, the right exit code, and what ran before keeps running."""
import json
import socket
import subprocess
import time

from harness import FEATURES, Node, free_ports, games_rows, produce, read_topic, require, wait_until
from marks import limit
from test_delivery import wait_for_outcomes


def refused(done, *words, code=1, lines=1):
    """A command that was refused with one clear line (a config: one for each mistake) that names the words."""
    require(done.code == code, f"exit code {done.code} instead of {code}: {done}")
    said = [line for line in done.err.splitlines() if line.strip()]
    require(len(said) == lines and all(line.startswith("troupe: ") for line in said),
            f"{len(said)} lines on stderr instead of {lines} that begin with 'troupe: ': {done.err}")
    for word in words:
        require(word in done.err, f"the message does not name {word}: {done.err}")
    require("terminate called" not in done.err and "Assertion" not in done.err, f"it crashed: {done.err}")


def misused(done, *words):
    """A command line that can't be read: exit code 2."""
    require(done.code == 2, f"exit code {done.code} instead of 2: {done}")
    for word in words:
        require(word in done.err, f"the message does not name {word}: {done.err}")


def ended(node, *words, limit_s=20):
    """A node that must refuse to run: exit code 1, and the last line of its log is the one clear one."""
    wait_until(lambda: not node.running, limit_s, lambda: f"node {node.name} to refuse (its log: {node.log_tail(5)})")
    text = node.log.read_text()
    require(node.process.returncode == 1, f"exit code {node.process.returncode}: {text}")
    said = [line for line in text.splitlines() if line.startswith("troupe: ")]
    require(len(said) == 1 and text.splitlines()[-1] == said[0], f"not one clear line at the end: {text}")
    for word in words:
        require(word in said[0], f"the message does not name {word}: {said[0]}")


def node_ends(cluster, *words, settings=(), name="a"):
    node = cluster.node(name, settings)
    ended(node, *words)
    return node


def config__typo__is_refused_with_the_nearest_name(test):
    cluster = test.cluster("typo", create=False, pipeline={"max_batch_sise": 3})
    cluster.content["cluster"]["nmae"] = "x"
    cluster.write()
    for arguments in (["config", "check", cluster.config], ["node", "--config", cluster.config, "--name", "a"]):
        refused(test.run(*arguments), "max_batch_sise", "max_batch_size", "nmae", lines=2)
    misused(test.run("node", "--confg", "x"), "--confg")
    misused(test.run("nod"), "subcommand")


def node__exactly_once_on_the_embedded_broker__is_refused(test):
    port, = free_ports(1)
    with subprocess.Popen([test.troupe, "broker", "--port", str(port), "--topics", "eos-dsp:1,eos-preds:1,eos-dlq:1",
                           "--cluster", "eos"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as broker:
        try:
            cluster = test.cluster("eos", create=False, pipeline={"delivery": "exactly_once"},
                                   kafka={"bootstrap.servers": f"127.0.0.1:{port}"})
            node_ends(cluster, "embedded broker", "at_least_once")
        finally:
            broker.kill()


def config__dangerous_kafka_property__is_refused_by_name(test):
    for name in ("plugin.library.paths", "enable.auto.commit", "test.mock.num.brokers", "transactional.id"):
        cluster = test.cluster("danger", create=False, kafka={name: "1"})
        refused(test.run("config", "check", cluster.config), name)


def config__missing_file__is_refused(test):
    refused(test.run("node", "--config", "nowhere.json", "--name", "a"), "nowhere.json")


def node__port_in_use__ends_with_its_address(test):
    cluster = test.cluster("port")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        node_ends(cluster, address, settings={"node.listen": address})
        node_ends(cluster, address, settings={"node.http": address}, name="b")


@limit(60)
def node__kafka_not_reachable__keeps_trying_and_says_so(test):
    port, = free_ports(1)
    cluster = test.cluster("nokafka", create=False)
    cluster.content["kafka"]["bootstrap.servers"] = f"127.0.0.1:{port}"
    cluster.write()
    node = cluster.node("a")
    wait_until(lambda: f"127.0.0.1:{port}" in node.log_tail(), 15, "the log to name the broker")
    time.sleep(2)
    require(node.running, f"the node gave up: {node.log_tail()}")
    begin = time.monotonic()
    refused(cluster.run("topics", "list"), f"127.0.0.1:{port}")
    refused(cluster.run("status"), f"127.0.0.1:{port}")
    require(time.monotonic() - begin < 40, "commands without a Kafka took too long to say so")
    node.stop()


@limit(60)
def node__missing_topic__is_named_and_never_created(test):
    for missing in ("source", "preds", "dlq"):
        cluster = test.cluster(f"absent-{missing}", create=False)
        there = {"source": cluster.source, "preds": cluster.preds, "dlq": cluster.dlq}
        absent = there.pop(missing)
        for topic in there.values():
            test.topic(topic, 1)
        node_ends(cluster, absent, "create it", name=f"a-{missing}")
        require(absent not in test.admin.list_topics(timeout=10).topics, f"{absent} was created by accident")
    refused(test.run("produce", "--topic", "never-there", "--bootstrap", test.bootstrap, stdin="{}\n"), "never-there")
    refused(test.run("consume", "--topic", "never-there", "--max", 1, "--bootstrap", test.bootstrap), "never-there")
    require("never-there" not in test.admin.list_topics(timeout=10).topics, "never-there was created by accident")


@limit(120)
def model_push__bad_file__is_refused_and_the_old_version_goes_on(test):
    cluster = test.cluster("badmodel", partitions=1)
    cluster.up("a")
    whole = test.models.games_v2.read_bytes()
    for name, content in (("truncated.onnx", whole[:len(whole) // 2]), ("text.onnx", b"not a model\n" * 20),
                          ("empty.onnx", b""), ("pickle.onnx", b"\x80\x04\x95\x10\x00\x00\x00" + b"x" * 90),
                          ("zip.onnx", b"PK\x03\x04" + b"x" * 90)):
        file = test.dir / name
        file.write_bytes(content)
        refused(cluster.run("model", "push", file, "--name", "games", "--features", ",".join(FEATURES)))
        refused(test.run("score", "--model", file, "--features", ",".join(FEATURES), stdin="{}\n"))
    refused(cluster.run("model", "push", test.dir / "nowhere.onnx", "--name", "games"), "nowhere.onnx")
    named = cluster.run("model", "push", test.models.games_v2, "--name", "../x", "--features", ",".join(FEATURES))
    refused(named, "../x")
    produce(test.bootstrap, cluster.source, games_rows(100))
    wait_for_outcomes(test, cluster, 100, 20)
    require({r.headers["troupe.model"] for r in read_topic(test.bootstrap, cluster.preds)} == {b"games@1"},
            "a refused model was used")


@limit(90)
def model_push__features_that_do_not_fit__is_refused_by_name(test):
    cluster = test.cluster("unfit", partitions=1)
    cluster.up("a")
    few = cluster.run("model", "push", test.models.games_v2, "--name", "games", "--features", "G1,G2")
    refused(few, "10")
    none = cluster.run("model", "push", test.models.games_v2, "--name", "games")
    refused(none, "feature")
    require("games@2" not in cluster.run("model", "list").out, "a refused model was registered")


@limit(90)
def model_push__features_of_the_config_do_not_fit__is_refused_by_name(test):
    """Names in the config win over those of the push: a model that they can't be bound to is of no use."""
    for name, features, words in (("few", ["G1", "G2"], ("games", "2", "10")),
                                  ("more", [*FEATURES, "G11"], ("games", "11", "10"))):
        cluster = test.cluster(f"narrow-{name}", partitions=1, pipeline={"features": features})
        cluster.start("a")
        wait_until(lambda: cluster.run("status").code == 0, 20, "a coordinator to answer", every_s=0.3)
        refused(cluster.run("model", "push", test.models.games_v1, "--name", "games"), "pipeline games", *words)
        require("games@1" not in cluster.run("model", "list").out, "a model that no pipeline can use was registered")
        require(cluster.nodes["a"].running, "the node died")


@limit(90)
def node__name_already_alive__is_refused_and_the_first_lives_on(test):
    cluster = test.cluster("twin", partitions=1)
    first, = cluster.up("a")
    second = Node(test.troupe, cluster.config, "a", test.dir / "twin")
    second.log.parent.mkdir()
    test.nodes.append(second.start())
    ended(second, "'a' is alive", f"127.0.0.1:{first.listen_port}", limit_s=30)
    require(first.running and first.ready(), "the first node a did not live on")


@limit(90)
def node__other_fingerprint__is_refused_with_both_shown(test):
    cluster = test.cluster("agree", partitions=1)
    first, = cluster.up("a")
    other = json.loads(cluster.config.read_text())
    other["pipelines"][0]["max_batch_size"] = 17
    file = test.dir / "other.json"
    file.write_text(json.dumps(other))
    second = Node(test.troupe, file, "b", test.dir)
    test.nodes.append(second.start())
    fingerprints = [test.ok("config", "check", f).split()[-1] for f in (cluster.config, file)]
    ended(second, "fingerprint", *fingerprints, limit_s=30)
    require(first.running and first.ready(), "the first node did not live on")


def node__listen_beyond_loopback_without_tls__is_refused(test):
    cluster = test.cluster("open", create=False)
    port, = free_ports(1)
    node_ends(cluster, "tls", settings={"node.listen": f"0.0.0.0:{port}"})
    node_ends(cluster, "http", settings={"node.http": f"0.0.0.0:{port}"}, name="b")
