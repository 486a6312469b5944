"""Whether a folder is safely there: looked at before each piece of work on its disk, and told when that changes.

Once it is away, `healthy` says why until `is_back` has found the folder again, on whatever disk it is then: what was
begun meanwhile was begun on the strength of another look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.disk import marker
from swarm.disk.marker import Unhealthy
from swarm.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.disk.marker import Sight
    from swarm.ids import FolderId


class Presence:
    """Of one folder, from its opening on. `tell(why)` is called when it goes, with "" when it is back.

    look: what is at the root, raising OSError. Raises Unhealthy from the constructor where the folder is not there.
    """

    def __init__(
        self, root: str, folder: FolderId, tell: Callable[[str], None], look: Callable[[], Sight] | None = None
    ) -> None:
        self.away = ""  # why it is not safely there, or ""
        self._root = root
        self._folder = folder
        self._tell = tell
        self._look = look
        self._place = self._found = marker.check(root, folder, None, self._look)

    def healthy(self) -> str:
        """The empty string, or why the folder is not safely there."""
        if self.away:
            return self.away
        try:
            marker.check(self._root, self._folder, self._place, self._look)
        except Unhealthy as error:
            self.away = error.message
            self._tell(error.message)
        return self.away

    def come_back(self, open_anew: Callable[[], None]) -> bool:
        """Whether a folder that was away is there again, perhaps on another disk. It counts as away until `open_anew`
        has opened what is there now: what was open may be of the disk that has gone. It raises Unavailable where that
        has gone again."""
        if not self.is_back():
            return False
        try:
            open_anew()
        except Unavailable:
            return False  # gone again
        self.welcome()
        return True

    def is_back(self) -> bool:
        """Whether a folder that was away is there again. It still counts as away until `welcome`."""
        try:
            self._found = marker.check(self._root, self._folder, None, self._look)
        except Unhealthy:
            return False
        return True

    def welcome(self) -> None:
        """What `is_back` has found is worked with from now on."""
        self._place = self._found
        self.away = ""
        self._tell("")
