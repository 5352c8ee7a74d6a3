#!/usr/bin/env python3
"""A real one-node Kafka (KRaft, no ZooKeeper, no Docker) for development and for the end-to-end tests.

    python3 tools/kafka.py fetch                              # only get the jars
    python3 tools/kafka.py start --dir DIR [--port P] [--set key=value ...] [--foreground]
    python3 tools/kafka.py stop --dir DIR
    python3 tools/kafka.py status --dir DIR                   # exit 0: running, 1: not
    python3 tools/kafka.py run CLASS [ARGUMENT ...]           # one of Kafka's own tools

As a module: `with Kafka(dir) as broker: ... broker.bootstrap ...`. Needs Java 11 or later and, the first time, Maven;
the jars are kept in .cache/kafka-<version>/libs of the checkout. Everything of one broker is in its directory:
server.properties, data/, kafka.log and state.json. Stopping keeps the data; starting again in the same directory
goes on with it. Processes are ended by their id, after checking that it is still the broker of that directory.
"""
import argparse
import atexit
import base64
import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
POM = ROOT / "tools" / "kafka" / "pom.xml"
# In full: looking a short name up hides why the plugin could not be fetched.
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
READY_LIMIT_S = 120     # 3 s on an idle machine; tests run on busy ones
STOP_LIMIT_S = 30
FETCH_TRIES = 3
START_MARK = "---- start ----\n"


class KafkaError(Exception):
    """What went wrong and what to do, in one sentence."""


# ---- jars ----

def version():
    return re.search(r"<kafka\.version>([^<]+)<", POM.read_text()).group(1)


def fetch():
    """Returns the directory of the jars, fetching them with Maven the first time. Safe to call from two processes."""
    cache = ROOT / ".cache" / f"kafka-{version()}"
    libs = cache / "libs"
    if libs.is_dir():
        return libs
    if not shutil.which("mvn"):
        raise KafkaError(f"Kafka's jars are not in {libs} and Maven is not installed; install maven (./dev test does).")
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            partial = cache / "partial"
            _run_maven(partial)
            partial.rename(libs)      # complete or not there at all
    return libs


def _run_maven(into):
    command = ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(POM), COPY_GOAL, "-DincludeScope=runtime",
               f"-DoutputDirectory={into}", "-Dmaven.wagon.http.retryHandler.count=3",
               "-Dmaven.wagon.rto=60000"]
    for attempt in range(1, FETCH_TRIES + 1):
        shutil.rmtree(into, ignore_errors=True)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace")
        if done.returncode == 0 and any(into.glob("kafka_*.jar")):
            return
        if attempt < FETCH_TRIES:
            time.sleep(2 * attempt)
    said = [line for line in done.stdout.splitlines() if "ERROR" in line] or done.stdout.splitlines() or ["nothing"]
    raise KafkaError(f"Maven could not fetch the Kafka {version()} jars in {FETCH_TRIES} tries; check the network and "
                     f"~/.m2/settings.xml, then repeat. Maven says: {said[0]}")


def _java(heap, *arguments, log4j, libs):
    return [shutil.which("java") or _no_java(), *heap, "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
            "-Djava.awt.headless=true", f"-Dlog4j.configuration=file:{ROOT / 'tools' / 'kafka' / log4j}",
            "-cp", f"{libs}/*", *arguments]


def _no_java():
    raise KafkaError("java is not on the PATH; install Java 11 or later (Debian: default-jre-headless).")


def run_class(name, arguments=(), timeout_s=60, check=True):
    """Runs one of Kafka's tools, for example org.apache.kafka.tools.consumer.group.ConsumerGroupCommand, and returns
    its standard output. With check, a failing tool raises KafkaError with what it printed."""
    command = _java(["-Xmx256m", "-XX:TieredStopAtLevel=1"], name, *map(str, arguments),
                    log4j="log4j-tools.properties", libs=fetch())
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise KafkaError(f"{name} {' '.join(map(str, arguments))} did not end within {timeout_s} s.") from None
    if check and done.returncode != 0:
        raise KafkaError(f"{name} {' '.join(map(str, arguments))} ended with {done.returncode}: "
                         f"{first_line(done.stderr or done.stdout)}")
    return done.stdout


def first_line(text):
    """A Java error without its stack."""
    return next(iter(text.strip().splitlines()), "it printed nothing")


# ---- small helpers ----

def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on right now; all different, since they are held until all are found."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in found:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in found]


def port_is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)      # as Kafka does: a port in TIME_WAIT is free
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def brokers_known_at(port, timeout_s=2.0):
    """How many brokers the metadata of 127.0.0.1:port names. A KRaft broker listens before it is part of its own
    cluster and names none until then; that is why an open port alone is not readiness."""
    body = struct.pack(">hhih6si", 3, 1, 1, 6, b"troupe", 0)        # Metadata v1, correlation 1, no topics
    with socket.create_connection(("127.0.0.1", port), timeout_s) as sock:
        sock.settimeout(timeout_s)
        sock.sendall(struct.pack(">i", len(body)) + body)
        head = _receive(sock, 12)                                   # length, correlation, number of brokers
        return struct.unpack(">iii", head)[2]


