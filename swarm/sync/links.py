"""Hard links: a file that changes in place changes at all its names, and the watcher tells of one. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.sync.store import Local, Store

MAX_LINKS = 256  # files with the content of one that changed, among which its other names are looked for


def other_names(store: Store, path: str, local: Local) -> list[str]:
    """Paths of the local tree, `path` left out, that were names of the file known there as `local`."""
    return [
        other
        for other in islice(store.locals_with(local.content), MAX_LINKS)
        if other != path and (known := store.local(other)) is not None and known.inode == local.inode
    ]
