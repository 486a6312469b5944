"""What the control API may ask of a running daemon. The node implements it; tests use a fake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from swarm.control.past import Past
    from swarm.control.relaying import Relaying


@dataclass(frozen=True, slots=True)
class Shared:
    """The answer to share and join."""

    key: str  # the write key, or a reader's own, with current hints, one line (a secret)
    folder: str  # the folder's id, hex
    name: str
    path: str  # absolute
    notes: tuple[str, ...]  # sentences for people: what the key allows, how reachable this device is


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer to preview: files by size and time, those here against those that a member has."""

    member: str  # whose files they were compared with; "" when nobody was there
    whole: bool  # whether all of its list had come; else nothing was compared, and all are only here
    only_here: int
    only_here_bytes: int
    only_there: int
    only_there_bytes: int
    same: int
    differ: int


@dataclass(frozen=True, slots=True)
class Waited:
    """The answer to wait."""

    done: bool
    missing: tuple[str, ...]  # sentences: who or what is not there yet; once it is done, who has something else besides


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to what changes a folder on this device: leave, move, pause, resume, scan."""

    name: str
    path: str  # absolute: where it is now
    notes: tuple[str, ...]  # sentences for people


class Daemon(Protocol):
    """Every method may raise UserError, whose message, hint and exit code go back to the command line as they are."""

    @property
    def past(self) -> Past:
        """What it may be asked about history."""
        ...

    @property
    def relaying(self) -> Relaying:
        """What it may be asked about relays."""
        ...

    async def share(self, path: str, name: str | None) -> Shared:
        """Shares an absolute path, created if missing. Sharing it again gives the same secret."""
        ...

    async def join(self, invitation: str, path: str | None, merge: bool) -> Shared:
        """Joins with a printed key and its hints.

        path: absolute, or None for ~/NAME, which must then be empty or absent (UserError, exit 2).
        merge: whether merging with files already at an explicit `path` was agreed to (else UserError, exit 6).
        """
        ...

    async def preview(self, invitation: str, path: str) -> Preview:
        """What `join` would merge at an absolute path. Nothing there is changed, and nothing of it is sent."""
        ...

    async def status(self) -> dict[str, Any]:
        """The object of `swarm status --json`."""
        ...

    async def wait(self, path: str, device: str | None, peers: int, timeout: float | None) -> Waited:
        """Returns when this device and every connected member are identical and need nothing; path: absolute."""
        ...

    async def key(self, path: str, kind: str) -> str:
        """The folder's key of a kind: "write", "read", "blind" or "owner". path: absolute, in or at a shared folder."""
        ...

    async def leave(self, path: str) -> Done:
        """Shares this folder no longer here; files, history and an owner key stay, the marker goes. path: its own."""
        ...

    async def move(self, old: str, new: str) -> Done:
        """The folder of `old` lives at `new`: it was moved there already, or is moved now. Both absolute."""
        ...

    async def pause(self, path: str, seconds: float | None) -> Done:
        """The folder neither reads, sends nor writes, over restarts too; None: until `resume`."""
        ...

    async def resume(self, path: str) -> Done: ...

    async def scan(self, path: str) -> Done:
        """Looks through the whole folder, whatever the watcher says."""
        ...

    async def doctor(self) -> dict[str, Any]:
        """What only the daemon knows of what `swarm doctor` tells: see `swarm.node.checkup`."""
        ...

    async def config(self) -> dict[str, Any]:
        """The object of `swarm config --json`."""
        ...

    def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """(name, data), for as long as somebody listens: first ("status", all of it), then ("folder", its object) for
        each that is another, and ("gone", {"id": its id})."""
        ...

    async def stop(self) -> None:
        """Begins a clean end; returns at once."""
        ...
