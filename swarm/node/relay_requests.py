"""What a user may ask about the relays of this device."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from swarm.errors import UserError
from swarm.node.relay_list import checked
from swarm.wire.relay_message import Refusal

if TYPE_CHECKING:
    from swarm.node.relay_list import RelayList
    from swarm.node.relays import Relays

ANSWER_WAIT = 2.5  # seconds that `add` waits for the relay, to say whether it is there
LOOK = 0.05  # seconds between two looks, of so few


class RelayRequests:
    """Implements `swarm.control.relaying.Relaying`."""

    def __init__(self, kept: RelayList, relays: Relays, configured: frozenset[str]) -> None:
        """`configured`: those of config.toml and the command line, HOST:PORT~KEY, which are not in `kept`."""
        self._kept = kept
        self._relays = relays
        self._configured = configured
        self._turn = asyncio.Lock()  # of those who write the list

    async def relays(self) -> dict[str, Any]:
        return {"relays": self._relays.report()}

    async def add(self, relay: str, token: str | None) -> dict[str, Any]:
        async with self._turn:
            place = await asyncio.to_thread(self._kept.add, relay, token)
        self._relays.add(place)
        return {"relay": place.public, "notes": [await self._outcome(place.public)]}

    async def remove(self, relay: str) -> dict[str, Any]:
        async with self._turn:
            try:
                place = await asyncio.to_thread(self._kept.remove, relay)
            except UserError:
                if any(relay in (whole, whole.partition("~")[0]) for whole in self._configured):
                    raise UserError(
                        "this relay is in the settings", "take it out of config.toml, or of the command line"
                    ) from None
                raise
        self._relays.remove(checked(str(place)))
        return {"relay": place.public, "notes": [f"The relay {place.address} is not used any more."]}

    async def _outcome(self, public: str) -> str:
        """How it went, once that is known."""
        address = public.partition("~")[0]
        for _ in range(round(ANSWER_WAIT / LOOK)):
            for one in self._relays.report():
                if one["relay"] == public and one["state"] == "reserved":
                    return f"Registered at the relay {address}: others can reach this device through it."
                if one["relay"] == public and one["why"] and Refusal.NO_ANSWER.sentence not in one["why"]:
                    return f"Added, but {one['why']}."
            await asyncio.sleep(LOOK)
        return f"Added. The relay {address} does not answer yet; it is tried again and again, see swarm relay list."
