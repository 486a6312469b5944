"""UPnP with a router that this test plays; skipped where the extra is not installed."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

import pytest

from swarm.net import upnp
from swarm.net.nat_pmp import Protocol

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not upnp.available(), reason="the extra upnp is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PORTS = [(Protocol.UDP, 47474), (Protocol.TCP, 47474)]
DEVICE = """<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major>
<minor>0</minor></specVersion><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<friendlyName>router</friendlyName><manufacturer>m</manufacturer><modelName>m</modelName><UDN>uuid:1</UDN><serviceList>
<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><SCPDURL>/scpd.xml</SCPDURL><controlURL>/control</controlURL>
<eventSubURL>/event</eventSubURL></service></serviceList></device></root>"""


def argument(name: str, direction: str) -> str:
    return f"<argument><name>New{name}</name><direction>{direction}</direction><relatedStateVariable>{name}\
</relatedStateVariable></argument>"


def scpd() -> str:
    """The service's description, of the three actions that are used."""
    add = "RemoteHost ExternalPort Protocol InternalPort InternalClient Enabled PortMappingDescription LeaseDuration"
    actions = {"AddPortMapping": add, "DeletePortMapping": "RemoteHost ExternalPort Protocol"}
    text = "".join(
        f"<action><name>{name}</name><argumentList>{''.join(argument(part, 'in') for part in parts.split())}\
</argumentList></action>"
        for name, parts in actions.items()
    )
    outer = argument("ExternalIPAddress", "out")
    text += f"<action><name>GetExternalIPAddress</name><argumentList>{outer}</argumentList></action>"
    kinds = {"ExternalPort": "ui2", "InternalPort": "ui2", "Enabled": "boolean", "LeaseDuration": "ui4"}
    names = [*add.split(), "ExternalIPAddress"]
    state = "".join(
        f'<stateVariable sendEvents="no"><name>{name}</name><dataType>{kinds.get(name, "string")}</dataType>\
</stateVariable>'
        for name in names
    )
    return f"""<?xml version="1.0"?><scpd xmlns="urn:schemas-upnp-org:service-1-0"><specVersion><major>1</major>
<minor>0</minor></specVersion><actionList>{text}</actionList><serviceStateTable>{state}</serviceStateTable></scpd>"""


class Router(asyncio.DatagramProtocol):
    """Answers searches, tells what it is, and maps ports."""

    def __init__(self, location_host: str = "127.0.0.1", *, padding: int = 0) -> None:
        self.mapped: set[tuple[str, str]] = set()
        self.requests = 0
        self.port = 0
        self._location_host = location_host
        self._padding = padding
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data.startswith(b"M-SEARCH"):
            location = f"http://{self._location_host}:{self.port}/device.xml"
            lines = ["HTTP/1.1 200 OK", f"LOCATION: {location}", f"ST: {upnp.TARGET}", "USN: uuid:1", "EXT:", "", ""]
            self._transport.sendto("\r\n".join(lines).encode(), addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        body = (await reader.readexactly(int(length[1]))).decode() if length else ""
        answer = self._answer(head.split()[1], body)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode())
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    def _answer(self, path: str, body: str) -> str:
        if path == "/device.xml":
            return DEVICE + " " * self._padding
        if path == "/scpd.xml":
            return scpd()
        action = next(name for name in ("AddPort", "DeletePort", "GetExternal") if f":{name}" in body)
        found = {name: re.search(f"<New{name}>([^<]*)<", body) for name in ("Protocol", "ExternalPort")}
        mapping = tuple(match[1] if match else "" for match in found.values())
        if action == "AddPort":
            self.mapped.add((mapping[0], mapping[1]))
        if action == "DeletePort":
            self.mapped.discard((mapping[0], mapping[1]))
        name = {"AddPort": "AddPortMapping", "DeletePort": "DeletePortMapping"}.get(action, "GetExternalIPAddress")
        inner = "<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>" if action == "GetExternal" else ""
        return f"""<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:{name}Response
xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">{inner}</u:{name}Response></s:Body></s:Envelope>"""


async def visit(router: Router, seconds: float) -> list[tuple[str, int] | None]:
    """What we were told was mapped, and then cancelled: at the first mapping, or after that time."""
    told: list[tuple[str, int] | None] = []
    mapped = asyncio.Event()
    server = await asyncio.start_server(router.serve, "127.0.0.1", 0)
    router.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: router, local_addr=("127.0.0.1", 0))

    def take(external: tuple[str, int] | None) -> None:
        told.append(external)
        if external is not None:
            mapped.set()

    search_port = transport.get_extra_info("sockname")[1]
    keeping = loop.create_task(upnp.keep("127.0.0.1", "127.0.0.1", PORTS, take, lambda: True, search_port=search_port))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await mapped.wait()
    assert not mapped.is_set() or router.mapped == {("UDP", "47474"), ("TCP", "47474")}
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    transport.close()
    server.close()
    return told


def test_a_port_is_mapped_told_and_given_back() -> None:
    router = Router()
    assert asyncio.run(visit(router, 15)) == [("203.0.113.9", 47474), None]
    assert router.mapped == set()


@pytest.mark.parametrize(
    "router", [Router("127.0.0.2"), Router(padding=upnp.MAX_ANSWER)], ids=["elsewhere", "too large"]
)
def test_a_description_elsewhere_or_too_large_is_not_read(router: Router) -> None:
    assert ("203.0.113.9", 47474) not in asyncio.run(visit(router, upnp.SEARCH_SECONDS + 1))
