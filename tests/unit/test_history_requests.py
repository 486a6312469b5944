"""Which version a user means."""

from __future__ import annotations

import pytest

from swarm.disk.versions import Version
from swarm.errors import EXIT_NOT_FOUND, UserError
from swarm.ids import Kind
from swarm.node.history_requests import choose
from swarm.sync.files import Stat

VERSIONS = [
    Version("a", f".swarm/history/{name}", when_ms, name, Stat(Kind.FILE, 1, 0, 0, 0, 1, 1))
    for name, when_ms in (("cccccc", 3000), ("bbbbbb", 2000), ("aaaaaa", 1000))
]


def test_the_newest_where_nothing_is_said() -> None:
    assert choose(VERSIONS, None, 0, "a").id == "cccccc"


@pytest.mark.parametrize(("at_ms", "name"), [(1, "aaaaaa"), (1000, "aaaaaa"), (1001, "bbbbbb"), (3000, "cccccc")])
def test_at_a_time_it_is_what_was_replaced_next(at_ms: int, name: str) -> None:
    assert choose(VERSIONS, None, at_ms, "a").id == name


def test_after_the_last_change_it_is_what_is_there() -> None:
    with pytest.raises(UserError, match="the last one"):
        choose(VERSIONS, None, 3001, "a")


def test_a_version_is_named_by_its_id() -> None:
    assert choose(VERSIONS, "BBBBBB", 0, "a").id == "bbbbbb"
    for wrong in ("", "bbbbb", "123456", "\x1b[31m"):
        with pytest.raises(UserError) as caught:
            choose(VERSIONS, wrong, 0, "a")
        assert caught.value.code == EXIT_NOT_FOUND
        assert "\x1b" not in caught.value.message


def test_an_id_that_two_versions_have_names_neither() -> None:
    with pytest.raises(UserError, match="more than one"):
        choose([*VERSIONS, VERSIONS[0]._replace(when_ms=5)], "cccccc", 0, "a")


def test_without_versions_there_is_nothing_to_choose() -> None:
    with pytest.raises(UserError, match="has nothing"):
        choose([], None, 0, "a")
