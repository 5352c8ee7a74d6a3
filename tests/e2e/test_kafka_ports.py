"""What only a real broker can prove of kafka/: fencing, transactions, limits on frozen calls (tests/kafka_real)."""
import os
import pathlib
import subprocess

from harness import require
from marks import limit


@limit(240)
def kafka_ports__fencing_limits_and_stores__hold_on_a_real_broker(test):
    program = pathlib.Path(test.troupe).parent / "tests" / "test_kafka_real"
    require(program.exists(), f"{program} is not built; ninja -C build/release test_kafka_real")
    broker = {"TROUPE_TEST_KAFKA": test.bootstrap, "TROUPE_TEST_KAFKA_PID": str(test.kafka.pid)}   # it is frozen, too
    # The script of transactions has a test of its own (test_transactions).
    done = subprocess.run([program, "--run_test=!transactions"], env={**os.environ, **broker}, capture_output=True,
                          text=True, timeout=220)
    require(done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-40:]))