def new_cluster_id():
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):                # which would look like an option
            return made


def _receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def _end_with_parent():
    """Runs in the child: a broker of a test run goes when the run is killed, whatever killed it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


# ---- the broker ----

class Kafka:
    """One broker in `dir`. Without `port` two free ports are taken at the first start and kept by later ones.
    `properties` are added to server.properties, last and so with precedence. Not for use from several threads."""

    replication_factor = 1                          # of topics that are made on it

    def __init__(self, dir, port=None, properties=None, detached=False, cluster_id=None):
        self.dir = pathlib.Path(dir).resolve()
        self.cluster_id = cluster_id                # the same for all brokers of one Kafka; one of its own if None
        self.properties = dict(properties or {})
        self.detached = detached                    # outlives this process; used by the command line
        self._given_port = port
        self._process = None
        self._state_file = self.dir / "state.json"
        self._config_file = self.dir / "server.properties"
        self._log_file = self.dir / "kafka.log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def state(self):
        """What the last start wrote: pid, port, controller_port; empty before the first."""
        try:
            return json.loads(self._state_file.read_text())
        except (OSError, ValueError):
            return {}

    @property
    def port(self):
        return self.state.get("port") or self._given_port

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        """The id of the running broker of this directory, or None. An id that now belongs to another process does not
        count: the command line must name our server.properties."""
        pid = self.state.get("pid")
        if not pid:
            return None
        if self._process and self._process.pid == pid and self._process.poll() is not None:
            return None
        try:
            arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return pid if str(self._config_file).encode() in arguments else None

    def start(self, limit_s=READY_LIMIT_S):
        """Returns when the broker serves clients; does nothing when it already runs."""
        if self.pid:
            return self
        if self._given_port and not port_is_free(self._given_port):
            raise KafkaError(f"port {self._given_port} of 127.0.0.1 is in use; stop what listens there or choose "
                             "another port.")
        for attempt in (1, 2, 3):
            self.launch(fresh_ports=attempt > 1)
            try:
                self._wait_until_ready(limit_s)
                return self
            except KafkaError:
                self.kill()
                # Between choosing a free port and listening on it somebody else may take it: choose again, but only
                # if the choice was ours and no client knows the old port yet.
                if self._given_port or attempt == 3 or "Address already in use" not in self._log():
                    raise
        return self

    def launch(self, fresh_ports=False):
        """Starts without waiting; serves() says when clients are served."""
        libs = fetch()
        self.dir.mkdir(parents=True, exist_ok=True)
        self._write_config(fresh_ports)
        self._format(libs)
        self._spawn(libs)

    def serves(self):
        with contextlib.suppress(OSError):
            return self.pid is not None and brokers_known_at(self.state["port"]) > 0
        return False

    def stop(self, limit_s=STOP_LIMIT_S):
        """Orderly (SIGTERM), after `limit_s` by force. Keeps the data. Does nothing when it does not run."""
        self._end(signal.SIGTERM, limit_s)
        if self.pid:
            self.kill()

    def kill(self):
        """SIGKILL: a crash, as seen by clients. The start after it takes some 15 s, since the controller first waits
        for the session of the crashed broker to end (broker.session.timeout.ms)."""
        self._end(signal.SIGKILL, STOP_LIMIT_S)

    def restart(self):
        """Stops and starts on the same ports with the same data."""
        self.stop()
        return self.start()

    @staticmethod
    def run_class(name, arguments=(), timeout_s=60, check=True):
        return run_class(name, arguments, timeout_s, check)

    def lag(self, group):
        """{(topic, partition): (committed offset or None, end offset)} of a consumer group, by Kafka's own tool."""
        out = run_class("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                        ["--bootstrap-server", self.bootstrap, "--describe", "--group", group, "--offsets"])
        rows = [line.split() for line in out.splitlines()]
        return {(row[1], int(row[2])): (None if row[3] == "-" else int(row[3]), int(row[4]))
                for row in rows if len(row) >= 6 and row[0] == group and row[2].isdigit()}

    # -- inside --

    def _write_config(self, fresh_ports):
        state = self.state
        if fresh_ports or not state or (self._given_port and state.get("port") != self._given_port):
            port, controller = free_ports(2)
            state = {"port": self._given_port or port, "controller_port": controller}
        state.pop("pid", None)
        self._state_file.write_text(json.dumps(state))
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{state['controller_port']}",
            "listeners": f"PLAINTEXT://127.0.0.1:{state['port']},CONTROLLER://127.0.0.1:{state['controller_port']}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{state['port']}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.dir / "data",
            # One broker can hold one copy of anything.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            # The defaults are 50; fewer make the first consumer and the first transaction quicker.
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 0,
            "log.retention.ms": -1,
            # As on real clusters: a mistyped topic would be made, so code that must not make one shows itself.
            "auto.create.topics.enable": "true",
        }
        settings.update(self.properties)
        self._config_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def _format(self, libs):
        if (self.dir / "data" / "meta.properties").exists():
            return
        command = _java(["-Xmx256m", "-XX:TieredStopAtLevel=1"], "kafka.tools.StorageTool", "format",
                        "-t", self.cluster_id or new_cluster_id(), "-c", str(self._config_file),
                        log4j="log4j-tools.properties", libs=libs)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READY_LIMIT_S)
        if done.returncode != 0:
            raise KafkaError(f"Kafka could not prepare its data directory {self.dir / 'data'}: "
                             f"{first_line(done.stderr or done.stdout)}")

    def _spawn(self, libs):
        heap = os.environ.get("KAFKA_HEAP_OPTS", "-Xms256m -Xmx1g").split()
        command = _java(heap, "kafka.Kafka", str(self._config_file), log4j="log4j.properties", libs=libs)
        # The death signal is bound to the thread that starts the child, so only the main thread may ask for it.
        bound = not self.detached and threading.current_thread() is threading.main_thread()
        with open(self._log_file, "ab") as log:
            log.write(START_MARK.encode())
            log.flush()
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                                             start_new_session=True, preexec_fn=_end_with_parent if bound else None)
        if not self.detached:
            atexit.register(self.kill)
        self._state_file.write_text(json.dumps({**self.state, "pid": self._process.pid}))

    def _wait_until_ready(self, limit_s):
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise KafkaError(f"Kafka ended while starting (exit code {self._process.returncode}); "
                                 f"its log {self._log_file} says: {self._complaint()}")
            if self.serves():
                return
            time.sleep(0.1)
        raise KafkaError(f"Kafka was not ready on {self.bootstrap} after {limit_s} s; "
                         f"its log {self._log_file} says: {self._complaint()}")

    def _end(self, signal_number, limit_s):
        pid = self.pid
        if not pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        deadline = time.monotonic() + limit_s
        while self.pid and time.monotonic() < deadline:
            time.sleep(0.05)

    def _log(self):
        """What the broker wrote since its last start."""
        with contextlib.suppress(OSError):
            return self._log_file.read_text(errors="replace").rpartition(START_MARK)[2]
        return ""

    def _complaint(self):
        """The most telling line of the log: the first error, else the last line."""
        lines = self._log().splitlines() or ["nothing"]
        telling = (line for line in lines if " ERROR " in line or " FATAL " in line or "Exception" in line)
        return next(telling, lines[-1])


