#!/usr/bin/env python3
"""Tells the whole story of Troupe on the embedded broker: rows in, two nodes, a second model version, a node that
leaves, bad rows, and the account at the end. `./dev demo` builds the binary first and calls this.

    python3 tools/demo.py [--keep] [--troupe PATH]

Exit code 0 only if every row that was sent came out: as a prediction with the right key and the right number, or as a
dead letter with the reason that was expected. Uses Python's standard library only, none of it in the path of a row.
"""
import argparse
import collections
import contextlib
import ctypes
import json
import pathlib
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEATURES = [f"G{i}" for i in range(1, 11)]
PARTITIONS = 4
STEADY_RATE = 500            # rows/s
BURST_ROWS = 20_000          # small enough for the embedded broker: 5 MB and 100,000 records of a partition
BAD_EVERY = 100
CONFIG = {
    "cluster": {"name": "demo"},
    "kafka": {},
    "pipelines": [{
        "name": "games",
        "subscribe": "dsp", "startingOffsets": "earliest",
        "model": "games",
        "topic": "preds",
        "output": {"carry": ["User_ID", "sent_us"], "prediction": "pred", "headers": ["troupe.model", "troupe.source"]},
        "errors": {"deadletterqueue.topic.name": "dsp.dlq"},
    }],
    "node": {"scorers": 1},
}


class Failure(Exception):
    """What did not come out as expected, in one sentence."""


# ---- telling ----

COLOURS = sys.stdout.isatty()


def say(text=""):
    print(text, flush=True)


def bold(text):
    return f"\033[1m{text}\033[0m" if COLOURS else text


def chapter(title):
    say()
    say(bold(f"== {title}"))


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def wait_until(happens, limit_s, what):
    deadline = time.monotonic() + limit_s
    while True:
        value = happens()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {limit_s} s for {what}")
        time.sleep(0.05)


# ---- rows ----

# name of the fault -> how the row is spoiled, and the code that its dead letter must carry
def _without(row, name):
    return {key: value for key, value in row.items() if key != name}


FAULTS = [
    ("MISSING_FEATURE", lambda row: json.dumps(_without(row, "G7"))),
    ("WRONG_TYPE", lambda row: json.dumps({**row, "G3": "yes"})),
    ("NULL_FEATURE", lambda row: json.dumps({**row, "G10": None})),
    ("NUMBER_OUT_OF_RANGE", lambda row: json.dumps({**row, "G1": "huge"}).replace('"huge"', "1e400")),
    ("DUPLICATE_KEY", lambda row: json.dumps(row)[:-1] + ', "G2": 1}'),
    ("INVALID_JSON", lambda row: json.dumps(row)[:-1]),
    ("NOT_AN_OBJECT", lambda row: "[1, 2, 3]"),
]


