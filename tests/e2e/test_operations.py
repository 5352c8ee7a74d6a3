"""What the person on duty uses: status, metrics, health, the lag tools, and all that while the cluster is busy."""
import json
import statistics
import time

from harness import Offsets, games_rows, produce, require, wait_until
from marks import limit
from test_delivery import examine, owner, wait_for_commits, wait_for_outcomes


@limit(90)
def http__while_rows_flow__metrics_health_readiness_and_status_answer(test):
    cluster = test.cluster("http", partitions=2)
    node, = cluster.up("a")
    produce(test.bootstrap, cluster.source, [*games_rows(2_000), (b"bad", b"{"), (b"worse", b"[]")])
    wait_for_outcomes(test, cluster, 2_002, 30)
    for path in ("/healthz", "/livez", "/readyz"):
        require(node.http(path)[0] == 200, f"{path}: {node.http(path)}")
    code, version = node.http("/version")
    require(code == 200 and json.loads(version)["version"] in test.ok("--version"), f"/version: {code} {version}")
    status, body = node.http("/status")
    require(status == 200 and json.loads(body), f"/status: {status} {body[:200]}")

    def metrics():
        code, text = node.http("/metrics")
        require(code == 200, f"/metrics: {code}")
        return text

    def rejected(code):
        return [float(line.split()[-1]) for line in metrics().splitlines()
                if line.startswith("troupe_rows_rejected_total{") and f'code="{code}"' in line]
    wait_until(lambda: rejected("INVALID_JSON") == [1] and rejected("NOT_AN_OBJECT") == [1], 10, "rejections by code")
    for word in ("troupe_", "_total", "_seconds_bucket", "consumer_lag", 'version="', 'pipeline="games"'):
        wait_until(lambda: word in metrics(), 10, f"{word} in /metrics")   # gauges follow with a lane's next report
    require(node.http("/nowhere")[0] == 404, "an unknown path was not answered with 404")
    # A page in a browser reaches a loopback port under a name of its own, and must not get an answer.
    for host, expected in (("localhost", 200), (f"localhost:{node.http_port}", 200), ("127.0.0.1", 200),
                           ("games.example.org", 403), (f"games.example.org:{node.http_port}", 403),
                           ("127.0.0.1.example.org", 403)):
        code, body = node.http("/status", Host=host)
        require(code == expected, f"asked as {host}: {code} {body[:100]}")
        require(code == 200 or cluster.source not in body, f"asked as {host} it tells: {body[:200]}")


@limit(90)
def lag__in_kafkas_own_tool__is_what_is_left(test):
    cluster = test.cluster("lag", partitions=2)
    node, = cluster.up("a")
    produce(test.bootstrap, cluster.source, games_rows(1_000))
    wait_for_outcomes(test, cluster, 1_000, 20)
    wait_for_commits(test, cluster)
    node.stop()
    produce(test.bootstrap, cluster.source, games_rows(500, seed=2))
    rows = test.kafka.lag(cluster.group)
    left = sum(end - committed for (topic, _), (committed, end) in rows.items() if topic == cluster.source)
    require(left == 500, f"the lag tool says {rows}, and 500 rows are left")


def how_quick(cluster, looks=9):
    """(median seconds of `troupe status`, worst age of a heartbeat in seconds that it tells of)"""
    times, ages = [], []
    for _ in range(looks):
        begin = time.monotonic()
        now = cluster.status()["cluster"]
        times.append(time.monotonic() - begin)
        ages += [node["heard_ms"] / 1_000 for node in now["nodes"]]
        require(now["nodes"] and all(node["state"] == "alive" for node in now["nodes"]), f"not alive: {now['nodes']}")
    return statistics.median(times), max(ages)


@limit(240)
def heavy_model__seconds_a_batch__leaves_status_heartbeats_and_joining_quick(test):
    rows = 16_000 if test.smoke else 40_000
    cluster = test.cluster("heavy", partitions=2, pipeline={
        "output": {"carry": [], "prediction": {"class": "label"}, "headers": ["troupe.model", "troupe.source"]},
        "max_batch_size": 4_096, "max_inflight_rows": 16_384})
    names = [f"F{i}" for i in range(1, 501)]
    value = ("{" + ",".join(f'"{n}":0.25' for n in names) + "}").encode()
    node, = cluster.start("a")
    wait_until(lambda: cluster.run("model", "push", test.models.heavy, "--name", "games", "--features", ",".join(names),
                                   limit_s=60).code == 0, 60, "the heavy model to be accepted", every_s=0.5)
    cluster.wait_ready("a")
    calm_status, calm_age = how_quick(cluster)
    produce(test.bootstrap, cluster.source, ((None, value) for _ in range(rows)))
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) > 0, 60, "the first heavy batch")
    status, age = how_quick(cluster)
    begin = time.monotonic()
    require(node.http("/healthz")[0] == 200, "the node did not answer /healthz")
    health = time.monotonic() - begin
    cluster.node("b")
    joined = time.monotonic()
    wait_until(lambda: owner(cluster, "b"), 15, "node b to own a partition", every_s=0.1)
    joined = time.monotonic() - joined
    left = rows - offsets.total(cluster.preds)
    print(f"      {test.name}: status {calm_status:.2f} -> {status:.2f} s, heartbeat {calm_age:.2f} -> {age:.2f} s, "
          f"b owns a partition after {joined:.1f} s, {left} rows are left", flush=True)
    require(left > 0, "the load was over before node b had a partition: nothing was tried")
    require(status < calm_status + 0.5, f"status takes {status:.2f} s under load, {calm_status:.2f} s without")
    require(age < calm_age + 0.5, f"heartbeats are up to {age:.2f} s old under load, {calm_age:.2f} s without")
    require(health < 1, f"/healthz took {health:.2f} s under load")
    cluster.wait_ready("b", limit_s=10)
    wait_for_outcomes(test, cluster, rows, 150)
    wait_for_commits(test, cluster)
    examine(test, cluster, predict=False).require_clean()     # no busy node was taken for a dead one


@limit(90)
def cluster__two_pipelines__do_not_mix(test):
    cluster = test.cluster("two", partitions=1)
    second = json.loads(json.dumps(cluster.content["pipelines"][0]))
    second.update(name="other", subscribe="two-b-dsp", topic="two-b-preds", errors={})
    test.topic("two-b-dsp", 2)
    test.topic("two-b-preds", 2)
    cluster.content["pipelines"].append(second)
    cluster.write()
    cluster.up("a")
    produce(test.bootstrap, cluster.source, games_rows(300))
    produce(test.bootstrap, "two-b-dsp", [*games_rows(200), (b"bad", b"{")])    # no dead-letter topic: counted, skipped
    wait_for_outcomes(test, cluster, 300, 20)
    offsets = Offsets(test.bootstrap, "troupe.two.other")
    wait_until(lambda: offsets.total("two-b-preds") == 200, 20, "the second pipeline's rows")
    wait_until(lambda: sum(offsets.committed("two-b-dsp").values()) == 201, 20, "the commit beyond the skipped row")
    require(offsets.total(cluster.preds) == 300, "the pipelines mixed")
