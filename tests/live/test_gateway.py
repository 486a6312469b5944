"""The gateway's shell over a real socket: a port is mapped, told, and given back at the end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from swarm.net.gateway import Gateway, gateway_in, is_inner
from swarm.net.nat_pmp import Protocol
from tests.unit.fake_gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0201A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
short
"""


class Served(asyncio.DatagramProtocol):
    """A fake gateway on a socket."""

    def __init__(self, gateway: FakeGateway) -> None:
        self.gateway = gateway
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for answer in self.gateway.answer(data, asyncio.get_running_loop().time()):
            self.transport.sendto(answer, addr)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the other side of a socket has no event of ours
        await asyncio.sleep(0.01)


def test_the_gateway_of_the_best_route_is_found() -> None:
    assert gateway_in(TABLE) == "192.168.1.1"
    assert gateway_in(TABLE.splitlines()[0]) is None
    assert gateway_in("") is None


@pytest.mark.parametrize(
    ("host", "inner"),
    [("10.1.2.3", True), ("100.64.0.1", True), ("127.0.0.1", True), ("0.0.0.0", True), ("203.0.113.9", False)],
)
def test_addresses_that_mean_nothing_elsewhere_are_not_told(host: str, inner: bool) -> None:
    assert is_inner(host) == inner


@pytest.mark.live
@pytest.mark.parametrize("fake", [FakeGateway(), FakeGateway(speaks_pcp=False)], ids=["pcp", "nat-pmp"])
def test_a_port_is_mapped_told_and_given_back(fake: FakeGateway) -> None:
    asyncio.run(mapped_told_and_given_back(fake))


async def mapped_told_and_given_back(fake: FakeGateway) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Served(fake), local_addr=("127.0.0.1", 0))
    changed = asyncio.Event()
    port = transport.get_extra_info("sockname")[1]
    wanted = [(Protocol.UDP, 47474), (Protocol.TCP, 47474)]
    gateway = Gateway(wanted, changed.set, find=lambda: "127.0.0.1", port=port)
    running = loop.create_task(gateway.run())
    try:
        async with asyncio.timeout(10):
            await changed.wait()
            assert gateway.addresses() == (("203.0.113.9", 47474),)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await until(lambda: not fake.mapped)
        assert gateway.addresses() == ()
    finally:
        running.cancel()
        transport.close()


@pytest.mark.live
def test_where_nobody_listens_is_known_at_once() -> None:
    async def scenario() -> str:
        gateway = Gateway([(Protocol.UDP, 47474)], lambda: None, find=lambda: "127.0.0.1", port=9)
        running = asyncio.get_running_loop().create_task(gateway.run())
        try:
            async with asyncio.timeout(5):
                await until(lambda: gateway.mapper is not None and gateway.mapper.why)
            assert gateway.mapper is not None
            return gateway.mapper.why
        finally:
            running.cancel()

    assert asyncio.run(scenario()) == "it offers no port mapping"
