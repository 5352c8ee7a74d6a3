"""A model pushed while rows flow."""
import time

import checks
from harness import FEATURES, Offsets, games_rows, require, wait_until
from marks import limit
from test_delivery import examine, wait_for_commits, wait_for_outcomes


@limit(120)
def push__under_load__no_row_fails_and_no_version_goes_back(test):
    cluster = test.cluster("push", partitions=4)
    cluster.up("a", "b")
    feeder = test.feed(cluster.source, games_rows(1_000_000), 4_000)
    offsets = Offsets(test.bootstrap)
    wait_until(lambda: offsets.total(cluster.preds) > 2_000, 20, "rows to flow")
    pushed = cluster.run("model", "push", test.models.games_v2, "--name", "games", "--features", ",".join(FEATURES))
    require(pushed.code == 0, f"model push: {pushed}")
    time.sleep(3)
    count = feeder.stop()
    wait_for_outcomes(test, cluster, count, 30)
    wait_for_commits(test, cluster)
    found = examine(test, cluster).require_clean()
    require(found.dead_letters == 0, str(found))
    require(set(found.versions) == {1, 2}, f"both versions have to appear: {found}")
    sources = {}
    for (_, partition, offset), outcome in found.first.items():
        sources.setdefault(partition, {})[offset] = checks.model_version(outcome.record)
    for partition, by_offset in sources.items():
        versions = [by_offset[offset] for offset in sorted(by_offset)]
        require(versions == sorted(versions), f"partition {partition} switched back from version 2 to 1")
        require(versions[-1] == 2, f"partition {partition} never switched")
