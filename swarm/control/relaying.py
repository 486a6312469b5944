"""What the control API may ask about the relays of this device. The node implements it; tests use a fake.

Every method may raise UserError. A token is never in an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from swarm.control.arguments import Arguments


class Relaying(Protocol):
    """Which relays this device uses."""

    async def relays(self) -> dict[str, Any]:
        """`{"relays": [{"relay", "state", "via", "named", "public_address", "why"}]}`, as in `swarm status --json`."""
        ...

    async def add(self, relay: str, token: str | None) -> dict[str, Any]:
        """`{"relay", "notes"}`: HOST:PORT~KEY as others may see it, and sentences for people."""
        ...

    async def remove(self, relay: str) -> dict[str, Any]:
        """The same. relay: HOST:PORT, HOST:PORT~KEY or KEY."""
        ...


async def relays(relaying: Relaying, arguments: Arguments) -> dict[str, Any]:
    arguments.finish()
    return await relaying.relays()


async def add(relaying: Relaying, arguments: Arguments) -> dict[str, Any]:
    relay, token = arguments.text("relay"), arguments.optional_text("token")
    arguments.finish()
    return await relaying.add(relay, token)


async def remove(relaying: Relaying, arguments: Arguments) -> dict[str, Any]:
    relay = arguments.text("relay")
    arguments.finish()
    return await relaying.remove(relay)


VERBS = {"relays": relays, "relay-add": add, "relay-remove": remove}
