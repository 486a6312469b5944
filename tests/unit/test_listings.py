"""Listings: one at a time for each directory, and none forgotten."""

from __future__ import annotations

from swarm.sync.dirty import Dirty
from swarm.sync.events import Effect, Scan
from swarm.sync.listings import Listings


def test_a_directory_that_changes_while_it_is_listed_is_listed_once_more() -> None:
    effects: list[Effect] = []
    listings = Listings(effects.append)
    listings.scan("d", recursive=True)
    listings.scan("d")
    listings.scan("d")
    assert effects == [Scan("d")]
    assert listings.listed("d")
    assert effects == [Scan("d"), Scan("d")]
    assert not listings.listed("d")
    assert len(listings) == 0


def test_what_was_asked_for_below_is_not_forgotten() -> None:
    listings = Listings(lambda _: None)
    listings.scan("d")
    listings.scan("d", recursive=True)
    assert not listings.listed("d")
    assert listings.listed("d")


def test_a_directory_that_could_not_be_listed_is_not_tried_again_at_once() -> None:
    effects: list[Effect] = []
    listings = Listings(effects.append)
    listings.scan("d")
    listings.scan("d")
    listings.failed("d")
    assert effects == [Scan("d")]
    assert len(listings) == 0


def test_what_was_closed_is_known_once_and_forgotten_with_its_directory() -> None:
    """A program that makes and removes files all day must not fill the memory with their names."""
    listings = Listings(lambda _: None)
    for number in range(3):
        closed = frozenset({f"d/{number}", f"gone/{number}"})
        listings.dirty(Dirty(frozenset({"d", "gone"}), closed, written=frozenset({"d/1", "gone/1"})))
    listings.listed("d")
    assert (listings.closed, listings.written) == ({"d/0", "d/1", "d/2"}, {"d/1"})
    listings.keep_written("d/1")
    listings.listed("d")
    assert (listings.closed, listings.written) == (set(), {"d/1"})
    listings.failed("gone")
    listings.listed("gone")
    assert not listings.closed
    assert not listings.written


def test_a_directory_that_cannot_be_named_is_not_listed() -> None:
    effects: list[Effect] = []
    listings = Listings(effects.append)
    listings.dirty(Dirty(frozenset({"bad-\udcff", "d/bad-\udcff/e", "f"}), frozenset({"bad-\udcff/x"})))
    assert effects == [Scan("f")]
    listings.listed("bad-\udcff")
    assert not listings.closed


def test_what_a_listing_has_in_it_is_not_listed_twice_where_that_was_asked_for_after_it() -> None:
    """The watcher names a renamed directory and all below it. Listed once more for each directory above, a deep tree
    was listed five times."""
    effects: list[Effect] = []
    listings = Listings(effects.append)
    listings.dirty(Dirty(frozenset({"", "d", "d/e"}), frozenset()))
    assert effects == [Scan(""), Scan("d"), Scan("d/e")]
    assert not listings.listed("")
    listings.scan_below("d")
    assert listings.listed("d")
    listings.scan_below("d/e")
    assert listings.listed("d/e")
    assert effects == [Scan(""), Scan("d"), Scan("d/e")]
    assert len(listings) == 0


def test_a_walk_lists_anew_what_was_being_listed_before_it_began() -> None:
    effects: list[Effect] = []
    listings = Listings(effects.append)
    listings.scan("d")
    listings.scan("", recursive=True)
    assert listings.listed("")
    listings.scan_below("d")
    assert not listings.listed("d")
    assert effects == [Scan("d"), Scan(""), Scan("d")]
    assert listings.listed("d")
