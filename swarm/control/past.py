"""What the control API may ask about the past of a folder. The node implements it; tests use a fake.

Every method may raise UserError. Paths are absolute, and need not lead to anything any more. Times in answers are RFC
3339 in UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from swarm.control.arguments import Arguments

LAST_MS = 253_402_300_799_999  # the end of the year 9999


class Past(Protocol):
    """History, and what a reader changed."""

    async def history(self, path: str) -> dict[str, Any]:
        """`{"folder", "path", "versions": [{"id", "time", "size", "modified", "kind", "place"}]}`, newest first."""
        ...

    async def deleted(self, path: str, whole: bool) -> dict[str, Any]:
        """`{"folder", "files": [{"path", "deleted", "size", "versions"}]}`: what was at or below `path`.

        whole: all of the folder that `path` is in.
        """
        ...

    async def restore(self, path: str, version: str | None, at_ms: int, to: str | None) -> dict[str, Any]:
        """`{"folder", "restored": [{"path", "version", "kept"}]}`; kept: where what was there is now, or null.

        One file; or, of a directory, all that is gone from it. at_ms: 0 where no time was said.
        """
        ...

    async def revert(self, path: str, whole: bool) -> dict[str, Any]:
        """`{"reverted", "left", "done"}`: how many local changes gave way, are left, and whether all is back.

        whole: all of the folder that `path` is in.
        """
        ...


async def history(past: Past, arguments: Arguments) -> dict[str, Any]:
    path = arguments.path("path")
    arguments.finish()
    return await past.history(path)


async def deleted(past: Past, arguments: Arguments) -> dict[str, Any]:
    path, whole = arguments.path("path"), arguments.flag("whole")
    arguments.finish()
    return await past.deleted(path, whole)


async def restore(past: Past, arguments: Arguments) -> dict[str, Any]:
    path, version = arguments.path("path"), arguments.optional_text("version")
    at_ms, to = arguments.count("at_ms", 0, LAST_MS), arguments.optional_path("to")
    arguments.finish()
    return await past.restore(path, version, at_ms, to)


async def revert(past: Past, arguments: Arguments) -> dict[str, Any]:
    path, whole = arguments.path("path"), arguments.flag("whole")
    arguments.finish()
    return await past.revert(path, whole)


VERBS = {"history": history, "deleted": deleted, "restore": restore, "revert": revert}
