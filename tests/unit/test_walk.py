"""Walks: everything that waited when one began was read once."""

from __future__ import annotations

from swarm.sync.walk import FEW, Walk


def test_a_walk_over_nothing_is_over_once_all_is_listed() -> None:
    walk = Walk()
    walk.look(True, [], [], "")
    assert not walk.done
    walk.look(False, [], [], "")
    assert walk.done


def test_what_comes_later_does_not_hold_it_up() -> None:
    walk = Walk()
    walk.look(False, {"a", "b"}, {"c"}, "")
    walk.look(False, {"b", "later"}, {"c"}, "a")
    walk.look(False, {"b", "later", "a"}, set(), "c")
    assert not walk.done
    walk.look(False, {"later", "a", "b"}, set(), "b")  # each of them changed again, and waits anew
    assert walk.done


def test_what_vanished_unread_is_not_waited_for() -> None:
    walk = Walk()
    walk.look(False, {"a", "gone"}, set(), "")
    walk.look(False, {"a"}, set(), "")
    assert not walk.done
    walk.look(False, set(), set(), "a")
    assert walk.done


def test_of_many_that_vanished_it_takes_the_last_ones_to_see_that() -> None:
    many = {f"{number}" for number in range(FEW * 3)}
    walk = Walk()
    walk.look(False, many, set(), "")
    walk.look(False, {"0"}, set(), "1")
    assert not walk.done
    walk.look(False, set(), set(), "0")
    assert walk.done


def test_it_is_not_over_while_something_is_being_listed() -> None:
    walk = Walk()
    walk.look(False, {"a"}, set(), "")
    walk.look(True, set(), set(), "a")
    assert not walk.done
    walk.look(False, set(), set(), "")
    assert walk.done
