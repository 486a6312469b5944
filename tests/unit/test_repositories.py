"""Below `.git`: objects come before what names them, and go after."""

from __future__ import annotations

import pytest

from swarm.sync.repositories import Repositories, names_objects

BRANCH, OBJECT, OLD = "r/.git/refs/heads/main", "r/.git/objects/ab/cdef", "r/.git/objects/12/3456"


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (BRANCH, True),
        (".git/HEAD", True),
        (".git/index", True),
        (".git/objects", True),
        (OBJECT, False),
        (".git/objects/pack/x.pack", False),
        ("r/.git", False),
        ("r/objects/ab/cdef", False),
        ("r/.github/workflows/x", False),
        (".gitignore", False),
    ],
)
def test_what_may_name_objects(path: str, verdict: bool) -> None:
    assert names_objects(path) is verdict


def test_a_branch_waits_for_the_objects_of_its_repository_and_for_no_others() -> None:
    order = Repositories()
    for path in (BRANCH, OBJECT, "other/.git/objects/ab/cdef", "r/src/file"):
        order.needed(path, going=False)
    assert not order.hold(OBJECT, going=False)
    assert not order.hold("r/src/file", going=False)
    assert order.hold(BRANCH, going=False)
    assert order.free() is None
    order.needed(OBJECT, False, -1)
    assert order.free() == BRANCH
    assert order.free() is None


def test_objects_go_after_all_else_has_come() -> None:
    order = Repositories()
    order.needed(OLD, going=True)
    order.needed(BRANCH, going=False)
    assert order.hold(OLD, going=True)
    assert not order.hold(BRANCH, going=False)
    order.needed(BRANCH, False, -1)
    assert order.free() == OLD


def test_what_is_no_longer_needed_is_not_given_back() -> None:
    order = Repositories()
    order.needed(OBJECT, going=False)
    order.needed(BRANCH, going=False)
    assert order.hold(BRANCH, going=False)
    order.needed(BRANCH, False, -1)
    order.needed(OBJECT, False, -1)
    assert order.free() is None


def test_a_repository_without_objects_on_their_way_holds_nothing_up() -> None:
    order = Repositories()
    order.needed(BRANCH, going=True)
    assert not order.hold(BRANCH, going=True)
    order.needed(OLD, going=True)
    order.needed(BRANCH, True, -1)
    assert not order.hold(OLD, going=True)
