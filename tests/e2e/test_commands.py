"""The commands of whoever runs a cluster: which version is live, what the status tells, what the config means."""
import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import time

from environment import ROOT
from harness import FEATURES, games_rows, produce, read_topic, require, wait_until
from marks import limit
from test_delivery import wait_for_outcomes
from test_records import EVIL, raw_in
from test_refusals import refused


def version_of_next_row(test, cluster, seed):
    """Which version scores a row that is produced now."""
    before = len(read_topic(test.bootstrap, cluster.preds))
    (key, value), = games_rows(1, seed)
    produce(test.bootstrap, cluster.source, [(key, value)])
    wait_for_outcomes(test, cluster, before + 1, 20)
    record, = [r for r in read_topic(test.bootstrap, cluster.preds) if r.key == key]
    return record.headers["troupe.model"].decode()


def shown_model(cluster, reference):
    done = cluster.run("model", "show", reference)
    require(done.code == 0, f"model show {reference}: {done}")
    return json.loads(done.out)


@limit(120)
def model__promote_and_roll_back__say_and_do_which_version_is_live(test):
    cluster = test.cluster("versions", partitions=2)
    cluster.up("a", "b")
    cluster.push(test.models.games_v2)
    require(version_of_next_row(test, cluster, 2) == "games@2", "the pushed version does not score")
    for seed, (command, argument, live, other) in enumerate([
            ("promote", "games@1", "games@1", "games@2"), ("rollback", "games", "games@2", "games@1"),
            ("rollback", "games", "games@1", "games@2")], 3):
        done = cluster.run("model", command, argument)
        require(done.code == 0 and f"{live} is live" in done.out, f"model {command} {argument}: {done}")
        # It says so only after every node has obeyed: so the very next row is the proof.
        scored_by = version_of_next_row(test, cluster, seed)
        require(scored_by == live, f"after {command} {argument} a row was scored by {scored_by}")
        shown = shown_model(cluster, live)
        require(shown["aliases"] == ["champion"] and shown["state"] == "ready" and sorted(shown["ready"]) == ["a", "b"]
                and shown["features"] == FEATURES and f"games@{shown['version']}" == live, f"model show: {shown}")
        require(shown_model(cluster, other)["aliases"] == [], f"{other} is shown as live, too")
        line, = [li for li in cluster.run("model", "list").out.splitlines() if li.startswith(live)]
        require("champion" in line, f"model list: {line}")
    for command in (("show", "games@9"), ("promote", "games@9")):
        refused(cluster.run("model", *command), "games@9")
    refused(cluster.run("model", "rollback", "chess"), "chess")
    require(version_of_next_row(test, cluster, 9) == "games@1", "a refused command changed the live version")


@limit(90)
def status__as_text__has_heads_reasons_and_rejections(test):
    cluster = test.cluster("told", partitions=2)
    cluster.start("a")

    def told():
        done = cluster.run("status")
        return done.out if done.code == 0 else ""
    waits = wait_until(lambda: "there is no games@champion yet" in told() and told(), 20, "the missing model", 0.3)
    require(re.search(r"told-dsp/1 +free .*waits for its first owner", waits), f"no reason why it is free: {waits}")
    cluster.push(test.models.games_v1)
    cluster.wait_ready("a")
    produce(test.bootstrap, cluster.source, [*games_rows(100), (b"bad", b"{")])
    wait_for_outcomes(test, cluster, 101, 20)
    # The coordinator tells what it has heard: the figures follow with a node's next report.
    text = wait_until(lambda: "INVALID_JSON 1" in told() and told(), 15, told, every_s=0.3)
    lines = [line.split() for line in text.splitlines()]
    for heads in ("NODE STATE ADDRESS ROLES READ/S SCORED/S PRODUCED/S REJECTED RSS MB",
                  "PARTITION STATE OWNER COMMITTED END LAG WHY THERE", "MODEL STATE ALIASES READY ON WAITING FOR"):
        require(heads.split() in lines, f"no line {heads}: {text}")
    require(re.search(r"^a \* +alive +127\.0\.0\.1:\d+ +ingest,scorer,coordinator", text, re.M), f"node a: {text}")
    for partition in (0, 1):
        require(re.search(rf"told-dsp/{partition} +granted +a +\d+ +\d+ +\d+  first owner", text), f"why: {text}")
    require(re.search(r"^games@1 +ready +champion +a +-", text, re.M), f"the model: {text}")


