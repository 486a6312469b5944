"""Whether something in the folder can be seen that may not be durable yet.

A file that we put in its place, and whose directory could not be synced, looks to the next scan like any other, and so
does one whose installation was cut short by the end of an earlier run. To take it for held would be untrue: a power cut
takes it, and its absence would pass for a deletion by the user. So the debt is paid before anything is listed: by one
syncfs, at the start and after a sync that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.disk.refusal import sentence

if TYPE_CHECKING:
    from swarm.sync.files import FileSystem


class Debt:
    """Of one folder in one run."""

    def __init__(self) -> None:
        self._owing = True  # by whoever ran before

    def owe(self) -> None:
        """A sync failed."""
        self._owing = True

    def pay(self, files: FileSystem) -> str:
        """The empty string once all that can be seen is durable, else why it is not."""
        if self._owing:
            self._owing = False  # first: another thread may owe anew meanwhile
            try:
                files.sync_all()
            except OSError as error:
                self._owing = True
                return sentence(error)
        return ""
