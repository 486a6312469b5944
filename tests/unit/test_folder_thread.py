"""A folder's thread: what it decides by itself, which is when a database may say at once what is here."""

from __future__ import annotations

import os
import queue
from typing import TYPE_CHECKING

from swarm.disk import marker
from swarm.disk.database import SqliteStore
from swarm.disk.home import Home
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.node.folder_thread import FolderThread
from swarm.node.hands import Hands
from swarm.sync.folder import Identity

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.sync.events import Event


def test_a_database_that_is_made_anew_in_the_run_that_made_the_folder_hears_a_member_first(tmp_path: Path) -> None:
    """Its folder is no longer empty of others: what they have is not to be contradicted by what happens to be here."""
    keys = FolderKeys.create(b"o" * 32)
    root = tmp_path / "docs"
    root.mkdir()
    marker.lay_out(str(root), keys.folder_id)
    home = Home.open(tmp_path / "home")
    try:
        folder_home = home.add_folder(keys.folder_id, "a key", str(root))
        identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
        thread = FolderThread(folder_home, str(root), identity, outlet=lambda *_: None, on_status=lambda _: None)
        posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
        hands = Hands(str(root), identity, posted.put)
        try:
            holding = []
            for _ in range(2):
                store = SqliteStore(str(folder_home.database))
                holding.append(thread._open_folder(store, hands).status().holding)
                store.close()
                for suffix in ("", "-wal", "-shm"):
                    if os.path.exists(f"{folder_home.database}{suffix}"):
                        os.unlink(f"{folder_home.database}{suffix}")
            assert holding == [False, True]
        finally:
            hands.close()
    finally:
        home.close()
