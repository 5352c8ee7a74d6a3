"""Rows in, outcomes out: every row once, in order, with scikit-learn's value; and what faults may do to that."""
import time

import checks
from harness import Offsets, games_rows, produce, read_topic, require, wait_until
from marks import full_only, limit

PARTITIONS = 4
# Far fewer rows than flow in an interval between commits: what a crash may repeat is what the bound allows, not what
# happens to be under way, and a lane that forgot the bound would repeat thousands.
CAP = 1_000
CAPPED = {"max_uncommitted_rows": CAP, "max_inflight_rows": 512, "max_batch_size": 128, "commit.interval.ms": 5_000}


def wait_for_outcomes(test, cluster, count, limit_s):
    """Until the outcome topics hold `count` records, or more, and have stopped growing."""
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds, cluster.dlq) >= count, limit_s,
               lambda: f"{count} outcomes; there are {offsets.total(cluster.preds, cluster.dlq)}", every_s=0.2)
    offsets.close()


def wait_for_commits(test, cluster, limit_s=15):
    """Until the committed offsets are at the end of the source, which says that every row has its outcome."""
    offsets = Offsets(test.bootstrap, cluster.group)
    ends = offsets.ends(cluster.source)
    wait_until(lambda: offsets.committed(cluster.source) == {p: e for p, e in ends.items() if e}, limit_s,
               lambda: f"commits at {ends}; they are at {offsets.committed(cluster.source)}", every_s=0.2)
    offsets.close()


def committed_now(test, cluster):
    offsets = Offsets(test.bootstrap, cluster.group)
    try:
        return offsets.committed(cluster.source)
    finally:
        offsets.close()


def owner(cluster, name):
    """The node's incarnation if the coordinator calls it alive and it has been granted a partition, else None."""
    now = cluster.status()["cluster"] or {"nodes": (), "partitions": ()}
    owns = any(p["owner"] == name and p["state"] == "granted" for p in now["partitions"])
    alive = {n["node"]: n["incarnation"] for n in now["nodes"] if n["state"] == "alive"}
    return alive.get(name) if owns else None


def examine(test, cluster, predict=True):
    sources, preds, dead = (read_topic(test.bootstrap, t) for t in (cluster.source, cluster.preds, cluster.dlq))
    found = checks.check(sources, preds, dead, checks.games_predictor(test.models) if predict else None)
    print(f"      {test.name}: {found}", flush=True)
    return found


@limit(240)
def delivery__three_nodes_undisturbed__every_row_once_in_order_with_its_value(test):
    count = 40_000 if test.smoke else 200_000
    cluster = test.cluster("exact", partitions=PARTITIONS)
    cluster.up("a", "b", "c")
    produce(test.bootstrap, cluster.source, games_rows(count))
    wait_for_outcomes(test, cluster, count, 90)
    wait_for_commits(test, cluster)
    found = examine(test, cluster).require_clean()
    require(found.dead_letters == 0, str(found))
    for node in cluster.nodes.values():
        require(node.stop() == 0, f"node {node.name} did not end with 0")


@limit(300)
def delivery__join_leave_kill_and_freeze__nothing_lost_and_duplicates_within_the_cap(test):
    cluster = test.cluster("faults", partitions=PARTITIONS, pipeline=CAPPED)
    found, before_faults = through_faults(test, cluster)
    early = [(p, o) for _, p, o in found.repeated if o < before_faults.get(p, 0)]
    require(not early, f"joining and leaving repeated {len(early)} rows: {early[:5]}")
    found.require_clean(duplicates_max=2 * CAP)         # one crash and one freeze, of one lane each


