"""The relays that the user gave this device, by `swarm relay add`: kept in the home as they were typed, with tokens."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from swarm.config import RelayAddress, parse_relay
from swarm.disk.durable import open_directory, read_small, write_durably
from swarm.errors import EXIT_NOT_FOUND, EXIT_USAGE, UserError
from swarm.keys.relay import RelayPass, is_token

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "relays.json"
MAX_RELAYS: Final = 8  # more than anybody runs; each costs a registration that is kept alive
MAX_BYTES: Final = 64 << 10

log = logging.getLogger("swarm.relays")


class RelayList:
    """In the order in which they were added."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.places: list[RelayAddress] = []
        try:
            with open_directory(home) as directory:
                written = json.loads(read_small(directory, NAME, MAX_BYTES))
            self.places = [checked(str(item)) for item in written][:MAX_RELAYS]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, UserError) as error:
            log.warning("%s cannot be read: %s", home / NAME, error)

    def add(self, text: str, token: str | None) -> RelayAddress:
        """`HOST:PORT~KEY`, and a token where the relay wants one. One with the same key is replaced. Raises UserError.

        Blocks for a sync: call it in a pool.
        """
        if token is not None and not is_token(token):
            raise UserError(
                "this is no token", "1 to 64 letters, digits, - and _, as the relay was given it", EXIT_USAGE
            )
        place = checked(text if token is None else f"{text.partition('~')[0]}~{_bare(text)}.{token}")
        key = RelayPass.parse(place.key).key
        others = [other for other in self.places if RelayPass.parse(other.key).key != key]
        if len(others) >= MAX_RELAYS:
            raise UserError(f"there are {MAX_RELAYS} relays already", "swarm relay remove takes one away")
        self.places = [*others, place]
        self._save()
        return place

    def remove(self, text: str) -> RelayAddress:
        """By `HOST:PORT`, by `HOST:PORT~KEY`, or by KEY. Raises UserError. Blocks like `add`."""
        address, tilde, key = text.partition("~")
        bare = address + tilde + key.partition(".")[0]
        for place in self.places:
            if text == str(place.address) or bare in (place.public, place.public.partition("~")[2]):
                self.places = [other for other in self.places if other is not place]
                self._save()
                return place
        raise UserError("there is no such relay here", "swarm relay list shows them", EXIT_NOT_FOUND)

    def _save(self) -> None:
        with open_directory(self._home) as directory:
            write_durably(directory, NAME, json.dumps([str(place) for place in self.places], indent=1).encode())


def checked(text: str) -> RelayAddress:
    """A relay as a user writes it, its key looked at. Raises UserError."""
    place = parse_relay(text)
    RelayPass.parse(place.key)
    return place


def learned_as(text: str) -> RelayAddress | None:
    """A relay that a member told of, as the address book has it; None for one that makes no sense."""
    with suppress(UserError):
        place = checked(text)
        return None if "." in place.key else place
    return None


def learned(host: str, port: int, key: str) -> RelayAddress | None:
    """A relay as others tell of it: never with a token. None for one that makes no sense."""
    written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return learned_as(f"{written}~{key}")


def _bare(text: str) -> str:
    key = text.partition("~")[2]
    if "." in key:
        raise UserError("the relay has a token already", "give it once: behind the key, or in a file", EXIT_USAGE)
    return key
