"""Reports on steady work: throughput and latency beside a bare relay, and what a second node that only scores adds."""
import statistics
import subprocess
import time

from harness import Offsets, require, wait_until

POLL_S = 0.02
RAMP = 0.05     # share of the rows that start-up may blur; the rate is measured over the rest


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def figure(values, form):
    """Median (least-most)"""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
                      *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def rate_of(offsets, topic, rows, running, limit_s=240):
    """Rows a second with which `topic` grows to `rows`, seen from its end offsets: the same eyes for Troupe and relay.
    Gives up when running() is false."""
    deadline = time.monotonic() + limit_s
    begin = None
    while True:
        seen, now = offsets.total(topic), time.monotonic()
        if begin is None and seen >= rows * RAMP:
            begin = (seen, now)
        if seen >= rows:
            require(begin and begin[0] < rows, f"{rows} rows are too few to measure a rate")
            return (rows - begin[0]) / (now - begin[1])
        require(running(), f"whoever fills {topic} ended at {seen} of {rows} rows")
        require(now < deadline, f"{topic} had {seen} of {rows} rows after {limit_s} s")
        time.sleep(POLL_S)


# ---- throughput ----

def run_relay(bench, offsets, source, rows, **flags):
    target = bench.topic(bench.unique("relayed"), 4)
    process = start_relay(bench, source=source, target=target, max=rows, **flags)
    try:
        # It ends with its last row, which the broker may already have.
        rate = rate_of(offsets, target, rows, lambda: process.poll() in (None, 0))
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    bench.delete(target)
    return rate


def start_relay(bench, **flags):
    """Its messages go to our own stderr; "ready" is not one that anybody needs."""
    return subprocess.Popen(bench.program("relay", **flags), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def run_troupe(bench, offsets, source, rows, headers, delivery="at_least_once"):
    name = bench.unique("tp")
    cluster = bench.cluster(name, create=False, pipeline={
        "subscribe": source, "delivery": delivery,
        "output": {"carry": ["User_ID"], "prediction": "pred", "headers": headers}})
    bench.topic(cluster.preds, 4)
    bench.topic(cluster.dlq, 1)
    node, = cluster.start("a")
    cluster.push(bench.models.games_v1)
    rate = rate_of(offsets, cluster.preds, rows, lambda: all(n.running for n in cluster.nodes.values()))
    node.stop()
    total = offsets.total(cluster.preds)        # with exactly_once also the markers of the transactions
    require(total == rows or delivery == "exactly_once" and total > rows, "not one prediction for each row")
    require(offsets.total(cluster.dlq) == 0, "rows were rejected")
    bench.delete(cluster.preds, cluster.dlq)
    return rate


def throughput(bench):
    """One node, at_least_once, beside the relay that writes the same key and headers."""
    rows, rounds = (200_000, 1) if bench.smoke else (2_000_000, 5)
    source = bench.topic("source", 4)
    bench.measure("load", topic=source, rows=rows)
    offsets = Offsets(bench.bootstrap)
    runs = {
        "troupe, no headers": lambda: run_troupe(bench, offsets, source, rows, []),
        "relay, key": lambda: run_relay(bench, offsets, source, rows, headers="none"),
        "troupe, troupe.model": lambda: run_troupe(bench, offsets, source, rows, ["troupe.model"]),
        "relay, key and header": lambda: run_relay(bench, offsets, source, rows, headers="model"),
        "relay, value only": lambda: run_relay(bench, offsets, source, rows, value_only=True),
    }
    rates = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run())
    ratios = {}
    for ours, theirs in (("troupe, no headers", "relay, key"), ("troupe, troupe.model", "relay, key and header"),
                         ("troupe, no headers", "relay, value only"), ("troupe, troupe.model", "relay, value only")):
        ratios[f"{ours} / {theirs}"] = [a / b for a, b in zip(rates[ours], rates[theirs])]
    text = table(["thousand rows/s", "median (least-most)"],
                 [[k, figure([r / 1e3 for r in v], ",.0f")] for k, v in rates.items()])
    text += "\n\n" + table(["ratio of a round's runs", "median", "least-most"],
                           [[k, f"{statistics.median(v):.2f}", f"{min(v):.2f}-{max(v):.2f}"]
                            for k, v in ratios.items()])
    return {"rows": rows, "rates": rates, "ratios": ratios, "summary": {k: spread(v) for k, v in ratios.items()}}, text


# ---- latency ----

def latency_through_troupe(bench, seconds, rate, delivery="at_least_once"):
    cluster = bench.cluster(bench.unique("lat"), partitions=4, pipeline={
        "startingOffsets": "earliest", "delivery": delivery, "output": {"carry": ["User_ID"], "prediction": "pred"}})
    node, = cluster.up("a")
    measured = bench.measure("latency_client", source=cluster.source, target=cluster.preds, rate=rate, seconds=seconds,
                             limit_s=seconds + 60)
    node.stop()
    return measured


def latency_through_relay(bench, seconds, rate, **flags):
    source, target = bench.topic(bench.unique("in"), 4), bench.topic(bench.unique("out"), 4)
    process = start_relay(bench, source=source, target=target, headers="model", linger=0, **flags)
    try:
        return bench.measure("latency_client", source=source, target=target, rate=rate, seconds=seconds,
                             limit_s=seconds + 60)
    finally:
        process.terminate()
        process.wait(30)