def through_faults(test, cluster):
    """Rows flow while nodes join, leave, crash and freeze. Returns what was found, and what was committed before the
    crash."""
    rate, pause = (3_000, 2) if test.smoke else (6_000, 5)
    cluster.up("a", "b")
    watch = checks.CommitWatch(test.bootstrap, cluster.group, cluster.source, [cluster.preds, cluster.dlq])
    test.threads.append(watch)
    watch.start()
    feeder = test.feed(cluster.source, games_rows(1_000_000), rate)
    time.sleep(pause)
    cluster.node("c")                                   # joins
    cluster.wait_ready("c")
    time.sleep(pause)
    cluster.nodes["b"].stop()                           # leaves in good order
    time.sleep(pause)
    cluster.node("d")
    cluster.wait_ready("d")
    time.sleep(pause)
    before_faults = committed_now(test, cluster)
    cluster.nodes["a"].kill()                           # crashes
    time.sleep(pause + 4)
    frozen = cluster.nodes["c"]
    incarnation = wait_until(lambda: owner(cluster, "c"), 20, "c to own a partition", every_s=0.3)
    frozen.freeze()                                     # and one that only seems to have crashed
    time.sleep(10)
    frozen.thaw()
    thawed = wait_until(lambda: owner(cluster, "c"), 20, "the thawed node to own a partition again", every_s=0.3)
    require(thawed != incarnation, "the thawed node goes on as the member that was removed")
    time.sleep(pause)
    feeder.stop()
    wait_for_commits(test, cluster, 60)
    watch.stop()
    found = examine(test, cluster)
    if cluster.content["pipelines"][0].get("delivery") != "exactly_once":
        watch.verify(found)     # a transaction's marker may come to the offsets a moment before it comes to the outputs
    print(f"      {test.name}: longest stop of a partition {watch.longest_stop(cluster.preds):.1f} s", flush=True)
    return found, before_faults


@limit(180)
def delivery__killed_at_full_speed__repeats_no_more_than_the_cap(test):
    """The reader is always ahead of the commits, so the uncommitted rows sit at the bound when the crash comes."""
    count = 60_000 if test.smoke else 200_000
    cluster = test.cluster("burst", partitions=PARTITIONS, pipeline=CAPPED)
    produce(test.bootstrap, cluster.source, games_rows(count))
    cluster.start("a", "b")
    cluster.push(test.models.games_v1)
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) > count // 10, 30, "rows to flow", every_s=0.002)
    cluster.nodes["a"].kill()
    done = offsets.total(cluster.preds)
    require(done < count, "the rows were done before the kill: nothing was tried")
    wait_for_outcomes(test, cluster, count, 60)
    wait_for_commits(test, cluster, 30)
    examine(test, cluster).require_clean(duplicates_max=CAP)


@limit(120)
def delivery__source_larger_than_every_bound__is_worked_off_in_order(test):
    """Bounds far below the number of rows: the reader stops and goes on, nothing is dropped."""
    count = 20_000
    bounds = {"max_batch_size": 64, "max_inflight_rows": 256, "max_uncommitted_rows": 512}
    cluster = test.cluster("bounds", partitions=2, pipeline=bounds)
    produce(test.bootstrap, cluster.source, games_rows(count))
    cluster.up("a")
    wait_for_outcomes(test, cluster, count, 60)
    wait_for_commits(test, cluster)
    examine(test, cluster).require_clean()


@limit(120)
def delivery__node_restarted_in_good_order__goes_on_without_repeating(test):
    cluster = test.cluster("restart", partitions=2)
    cluster.up("a")
    produce(test.bootstrap, cluster.source, games_rows(3_000, seed=1))
    wait_for_outcomes(test, cluster, 3_000, 30)
    require(cluster.nodes["a"].stop() == 0, "the node did not end with 0")
    produce(test.bootstrap, cluster.source, games_rows(3_000, seed=2))
    cluster.nodes["a"].start()
    wait_for_outcomes(test, cluster, 6_000, 40)
    wait_for_commits(test, cluster)
    examine(test, cluster).require_clean()


