"""A folder of this device, as the node knows it: what its home says of it, and its thread."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from swarm.keys.chain import FolderKeys
from swarm.keys.hints import parse_invitation

if TYPE_CHECKING:
    from swarm.disk.home import FolderHome
    from swarm.node.folder_thread import FolderThread
    from swarm.sync.folder import FolderStatus


class SharedFolder:
    """A folder of this device: its keys, its thread, its name."""

    def __init__(self, home: FolderHome) -> None:
        printed, self.hints = parse_invitation(home.key())
        self.home = home
        self.keys = FolderKeys.from_printed(printed)
        self.root = home.root()
        self.real = os.path.realpath(self.root)
        self.name = self.hints.name or os.path.basename(self.root)
        self.thread: FolderThread | None = None  # None: paused
        self.paused_until: float | None = None  # seconds since 1970; infinite: until it is resumed; None: it is not
        self.last: FolderStatus | None = None  # of a paused folder: what was known when it was paused
