"""A network namespace for each node, on a bridge that Kafka's proxies listen on; packets vanish by chance or entirely,
in one direction or both, to and from Kafka or the other nodes.

A node's packets pass one end of its veth pair here, outside: ingress is what it sends, egress what it gets. Filters are
classic BPF programs that tc runs there (`clsact`), since they need no module beyond what a small kernel has. A packet
that is dropped there is gone without a word, as on a broken path.
"""
import os
import pathlib
import re
import subprocess

PREFIX = "trp"
ALWAYS = 1.0
PASS, DROP = 0xFFFFFFFF, 2                          # TC_ACT_UNSPEC, TC_ACT_SHOT
SOURCE, DESTINATION = 26, 30                        # of an IPv4 header behind an Ethernet one
RANDOM = 0xFFFFF000 + 56                            # SKF_AD_OFF + SKF_AD_RANDOM


class NetworkError(Exception):
    pass


def _run(*arguments, check=True):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise NetworkError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def program(offset, rules):
    """BPF text for tc: rules are (network, mask, chance); an IPv4 packet whose address at `offset` is in a network is
    dropped with that chance; the first network that fits decides."""
    code = [(0x28, 0, 0, 12), None]
    for network, mask, chance in rules:
        code += [(0x20, 0, 0, offset), (0x54, 0, 0, mask), (0x15, 0, 4, network),
                 (0x20, 0, 0, RANDOM), (0x35, 1, 0, min(int(chance * 2**32), 2**32 - 1)), (0x06, 0, 0, DROP),
                 (0x06, 0, 0, PASS)]
    code.append((0x06, 0, 0, PASS))
    code[1] = (0x15, 0, len(code) - 3, 0x0800)                              # not IPv4: to the end
    return f"{len(code)}," + ",".join(" ".join(map(str, step)) for step in code)


class Namespaces:
    """`brokers` addresses .1, .2, .3 are the bridge's own; nodes get .11 and up."""

    def __init__(self, nodes, brokers):
        self.nodes, self.brokers = list(nodes), brokers
        self.id = f"{PREFIX}{os.getpid()}"
        self.bridge = f"{PREFIX}{os.getpid() % 10**8}"
        self.net = f"10.{64 + os.getpid() // 250 % 64}.{os.getpid() % 250}"
        self.applied = {}

    @staticmethod
    def why_not():
        """None where namespaces and filters work, else a sentence."""
        if os.geteuid() != 0:
            return "not root"
        probe = Namespaces(["probe"], 1)
        try:
            sweep()
            probe.up()
            probe.impair("probe", kafka_in=0.5, peers_out=ALWAYS)
            return None
        except (NetworkError, OSError) as error:
            return str(error)
        finally:
            probe.down()

    def up(self):
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        for i in range(self.brokers):
            _run("ip", "addr", "add", f"{self.broker_host(i)}/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")
        for node in self.nodes:
            space, outside, inside = self.namespace(node), self._outside(node), "eth0"
            _run("ip", "netns", "add", space)
            _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space)
            _run("ip", "link", "set", outside, "master", self.bridge, "up")
            _run("ip", "-n", space, "addr", "add", f"{self.node_host(node)}/24", "dev", inside)
            _run("ip", "-n", space, "link", "set", inside, "up")
            _run("ip", "-n", space, "link", "set", "lo", "up")
            _run("tc", "qdisc", "add", "dev", outside, "clsact")

    def down(self):
        for node in self.nodes:
            _run("ip", "link", "del", self._outside(node), check=False)
            _run("ip", "netns", "del", self.namespace(node), check=False)
        _run("ip", "link", "del", self.bridge, check=False)

    def namespace(self, node):
        return f"{self.id}-{node}"

    def _outside(self, node):
        return f"{self.bridge}{chr(ord('a') + self.nodes.index(node))}"

    def command_prefix(self, node):
        return ["ip", "netns", "exec", self.namespace(node)]

    def broker_host(self, i):
        return f"{self.net}.{i + 1}"

    def node_host(self, node):
        return f"{self.net}.{11 + self.nodes.index(node)}"

    def impair(self, node, kafka_in=0.0, kafka_out=0.0, peers_in=0.0, peers_out=0.0):
        """The chances of losing a packet from (in) and to (out) Kafka and peers; replaces what was in force."""
        kafka, peers = (_number(f"{self.net}.0"), 0xFFFFFFF8), (_number(f"{self.net}.0"), 0xFFFFFF00)
        for hook, offset, chances in (("egress", SOURCE, (kafka_in, peers_in)),
                                      ("ingress", DESTINATION, (kafka_out, peers_out))):
            device = self._outside(node)
            wanted = program(offset, [(*kafka, chances[0]), (*peers, chances[1])])
            if self.applied.get((device, hook)) == wanted:
                continue
            # `replace` leaves no moment without a filter.
            _run("tc", "filter", "replace", "dev", device, hook, "protocol", "ip", "pref", "10", "handle", "1",
                 "bpf", "da", "bytecode", wanted)
            self.applied[device, hook] = wanted

    def dropped(self, node):
        """Packets dropped so far."""
        said = _run("tc", "-s", "qdisc", "show", "dev", self._outside(node), "clsact")
        found = re.search(r"dropped (\d+)", said)
        return int(found.group(1)) if found else 0


def _number(address):
    a, b, c, d = map(int, address.split("."))
    return a << 24 | b << 16 | c << 8 | d


def sweep():
    """Removes what runs that were killed have left behind: names carry the id of their process."""
    for line in _run("ip", "netns", "list", check=False).splitlines():
        name = line.split()[0]
        found = re.fullmatch(PREFIX + r"(\d+)-.*", name)
        if found and not pathlib.Path(f"/proc/{found.group(1)}").exists():
            _run("ip", "netns", "del", name, check=False)
    for line in _run("ip", "-o", "link", "show", "type", "bridge", check=False).splitlines():
        found = re.match(r"\d+: (" + PREFIX + r"(\d+))[@:]", line)
        if found and not pathlib.Path(f"/proc/{found.group(2)}").exists():
            _run("ip", "link", "del", found.group(1), check=False)
