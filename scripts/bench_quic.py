"""One lane over loopback between two processes: see scripts/bench-quic."""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import ssl
import sys
import time
from typing import TYPE_CHECKING

from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration

from swarm.net.certificate import ephemeral_certificate
from swarm.net.endpoint import Endpoint

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

    from swarm.wire.lane import Link

PIECE = 64 << 10
READ = 1 << 20
STOCK_UNSENT = 2 << 20  # aioquic's writer has no back-pressure: this stands in for it


def report(what: str, size: int, seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"{what:8} {size / seconds / 1e6:7.1f} MB/s   {size >> 20} MiB in {seconds:.2f} s,"
        f" {used.ru_utime + used.ru_stime:.2f} s of processor to receive"
    )
    sys.stdout.flush()


async def receive(pipe: Pipe, size: int) -> None:
    calls: asyncio.Queue[Link] = asyncio.Queue()
    endpoint = await Endpoint.open("127.0.0.1", 0, on_link=calls.put_nowait)
    pipe.send(endpoint.address[1])
    link = await calls.get()
    link.trust()
    lane = await link.accept_lane()
    start, got = time.perf_counter(), 0
    while got < size:
        got += len(await lane.read(READ))
    report("swarm", size, time.perf_counter() - start)
    await lane.write(b"!")
    await link.wait_closed()
    await endpoint.close()


async def send(port: int, size: int) -> None:
    endpoint = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
    link = await endpoint.dial("127.0.0.1", port)
    link.trust()
    lane = await link.open_lane()
    piece = bytes(PIECE)
    for _ in range(size // PIECE):
        await lane.write(piece)
    await lane.read(1)
    await endpoint.close()


async def receive_stock(pipe: Pipe, size: int) -> None:
    certificate, key = ephemeral_certificate()
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=["bench"], certificate=certificate, private_key=key
    )
    done = asyncio.Event()
    tasks = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start, got = time.perf_counter(), 0
        while got < size:
            got += len(await reader.read(READ))
        report("aioquic", size, time.perf_counter() - start)
        writer.write(b"!")
        await asyncio.sleep(0.2)
        done.set()

    server = await serve(
        "127.0.0.1",
        0,
        configuration=configuration,
        stream_handler=lambda reader, writer: tasks.append(asyncio.ensure_future(take(reader, writer))),
    )
    pipe.send(server._transport.get_extra_info("sockname")[1])  # type: ignore[union-attr]
    await done.wait()
    server.close()


async def send_stock(port: int, size: int) -> None:
    configuration = QuicConfiguration(alpn_protocols=["bench"], verify_mode=ssl.CERT_NONE)
    async with connect("127.0.0.1", port, configuration=configuration) as client:
        reader, writer = await client.create_stream()
        sender = client._quic._streams[0].sender if client._quic._streams else None
        piece = bytes(PIECE)
        for _ in range(size // PIECE):
            writer.write(piece)
            sender = sender or client._quic._streams[0].sender
            while sender._buffer_stop - sender._buffer_start > STOCK_UNSENT:  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.0005)
        await reader.read(1)


def child(pipe: Pipe, size: int, stock: bool) -> None:
    asyncio.run(receive_stock(pipe, size) if stock else receive(pipe, size))


def bench(size: int, stock: bool) -> None:
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=child, args=(theirs, size, stock))
    receiver.start()
    port = ours.recv()
    asyncio.run(send_stock(port, size) if stock else send(port, size))
    receiver.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="One QUIC lane over loopback, between two processes.")
    parser.add_argument("megabytes", type=int, nargs="?", default=256, help="how much to send, in MiB (256)")
    parser.add_argument("--stock", action="store_true", help="aioquic's own asyncio driver too, for comparison")
    arguments = parser.parse_args()
    bench(arguments.megabytes << 20, stock=False)
    if arguments.stock:
        bench(arguments.megabytes << 20, stock=True)


if __name__ == "__main__":
    main()
