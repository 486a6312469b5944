"""A daemon without folders, for tests of the control API and the command line.

Run as a program it is `swarm` with a node whose `run_daemon` serves this fake: real processes, sockets and locks.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from swarm.config import Config, described
from swarm.control.daemon import Done, Preview, Shared, Waited
from swarm.errors import EXIT_HELD, EXIT_NOT_FOUND, Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from swarm.disk.home import Home

SECRET = "swarmw1fake+192.0.2.7:47474+name=Docs"


class FakeRelaying:
    """Remembers what it was asked, and has one relay that is away."""

    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        self.calls = calls

    async def relays(self) -> dict[str, Any]:
        self.calls.append(("relays",))
        away = {
            "relay": "r.example.net:47470~KEY",
            "state": "connecting",
            "via": None,
            "named": True,
            "public_address": None,
            "why": "the relay r.example.net:47470 cannot be used: no answer",
        }
        return {"relays": [away]}

    async def add(self, relay: str, token: str | None) -> dict[str, Any]:
        self.calls.append(("relay-add", relay, token))
        return {"relay": relay, "notes": ["Registered."]}

    async def remove(self, relay: str) -> dict[str, Any]:
        self.calls.append(("relay-remove", relay))
        raise UserError("there is no such relay here", "swarm relay list shows them", EXIT_NOT_FOUND)


class FakePast:
    """Remembers what it was asked, and knows two versions of everything."""

    def __init__(self, calls: list[tuple[Any, ...]]) -> None:
        self.calls = calls

    async def history(self, path: str) -> dict[str, Any]:
        self.calls.append(("history", path))
        versions = [] if "nothing" in path else [version("3fa91c", 1200), version("00ff00", 12)]
        return {"folder": "Docs", "path": path, "versions": versions}

    async def deleted(self, path: str, whole: bool) -> dict[str, Any]:
        self.calls.append(("deleted", path, whole))
        gone = {"path": f"{path}/gone\x1b.txt", "deleted": "2026-01-02T03:04:05.678Z", "size": 12, "versions": 2}
        return {"folder": "Docs", "files": [] if "nothing" in path else [gone]}

    async def restore(self, path: str, version_id: str | None, at_ms: int, to: str | None) -> dict[str, Any]:
        self.calls.append(("restore", path, version_id, at_ms, to))
        row = {"path": to or path, "version": version("3fa91c", 12), "kept": None if to else f"{path}.kept"}
        return {"folder": "Docs", "restored": [row]}

    async def revert(self, path: str, whole: bool) -> dict[str, Any]:
        self.calls.append(("revert", path, whole))
        return {"reverted": 0 if "nothing" in path else 2, "left": 0, "done": "far" not in path}


def version(name: str, size: int) -> dict[str, Any]:
    moment = "2026-01-02T03:04:05.678Z"
    return {"id": name, "time": moment, "size": size, "modified": moment, "kind": "file", "place": "/x"}


class FakeDaemon:
    """Remembers what it was asked. Paths and keys with certain words in them make it fail in certain ways."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.past = FakePast(self.calls)
        self.relaying = FakeRelaying(self.calls)
        self.stopped = asyncio.Event()
        self.waiting = asyncio.Event()
        self.wait_cancelled = asyncio.Event()
        self.folders: list[dict[str, Any]] = []
        self.happenings: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.listening = asyncio.Event()
        self.silent = asyncio.Event()
        self.waited = Waited(True, ())

    async def share(self, path: str, name: str | None) -> Shared:
        self.calls.append(("share", path, name))
        if "bug" in path:
            raise ZeroDivisionError("swarmw1secret")
        if "offline" in path:
            raise Unavailable("the disk is away", "plug it in")
        return Shared(SECRET, "00ff", name or "Docs", path, ("Anyone with this key can read and change Docs.",))

    async def join(self, invitation: str, path: str | None, merge: bool) -> Shared:
        self.calls.append(("join", invitation, path, merge))
        if path is not None and "full" in path and not merge:
            raise UserError(f"{path} has files already", "--yes merges", EXIT_HELD)
        return Shared(invitation, "00ff", "Docs", path or "/home/anna/Docs", ("nobody is online yet",))

    async def preview(self, invitation: str, path: str) -> Preview:
        self.calls.append(("preview", invitation, path))
        if "forever" in path:
            await self._for_ever()
        return Preview("nas", True, 3, 12_000, 2, 3_100_000_000, 1, 1)

    async def status(self) -> dict[str, Any]:
        return {"device": {"id": "ab", "name": "anna-desk"}, "folders": self.folders}

    async def wait(self, path: str, device: str | None, peers: int, timeout: float | None) -> Waited:
        self.calls.append(("wait", path, device, peers, timeout))
        if "forever" in path:
            await self._for_ever()
        return self.waited

    async def _for_ever(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.wait_cancelled.set()

    async def key(self, path: str, kind: str) -> str:
        self.calls.append(("key", path, kind))
        if "elsewhere" in path:
            raise UserError(f"{path} is not in a shared folder", "swarm status lists them", EXIT_NOT_FOUND)
        return f"swarm{kind[0]}1fake"

    async def leave(self, path: str) -> Done:
        return self._done("leave", path)

    async def move(self, old: str, new: str) -> Done:
        return self._done("move", old, new)

    async def pause(self, path: str, seconds: float | None) -> Done:
        return self._done("pause", path, seconds)

    async def resume(self, path: str) -> Done:
        return self._done("resume", path)

    async def scan(self, path: str) -> Done:
        return self._done("scan", path)

    def _done(self, verb: str, path: str, *more: Any) -> Done:
        self.calls.append((verb, path, *more))
        return Done("Docs", path, (f"{verb} is done",))

    async def doctor(self) -> dict[str, Any]:
        return {"port": 47474, "own": [], "relays": [], "mapping": None, "peers": [], "folders": []}

    async def config(self) -> dict[str, Any]:
        return described(Config(), "/home/anna/swarm", "anna-desk")

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        try:
            yield "status", await self.status()
            while True:
                self.listening.set()
                yield await self.happenings.get()
        finally:
            self.silent.set()

    async def stop(self) -> None:
        self.stopped.set()


def run_daemon(home: Home, config: Config, on_ready: Callable[[], None], log_file: Path | None) -> int:
    """The node's entry point, over a FakeDaemon."""
    del config, log_file
    return asyncio.run(_run(home, on_ready))


async def _run(home: Home, on_ready: Callable[[], None]) -> int:
    from swarm.control.api import Api
    from swarm.control.server import serve

    daemon = FakeDaemon()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, daemon.stopped.set)
    server = await serve(Api(daemon), home.socket)
    on_ready()
    await daemon.stopped.wait()
    await server.close()
    return 0


if __name__ == "__main__":
    node = ModuleType("swarm.node.main")
    node.run_daemon = run_daemon  # type: ignore[attr-defined]
    sys.modules["swarm.node.main"] = node

    from swarm.cli import launch
    from swarm.cli.main import main

    launch.command = lambda: [sys.executable, __file__, "run", "--detached"]
    sys.exit(main())