# ---- command line ----

def _options():
    parser = argparse.ArgumentParser(prog="tools/kafka.py", description="A real one-node Kafka for development.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="get the jars, print where they are")
    for name, text in (("start", "start a broker and print its address"), ("stop", "stop it; the data stays"),
                       ("status", "say whether it runs")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--dir", required=True, help="the broker's directory")
        if name == "start":
            command.add_argument("--port", type=int, help="default: a free one")
            command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="broker property")
            command.add_argument("--foreground", action="store_true", help="stay, and stop it on Ctrl-C or SIGTERM")
    tool = commands.add_parser("run", help="run one of Kafka's own tools")
    tool.add_argument("name", metavar="CLASS")
    tool.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _start(options):
    wrong = [text for text in options.set if "=" not in text]
    if wrong:
        raise KafkaError(f"--set {wrong[0]} has no value; write --set key=value.")
    broker = Kafka(options.dir, options.port, dict(text.split("=", 1) for text in options.set),
                   detached=not options.foreground)
    if options.foreground:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    broker.start()
    print(broker.bootstrap, flush=True)
    if not options.foreground:
        return 0
    try:
        while broker.pid:
            time.sleep(0.5)
        raise KafkaError(f"Kafka ended by itself; see {broker.dir / 'kafka.log'}.")
    except KeyboardInterrupt:
        return 0
    finally:
        broker.stop()


def main():
    options = _options()
    try:
        if options.command == "fetch":
            print(fetch())
        elif options.command == "start":
            return _start(options)
        elif options.command == "run":
            print(run_class(options.name, options.arguments), end="")
        else:
            broker = Kafka(options.dir)
            if options.command == "stop":
                print(f"stopping {broker.bootstrap}" if broker.pid else "not running")
                broker.stop()
            else:
                print(f"running on {broker.bootstrap}, process {broker.pid}" if broker.pid else "not running")
                return 0 if broker.pid else 1
    except KafkaError as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
