"""What is held: it goes when a listing does not have it."""

from __future__ import annotations

from swarm.ids import NO_CONTENT, Kind
from swarm.sync.files import Stat
from swarm.sync.found import Found
from swarm.sync.held import Held


def found(inode: int, kind: Kind = Kind.FILE) -> Found:
    return Found(Stat(kind, 0, 0o644, 1, 1, inode, 1), kind, NO_CONTENT, "")


def test_it_comes_out_in_order_and_once() -> None:
    held = Held()
    for path in ("d/x", "d", "a"):
        held.put(path, found(1, Kind.DIRECTORY))
    assert [path for path, _ in held.take()] == ["a", "d", "d/x"]
    assert held.take() == []
    assert len(held) == 0


def test_what_a_listing_lacks_is_held_no_longer_nor_what_is_below() -> None:
    held = Held()
    for path in ("d", "d/e", "d/e/f", "d2", "x"):
        held.put(path, found(1, Kind.DIRECTORY))
    held.listed("d", {"e"})
    assert len(held) == 5
    held.listed("", {"d2", "x"})
    assert [path for path, _ in held.take()] == ["d2", "x"]


def test_what_was_found_again_is_held_again() -> None:
    held = Held()
    held.put("a", found(1))
    held.listed("", ())
    assert held.get("a") is None
    held.put("a", found(2))
    assert held.get("a") == found(2)


def test_nothing_is_held_below_a_file() -> None:
    held = Held()
    for path in ("d", "d/e", "d/e/f"):
        held.put(path, found(1, Kind.DIRECTORY))
    held.put("d", found(2))
    assert [path for path, _ in held.take()] == ["d"]
