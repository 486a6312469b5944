"""What passing on costs a relay: see scripts/bench-relay."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import multiprocessing
import os
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from relay.gate import Gate
from relay.limits import Limits
from relay.serve import Relay
from swarm.keys.device import DeviceKey
from swarm.keys.relay import handle_of
from swarm.net import relay_effect as effect
from swarm.net.datagrams import UDP_SEGMENT, bind_socket, receive_runs
from swarm.net.relay_client import RelayClient
from swarm.net.tls import dialler_context
from swarm.wire.relay_frame import data_frame, in_stream, stream_reader
from swarm.wire.relay_message import Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection as Pipe

PAYLOAD = 1200  # bytes: a QUIC datagram
RUN = 44  # datagrams in one run, as many as 64 kB hold with their headers
DEVICES = 500
PLENTY = 10**12
LIMITS = dataclasses.replace(
    Limits(),
    client_rate=PLENTY,
    guest_rate=PLENTY,
    total_rate=PLENTY,
    clients_per_address=DEVICES + 10,
    unproved_at_once=PLENTY,
)
BUFFER = 8 << 20
TICKS = os.sysconf("SC_CLK_TCK")


class Device:
    """A registered device with a socket that blocks."""

    def __init__(self, port: int, relay_key: bytes, *, tcp: bool = False, mode: Mode = Mode.RESERVE) -> None:
        device = DeviceKey.create(os.urandom(32))
        self.handle = handle_of(relay_key, device.id)
        self._client = RelayClient(relay_key, device, os.urandom, mode=mode)
        self._tcp = tcp
        self._frames = stream_reader()
        if tcp:
            self.socket: Any = dialler_context().wrap_socket(socket.create_connection(("127.0.0.1", port)))
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(5)
        self._send(self._client.start(time.monotonic()))
        self.wait(effect.Registered)

    def wait(self, kind: type) -> Any:
        """Until the relay has said that."""
        while True:
            data = self.socket.recv(1 << 16)
            for frame in self._frames.feed(data) if self._tcp else [data]:
                effects = self._client.frame_received(frame, time.monotonic())
                self._send(effects)
                for one in effects:
                    if isinstance(one, kind):
                        return one

    def open(self, handle: bytes) -> int:
        self._send(self._client.open(handle, time.monotonic()))
        return int(self.wait(effect.ChannelOpened).channel)

    def _send(self, effects: list[effect.Effect]) -> None:
        for one in effects:
            if isinstance(one, effect.Send):
                for frame in one.frames:
                    self.socket.sendall(in_stream(frame) if self._tcp else frame)


def run_relay(pipe: Pipe) -> None:
    async def serve() -> None:
        relay = Relay.start(bytes(32), Gate(), LIMITS, "127.0.0.1", 0)
        pipe.send((relay.port, relay.hub.key))
        await asyncio.to_thread(pipe.recv)
        await relay.close()

    asyncio.run(serve())


def run_receiver(pipe: Pipe, port: int, key: bytes, tcp: bool) -> None:
    """Says its handle, accepts, counts bytes until nothing comes for a second, says how many and when the last came."""
    device = Device(port, key, tcp=tcp)
    pipe.send(device.handle)
    device.wait(effect.ChannelIncoming)
    if not tcp:
        receive_runs(device.socket)
    got, last = 0, time.perf_counter()
    device.socket.settimeout(1.5)
    try:
        while data := device.socket.recv(1 << 16):
            got += len(data)
            last = time.perf_counter()
    except TimeoutError:
        pass
    pipe.send((got, last))


def run_bare(pipe: Pipe) -> None:
    """The same two system calls for each packet, and nothing else: what no relay in Python can do without."""
    sock = bind_socket("127.0.0.1", 0)
    receive_runs(sock)
    pipe.send(sock.getsockname()[1])
    to = ("127.0.0.1", pipe.recv())
    buffer = bytearray(1 << 16)
    view, control = memoryview(buffer), socket.CMSG_SPACE(4)
    poll = select.epoll()
    poll.register(sock, select.EPOLLIN)
    while True:
        poll.poll()
        try:
            while True:
                size = sock.recvmsg_into([buffer], control)[0]
                sock.sendto(view[:size], to)
        except BlockingIOError:
            pass


def measure_bare(packets: int, rate: float) -> None:
    """To compare: on a busy machine each system call costs more."""
    ours, theirs = multiprocessing.Pipe()
    bare = multiprocessing.Process(target=run_bare, args=(theirs,), daemon=True)
    bare.start()
    port = ours.recv()
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sink.bind(("127.0.0.1", 0))
    sink.settimeout(1.5)
    ours.send(sink.getsockname()[1])
    source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    source.connect(("127.0.0.1", port))
    before, frame = processor(bare.pid or 0), bytes(PAYLOAD + 5)
    thread = threading.Thread(target=pour, args=(lambda: source.send(frame), 16, packets, rate))
    thread.start()
    arrived = 0
    try:
        while sink.recv(1 << 16):
            arrived += 1
    except TimeoutError:
        pass
    thread.join()
    microseconds = (processor(bare.pid or 0) - before) / max(arrived, 1) * 1e6
    bare.terminate()
    print(f"{'bare system calls':28} {microseconds:6.2f} µs a packet   one by one, to compare", flush=True)


def processor(pid: int) -> float:
    """Seconds that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """Megabytes of memory that a process has."""
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def pour(send: Callable[[], object], batch: int, packets: int, rate: float) -> None:
    """Calls `send` until so many packets are gone, at so many a second; the clock is looked at after each `batch`."""
    start, sent = time.perf_counter(), 0
    while sent < packets:
        for _ in range(batch):
            send()
        sent += batch
        ahead = sent / rate - (time.perf_counter() - start)
        if ahead > 0.001:
            time.sleep(ahead)


