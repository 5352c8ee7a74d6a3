"""delivery: exactly_once on a real Kafka. Readers here are read_committed, so what they see is what counts."""
import time

import checks
from harness import Offsets, Test, games_rows, open_producer, produce, read_topic, require, wait_until
from kafka import Kafka
from marks import full_only, limit
from test_delivery import PARTITIONS, examine, owner, through_faults, wait_for_commits

OUTPUT = {"carry": ["User_ID"], "prediction": "pred", "headers": ["troupe.model", "troupe.source", "troupe.txn"]}
EXACTLY_ONCE = {"delivery": "exactly_once", "output": OUTPUT}


def examine_once(test, cluster):
    return examine(test, cluster).require_clean(duplicates_max=0)


@limit(300)
def exactly_once__join_leave_kill_and_freeze__every_row_exactly_once(test):
    cluster = test.cluster("once", partitions=PARTITIONS, pipeline=EXACTLY_ONCE)
    found, _ = through_faults(test, cluster)
    found.require_clean(duplicates_max=0)


@limit(400)
def exactly_once__owner_frozen_and_woken__repeats_nothing_and_is_a_member_again(test):
    cluster = test.cluster("zombie", partitions=PARTITIONS, pipeline=EXACTLY_ONCE)
    cluster.up("a", "b")
    test.feed(cluster.source, games_rows(1_000_000), 2_000)
    for seconds in (5,) if test.smoke else (5, 20, 60):
        before = wait_until(lambda: owner(cluster, "b"), 30, "b to own a partition", every_s=0.2)
        time.sleep(1)
        cluster.nodes["b"].freeze()
        time.sleep(seconds)
        cluster.nodes["b"].thaw()
        woken = time.monotonic()

        def is_back():
            nodes = (cluster.status()["cluster"] or {"nodes": ()})["nodes"]
            return any(n["node"] == "b" and n["state"] == "alive" and n["incarnation"] != before for n in nodes)
        wait_until(is_back, 30, "the woken node to be another member", every_s=0.1)
        print(f"      {test.name}: frozen for {seconds} s, a member again after {time.monotonic() - woken:.1f} s",
              flush=True)
    test.threads[-1].stop()
    wait_for_commits(test, cluster, 60)
    examine_once(test, cluster)


@limit(180)
def exactly_once__killed_inside_a_transaction__its_rows_come_out_once(test):
    """The interval is long, so that the kill falls into a transaction which holds outcomes."""
    cluster = test.cluster("inside", partitions=PARTITIONS, pipeline={**EXACTLY_ONCE, "commit.interval.ms": 2_000})
    cluster.up("a", "b")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 2_000)
    stable, all_of_it = Offsets(test.bootstrap), Offsets(test.bootstrap, isolation="read_uncommitted")
    open_rows = wait_until(lambda: all_of_it.total(cluster.preds) - stable.total(cluster.preds) > 500, 30,
                           "a transaction to hold rows", every_s=0.005)
    require(open_rows, "nothing was tried")
    cluster.nodes["a"].kill()
    time.sleep(3)
    feeder.stop()
    wait_for_commits(test, cluster, 40)
    wait_until(lambda: stable.total(cluster.preds) == all_of_it.total(cluster.preds), 20,
               "no transaction to be open any more", every_s=0.2)
    examine_once(test, cluster)


@limit(120)
def exactly_once__source_with_transactions__rows_that_were_aborted_have_no_outcome(test):
    cluster = test.cluster("markers", partitions=2, pipeline=EXACTLY_ONCE)
    cluster.up("a")
    producer = open_producer(test.bootstrap, **{"transactional.id": "markers-writer"})
    producer.init_transactions(20)
    kept = 0
    for number in range(9):
        producer.begin_transaction()
        for key, value in games_rows(100, seed=number):
            producer.produce(cluster.source, value, key)
        producer.flush(20)
        if number % 3 == 2:
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
            kept += 100
    wait_for_commits(test, cluster, 40)     # to the end, past the markers
    found = examine_once(test, cluster)
    require(found.outcomes == kept, f"{found.outcomes} outcomes of {kept} rows")


@limit(180)
def exactly_once__compacted_source__what_is_left_comes_out_once(test):
    cluster = test.cluster("holes", create=False, pipeline=EXACTLY_ONCE)
    test.topic(cluster.source, 1, {"cleanup.policy": "compact", "segment.ms": "200",
                                   "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"})
    test.topic(cluster.preds, 2)
    test.topic(cluster.dlq, 1)
    rows = [value for _, value in games_rows(400)]
    for part in range(4):                   # each key four times, in segments of their own
        produce(test.bootstrap, cluster.source, ((f"k{i}", rows[100 * part + i]) for i in range(100)))
        time.sleep(0.5)
    produce(test.bootstrap, cluster.source, [("last", rows[0])])
    wait_until(lambda: len(read_topic(test.bootstrap, cluster.source)) < 350, 90, "Kafka to compact the source",
               every_s=1)
    cluster.up("a")
    wait_for_commits(test, cluster, 40)
    examine_once(test, cluster)


