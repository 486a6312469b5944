"""The relays that a user names: how they are written, and how they are kept."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from swarm.errors import UserError
from swarm.node.relay_list import MAX_RELAYS, NAME, RelayList, checked, learned, learned_as
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from pathlib import Path


def written(number: int, host: str = "r.example.net:47470") -> str:
    return f"{host}~{TinyRelay(bytes([number]) * 32).place.partition('~')[2]}"


def test_what_was_added_is_there_after_a_restart_and_for_its_owner_alone(tmp_path: Path) -> None:
    kept = RelayList(tmp_path)
    kept.add(written(1), "secret")
    kept.add(written(2), None)
    assert [str(place) for place in RelayList(tmp_path).places] == [f"{written(1)}.secret", written(2)]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_the_line_that_a_relay_prints_names_it_like_its_second_word() -> None:
    assert checked(f"relay {written(1)}") == checked(written(1))


def test_a_relay_of_the_same_key_is_replaced(tmp_path: Path) -> None:
    kept = RelayList(tmp_path)
    kept.add(written(1), None)
    kept.add(written(1, "192.0.2.7:1"), None)
    assert [str(place) for place in kept.places] == [written(1, "192.0.2.7:1")]


@pytest.mark.parametrize("part", ["{address}", "{whole}", "{key}", "{whole}.secret"])
def test_one_is_removed_by_any_name(tmp_path: Path, part: str) -> None:
    kept = RelayList(tmp_path)
    kept.add(written(1), "secret")
    address, _, key = written(1).partition("~")
    kept.remove(part.format(address=address, whole=written(1), key=key))
    assert kept.places == RelayList(tmp_path).places == []


def test_mistakes_are_said_and_no_token_is_shown(tmp_path: Path) -> None:
    kept = RelayList(tmp_path)
    for bad in ("r.example.net:47470", "r.example.net~KEY", written(1)[:-1], "r.example.net:47470~KEY"):
        with pytest.raises(UserError):
            kept.add(bad, None)
    with pytest.raises(UserError) as told:
        kept.add(written(1), "not a token!")
    assert "not a token!" not in told.value.message + told.value.hint
    with pytest.raises(UserError, match="already"):
        kept.add(f"{written(1)}.one", "two")
    with pytest.raises(UserError, match="no such relay"):
        kept.remove("r.example.net:47470")
    for number in range(MAX_RELAYS):
        kept.add(written(number + 1), None)
    with pytest.raises(UserError, match="already"):
        kept.add(written(99), None)


def test_a_damaged_list_is_begun_anew(tmp_path: Path) -> None:
    for text in ("{", "[1]", '["r.example.net"]', "null"):
        (tmp_path / NAME).write_text(text)
        assert RelayList(tmp_path).places == []


def test_what_others_tell_of_has_a_key_and_no_token() -> None:
    key = written(1).partition("~")[2]
    assert str(learned("192.0.2.7", 47470, key)) == f"192.0.2.7:47470~{key}"
    assert str(learned("2001:db8::7", 47470, key)) == f"[2001:db8::7]:47470~{key}"
    assert learned("192.0.2.7", 47470, "short") is None
    assert learned("not a host!", 47470, key) is None
    assert learned_as(f"{written(1)}.token") is None
