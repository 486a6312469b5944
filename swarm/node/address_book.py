"""The address book: members that were met, where they were, and when: so that devices find each other again.

A JSON file in the home. Losing it costs nothing but the time to find everybody anew.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from swarm.disk.durable import open_directory, write_durably

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.ids import DeviceId, FolderId

log = logging.getLogger("swarm.node")

MAX_ADDRESSES = 8  # of one device; the latest first
MAX_RELAYS = 4  # of one device
MAX_DEVICES = 1024  # devices that prove membership are not strangers, but a file that only grows is a fault
NAME = "peers.json"

Address = tuple[str, int]


@dataclass(slots=True)
class Acquaintance:
    """One device, as last met."""

    name: str
    addresses: list[Address] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)  # folder id in hex -> role
    last_seen: float = 0.0  # seconds since 1970
    relays: list[str] = field(default_factory=list)  # HOST:PORT~KEY, through which it said that it can be reached


class AddressBook:
    """Devices by id."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.devices: dict[str, Acquaintance] = {}
        try:
            raw = json.loads((home / NAME).read_text(encoding="utf-8"))
            for device, entry in raw.items():
                entry["relays"] = [str(relay) for relay in entry.get("relays", [])][:MAX_RELAYS]
                entry["addresses"] = [(str(host), int(port)) for host, port in entry["addresses"]]
                self.devices[device] = Acquaintance(**entry)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s cannot be read and is begun anew: %s", home / NAME, error)
            self.devices = {}

    def met(self, device: DeviceId, name: str, addresses: list[Address], now: float) -> None:
        """The device is connected; `addresses` is where it can be dialled, the surest first."""
        entry = self.devices.setdefault(device.hex(), Acquaintance(name))
        entry.name = name
        entry.addresses = list(dict.fromkeys([*addresses, *entry.addresses]))[:MAX_ADDRESSES]
        entry.last_seen = now
        while len(self.devices) > MAX_DEVICES:
            del self.devices[min(self.devices, key=lambda other: self.devices[other].last_seen)]

    def joined(self, device: DeviceId, folder: FolderId, role: str) -> None:
        if device.hex() in self.devices:
            self.devices[device.hex()].folders[folder.hex()] = role

    def left(self, device: DeviceId, folder: FolderId) -> None:
        """It was no member: it had only looked. Where it was met may be good for another folder."""
        if device.hex() in self.devices:
            self.devices[device.hex()].folders.pop(folder.hex(), None)

    def relayed(self, device: DeviceId, relays: list[str]) -> bool:
        """It says that it can be reached through these. None said: what is known may be good again. True for news."""
        entry = self.devices.get(device.hex())
        if entry is None or not relays or entry.relays == relays[:MAX_RELAYS]:
            return False
        entry.relays = relays[:MAX_RELAYS]
        return True

    def seen(self, device: DeviceId, now: float) -> None:
        if device.hex() in self.devices:
            self.devices[device.hex()].last_seen = now

    def members(self, folder: FolderId) -> dict[str, Acquaintance]:
        return {device: entry for device, entry in self.devices.items() if folder.hex() in entry.folders}

    def save(self) -> None:
        """Blocks for a sync: call it in a pool."""
        text = json.dumps({device: asdict(entry) for device, entry in self.devices.items()}, indent=1)
        with open_directory(self._home) as directory:
            write_durably(directory, NAME, text.encode())
