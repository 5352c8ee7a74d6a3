"""The story of the README, as a user types it."""
import json
import subprocess

from environment import ROOT
from harness import FEATURES, Offsets, features_of, games_rows, read_topic, require, wait_until

EXAMPLES = ROOT / "examples"

USER = "4be94cd4-21e7-48b8-a9c7-3f5e9c1d2a01"
ROW = ('{"G1":0,"G2":1,"G3":0,"G4":1,"G5":0,"G6":1,"G7":0,"G8":1,"G9":0,"G10":1,'
       f'"User_ID":"{USER}"}}')


def produce_row(cluster):
    done = cluster.run("produce", "--topic", cluster.source, "--key-field", "User_ID", stdin=ROW + "\n")
    require(done.code == 0, f"produce: {done}")


def topics__create_list_describe_delete__do_what_they_say(test):
    at = ("--bootstrap", test.bootstrap)
    test.ok("topics", "create", "story-topic", "--partitions", 4, "--replication-factor", 1, *at)
    require("story-topic" in test.ok("topics", "list", *at), "topics list does not name the new topic")
    description = test.ok("topics", "describe", "story-topic", *at)
    require("story-topic" in description and "4" in description, f"describe: {description}")
    again = test.run("topics", "create", "story-topic", "--partitions", 4, "--replication-factor", 1, *at)
    require(again.code == 1 and "story-topic" in again.err, f"creating it twice: {again}")
    test.ok("topics", "delete", "story-topic", *at)
    wait_until(lambda: "story-topic" not in test.ok("topics", "list", *at), 10, "the topic to be gone", every_s=0.3)
    missing = test.run("topics", "describe", "story-topic", *at)
    require(missing.code == 1 and "story-topic" in missing.err, f"describing a missing topic: {missing}")


def produce__file_and_stdin__rows_arrive_with_their_keys(test):
    topic = test.topic("produce-dsp", 4)
    at = ("--bootstrap", test.bootstrap)
    file = test.dir / "rows.jsonl"
    rows = list(games_rows(1_000))
    file.write_bytes(b"\n".join(value for _, value in rows) + b"\n")
    test.ok("produce", "--topic", topic, "--file", file, "--key-field", "User_ID", *at)
    test.ok("produce", "--topic", topic, *at, stdin='{"hello":"kafka","time":1}\n')
    records = read_topic(test.bootstrap, topic)
    require(len(records) == len(rows) + 1, f"{len(records)} records of {len(rows) + 1}")
    require({(r.key, r.value) for r in records if r.key} == set(rows), "rows or keys differ from the file's")
    require({r.value for r in records if not r.key} == {b'{"hello":"kafka","time":1}'}, "the row of stdin differs")
    require(len({r.partition for r in records}) == 4, "keyed rows were not spread over the partitions")
    shown = test.ok("consume", "--topic", topic, "--from-beginning", "--max", len(rows) + 1, *at, limit_s=20)
    require(sorted(shown.encode().splitlines()) == sorted(r.value for r in records), "consume prints other rows")


def produce__max_rate_and_partition__are_obeyed(test):
    topic = test.topic("produce-options", 4)
    at = ("--bootstrap", test.bootstrap)
    rows = "".join(value.decode() + "\n" for _, value in games_rows(50))
    test.ok("produce", "--topic", topic, "--max", 20, "--partition", 2, "--rate", 100, *at, stdin=rows)
    records = read_topic(test.bootstrap, topic)
    require([r.value.decode() for r in records] == rows.splitlines()[:20], "not the first 20 rows in their order")
    require({r.partition for r in records} == {2}, "not all rows in partition 2")


