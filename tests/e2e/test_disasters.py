"""What others may do to Kafka under a cluster: topics that go, partitions that come, rows that are deleted unread."""
import json
import re

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

import checks
from harness import Offsets, games_rows, produce, read_topic, require, wait_until
from marks import limit
from test_delivery import examine, wait_for_commits, wait_for_outcomes
from test_refusals import ended


def rows_in(partition, count, seed):
    return [(key, value, partition) for key, value in games_rows(count, seed)]


@limit(120)
def control_topic__deleted_under_running_nodes__stops_them_with_an_alarm(test):
    cluster = test.cluster("robbed", partitions=2)
    nodes = cluster.up("a", "b")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 500)
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) > 100, 20, "rows to flow")
    test.admin.delete_topics(["troupe.robbed.control"])["troupe.robbed.control"].result(20)
    for node in nodes:
        ended(node, "control", limit_s=40)
        alarm = [line for line in node.log.read_text().splitlines() if re.search(r" critical .*control topic", line)]
        require(alarm, f"node {node.name} stopped without an alarm: {node.log_tail(10)}")
    feeder.stop()
    # Nothing was committed whose outcome is not there, so a new cluster on the same group goes on without a gap.
    found = checks.check(*(read_topic(test.bootstrap, t) for t in (cluster.source, cluster.preds, cluster.dlq)))
    committed = Offsets(test.bootstrap, cluster.group).committed(cluster.source)
    gap = [(p, o) for p, end in committed.items() for o in range(end) if (cluster.source, p, o) not in found.first]
    require(not gap, f"{len(gap)} rows lie below the committed offsets and have no outcome: {gap[:5]}")


@limit(180)
def source__partitions_added_while_rows_flow__are_read_from_their_beginning(test):
    cluster = test.cluster("grown", partitions=2, pipeline={"startingOffsets": "latest"})
    cluster.up("a")                                     # alone, so that it finds the first starts, and rules later
    cluster.start("b")
    cluster.wait_ready()
    offsets = Offsets(test.bootstrap, cluster.group)
    wait_until(lambda: len(offsets.committed(cluster.source)) == 2, 20, "the start to be committed")
    for partition in (0, 1):
        produce(test.bootstrap, cluster.source, rows_in(partition, 100, partition + 1))
    wait_for_outcomes(test, cluster, 200, 20)
    test.admin.create_partitions([NewPartitions(cluster.source, 4)])[cluster.source].result(20)
    wait_until(lambda: served(test, cluster.source) == [0, 1, 2, 3], 20, "the new partitions to be served")
    # These come before anybody has noticed the partitions: "latest" is about what was there at the first start.
    for partition in range(4):
        produce(test.bootstrap, cluster.source, rows_in(partition, 100, partition + 11))
    wait_for_outcomes(test, cluster, 600, 90)           # the coordinator looks for new partitions every 10 s
    wait_for_commits(test, cluster)
    examine(test, cluster).require_clean()
    owners = {p["partition"]: p["owner"] for p in cluster.status()["cluster"]["partitions"]}
    require(sorted(owners) == [0, 1, 2, 3] and set(owners.values()) == {"a", "b"}, f"owners: {owners}")


@limit(150)
def source__rows_deleted_before_they_were_read__stop_the_partition_or_are_passed_over_as_told(test):
    cluster = test.cluster("expired", partitions=2)
    node, = cluster.up("a")
    for partition in (0, 1):
        produce(test.bootstrap, cluster.source, rows_in(partition, 100, partition + 1))
    wait_for_outcomes(test, cluster, 200, 20)
    wait_for_commits(test, cluster)
    require(node.stop() == 0, "the node did not end with 0")
    for partition in (0, 1):
        produce(test.bootstrap, cluster.source, rows_in(partition, 100, partition + 11))
    gone = TopicPartition(cluster.source, 0, 150)
    test.admin.delete_records([gone])[gone].result(20)

    node.start()                                        # failOnDataLoss is true unless told otherwise
    place = f"{cluster.source}/0"
    wait_until(lambda: place in told(cluster)["problem"], 30, lambda: f"the status to name {place}: {told(cluster)}")
    wait_for_outcomes(test, cluster, 300, 20)           # the other partition goes on
    require(node.running and "100" in told(cluster)["problem"], f"it does not say where: {told(cluster)}")
    require("problem: " in cluster.run("status").out and place in cluster.run("status").out.split("problem: ")[1],
            "the status for people does not say it")
    alarms = [line for line in node.log.read_text().splitlines()
              if re.search(r" (warning|error|critical) ", line) and place in line]
    require(alarms, f"no alarm in the log: {node.log_tail(20)}")
    require(all(p != 0 or o < 100 for p, o in came(test, cluster)), "rows after the gap were scored")
    require(node.stop() == 0, "the node with a stopped partition did not end with 0")

    # The way out that docs/operations.md names: all nodes stopped, and told to go on with what is left.
    cluster.content["pipelines"][0]["failOnDataLoss"] = False
    cluster.write()
    node.start()
    wait_for_outcomes(test, cluster, 350, 30)
    wait_for_commits(test, cluster)
    expected = [(0, o) for o in (*range(100), *range(150, 200))] + [(1, o) for o in range(200)]
    require(came(test, cluster) == expected, f"not what is left, once each: {len(came(test, cluster))} rows")
    require(not told(cluster)["problem"], f"it still says {told(cluster)}")


def served(test, topic):
    """Partitions that a broker serves now."""
    offsets = Offsets(test.bootstrap)
    try:
        return offsets.partitions(topic) if offsets.answers(topic) else []
    finally:
        offsets.close()


def told(cluster):
    """What the status says of the pipeline; nothing while the node has no cluster."""
    done = cluster.run("status", "--json")
    now = json.loads(done.out)["cluster"] if done.code == 0 else None
    return now["pipelines"][0] if now else {"problem": ""}


def came(test, cluster):
    return sorted(checks.source_of(r)[1:] for r in read_topic(test.bootstrap, cluster.preds))
