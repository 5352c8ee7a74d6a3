"""What a node may do on Kafka is taken away while rows flow, and given back: an alarm says what is missing, no row is
lost, and no restart is needed. The node is a user of its own on a broker with ACLs; the test has no name, and may do
everything."""
import contextlib
import json
import re
import threading
import time

from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType,
                                   ResourceType)

from harness import Offsets, Test, free_ports, games_rows, require, wait_until
from kafka import Kafka
from marks import limit
from test_delivery import examine, wait_for_commits

USER = "User:troupe"
TOPIC, GROUP, TRANSACTIONAL_ID = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
LITERAL, PREFIXED = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
READ, WRITE, CREATE = AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE
DESCRIBE_CONFIGS = AclOperation.DESCRIBE_CONFIGS


@contextlib.contextmanager
def guarded(test, name, pipeline=None):
    """A cluster on a broker that asks everybody for permission."""
    port, own_port, controller = free_ports(3)
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    properties = {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},USERS://127.0.0.1:{own_port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},USERS://127.0.0.1:{own_port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,USERS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.name.users.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.users.plain.sasl.jaas.config": f'{login} user_troupe="a word";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    secret = test.dir / "password"
    secret.touch(0o600)
    secret.write_text("a word")
    with Kafka(test.dir / "guarded", port, properties) as broker:
        own = Test(test.name, test.dir / name, broker, test.troupe, test.models, test.smoke)
        try:
            yield Guarded(own, name, pipeline, {
                "bootstrap.servers": f"127.0.0.1:{own_port}", "security.protocol": "sasl_plaintext",
                "sasl.mechanism": "PLAIN", "sasl.username": "troupe", "sasl.password": f"${{file:{secret}}}"})
        except BaseException:
            print(own.logs(), flush=True)
            raise
        finally:
            own.close()


class Guarded:
    """The cluster, and what its user may do: all that docs/operations.md says, and no more."""

    def __init__(self, test, name, pipeline, kafka):
        self.test, self.name = test, name
        self.cluster = test.cluster(name, partitions=2, pipeline=pipeline, kafka=kafka)
        cluster = self.cluster
        self.control = f"troupe.{name}.control"
        self.rights = [(TOPIC, f"troupe.{name}.", PREFIXED, (CREATE, READ, WRITE, DESCRIBE_CONFIGS)),
                       (TOPIC, cluster.source, LITERAL, (READ, DESCRIBE_CONFIGS)),
                       (TOPIC, cluster.preds, LITERAL, (WRITE, DESCRIBE_CONFIGS)),
                       (TOPIC, cluster.dlq, LITERAL, (WRITE, DESCRIBE_CONFIGS)),
                       (GROUP, cluster.group, LITERAL, (READ,)),
                       (TRANSACTIONAL_ID, f"troupe.{name}.coordinator", LITERAL, (WRITE,))]
        if pipeline and pipeline.get("delivery") == "exactly_once":
            self.rights.append((TRANSACTIONAL_ID, f"troupe.{name}/", PREFIXED, (WRITE,)))
        for kind, resource, pattern, operations in self.rights:
            for operation in operations:
                self.allow(kind, resource, operation, pattern)
        self.offsets = Offsets(test.bootstrap)

    def change(self, futures):
        for future in futures.values():
            future.result(20)

    def allow(self, kind, resource, operation, pattern=LITERAL):
        self.change(self.test.admin.create_acls(
            [AclBinding(kind, resource, pattern, USER, "*", operation, AclPermissionType.ALLOW)]))

    def forbid(self, kind, resource, operation, pattern=LITERAL):
        """Denies, where a prefix allows more than this resource."""
        self.change(self.test.admin.create_acls(
            [AclBinding(kind, resource, pattern, USER, "*", operation, AclPermissionType.DENY)]))

    def forget(self, kind, resource, operation, permission, pattern=LITERAL):
        self.change(self.test.admin.delete_acls(
            [AclBindingFilter(kind, resource, pattern, USER, "*", operation, permission)]))

    @contextlib.contextmanager
    def without(self, kind, resource, operation, pattern=LITERAL):
        """A right is taken away, and given back at the end. With a right goes Describe, which it implies."""
        own = any(right[:3] == (kind, resource, pattern) for right in self.rights)
        if own:
            self.forget(kind, resource, operation, AclPermissionType.ALLOW, pattern)
        else:
            self.forbid(kind, resource, operation)
        try:
            yield
        finally:
            if own:
                self.allow(kind, resource, operation, pattern)
            else:
                self.forget(kind, resource, operation, AclPermissionType.DENY)

    # ---- looking ----

    @property
    def node(self):
        return self.cluster.nodes["a"]

    def told(self):
        """What the status says is wrong; asked over HTTP, for which the node needs no right."""
        code, body = self.node.http("/status", 5)
        if code != 200:
            return f"/status: {code} {body}"
        now = json.loads(body)
        return now["cluster"]["pipelines"][0]["problem"] if now["cluster"] else now["problem"]

    def log(self):
        return self.node.log.read_text()

    def wait_for_denial(self, logged, name, limit_s=25):
        """Until status and log, from `logged` on, say what is denied and what to do. The status goes on saying so."""
        words = (name, "AUTHORIZATION_FAILED", "give the node's Kafka user the right")
        begin, seen = time.monotonic(), []

        def named():
            seen.append(self.told())
            return all(word in seen[-1] for word in words)
        wait_until(named, limit_s, lambda: f"the status to say {words}; it said {sorted(set(seen))}", every_s=0.2)
        print(f"      {self.test.name}: after {time.monotonic() - begin:.1f} s: {seen[-1]}", flush=True)

        def in_the_log():
            return any(re.search(r" (warning|error|critical) ", line) and all(word in line for word in words)
                       for line in self.log()[logged:].splitlines())
        wait_until(in_the_log, 10, f"the log to have an alarm about {words}", every_s=0.2)
        shown = self.cluster.run("status", "--node", f"127.0.0.1:{self.node.listen_port}").out
        require("AUTHORIZATION_FAILED" in shown, f"the status for people does not say it: {shown}")
        for _ in range(10):
            require(self.told(), f"the alarm about {words} came, and went although nothing was given back")
            time.sleep(0.2)

    def outcomes(self):
        return self.offsets.total(self.cluster.preds)

    def wait_for_flow(self, limit_s=30):
        begin, before = time.monotonic(), self.outcomes()
        wait_until(lambda: self.outcomes() > before + 500, limit_s, "rows to flow", every_s=0.2)
        print(f"      {self.test.name}: flowing after {time.monotonic() - begin:.1f} s", flush=True)

    def lose(self, what, name):
        """Takes a right away, waits for the alarm about `name`, gives it back, waits for rows."""
        logged = len(self.log())
        with self.without(*what):
            self.wait_for_denial(logged, name)
        self.wait_for_flow()


