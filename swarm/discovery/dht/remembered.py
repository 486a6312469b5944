"""The nodes that were known when the daemon last ran, in a small SQLite file: a way in when no bootstrap node is up.

Losing it costs nothing, and neither does garbage in it: rows are checked like anything a stranger says, and a file that
is none of SQLite's is removed. Records are not kept here: those of others are brought again within the hour, and our
own are made anew.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import ID_BYTES, Contact, Scope, is_bound, scope

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger("swarm.dht")

NAME: Final = "dht.sqlite"
MAX_NODES: Final = 256  # far more than are needed to find the rest
BUSY_SECONDS: Final = 1.0


class Remembered:
    """Contacts in a file. Blocks: use it in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[Contact]:
        """Those of the last time that make sense; none where there is no file."""
        if not self._path.exists():
            return []
        try:
            with contextlib.closing(self._open()) as file:
                rows = file.execute("SELECT id, host, port FROM node LIMIT ?", (MAX_NODES,)).fetchall()
        except sqlite3.Error as error:
            log.info("%s cannot be read and is begun anew: %s", self._path, error)
            self._discard()
            return []
        return [contact for row in rows if (contact := _contact(row)) is not None]

    def save(self, contacts: Iterable[Contact]) -> None:
        """In place of those that were there. A failure is a line in the log."""
        rows = [tuple(contact) for contact in contacts][:MAX_NODES]
        try:
            with contextlib.closing(self._open()) as file, file:
                file.execute("DELETE FROM node")
                file.executemany("INSERT OR REPLACE INTO node (id, host, port) VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            log.info("%s cannot be written: %s", self._path, error)
            self._discard()

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
        try:
            file.execute("CREATE TABLE IF NOT EXISTS node (id BLOB PRIMARY KEY, host TEXT, port INTEGER)")
        except sqlite3.Error:
            file.close()
            raise
        return file

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()


def _contact(row: tuple[object, ...]) -> Contact | None:
    match row:
        case (bytes(node_id), str(host), int(port)) if len(node_id) == ID_BYTES and 0 < port < 1 << 16:
            contact = Contact(node_id, host, port)
            return contact if scope(host) is not Scope.NOWHERE and is_bound(contact) else None
    return None
