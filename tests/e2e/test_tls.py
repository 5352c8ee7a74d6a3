"""Nodes talk to each other under mutual TLS with a CA of their own."""
import subprocess
import time

from harness import games_rows, produce, require, wait_until
from marks import limit
from test_delivery import examine, wait_for_commits, wait_for_outcomes


def make_authority(directory, name):
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", f"/CN={name}")


def make_certificate(directory, authority, name):
    openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}")
    openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2")
    return {"node.tls.certificate": f"{directory}/{name}.pem", "node.tls.key": f"{directory}/{name}.key",
            "node.tls.ca": f"{directory}/{authority}.pem"}


def openssl(directory, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    require(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}")


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
