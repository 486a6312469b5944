"""A port at the router by UPnP, with the library `async-upnp-client`, which is an extra: imported when it is needed.

Anybody on the network can answer a search, and a router's description may point anywhere: only the default gateway is
listened to, nothing but the default gateway is asked, and no more is read of it than an answer may have.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from swarm.net.nat_pmp import Protocol
from swarm.net.port_mapper import LIFETIME, LOOK_AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Address = tuple[str, int]

log = logging.getLogger("swarm.gateway")

SEARCH_PORT: Final = 1900
SEARCH_SECONDS: Final = 3
HTTP_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = 1.0  # for giving back; the daemon has to end
MAX_ANSWER: Final = 256 << 10  # bytes; descriptions of routers have 5 to 50 kB
TARGET: Final = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
TURN: Final = 5.0  # seconds between two looks whether the gateway is still the same
ANYBODY: Final = SimpleNamespace(exploded="")  # the library promises to take None for it, and asks it for this
NAME: Final = "Swarm"  # as the router shows it to its owner


def available() -> bool:
    """Is the library installed?"""
    return find_spec("async_upnp_client") is not None


async def keep(
    gateway: str,
    client: str,
    ports: Iterable[tuple[Protocol, int]],
    on_mapped: Callable[[Address | None], None],
    current: Callable[[], bool],
    *,
    search_port: int = SEARCH_PORT,
) -> None:
    """Maps the ports and renews them, as long as `current` says so; returns after LOOK_AGAIN where that fails.

    `on_mapped` gets what leads to our UDP port, None when it does not any more. On cancellation all is given back.
    """
    wanted = tuple(ports)
    device: Any = None
    try:
        device = await _find(gateway, client, search_port)
        while device is not None and current():
            on_mapped(await _map(device, client, wanted))
            await _rest(LIFETIME / 2, current)
    except Exception as error:  # the library's, aiohttp's, XML's: whatever a router makes of a standard
        log.debug("%s does not map ports by UPnP: %s", gateway, error)
    finally:
        on_mapped(None)
        if device is not None:
            await _give_back(device, wanted)
    await _rest(LOOK_AGAIN, current)


async def _rest(seconds: float, current: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while current() and (left := until - loop.time()) > 0:  # noqa: ASYNC110 - it is a clock that is waited for
        await asyncio.sleep(min(TURN, left))


async def _find(gateway: str, client: str, search_port: int) -> Any:
    """The gateway as the library knows it; None where it does not answer."""
    from async_upnp_client.client_factory import UpnpFactory
    from async_upnp_client.profiles.igd import IgdDevice
    from async_upnp_client.search import async_search

    found: list[str] = []

    async def take(headers: Any) -> None:
        location = headers.get("location", "")
        if headers.get("_host") == gateway and urlsplit(location).hostname == gateway:
            found.append(location)

    searches = [
        async_search(take, SEARCH_SECONDS, TARGET, (client, 0), target)
        for target in (("239.255.255.250", SEARCH_PORT), (gateway, search_port))
    ]
    await asyncio.gather(*searches, return_exceptions=True)
    if not found:
        return None
    root = await UpnpFactory(_Requester(gateway), non_strict=True).async_create_device(found[0])
    return IgdDevice(root, None)


async def _map(device: Any, client: str, ports: Iterable[tuple[Protocol, int]]) -> Address | None:
    host = await device.async_get_external_ip_address()
    mapped = None
    for protocol, port in ports:
        arguments = (ANYBODY, port, protocol.name, port, IPv4Address(client), True, NAME)
        try:
            await device.async_add_port_mapping(*arguments, timedelta(seconds=LIFETIME))
        except Exception:  # some routers know only mappings for ever, which are taken away at the end
            await device.async_add_port_mapping(*arguments, timedelta())
        if protocol is Protocol.UDP and host:
            mapped = str(IPv4Address(host)), port
    return mapped


async def _give_back(device: Any, ports: Iterable[tuple[Protocol, int]]) -> None:
    with suppress(Exception):
        async with asyncio.timeout(GOODBYE_SECONDS):
            for protocol, port in ports:
                await device.async_delete_port_mapping(ANYBODY, port, protocol.name)


class _Requester:
    """HTTP, for the library."""

    def __init__(self, host: str) -> None:
        self._host = host

    async def async_http_request(self, request: Any) -> Any:
        """Raises ValueError for another host, and for an answer that is too large."""
        from aiohttp import ClientSession, ClientTimeout
        from async_upnp_client.const import HttpResponse

        if urlsplit(request.url).hostname != self._host:
            raise ValueError(f"{request.url} is not the gateway")
        async with (
            ClientSession(timeout=ClientTimeout(total=HTTP_SECONDS)) as session,
            session.request(
                request.method, request.url, headers=request.headers or {}, data=request.body, allow_redirects=False
            ) as response,
        ):
            body = bytearray()
            async for piece in response.content.iter_chunked(16 << 10):
                body += piece
                if len(body) > MAX_ANSWER:
                    raise ValueError("an answer that is too large")
            text = bytes(body).decode(response.charset or "utf-8", "replace")
            return HttpResponse(response.status, response.headers, text)
