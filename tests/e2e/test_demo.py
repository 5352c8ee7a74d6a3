"""./dev demo, as it runs where nobody watches: on the embedded broker, in a pipe, ending by itself."""
import json
import re
import subprocess
import sys

from environment import ROOT
from harness import free_ports, require, wait_until
from marks import limit

DEMO = [sys.executable, str(ROOT / "tools" / "demo.py"), "--troupe"]
CHAPTERS = ("A Kafka to play with", "Two nodes, one config file", "A model goes live, rows flow",
            "A second version goes live while rows flow", "A node leaves, the stream goes on", "Bad rows are data",
            "As fast as it goes", "The account")


@limit(120)
def demo__in_a_pipe__tells_the_whole_story_and_ends_with_0(test):
    done = subprocess.run([*DEMO, test.troupe], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    require(done.returncode == 0, f"exit code {done.returncode}: {done.stderr} {done.stdout[-2_000:]}")
    require([line[3:] for line in done.stdout.splitlines() if line.startswith("== ")] == list(CHAPTERS),
            f"not the chapters of the story: {done.stdout}")
    require("\033" not in done.stdout, "colours in a pipe")
    account = done.stdout.rpartition("== The account")[2]
    sent, predicted, rejected = (int(re.search(rf"^  {name} +(\d+)", account, re.M).group(1))
                                 for name in ("rows sent", "predictions", "rejected"))
    require(sent > 20_000 and rejected > 200 and sent <= predicted + rejected, f"the account: {account}")
    require("games@1" in account and "games@2" in account and "Every row came out" in account, f"{account}")


@limit(60)
def demo__a_binary_that_does_not_work__ends_with_a_sentence_and_not_with_0(test):
    broken = test.dir / "troupe"
    broken.write_text("#!/bin/sh\necho 'troupe: out of order' >&2\nexit 1\n")
    broken.chmod(0o755)
    done = subprocess.run([*DEMO, broken], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50)
    require(done.returncode == 1 and "out of order" in done.stdout + done.stderr, f"{done}")
    require("Traceback" not in done.stderr, f"{done.stderr}")


@limit(60)
def broker__topics_given_at_its_start__serves_produce_and_consume_until_told_to_stop(test):
    port, = free_ports(1)
    at = ("--bootstrap", f"127.0.0.1:{port}")
    with subprocess.Popen([test.troupe, "broker", "--port", str(port), "--topics", "dsp:4,preds:2"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as broker:
        try:
            wait_until(lambda: test.run("topics", "describe", "dsp", *at).code == 0, 20, "the broker to answer")
            listed = {line.split()[0]: line.split()[1] for line in test.ok("topics", "list", *at).splitlines()}
            require(listed.get("dsp") == "4" and listed.get("preds") == "2", f"topics list: {listed}")
            test.ok("produce", "--topic", "dsp", "--partition", 3, *at, stdin='{"a":1}\n{"a":2}\n')
            shown = test.ok("consume", "--topic", "dsp", "--from-beginning", "--json", "--max", 2, *at)
            records = [json.loads(line) for line in shown.splitlines()]
            require([(r["partition"], r["offset"], r["value"]) for r in records]
                    == [(3, 0, '{"a":1}'), (3, 1, '{"a":2}')], f"consume: {shown}")
            broker.terminate()
            require(broker.wait(10) == 0, f"the broker ended with {broker.returncode}: {broker.stdout.read()}")
        finally:
            broker.kill()
