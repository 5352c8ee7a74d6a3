"""The chaos bench's tools: the plan of faults, the filters of the network, the proxy, a process that goes down."""
import contextlib
import json
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading
import time

from faults import KINDS
from harness import free_ports, require, wait_until
from namespaces import DESTINATION, SOURCE, Namespaces, program
from plan import DURATIONS, make_plan
from stand import Proxy


def plan__same_seed__is_the_same_plan(_test):
    require(make_plan(3, 600, KINDS) == make_plan(3, 600, KINDS), "one seed gave two plans")
    require(make_plan(3, 600, KINDS) != make_plan(4, 600, KINDS), "two seeds gave one plan")


def plan__ten_minutes__have_every_kind_and_empty_slots(_test):
    require(set(DURATIONS) == set(KINDS), f"{set(DURATIONS) ^ set(KINDS)}")
    kills = ("kill-node", "kill-owner", "kill-coordinator")
    for seed in range(20):
        plan = make_plan(seed, 600, KINDS)
        wanted = [w for slot in plan for w in slot.wanted]
        require({w.kind for w in wanted} == set(KINDS) and len(wanted) >= 60, f"seed {seed}: {len(wanted)} faults")
        require(sum(w.kind in kills for w in wanted) >= 22, f"seed {seed}: too few kills")
        sizes = {len(slot.wanted) for slot in plan}
        require(sizes == {0, 1, 2, 3}, f"seed {seed}: slots of {sizes}")
        gaps = [b.at - a.at for a, b in zip(plan, plan[1:])]
        require(5 <= min(gaps) and max(gaps) <= 10, f"seed {seed}: slots {min(gaps)} to {max(gaps)} s apart")
        for slot in plan:
            kinds = [w.kind for w in slot.wanted]
            require(len(kinds) == len(set(kinds)), f"seed {seed}: {kinds} at once")


def dropped(text, packet, chance):
    """Runs the filter on a packet, as the kernel would."""
    code = [tuple(map(int, step.split())) for step in text.split(",")[1:]]
    at, value = 0, 0
    while True:
        what, if_true, if_false, operand = code[at]
        at += 1
        if what == 0x28:
            value = struct.unpack_from(">H", packet, operand)[0]
        elif what == 0x20 and operand >= 0xFFFFF000:
            value = int(chance * 2**32)
        elif what == 0x20:
            value = struct.unpack_from(">I", packet, operand)[0]
        elif what == 0x54:
            value &= operand
        elif what == 0x15:
            at += if_true if value == operand else if_false
        elif what == 0x35:
            at += if_true if value >= operand else if_false
        else:
            return operand == 2


def packet(source, destination, kind=0x0800):
    return bytes(12) + struct.pack(">H", kind) + bytes(12) + bytes(source) + bytes(destination)


def network_filter__rules_of_two_networks__drop_what_they_name(_test):
    kafka, node, other = (10, 1, 2, 1), (10, 1, 2, 11), (10, 1, 2, 12)
    rules = [(0x0A010200, 0xFFFFFFF8, 0.25), (0x0A010200, 0xFFFFFF00, 1.0)]
    text = program(SOURCE, rules)
    require(dropped(text, packet(kafka, node), 0.2) and not dropped(text, packet(kafka, node), 0.3), "loss by chance")
    require(dropped(text, packet(other, node), 0.99), "a peer that was cut off came through")
    require(not dropped(text, packet((10, 1, 3, 1), node), 0.0), "a packet from elsewhere was dropped")
    require(not dropped(text, packet(other, node, 0x0806), 0.0), "ARP was dropped")
    text = program(DESTINATION, rules)
    require(dropped(text, packet(node, other), 0.5) and not dropped(text, packet(other, (10, 1, 3, 9)), 0.0), "way out")


def namespaces__after_a_run__leave_nothing_behind(_test):
    why_not = Namespaces.why_not()
    if why_not:
        print(f"      namespaces are not possible here: {why_not}")
        return
    said = "".join(subprocess.run(["ip", *what], capture_output=True, text=True, check=True).stdout
                   for what in (("netns", "list"), ("link", "show")))
    require(Namespaces(["a"], 1).id not in said, f"left behind: {said}")


class Receiver(threading.Thread):
    """A server that keeps what it gets."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.got = b""
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self._keep, args=(connection,), daemon=True).start()

    def _keep(self, connection):
        with connection:
            while data := connection.recv(4096):
                self.got += data


def request(api, correlation):
    return struct.pack(">ihhi", 8, api, 3, correlation)


@contextlib.contextmanager
def proxied():
    """A receiver behind the proxy: (proxy, receiver, connect())."""
    receiver = Receiver()
    port, = free_ports(1)
    route = {"node": "a", "broker": 0, "listen": ["127.0.0.1", port], "to": list(receiver.socket.getsockname())}
    with tempfile.TemporaryDirectory() as directory:
        proxy = Proxy(pathlib.Path(directory), [route])
        try:
            yield proxy, receiver, lambda: socket.create_connection(("127.0.0.1", port))
        finally:
            proxy.stop()
            receiver.socket.close()


def proxy__end_txn_held__comes_after_its_sender_has_gone(_test):
    with proxied() as (proxy, receiver, connect):
        proxy.tell(do="hold", node="a")
        sender = connect()
        sender.sendall(request(0, 1) + request(26, 2))
        wait_until(lambda: proxy.of("held"), 10, "the request to be held")
        sender.close()
        other = connect()                           # others of the node pass
        other.sendall(request(22, 3))
        wait_until(lambda: receiver.got == request(0, 1) + request(22, 3), 10, lambda: f"two requests: {receiver.got}")
        proxy.tell(do="release", node="a")
        wait_until(lambda: receiver.got.endswith(request(26, 2)), 10, "the held request to come")
        require(proxy.of("released")[0]["sender_gone"], "it was released before its sender went")


def proxy__cut_and_delay__keep_bytes_back_and_in_order(_test):
    with proxied() as (proxy, receiver, connect):
        proxy.tell(do="cut", node="a", **{"in": False, "out": True})
        proxy.tell(do="delay", node="a", ms=30, jitter=30)
        sender = connect()
        wanted = b"".join(request(1, i) for i in range(50))
        sender.sendall(wanted)
        time.sleep(0.3)
        require(receiver.got == b"", "bytes passed a cut")
        proxy.tell(do="cut", node="a", **{"in": False, "out": False})
        wait_until(lambda: receiver.got == wanted, 10, lambda: f"all in order, not {json.dumps(receiver.got.hex())}")
