"""A memory file system that is a shared folder: `.swarm` is there, as share and join make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.sync.files import OURS
from swarm.sync.memory_files import MemoryFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.files import Traits


def marked(now: Callable[[], int], traits: Traits | None = None, capacity: int = 1 << 40) -> MemoryFileSystem:
    """With `.swarm` in it."""
    files = MemoryFileSystem(now, traits, capacity)
    files.mkdir(OURS, 0o700)
    return files