@limit(90)
def status__watch__goes_on_until_interrupted(test):
    cluster = test.cluster("watched", partitions=1)
    cluster.up("a")
    for options, mark in (((), b"WHY THERE"), (("--json",), b'"coordinator"')):
        command = [test.troupe, "status", "--watch", "--interval", "0.2", "--config", str(cluster.config), *options]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as watch:
            shown = read_until(watch.stdout, lambda text: text.count(mark) >= 3, 20)
            still = watch.poll() is None
            watch.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                watch.wait(10)
            ended = watch.poll()
            watch.kill()
            complaints = watch.stderr.read()
        require(shown.count(mark) >= 3, f"status --watch printed {shown.count(mark)} times: {shown} {complaints}")
        require(still, f"status --watch ended by itself with {ended}: {complaints}")
        require(ended is not None, "status --watch went on after an interrupt")
        require(b"\033" not in shown, "status --watch clears the screen of a pipe")
    require(cluster.nodes["a"].ready(), "the node did not live on")


def read_until(stream, enough, limit_s):
    """What the stream gives until it is enough, it ends, or time is up."""
    text, deadline = b"", time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not enough(text) and time.monotonic() < deadline:
            if selector.select(0.2):
                more = os.read(stream.fileno(), 1 << 16)
                if not more:
                    break
                text += more
    return text


def config__show__is_what_is_in_force_without_secrets(test):
    cluster = test.cluster("shown", create=False, kafka={
        "security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "troupe",
        "sasl.password": "${E2E_SECRET}"})
    os.environ["E2E_SECRET"] = "open-sesame"
    try:
        shown = test.ok("config", "show", cluster.config, "--set", "pipelines.0.max_batch_size=77")
        again = test.ok("config", "check", cluster.config)
    finally:
        del os.environ["E2E_SECRET"]
    require("open-sesame" not in shown + again, f"a secret is shown: {shown} {again}")
    content = json.loads(shown)
    pipeline, = content["pipelines"]
    require(pipeline["max_batch_size"] == 77, f"--set is not in force: {shown}")
    require(pipeline["max_uncommitted_rows"] == 200_000 and content["cluster"]["lease_timeout_ms"] == 2_000,
            f"defaults are not shown: {shown}")
    require(content["kafka"]["sasl.username"] == "troupe" and cluster.source in pipeline["subscribe"],
            f"the file's own values are not shown: {shown}")


def config__schema__is_what_the_page_and_editors_read(test):
    schema = json.loads(test.ok("config", "schema"))
    require({"cluster", "kafka", "pipelines", "node"} <= set(schema["properties"]), f"{schema.keys()}")
    page = (ROOT / "docs" / "configuration.md").read_text()
    require(test.ok("config", "schema", "--markdown") == page, "docs/configuration.md is not what the schema gives")


@limit(90)
def commands__line_ends_and_escapes_in_an_argument__are_not_written_raw(test):
    cluster = test.cluster("echo", partitions=1)
    cluster.up("a")
    shown = {}
    for arguments in (["model", "push", test.models.games_v2, "--name", EVIL, "--features", ",".join(FEATURES)],
                      ["model", "show", EVIL + "@1"], ["model", "promote", EVIL], ["model", "rollback", EVIL],
                      ["pipeline", "resume", EVIL], ["topics", "describe", EVIL], ["produce", "--topic", EVIL]):
        done = cluster.run(*arguments)
        require(done.code == 1, f"{arguments[:2]}: {done}")
        shown[" ".join(arguments[:2])] = done.err
    wrong = raw_in(shown)
    require(not wrong, "line ends or escapes of an argument reached the terminal:\n" + "\n".join(wrong))