def story__one_node_and_two_versions__rows_are_scored_by_the_current_one(test):
    cluster = test.cluster("story")
    node, = cluster.start("a")
    cluster.push(EXAMPLES / "games.onnx", "games", "--json")
    cluster.wait_ready("a")
    produce_row(cluster)
    first = outputs(test, cluster, 1)[0]
    value = json.loads(first.value)
    require(list(value) == ["User_ID", "pred"] and value["User_ID"] == USER, f"{first}")
    source = read_topic(test.bootstrap, cluster.source)[0]
    require(first.key == source.key == USER.encode(), f"key {first.key}")
    require(first.timestamp == source.timestamp, "the timestamp was not kept")
    require(first.headers == {"troupe.model": b"games@1",
                              "troupe.source": f"{cluster.source}/{source.partition}/0".encode()}, f"{first.headers}")

    shown = cluster.run("model", "push", EXAMPLES / "games_v2.onnx", "--name", "games")
    require(shown.code == 0, f"pushing version 2: {shown}")
    wait_until(lambda: "2" in cluster.run("model", "list").out, 10, "version 2 in model list", every_s=0.3)

    def second_version():
        produce_row(cluster)
        return [r for r in read_topic(test.bootstrap, cluster.preds) if r.headers["troupe.model"] == b"games@2"]
    later = wait_until(second_version, 20, "a row scored by games@2", every_s=0.3)[0]
    require(json.loads(later.value)["pred"] != value["pred"], "both versions give the same prediction")
    status = json.dumps(cluster.status())
    for word in ('"a"', "games", cluster.source):
        require(word in status, f"status --json does not tell of {word}: {status}")
    people = cluster.run("status")
    require(people.code == 0 and cluster.source in people.out, f"status: {people}")
    again = cluster.run("model", "push", EXAMPLES / "games_v2.onnx", "--name", "games")
    require(again.code == 0 and "games@3" not in cluster.run("model", "list").out,
            "the same bytes pushed twice became a new version")
    require(node.stop() == 0, "the node did not end with 0 after SIGTERM")


def outputs(test, cluster, count, limit_s=20):
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) >= count, limit_s, f"{count} predictions in {cluster.preds}")
    offsets.close()
    return read_topic(test.bootstrap, cluster.preds)


def score__file_of_rows__gives_what_scikit_learn_gives(test):
    rows = [value for _, value in games_rows(5_000)]
    shown = test.ok("score", "--model", test.models.games_v1, "--features", ",".join(FEATURES),
                    stdin="\n".join(row.decode() for row in rows) + "\n")
    lines = [json.loads(line) for line in shown.splitlines()]
    require(len(lines) == len(rows), f"{len(lines)} predictions for {len(rows)} rows")
    expected = test.models.predict(1, features_of(rows))
    worst = max(abs(line["pred"] - e) for line, e in zip(lines, expected))
    require(worst <= 1e-6, f"differs by {worst}")
    users = [json.loads(row)["User_ID"] for row in rows]
    require([line["User_ID"] for line in lines] == users, "other order or other ids")


def score__bad_row__is_reported_and_the_rest_scored(test):
    good = ROW
    done = test.run("score", "--model", test.models.games_v1, "--features", ",".join(FEATURES),
                    stdin=f'{good}\n{{"G1":1}}\n[1]\n{good}\n')
    require(len(done.out.splitlines()) == 2, f"two good rows of four: {done}")


def score__line_longer_than_a_row_may_be__is_rejected_and_the_rest_scored(test):
    done = test.run("score", "--model", test.models.games_v1, "--features", ",".join(FEATURES),
                    stdin=f'{ROW}\n{"x" * 5_000_000}\n{ROW}\n')
    require(len(done.out.splitlines()) == 2, f"two good rows of three: {done.out[:300]}")
    require("line 2: ROW_TOO_LARGE: the row has 5000000 bytes" in done.err, f"{done.err[:300]}")


def score__csv__rows_before_a_broken_record_come_out(test):
    head = ",".join(FEATURES) + ",seen"
    good = ",".join("01010101" + "01") + ",True"
    rows = "\n".join([head, good, good.replace("0", "x", 1), good, '1,"x"y'])
    done = test.run("score", "--model", EXAMPLES / "games.onnx", "--csv", "--carry", "seen", stdin=rows + "\n")
    require(done.code == 1 and "record 5" in done.err, f"the broken record is not told: {done}")
    require("record 3: WRONG_TYPE: feature 'G1'" in done.err, f"the bad value is not told: {done}")
    scored = [json.loads(line) for line in done.out.splitlines()]
    require(len(scored) == 2 and all(row["seen"] is True for row in scored), f"{scored}")


def output__headers__are_read_by_kcat(test):
    cluster = test.cluster("kcat")
    cluster.up("a")
    produce_row(cluster)
    outputs(test, cluster, 1)
    shown = subprocess.run(["kcat", "-b", test.bootstrap, "-C", "-t", cluster.preds, "-e", "-q", "-f", "%k|%h|%s\n"],
                           capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    key, headers, value = shown.stdout.strip().split("|")
    require(key == USER and "pred" in json.loads(value), shown.stdout)
    require("troupe.model=games@1" in headers and f"troupe.source={cluster.source}/" in headers, headers)
