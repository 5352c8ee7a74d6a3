#!/usr/bin/env python3
"""The TCP proxy between nodes and Kafka, a process of its own: each node has its own listener at each broker, so a
fault touches the connections of one node.

    proxy.py ROUTES.json

It reads commands, a JSON object a line, from standard input, and writes what happens to standard output likewise:
    {"do": "delay", "node": N, "ms": M, "jitter": J}   every chunk waits M +- J ms, in both directions; 0 ends it
    {"do": "cut", "node": N, "in": bool, "out": bool}  nothing passes to (in) or from (out) the node, nor is it refused
    {"do": "hold", "node": N}                          the next EndTxn of the node stays here, and all behind it on its
                                                       connection, also when the node has given up and gone
    {"do": "release", "node": N}                       what was held goes to the broker
    {"do": "count"}                                    how many chunks of each node were delayed, or held up by a cut
Requests of Kafka's protocol are told apart by their length and their first field, the number of the call.
"""
import asyncio
import collections
import json
import pathlib
import random
import struct
import sys

END_TXN = 26
QUEUED_MAX = 4 << 20        # bytes that may wait in one direction of one connection; beyond it nothing more is read
FRAME_MAX = 64 << 20


class NodeFaults:
    """What is wrong with one node's connections at the moment."""

    def __init__(self):
        self.delay_ms, self.jitter_ms = 0, 0
        self.open = {"in": asyncio.Event(), "out": asyncio.Event()}
        for event in self.open.values():
            event.set()
        self.hold = False                           # the next EndTxn is wanted
        self.released = asyncio.Event()
        self.delayed = self.cut = 0


def tell(**event):
    print(json.dumps(event), flush=True)


class Pipe:
    """One direction of one connection: chunks go out in the order they came, each not before its time."""

    def __init__(self, direction, faults, writer):
        self.direction, self.faults, self.writer = direction, faults, writer
        self.waiting = collections.deque()
        self.bytes, self.due = 0, 0.0
        self.changed = asyncio.Event()
        self.ended = False

    async def put(self, data):
        loop, faults = asyncio.get_running_loop(), self.faults
        wait_s = 0.0
        if faults.delay_ms:
            wait_s = max(0.0, faults.delay_ms + random.uniform(-faults.jitter_ms, faults.jitter_ms)) / 1000
            faults.delayed += 1
        if not faults.open[self.direction].is_set():
            faults.cut += 1
        self.due = max(self.due, loop.time() + wait_s)
        self.waiting.append((self.due, data))
        self.bytes += len(data)
        self.changed.set()
        while self.bytes > QUEUED_MAX and not self.ended:
            await asyncio.sleep(0.01)

    def end(self):
        self.ended = True
        self.changed.set()

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            while not self.waiting:
                if self.ended:
                    return
                self.changed.clear()
                await self.changed.wait()
            due, data = self.waiting.popleft()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self.faults.open[self.direction].wait()
            self.writer.write(data)
            await self.writer.drain()
            self.bytes -= len(data)


class Connection:
    def __init__(self, route, faults, reader, writer):
        self.route, self.faults, self.client = route, faults, (reader, writer)
        self.holding = False

    async def run(self):
        client_reader, client_writer = self.client
        broker_writer = None
        try:
            broker_reader, broker_writer = await asyncio.open_connection(*self.route["to"])
            out, back = Pipe("out", self.faults, broker_writer), Pipe("in", self.faults, client_writer)
            pumps = [self._requests(client_reader, out), out.run(), self._answers(broker_reader, back), back.run()]
            await self._until_one_ends([asyncio.ensure_future(pump) for pump in pumps])
        except OSError:
            pass
        finally:
            for writer in (client_writer, broker_writer):
                if writer:
                    writer.close()

    async def _until_one_ends(self, tasks):
        """The end of one is the end of the connection; but what is held still goes out, long after its sender went."""
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self.holding:
                await asyncio.wait(tasks[:2])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _requests(self, reader, pipe):
        try:
            while True:
                head = await reader.readexactly(4)
                size = struct.unpack(">i", head)[0]
                if not 2 <= size <= FRAME_MAX:
                    return
                body = await reader.readexactly(size)
                if self.faults.hold and struct.unpack_from(">h", body)[0] == END_TXN:
                    await self._hold(reader, body)
                await pipe.put(head + body)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            pipe.end()

    async def _hold(self, reader, body):
        faults = self.faults
        faults.hold, self.holding = False, True
        node, correlation = self.route["node"], struct.unpack_from(">i", body, 4)[0]
        tell(event="held", node=node, broker=self.route["broker"], correlation=correlation)
        await faults.released.wait()
        # With the sender gone nothing more comes: the end of its stream is here already.
        tell(event="released", node=node, correlation=correlation,
             sender_gone=reader.at_eof() or reader.exception() is not None)

    async def _answers(self, reader, pipe):
        try:
            while data := await reader.read(1 << 16):
                await pipe.put(data)
        except OSError:
            pass
        finally:
            pipe.end()


class Proxy:
    def __init__(self, routes):
        self.routes = routes
        self.faults = {route["node"]: NodeFaults() for route in routes}

    async def run(self):
        servers = []
        for route in self.routes:
            def on_connection(reader, writer, route=route):
                return Connection(route, self.faults[route["node"]], reader, writer).run()
            servers.append(await asyncio.start_server(on_connection, *route["listen"]))
        tell(event="ready")
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := await commands.readline():
            self.obey(json.loads(line))
        for server in servers:
            server.close()

    def obey(self, command):
        if command["do"] == "count":
            for node, faults in self.faults.items():
                tell(event="count", node=node, delayed=faults.delayed, cut=faults.cut)
            return
        faults = self.faults[command["node"]]
        if command["do"] == "delay":
            faults.delay_ms, faults.jitter_ms = command["ms"], command.get("jitter", 0)
        elif command["do"] == "cut":
            for direction in ("in", "out"):
                (faults.open[direction].clear if command[direction] else faults.open[direction].set)()
        elif command["do"] == "hold":
            faults.hold = True
            faults.released.clear()
        elif command["do"] == "release":
            faults.hold = False
            faults.released.set()


if __name__ == "__main__":
    asyncio.run(Proxy(json.loads(pathlib.Path(sys.argv[1]).read_text())).run())