def begin(here):
    """Rows flow; the rights that both kinds of delivery need alike are lost and given back."""
    cluster = here.cluster
    cluster.up("a")
    feeder = here.test.feed(cluster.source, games_rows(1_000_000), 500)
    here.wait_for_flow()
    here.lose((TOPIC, cluster.preds, WRITE), cluster.preds)
    here.lose((GROUP, cluster.group, READ), cluster.group)
    return feeder


def end(here, feeder, duplicates_max):
    """Every row has its outcome, nothing is wrong, and the node that began is the node that ends."""
    wait_until(lambda: not here.told(), 30, lambda: f"the alarm to end; it says: {here.told()}", every_s=0.2)
    feeder.stop()
    wait_for_commits(here.test, here.cluster, 30)
    examine(here.test, here.cluster).require_clean(duplicates_max)
    require(here.node.running and here.node.stop() == 0, "the node did not end with 0")


@limit(200)
def rights__taken_from_at_least_once__are_named_and_nothing_is_lost(test):
    # A lane that ends repeats what it has not committed.
    with guarded(test, "acl", {"max_uncommitted_rows": 20_000, "max_inflight_rows": 4_096}) as here:
        cluster = here.cluster
        feeder = begin(here)
        here.lose((TOPIC, cluster.source, READ), cluster.source)
        before = here.outcomes()
        # Something for the coordinator to write: the command waits, and is carried out in the end.
        pushed = []
        push = threading.Thread(daemon=True, target=lambda: pushed.append(
            cluster.run("model", "push", test.models.games_v1, "--name", "other", limit_s=60)))
        with here.without(TOPIC, here.control, WRITE):
            logged = len(here.log())
            push.start()
            here.wait_for_denial(logged, here.control)
            require(here.outcomes() > before + 500, "scoring did not go on without a coordinator")
        push.join(60)
        require(pushed and pushed[0].code == 0, f"what was pushed meanwhile: {pushed}")
        here.lose((TOPIC, here.control, READ), here.control)
        require(here.node.ready(), f"the node is not ready: {here.node.http('/readyz')}")
        end(here, feeder, 20_000)


@limit(200)
def rights__taken_from_exactly_once__are_named_and_every_row_comes_out_once(test):
    with guarded(test, "aclonce", {"delivery": "exactly_once"}) as here:
        cluster = here.cluster
        feeder = begin(here)
        here.lose((TRANSACTIONAL_ID, f"troupe.{here.name}/", WRITE, PREFIXED), f"troupe.{here.name}/games/a")
        here.lose((TOPIC, cluster.source, READ), cluster.source)
        end(here, feeder, 0)
