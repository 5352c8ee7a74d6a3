"""Nodes talk to each other under mutual TLS with a CA of their own."""
import time

from certificates import make_authority, make_certificate
from harness import games_rows, produce, require, wait_until
from marks import limit
from test_delivery import examine, wait_for_commits, wait_for_outcomes


def admitted(cluster):
    return {node["node"] for node in cluster.status()["cluster"]["nodes"]}


@limit(120)
def tls__own_authority_and_a_stranger__members_work_and_the_stranger_stays_out(test):
    make_authority(test.dir, "ca")
    make_authority(test.dir, "other-ca")
    cluster = test.cluster("tls", partitions=2, pipeline={"max_batch_size": 64})
    settings = {name: make_certificate(test.dir, "ca", name) for name in ("a", "b")}
    # Commands dial the nodes too, so the file itself has to name a certificate.
    for key, value in settings["a"].items():
        cluster.content["node"].setdefault("tls", {})[key.rpartition(".")[2]] = value
    cluster.write()
    for name in ("a", "b"):
        cluster.wait_alive(cluster.node(name, settings[name]))
    cluster.push(test.models.games_v1)
    cluster.wait_ready("a", "b")
    produce(test.bootstrap, cluster.source, games_rows(5_000))
    wait_for_outcomes(test, cluster, 5_000, 30)
    wait_for_commits(test, cluster)
    examine(test, cluster).require_clean()
    wait_until(lambda: admitted(cluster) == {"a", "b"}, 10, "a and b to be members", every_s=0.3)

    stranger = cluster.node("s", make_certificate(test.dir, "other-ca", "s"))
    time.sleep(4)
    require(admitted(cluster) == {"a", "b"}, f"a stranger was admitted: {stranger.log_tail(5)}")
