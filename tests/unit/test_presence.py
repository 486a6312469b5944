"""Presence: told once when a folder goes, and worked with again only after it was welcomed."""

from __future__ import annotations

import errno

import pytest

from swarm.disk.marker import Sight, Unhealthy, marker_text
from swarm.disk.presence import Presence
from swarm.errors import Unavailable
from swarm.ids import FolderId

FOLDER = FolderId(b"\x01" * 16)
HERE = Sight((1, 2), marker_text(FOLDER))


class Root:
    """What is seen at it, or the error of looking."""

    def __init__(self) -> None:
        self.sight: Sight | OSError = HERE
        self.told: list[str] = []
        self.presence = Presence("/docs", FOLDER, self.told.append, self.look)

    def look(self) -> Sight:
        if isinstance(self.sight, OSError):
            raise self.sight
        return self.sight


@pytest.mark.parametrize(
    "sight",
    [
        OSError(errno.ENOENT, "No such file or directory"),
        OSError(errno.EIO, "Input/output error"),
        Sight((1, 2), None),
        Sight((1, 2), marker_text(FolderId(b"\x02" * 16))),
        Sight((1, 2), b""),
        Sight((9, 2), marker_text(FOLDER)),
        Sight((1, 9), marker_text(FOLDER)),
    ],
    ids=["missing", "unreadable", "unmarked", "foreign", "torn marker", "another disk", "another directory"],
)
def test_whatever_is_not_the_folder_as_it_was_is_away_and_told_once(sight: Sight | OSError) -> None:
    root = Root()
    assert root.presence.healthy() == ""
    root.sight = sight
    assert root.presence.healthy()
    assert root.presence.healthy()
    assert root.told == [root.presence.away]


def test_what_was_away_is_away_until_it_is_welcomed() -> None:
    """Files that are open may be those of the disk that has gone."""
    root = Root()
    root.sight = Sight((1, 2), None)
    why = root.presence.healthy()
    root.sight = HERE
    assert root.presence.healthy() == why
    assert root.presence.is_back()
    assert root.presence.healthy() == why
    root.presence.welcome()
    assert root.presence.healthy() == ""
    assert root.told == [why, ""]


def test_a_folder_may_come_back_on_another_disk() -> None:
    root = Root()
    root.sight = Sight((9, 7), marker_text(FOLDER))
    assert root.presence.healthy()
    assert root.presence.is_back()
    root.presence.welcome()
    assert root.presence.healthy() == ""
    root.sight = HERE
    assert root.presence.healthy()


def test_a_folder_that_is_not_there_is_not_opened() -> None:
    with pytest.raises(Unhealthy):
        Presence("/docs", FOLDER, lambda why: None, lambda: Sight((1, 2), None))


def test_a_folder_that_goes_again_while_it_is_opened_is_still_away() -> None:
    root = Root()
    root.sight = Sight((1, 2), None)
    why = root.presence.healthy()
    root.sight = HERE

    def gone() -> None:
        raise Unavailable("it was there a moment ago")

    assert not root.presence.come_back(gone)
    assert root.presence.healthy() == why
    assert root.presence.come_back(lambda: None)
    assert root.told == [why, ""]