class Rows:
    """The same rows on every run: who has bought which games. One in a hundred is spoiled."""

    def __init__(self):
        self.random = random.Random(1)
        self.count = 0
        self.expected = {}        # row without a fault: User_ID -> row; with one: the text -> code
        self.faults = collections.Counter()

    def next(self):
        user = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        row = {"User_ID": user, **{name: int(self.random.random() < 0.2) for name in FEATURES},
               "sent_us": int(time.time() * 1e6)}
        self.count += 1
        if self.count % BAD_EVERY == 0:
            code, spoil = FAULTS[self.count // BAD_EVERY % len(FAULTS)]
            self.faults[code] += 1
            return spoil(row)
        text = json.dumps(row, separators=(",", ":"))
        self.expected[user] = text
        return text


# ---- processes ----

def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG: whatever ends the demo ends its processes


class Stage:
    """The processes of the demo, and where their files are."""

    def __init__(self, troupe):
        self.troupe = str(troupe)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="troupe-demo-"))
        self.config = self.dir / "cluster.json"
        self.running = []

    def shown(self, *arguments):
        say(f"  {bold('$')} troupe {' '.join(shlex.quote(str(a)) for a in arguments)}")

    def start(self, name, *arguments, **options):
        log = open(self.dir / f"{name}.log", "wb")
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", log)
        process = subprocess.Popen([self.troupe, *map(str, arguments)], stderr=log, preexec_fn=end_with_parent,
                                   **options)
        log.close()
        process.label = name
        self.running.append(process)
        return process

    def run(self, *arguments, limit_s=40, check=True):
        done = subprocess.run([self.troupe, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=limit_s, preexec_fn=end_with_parent)
        if check and done.returncode != 0:
            raise Failure(f"troupe {' '.join(map(str, arguments))} failed: {done.stderr.strip()}")
        return done

    def log(self, name, lines=15):
        with contextlib.suppress(OSError):
            return "\n".join((self.dir / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
        return ""

    def stop(self, process, limit_s=15):
        """SIGTERM, then SIGKILL; returns the exit code."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.running:
            self.running.remove(process)
        return process.returncode

    def close(self):
        for process in reversed(self.running[:]):
            with contextlib.suppress(OSError):
                self.stop(process, 5)
        shutil.rmtree(self.dir, ignore_errors=True)


class Reader(threading.Thread):
    """`troupe consume --json` of one topic: every record with the moment at which it was read."""

    def __init__(self, stage, bootstrap, topic):
        super().__init__(daemon=True)
        self.records = []
        self.process = stage.start(f"consume-{topic}", "consume", "--topic", topic, "--from-beginning", "--json",
                                   "--bootstrap", bootstrap, stdout=subprocess.PIPE)
        self.start()

    def run(self):
        for line in self.process.stdout:
            arrived_us = time.time() * 1e6
            record = json.loads(line)
            record["arrived_us"] = arrived_us
            self.records.append(record)


class Feeder(threading.Thread):
    """Rows at a steady rate into the stdin of one `troupe produce`."""

    def __init__(self, stage, bootstrap, rows, rate):
        super().__init__(daemon=True)
        self.rows, self.rate = rows, rate
        self.ending, self.paused = threading.Event(), False
        self.process = stage.start("produce", "produce", "--topic", "dsp", "--key-field", "User_ID",
                                   "--bootstrap", bootstrap, stdin=subprocess.PIPE)
        self.start()

    def run(self):
        begun, sent = time.monotonic(), 0
        with contextlib.suppress(BrokenPipeError):
            while not self.ending.is_set():
                self.process.stdin.write(self.rows.next().encode() + b"\n")
                self.process.stdin.flush()
                sent += 1
                ahead = begun + sent / self.rate - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)

    def finish(self):
        """Ends the input and waits until every row was delivered."""
        self.ending.set()
        self.join(5)
        self.process.stdin.close()
        if self.process.wait(30) != 0:
            raise Failure("troupe produce could not deliver every row")


# ---- what is looked at ----

def bootstrap_port():
    """Kafka's own port if nobody has it, else any."""
    for port in (9092, 0):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return sock.getsockname()[1]
            except OSError:
                continue
    raise Failure("no free port on 127.0.0.1")


def status(stage):
    done = stage.run("status", "--config", stage.config, "--json", check=False)
    if done.returncode != 0:
        return None
    return json.loads(done.stdout).get("cluster")


def members(stage, names):
    """The cluster's status once exactly these nodes are alive."""
    now = status(stage)
    return now if now and {n["node"] for n in now["nodes"] if n["state"] == "alive"} == set(names) else None


def owners(stage, names):
    """The same once they also hold all partitions."""
    now = members(stage, names)
    owned = [p for p in now["partitions"] if p["state"] == "granted" and p["owner"] in names] if now else []
    return now if len(owned) == PARTITIONS else None


def show_status(now):
    table([("NODE", "STATE", "COORDINATES", "PARTITIONS OF dsp")] +
          [(n["node"], n["state"], "yes" if n["node"] == now["coordinator"].get("node") else "",
            ", ".join(str(p["partition"]) for p in now["partitions"] if p["owner"] == n["node"]))
           for n in now["nodes"]])


def versions(records):
    return collections.Counter(r["headers"]["troupe.model"] for r in records)


def outcomes(predictions, letters):
    return len(predictions.records) + len(letters.records)


def show_predictions(records):
    for record in records:
        headers = record["headers"]
        say(f"  {headers['troupe.source']:<12} {headers['troupe.model']:<8} {record['value']}")


def percentile(sorted_values, share):
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def latencies_ms(records):
    return sorted((r["arrived_us"] - json.loads(r["value"])["sent_us"]) / 1000 for r in records)


def longest_gap_ms(records, begin, end):
    """Longest silence between two predictions that arrived in this time."""
    times = [begin * 1e6] + sorted(r["arrived_us"] for r in records if begin * 1e6 <= r["arrived_us"] <= end * 1e6)
    return max((b - a for a, b in zip(times, times[1:])), default=0) / 1000


# ---- the story ----

def open_stage(stage, port):
    bootstrap = f"127.0.0.1:{port}"
    topics = f"dsp:{PARTITIONS},preds:{PARTITIONS},dsp.dlq:1"
    chapter("A Kafka to play with")
    say("Troupe can run a small Kafka broker in one process. It keeps little and forgets everything, but any client")
    say("can use it.")
    say("('troupe' stands for build/release/troupe.)")
    stage.shown("broker", "--port", port, "--topics", topics, "--cluster", "demo")
    broker = stage.start("broker", "broker", "--port", port, "--topics", topics, "--cluster", "demo")

    def answers():
        if broker.poll() is not None:
            raise Failure(f"the broker ended: {stage.log('broker')}")
        return stage.run("topics", "describe", "dsp", "--bootstrap", bootstrap, check=False).returncode == 0
    wait_until(answers, 20, "the broker to answer")
    CONFIG["kafka"] = {"bootstrap.servers": bootstrap}
    stage.config.write_text(json.dumps(CONFIG, indent=2))
    return bootstrap


def start_node(stage, name):
    arguments = ("node", "--config", stage.config, "--name", name, "--set", "node.listen=127.0.0.1:0",
                 "--set", "node.http=127.0.0.1:0")
    stage.shown(*arguments)
    return stage.start(f"node-{name}", *arguments)


def start_nodes(stage):
    chapter("Two nodes, one config file")
    say("Rows come from topic dsp, predictions go to preds, bad rows to dsp.dlq. Every node is started from the same")
    say("file; they find each other through Kafka, and one of them coordinates.")
    nodes = {name: start_node(stage, name) for name in ("a", "b")}

    def together():
        for name, node in nodes.items():
            if node.poll() is not None:
                raise Failure(f"node {name} ended with {node.returncode}: {stage.log('node-' + name)}")
        return members(stage, nodes)
    now = wait_until(together, 40, "both nodes to be members")
    say(f"Nodes {' and '.join(sorted(nodes))} are members, {now['coordinator']['node']} coordinates.")
    return nodes


def push(stage, file):
    arguments = ("model", "push", file, "--name", "games", "--config", stage.config)
    stage.shown(*arguments[:2], pathlib.Path(file).relative_to(ROOT), *arguments[3:])
    say("  " + stage.run(*arguments).stdout.strip())


def first_model(stage, bootstrap, nodes, rows):
    chapter("A model goes live, rows flow")
    say("games.onnx is a logistic regression from scikit-learn: somebody bought these games, will they buy the next?")
    push(stage, ROOT / "examples" / "games.onnx")
    say("There is something to do now, so the four partitions of dsp are shared out:")
    now = wait_until(lambda: owners(stage, nodes), 20, "both nodes to share the partitions")
    stage.shown("status", "--config", stage.config)
    show_status(now)
    predictions, letters = Reader(stage, bootstrap, "preds"), Reader(stage, bootstrap, "dsp.dlq")
    say(f"Rows now come at {STEADY_RATE} a second, each with the time it was sent; one in {BAD_EVERY} is spoiled:")
    stage.shown("produce", "--topic", "dsp", "--key-field", "User_ID")
    feeder = Feeder(stage, bootstrap, rows, STEADY_RATE)
    wait_until(lambda: len(predictions.records) >= 100, 20, "the first hundred predictions")
    stage.shown("consume", "--topic", "preds", "--headers")
    say("  (source partition and offset, model and version, the prediction; the key of the row is kept too)")
    show_predictions(predictions.records[:4])
    return predictions, letters, feeder


def second_model(stage, predictions):
    chapter("A second version goes live while rows flow")
    begun = time.time()
    push(stage, ROOT / "examples" / "games_v2.onnx")
    wait_until(lambda: versions(predictions.records[-200:])["games@2"] > 100, 20, "predictions by games@2")
    time.sleep(0.3)
    gap = longest_gap_ms(predictions.records, begun, time.time())
    per_partition = collections.defaultdict(list)
    for record in list(predictions.records):
        partition, offset = record["headers"]["troupe.source"].split("/")[1:]
        per_partition[int(partition)].append((int(offset), record["headers"]["troupe.model"]))
    say("In every partition of dsp the switch is at one offset; nothing paused "
        f"(longest silence between two predictions: {gap:.0f} ms):")
    for partition, seen in sorted(per_partition.items()):
        first = min((offset for offset, model in seen if model == "games@2"), default=None)
        if first is None:
            continue
        if any(model != ("games@1" if offset < first else "games@2") for offset, model in seen):
            raise Failure(f"in partition {partition} predictions of both versions are mixed")
        say(f"  dsp/{partition}: games@2 from offset {first}")


def node_leaves(stage, nodes, predictions):
    chapter("A node leaves, the stream goes on")
    say("Node b is told to stop (SIGTERM). It drains, commits, hands its partitions over, and goes.")
    begun = time.time()
    say(f"  {bold('$')} kill -TERM {nodes['b'].pid}")
    code = stage.stop(nodes.pop("b"), 20)
    if code != 0:
        raise Failure(f"node b ended with {code} after SIGTERM: {stage.log('node-b')}")
    say(f"  it ended with exit code 0 after {time.time() - begun:.1f} s")
    now = wait_until(lambda: owners(stage, nodes), 20, "node a to own all partitions")
    stage.shown("status", "--config", stage.config)
    show_status(now)
    before = len(predictions.records)
    wait_until(lambda: len(predictions.records) > before + 200, 20, "predictions after node b has left")
    gap = longest_gap_ms(predictions.records, begun, time.time())
    say(f"Longest silence between two predictions meanwhile: {gap:.0f} ms.")


def dead_letters(stage, letters):
    chapter("Bad rows are data")
    say("A row that can't be scored goes to dsp.dlq with its bytes, its key and the reason in headers.")
    stage.shown("consume", "--topic", "dsp.dlq", "--from-beginning", "--headers", "--max", 3)
    wait_until(lambda: len(letters.records) >= 3, 10, "dead letters")
    for letter in letters.records[:3]:
        headers = letter["headers"]
        say(f"  {headers['__troupe.errors.code']}: {headers['__connect.errors.exception.message']}")
        say(f"    {headers['__connect.errors.topic']}/{headers['__connect.errors.partition']}/"
            f"{headers['__connect.errors.offset']}  {letter['value'][:96]}...")


def burst(stage, bootstrap, rows, predictions, letters):
    chapter("As fast as it goes")
    file = stage.dir / "rows.jsonl"
    with open(file, "w") as out:
        for _ in range(BURST_ROWS):
            out.write(rows.next() + "\n")
    wait_until(lambda: outcomes(predictions, letters) >= rows.count - BURST_ROWS, 20, "the rows before")
    arguments = ("produce", "--topic", "dsp", "--key-field", "User_ID", "--file", file, "--bootstrap", bootstrap)
    stage.shown(*arguments)
    begun = time.time()
    stage.run(*arguments)
    wait_until(lambda: outcomes(predictions, letters) >= rows.count, 30, f"{BURST_ROWS} rows to come out")
    last = max(r["arrived_us"] for r in predictions.records[-1000:]) / 1e6
    rate = BURST_ROWS / (last - begun)
    say(f"{BURST_ROWS} rows in {last - begun:.2f} s on one node, from the start of the producer to the last prediction")
    say("in the consumer. Everything shares this machine, a consumer in Python too; ./dev bench measures properly.")
    return rate


# ---- the account ----

def check_sources(stage, bootstrap, predictions, letters):
    """Every record of dsp has an outcome. Returns how many have more than one."""
    described = json.loads(stage.run("topics", "describe", "dsp", "--json", "--bootstrap", bootstrap).stdout)
    sources = {f"dsp/{p['partition']}/{offset}" for p in described["partitions"] for offset in range(p["high"])}
    seen = collections.Counter(r["headers"]["troupe.source"] for r in predictions)
    seen.update("/".join(r["headers"][f"__connect.errors.{part}"] for part in ("topic", "partition", "offset"))
                for r in letters)
    missing = sources - set(seen)
    if missing:
        raise Failure(f"{len(missing)} of {len(sources)} rows have no outcome, {sorted(missing)[:3]} among them")
    if set(seen) - sources:
        raise Failure("there are outcomes of rows that nobody sent")
    return sum(count - 1 for count in seen.values())


def check_values(stage, rows, predictions):
    """Each good row has one prediction under its key, with the number that `troupe score` gives on a file."""
    of_user = {}
    for record in predictions:
        user = json.loads(record["value"])["User_ID"]
        if record["key"] != user:
            raise Failure(f"the prediction of {user} has key {record['key']}")
        of_user[user] = record
    if of_user.keys() != rows.expected.keys():
        raise Failure(f"{len(rows.expected)} good rows were sent, {len(of_user)} have a prediction")
    for version, file in ((1, "games.onnx"), (2, "games_v2.onnx")):
        users = [user for user, record in of_user.items() if record["headers"]["troupe.model"] == f"games@{version}"]
        sample = stage.dir / f"sample-{version}.jsonl"
        sample.write_text("".join(rows.expected[user] + "\n" for user in users))
        scored = stage.run("score", "--model", ROOT / "examples" / file, "--file", sample,
                           "--carry", "User_ID,sent_us").stdout
        for user, line in zip(users, scored.splitlines(), strict=True):
            if json.loads(line) != json.loads(of_user[user]["value"]):
                raise Failure(f"games@{version} gives {of_user[user]['value']} in the stream and {line} on a file")


def check_letters(rows, letters):
    codes = collections.Counter(r["headers"]["__troupe.errors.code"] for r in letters)
    if codes != rows.faults:
        raise Failure(f"dead letters are {dict(codes)}, expected {dict(rows.faults)}")
    return codes


def summary(stage, bootstrap, rows, predictions, letters, steady, rate):
    chapter("The account")
    wait_until(lambda: outcomes(predictions, letters) >= rows.count, 30, "the last rows")
    twice = check_sources(stage, bootstrap, predictions.records, letters.records)
    codes = check_letters(rows, letters.records)
    check_values(stage, rows, predictions.records)
    times = latencies_ms(steady)
    by_code = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
    by_version = ", ".join(f"{count} by {model}" for model, count in sorted(versions(predictions.records).items()))
    table([("rows sent", rows.count),
           ("predictions", f"{len(predictions.records)}  ({by_version})"),
           ("rejected", f"{len(letters.records)}  ({by_code})"),
           ("seen twice", twice),
           ("rows/s", f"{rate:,.0f} at full speed"),
           ("latency", f"p50 {percentile(times, 0.5):.1f} ms, p99 {percentile(times, 0.99):.1f} ms at "
                       f"{STEADY_RATE} rows/s, from before troupe produce to after troupe consume")])
    say("Every row came out: exactly one prediction or dead letter each, under the right key, with the number that"
        if twice == 0 else "Every row came out, some more than once, as at_least_once may; each with the number that")
    say("troupe score gives on a file.")


def stay(stage, bootstrap):
    chapter("It stays up: Ctrl-C ends it")
    say("In another terminal:")
    for line in (f"status --watch --config {stage.config}",
                 f"consume --topic preds --headers --bootstrap {bootstrap}",
                 f"node --config {stage.config} --name c --set node.listen=127.0.0.1:0 --set node.http=127.0.0.1:0",
                 f"model rollback games --config {stage.config}"):
        say(f"  build/release/troupe {line}")
    say(f"""  echo '{{"User_ID":"me","G1":0,"G2":1,"G3":0,"G4":1,"G5":0,"G6":1,"G7":0,"G8":1,"G9":0,"G10":1}}' |""")
    say(f"    build/release/troupe produce --topic dsp --key-field User_ID --bootstrap {bootstrap}")
    with contextlib.suppress(KeyboardInterrupt):
        while all(process.poll() is None for process in stage.running):
            time.sleep(0.5)
    say()


def tell(stage, keep):
    rows = Rows()
    bootstrap = open_stage(stage, bootstrap_port())
    nodes = start_nodes(stage)
    predictions, letters, feeder = first_model(stage, bootstrap, nodes, rows)
    begun = len(predictions.records)
    time.sleep(4)
    steady = predictions.records[begun:]
    second_model(stage, predictions)
    node_leaves(stage, nodes, predictions)
    dead_letters(stage, letters)
    feeder.finish()
    rate = burst(stage, bootstrap, rows, predictions, letters)
    summary(stage, bootstrap, rows, predictions, letters, steady, rate)
    if keep:
        stay(stage, bootstrap)


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="on a terminal, stay up at the end until Ctrl-C")
    parser.add_argument("--troupe", type=pathlib.Path, default=ROOT / "build" / "release" / "troupe", help="the binary")
    options = parser.parse_args()
    if not options.troupe.exists():
        sys.exit(f"demo: {options.troupe} is not there; ./dev demo builds it")
    signal.signal(signal.SIGTERM, interrupted)
    stage = Stage(options.troupe.resolve())
    begun = time.monotonic()
    try:
        tell(stage, options.keep and sys.stdout.isatty())
        say(f"{time.monotonic() - begun:.0f} s. README.md has the same on a real Kafka, step by step.")
        return 0
    except (Failure, subprocess.TimeoutExpired) as why:
        print(f"demo: {why}", file=sys.stderr)
        for process in stage.running:
            print(f"---- end of the log of {process.label} ----\n{stage.log(process.label)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say()
        return 130
    finally:
        stage.close()


if __name__ == "__main__":
    sys.exit(main())