def send_packets(device: Device, channel: int, packets: int, rate: float, *, run: int, tcp: bool) -> None:
    """`rate`: packets a second."""
    frame = data_frame(channel, b"\x40" + os.urandom(PAYLOAD - 1))
    segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", len(frame)))]
    if tcp:
        whole = in_stream(frame) * RUN
        pour(lambda: device.socket.sendall(whole), 1, packets // RUN, rate / RUN)
    elif run > 1:
        whole = frame * RUN
        pour(lambda: device.socket.sendmsg([whole], segment), 1, packets // RUN, rate / RUN)
    else:
        pour(lambda: device.socket.send(frame), 16, packets, rate)


def measure(what: str, relay: Any, port: int, key: bytes, packets: int, rate: float, *, run: int, tcp: bool) -> None:
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.Process(target=run_receiver, args=(theirs, port, key, tcp))
    receiver.start()
    handle = ours.recv()
    sender = Device(port, key, tcp=tcp)
    channel = sender.open(handle)
    before, began = processor(relay.pid), time.perf_counter()
    thread = threading.Thread(
        target=send_packets, args=(sender, channel, packets, rate), kwargs={"run": run, "tcp": tcp}
    )
    thread.start()
    thread.join()
    got, last = ours.recv()
    used = processor(relay.pid) - before
    receiver.join()
    sender.socket.close()
    arrived = got // (PAYLOAD + 5 + (2 if tcp else 0))
    microseconds = used / max(arrived, 1) * 1e6
    print(
        f"{what:28} {microseconds:6.2f} µs a packet   {arrived:,} of {packets:,} arrived,"
        f" {arrived / (last - began):,.0f} a second; one core: {PAYLOAD * 8 / max(microseconds, 0.01):,.0f} Mbit/s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("packets", nargs="?", type=int, default=200_000)
    packets = parser.parse_args().packets
    ours, theirs = multiprocessing.Pipe()
    relay = multiprocessing.Process(target=run_relay, args=(theirs,))
    relay.start()
    port, key = ours.recv()
    empty = resident(relay.pid or 0)
    measure_bare(packets, 40_000)
    measure("UDP, one by one", relay, port, key, packets, 40_000, run=1, tcp=False)
    measure("UDP, in runs", relay, port, key, 4 * packets, 150_000, run=RUN, tcp=False)
    measure("TLS", relay, port, key, packets, 40_000, run=1, tcp=True)
    before = resident(relay.pid or 0)
    devices = [Device(port, key) for _ in range(DEVICES)]
    full = resident(relay.pid or 0)
    print(f"memory: {empty:.1f} MB at first, {before:.1f} before and {full:.1f} MB with {DEVICES} registered devices")
    for device in devices:
        device.socket.close()
    ours.send(None)
    relay.join()


if __name__ == "__main__":
    main()