def latency(bench):
    """500 rows/s, from before produce to after consume by an outside client."""
    seconds, rounds, rate = (10, 1, 500) if bench.smoke else (30, 3, 500)
    runs = {"troupe": [], "relay": []}
    for _ in range(rounds):
        runs["troupe"].append(latency_through_troupe(bench, seconds, rate))
        runs["relay"].append(latency_through_relay(bench, seconds, rate))
    return {"rate": rate, "seconds": seconds, "runs": runs}, latency_table(runs)


def latency_table(runs):
    for name, results in runs.items():
        for one in results:
            require(one["n"] == one["sent"], f"{name}: {one['sent'] - one['n']} rows never came back")
    names = ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"]
    rows = [[who, *(figure([r[n] for r in results], ".2f") for n in names)] for who, results in runs.items()]
    return table(["ms", *(n[:-3] for n in names)], rows)


# ---- exactly once ----

def exactly_once(bench):
    """Commits every 100 ms: throughput beside at_least_once and a relay with transactions, then latency at 500 rows/s
    as a read_committed reader sees it."""
    rows, rounds = (200_000, 1) if bench.smoke else (2_000_000, 5)
    source = bench.topic("source", 4)
    bench.measure("load", topic=source, rows=rows)
    offsets = Offsets(bench.bootstrap)
    runs = {
        "exactly_once": lambda: run_troupe(bench, offsets, source, rows, ["troupe.model"], "exactly_once"),
        "at_least_once": lambda: run_troupe(bench, offsets, source, rows, ["troupe.model"]),
        "relay with transactions": lambda: run_relay(bench, offsets, source, rows, headers="model",
                                                     transactional_id=bench.unique("relay")),
    }
    rates = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run())
    ratios = {other: [a / b for a, b in zip(rates["exactly_once"], rates[other])] for other in list(runs)[1:]}
    text = table(["thousand rows/s", "median (least-most)"],
                 [[k, figure([r / 1e3 for r in v], ",.0f")] for k, v in rates.items()])
    text += "\n\n" + table(["ratio of a round's runs", "median (least-most)"],
                           [[f"exactly_once / {k}", figure(v, ".2f")] for k, v in ratios.items()])
    seconds, rounds, rate = (10, 1, 500) if bench.smoke else (30, 3, 500)
    times = {"troupe": [], "relay": []}
    for _ in range(rounds):
        times["troupe"].append(latency_through_troupe(bench, seconds, rate, "exactly_once"))
        times["relay"].append(latency_through_relay(bench, seconds, rate, transactional_id=bench.unique("relay")))
    text += "\n\n" + latency_table(times)
    return {"rows": rows, "rates": rates, "ratios": ratios, "latency": times}, text


# ---- scale ----

def run_wide(bench, offsets, source, rows, names, helped):
    cluster = bench.cluster(bench.unique("scale"), create=False, pipeline={
        "subscribe": source, "output": {"carry": ["User_ID"], "prediction": "pred"}, "max_batch_size": 64})
    bench.topic(cluster.preds, 4)
    bench.topic(cluster.dlq, 1)
    whole = cluster.node("a", prefix=["taskset", "-c", "0"])
    cluster.wait_alive(whole)
    if helped:
        cluster.wait_alive(cluster.node("s", {"node.roles": ["scorer"]}, prefix=["taskset", "-c", "1"]))
    wait_until(lambda: cluster.run("model", "push", bench.models.wide, "--name", "games", "--features", ",".join(names),
                                   limit_s=60).code == 0, 60, "the wide model to be accepted", every_s=0.3)
    rate = rate_of(offsets, cluster.preds, rows, lambda: all(n.running for n in cluster.nodes.values()))
    time.sleep(1)       # the last heartbeat tells the last rows
    status = cluster.status()
    stats = [node["stats"] for node in status["cluster"]["nodes"]]
    produced, elsewhere = (sum(s[n] for s in stats) for n in ("rows_produced", "rows_scored_elsewhere"))
    require(offsets.total(cluster.dlq) == 0, "rows were rejected")
    for node in cluster.nodes.values():
        node.stop()
    bench.delete(cluster.preds, cluster.dlq)
    return rate, elsewhere / produced


def scale(bench):
    """A node that does all on one core, alone and beside one on another core that only scores; 2,000 features a row."""
    rows, rounds = (6_000, 1) if bench.smoke else (60_000, 5)
    names = [f"F{i}" for i in range(1, 2_001)]
    source = bench.topic("wide", 4)
    bench.measure("load", topic=source, rows=rows, features=2_000)
    offsets = Offsets(bench.bootstrap)
    alone, together, shares = [], [], []
    for _ in range(rounds):
        alone.append(run_wide(bench, offsets, source, rows, names, False)[0])
        rate, share = run_wide(bench, offsets, source, rows, names, True)
        together.append(rate)
        shares.append(share)
    gains = [b / a for a, b in zip(alone, together)]
    text = table(["", "median (least-most)"], [
        ["one node, thousand rows/s", figure([r / 1e3 for r in alone], ".1f")],
        ["with a scorer beside it", figure([r / 1e3 for r in together], ".1f")],
        ["ratio", figure(gains, ".2f")],
        ["share of the rows it took", figure(shares, ".0%")]])
    return {"rows": rows, "alone": alone, "together": together, "shares": shares, "features": len(names)}, text