@limit(120)
def exactly_once__rows_of_a_transaction__come_out_together_with_their_offsets(test):
    """Of each transaction's rows a reader sees all at once: what it has read up to a moment never splits one."""
    cluster = test.cluster("whole", partitions=1, pipeline={**EXACTLY_ONCE, "commit.interval.ms": 300})
    cluster.up("a")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 1_000)
    seen = []
    for _ in range(20):
        time.sleep(0.25)
        seen.append(len(read_topic(test.bootstrap, cluster.preds)))
    feeder.stop()
    wait_for_commits(test, cluster, 30)
    examine_once(test, cluster)
    sizes, last = [], None
    for record in sorted(read_topic(test.bootstrap, cluster.preds), key=lambda r: r.offset):
        if record.headers["troupe.txn"] != last:
            last = record.headers["troupe.txn"]
            sizes.append(0)
        sizes[-1] += 1
    ends = {sum(sizes[:n]) for n in range(len(sizes) + 1)}
    require(len(sizes) > 10, f"only {len(sizes)} transactions")
    torn = [count for count in seen if count not in ends]
    require(not torn, f"a reader saw {torn} rows, and transactions end at {sorted(ends)}")


@limit(180)
def drain__by_name__hands_over_and_leaves_while_rows_flow(test):
    cluster = test.cluster("drained", partitions=PARTITIONS, pipeline=EXACTLY_ONCE)
    cluster.up("a", "b")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 2_000)
    wait_until(lambda: owner(cluster, "b"), 20, "b to own a partition", every_s=0.2)
    watch = checks.CommitWatch(test.bootstrap, cluster.group, cluster.source, [cluster.preds])
    test.threads.append(watch)
    watch.start()
    time.sleep(1)
    done = cluster.run("node", "drain", "nobody")
    named = "a, b" in done.err or "b, a" in done.err        # the older one first
    require(done.code == 1 and "nobody" in done.err and named, f"{done}")
    done = cluster.run("node", "drain", "b", limit_s=60)
    require(done.code == 0 and "b has handed over and left" in done.out, f"{done}")
    wait_until(lambda: not cluster.nodes["b"].running, 20, "the drained node's process to end")
    require(cluster.nodes["b"].process.returncode == 0, "the drained node did not end with 0")
    time.sleep(1)
    feeder.stop()
    wait_for_commits(test, cluster, 40)
    watch.stop()
    print(f"      {test.name}: longest stop of a partition {watch.longest_stop(cluster.preds):.1f} s", flush=True)
    examine_once(test, cluster)


@limit(180)
def exactly_once__only_node_frozen_past_the_broker_s_patience__goes_on_without_repeating(test):
    """Nobody is there to remove it: the broker itself gives up the transaction (10 s) and shuts its producer out."""
    cluster = test.cluster("patience", partitions=2, pipeline={**EXACTLY_ONCE, "commit.interval.ms": 2_000})
    node, = cluster.up("a")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 1_000)
    stable, all_of_it = Offsets(test.bootstrap), Offsets(test.bootstrap, isolation="read_uncommitted")
    wait_until(lambda: all_of_it.total(cluster.preds) - stable.total(cluster.preds) > 200, 30,
               "a transaction to hold rows", every_s=0.005)
    node.freeze()
    wait_until(lambda: stable.total(cluster.preds) == all_of_it.total(cluster.preds), 60,
               "the broker to give up the transaction", every_s=0.2)
    node.thaw()
    time.sleep(3)
    feeder.stop()
    wait_for_commits(test, cluster, 60)
    examine_once(test, cluster)


@full_only
@limit(180)
def exactly_once__broker_has_forgotten_the_producer__goes_on_without_repeating(test):
    """A lane idle for longer than Kafka keeps its transactional.id (7 days by default)."""
    forgets = {"transactional.id.expiration.ms": 4_000, "producer.id.expiration.ms": 4_000,
               "transaction.remove.expired.transaction.cleanup.interval.ms": 1_000,
               "producer.id.expiration.check.interval.ms": 1_000}
    with Kafka(test.dir / "forgetful", properties=forgets) as broker:
        other = Test(test.name, test.dir / "idle", broker, test.troupe, test.models, test.smoke)
        try:
            cluster = other.cluster("idle", partitions=2, pipeline=EXACTLY_ONCE)
            cluster.up("a")
            for seed in range(3):
                produce(other.bootstrap, cluster.source, games_rows(500, seed=seed))
                wait_for_commits(other, cluster, 60)
                time.sleep(12)
            examine_once(other, cluster)
        finally:
            other.close()
