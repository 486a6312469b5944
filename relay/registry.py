"""Who is registered: clients by session, device, handle and path, their topics, and how many there may be. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from swarm.wire.relay_message import MAX_FOUND, MAX_HANDLES, Mode, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from relay.client import Client
    from relay.limits import Limits
    from relay.path import Path


class Registry:
    """All clients of one relay."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_session: dict[bytes, Client] = {}
        self._by_device: dict[bytes, Client] = {}
        self._by_handle: dict[bytes, Client] = {}
        self._by_ephemeral: dict[bytes, Client] = {}
        self._by_path: dict[Path, Client] = {}  # several may have one path in turn; the newest counts
        self._hosts: Counter[str] = Counter()
        self._topics: dict[bytes, dict[Client, None]] = {}
        self.guests = 0
        self.topics = 0

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._by_session.values()))

    @property
    def addresses(self) -> int:
        """Different addresses that have clients."""
        return len(self._hosts)

    def of_session(self, session: bytes) -> Client | None:
        return self._by_session.get(session)

    def of_device(self, device: bytes) -> Client | None:
        return self._by_device.get(device)

    def of_ephemeral(self, ephemeral: bytes) -> Client | None:
        return self._by_ephemeral.get(ephemeral)

    def of_path(self, path: Path) -> Client | None:
        return self._by_path.get(path)

    def reserved(self, handle: bytes) -> Client | None:
        """Who can be reached under this handle."""
        return self._by_handle.get(handle)

    def refusal(self, host: str, mode: Mode, instead_of: Client | None) -> Refusal:
        """Is there room for one more? `instead_of`: who leaves for it."""
        limits, less = self._limits, instead_of
        if len(self) - (less is not None) >= limits.clients:
            return Refusal.FULL
        if self._hosts[host] - (less is not None and less.host == host) >= limits.clients_per_address:
            return Refusal.ADDRESS_FULL
        if mode is Mode.GUEST and self.guests - (less is not None and not less.reserved) >= limits.guests:
            return Refusal.FULL
        return Refusal.NONE

    def add(self, client: Client) -> None:
        """A registration begins. There is no other of this device."""
        self._by_session[client.conversation.session] = client
        self._by_device[client.device] = client
        self._by_ephemeral[client.ephemeral] = client
        self._by_path[client.path] = client
        self._hosts[client.host] += 1
        if client.reserved:
            self._by_handle[client.handle] = client
        else:
            self.guests += 1

    def remove(self, client: Client) -> None:
        """It is over. The client's channels are somebody else's affair."""
        self.set_topics(client, ())
        del self._by_session[client.conversation.session]
        del self._by_device[client.device]
        del self._by_ephemeral[client.ephemeral]
        if self._by_path.get(client.path) is client:
            del self._by_path[client.path]
        self._count_host(client.host, -1)
        if client.reserved:
            del self._by_handle[client.handle]
        else:
            self.guests -= 1

    def move(self, client: Client, path: Path, host: str) -> None:
        """It is bound to another path now."""
        if self._by_path.get(client.path) is client:
            del self._by_path[client.path]
        self._count_host(client.host, -1)
        client.path, client.host = path, host
        self._by_path[path] = client
        self._count_host(host, 1)

    def set_topics(self, client: Client, topics: Iterable[bytes]) -> bool:
        """Under which it is found. A guest is not found at all. False: there are too many, and it has none now."""
        for topic in client.topics:
            of_topic = self._topics[topic]
            del of_topic[client]
            if not of_topic:
                del self._topics[topic]
        self.topics -= len(client.topics)
        client.topics = ()
        wanted = tuple(dict.fromkeys(topics)) if client.reserved else ()
        if self.topics + len(wanted) > self._limits.topics:
            return False
        client.topics = wanted
        self.topics += len(wanted)
        for topic in wanted:
            self._topics.setdefault(topic, {})[client] = None
        return True

    def lookup(self, topics: tuple[bytes, ...], asker: Client) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
        """Who is there under each topic, as many as an answer holds."""
        found, room = [], MAX_FOUND
        for topic in topics:
            of_topic = self._topics.get(topic, {})
            handles = [client.handle for client in _some(of_topic, MAX_HANDLES + 1) if client is not asker]
            handles = handles[: min(MAX_HANDLES, room)]
            room -= len(handles)
            found.append((topic, tuple(handles)))
        return tuple(found)

    def _count_host(self, host: str, step: int) -> None:
        self._hosts[host] += step
        if not self._hosts[host]:
            del self._hosts[host]  # addresses come and go: nothing stays of them


def _some(of_topic: dict[Client, None], count: int) -> list[Client]:
    """Up to `count` of them; those who were found go to the end, so that everybody's turn comes."""
    chosen = [client for client, _ in zip(of_topic, range(count), strict=False)]
    if len(of_topic) > count:
        for client in chosen:
            del of_topic[client]
            of_topic[client] = None
    return chosen
