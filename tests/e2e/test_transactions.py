"""What transactions do: one table of cases, for the simulated Kafka of tests/simulation and for a real one."""
import os
import pathlib
import subprocess

from harness import require
from marks import limit


@limit(200)
def script__simulated_and_real_kafka__answer_alike(test):
    programs = pathlib.Path(test.troupe).parent / "tests"
    for program in ("test_simulation", "test_kafka_real"):
        require((programs / program).exists(), f"{program} is not built; ninja -C build/release {program}")
        done = subprocess.run([programs / program, "--run_test=transactions"], capture_output=True, text=True,
                              env={**os.environ, "TROUPE_TEST_KAFKA": test.bootstrap}, timeout=180)
        require(done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-40:]))