@limit(180)
def delivery__killed_coordinator__every_partition_flows_again_in_time(test):
    cluster = test.cluster("failover", partitions=PARTITIONS, pipeline=CAPPED)
    cluster.up("a")                                     # alone, so that it rules
    cluster.start("b", "c")
    cluster.wait_ready()
    feeder = test.feed(cluster.source, games_rows(1_000_000), 1_000)
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) > 500, 20, "rows to flow")
    before = {}

    def flows_again():
        seen = {checks.source_of(r)[1] for r in read_topic(test.bootstrap, cluster.preds)
                if r.offset >= before[r.partition]}
        return seen == set(range(PARTITIONS))
    cluster.nodes["a"].kill()
    killed = time.monotonic()
    # What was already handed to the broker may still appear: count from a little later.
    time.sleep(0.3)
    before.update(offsets.ends(cluster.preds))
    wait_until(flows_again, 10, "rows of every partition to flow again after a kill", every_s=0.1)
    print(f"      {test.name}: flowing again after {time.monotonic() - killed:.1f} s", flush=True)
    count = feeder.stop()
    wait_for_outcomes(test, cluster, count, 30)
    wait_for_commits(test, cluster, 20)
    examine(test, cluster).require_clean(duplicates_max=CAP)


@limit(120)
def delivery__scorer_only_node_killed__its_batches_are_done_elsewhere(test):
    cluster = test.cluster("redispatch", partitions=2, pipeline={"max_batch_size": 64})
    cluster.up("a")
    cluster.node("s", {"node.roles": ["scorer"]})
    cluster.wait_ready("s")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 4_000)
    time.sleep(2)
    cluster.nodes["s"].kill()
    time.sleep(2)
    count = feeder.stop()
    wait_for_outcomes(test, cluster, count, 30)
    wait_for_commits(test, cluster)
    examine(test, cluster).require_clean()              # the lane lived on, so not even a duplicate


@limit(120)
def starting_offsets__latest_and_explicit__skip_what_lies_before(test):
    late = test.cluster("latest", partitions=2, pipeline={"startingOffsets": "latest"})
    given = test.cluster("given", partitions=2)
    given.content["pipelines"][0]["startingOffsets"] = {given.source: {"0": 7, "1": -2}}
    given.write()
    for cluster in (late, given):
        for partition in (0, 1):
            produce(test.bootstrap, cluster.source, ((k, v, partition, None) for k, v in games_rows(10)))
    late.up("l")
    given.up("g")
    wait_for_outcomes(test, given, 13, 20)
    offsets = Offsets(test.bootstrap, late.group)
    # The start is committed before the first row is read, so that a crash right after it skips nothing.
    wait_until(lambda: offsets.committed(late.source) == {0: 10, 1: 10}, 15, "the start to be committed", every_s=0.2)
    produce(test.bootstrap, late.source, games_rows(20, seed=2))
    wait_for_outcomes(test, late, 20, 20)
    came = sorted(checks.source_of(r)[1:] for r in read_topic(test.bootstrap, given.preds))
    require(came == [(0, o) for o in range(7, 10)] + [(1, o) for o in range(10)], f"{came}")
    late_ones = {checks.source_of(r)[2] for r in read_topic(test.bootstrap, late.preds)}
    require(min(late_ones) >= 10, "a row from before the start was scored")


@full_only
@limit(180)
def delivery__broker_restarted__nothing_lost(test):
    cluster = test.cluster("brokerless", partitions=PARTITIONS, pipeline=CAPPED)
    cluster.up("a", "b")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 1_000)
    time.sleep(3)
    test.kafka.restart()
    time.sleep(5)
    count = feeder.stop()
    wait_for_outcomes(test, cluster, count, 60)
    wait_for_commits(test, cluster, 30)
    # A restart may outlast kafka_loss_timeout_ms, after which lanes start anew at what was committed.
    examine(test, cluster).require_clean(duplicates_max=2 * CAP)
