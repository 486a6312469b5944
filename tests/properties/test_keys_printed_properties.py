"""Whatever happens to a printed key on its way, it is read as it was or refused: never another key, never a crash."""

from __future__ import annotations

import traceback
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import EXIT_BAD_KEY, BadKey
from swarm.keys.bech32m import ALPHABET
from swarm.keys.chain import FolderKeys
from swarm.keys.hints import Hints, RelayHint, directory_name, format_invitation, parse_invitation
from swarm.keys.printed import PrintedKey
from swarm.keys.role import Role

seeds = st.binary(min_size=32, max_size=32)
roles = st.sampled_from(Role)
keys = st.builds(lambda seed, role: FolderKeys.create(seed).printed(role), seeds, roles)
START = len("swarmw1")  # typos in the prefix are told apart by themselves


def refused(text: str, key: PrintedKey) -> BadKey:
    with pytest.raises(BadKey) as caught:
        PrintedKey.parse(text)
    error = caught.value
    shown = ("".join(traceback.format_exception(error)) + error.hint).lower()
    data = key.encode()[START:]
    # a few characters may stand in any English sentence; eight of a key's do not
    assert not any(data[i : i + 8] in shown for i in range(len(data) - 7))
    assert error.code == EXIT_BAD_KEY
    assert error.hint
    return error


@given(seeds, roles)
def test_every_key_comes_back_from_print(seed: bytes, role: Role) -> None:
    folder = FolderKeys.create(seed)
    text = folder.printed(role).encode()
    parsed = FolderKeys.from_printed(PrintedKey.parse(text))
    assert parsed.printed(role).encode() == text
    assert (parsed.folder_id, parsed.verify_key) == (folder.folder_id, folder.verify_key)


@settings(max_examples=300)
@given(keys, st.data())
def test_up_to_four_wrong_characters_never_slip_through(key: PrintedKey, data: st.DataObject) -> None:
    text = list(key.encode())
    positions = data.draw(st.sets(st.integers(START, len(text) - 1), min_size=1, max_size=4))
    for position in positions:
        text[position] = data.draw(st.sampled_from(ALPHABET.replace(text[position], "")))
    error = refused("".join(text), key)
    if len(positions) == 1:
        assert error.message.endswith(f"at character {positions.pop() + 1}")


@settings(max_examples=200)
@given(keys, st.data())
def test_a_swap_a_missing_or_an_added_character_never_slips_through(key: PrintedKey, data: st.DataObject) -> None:
    text = key.encode()
    at = data.draw(st.integers(START, len(text) - 2))
    extra = data.draw(st.sampled_from(ALPHABET))
    refused(text[:at] + text[at + 1 :], key)
    refused(text[:at] + extra + text[at:], key)
    if text[at] != text[at + 1]:
        refused(text[:at] + text[at + 1] + text[at] + text[at + 2 :], key)
    elsewhere = data.draw(st.integers(START, len(text) - 1))
    moved = list(text)
    moved[at], moved[elsewhere] = moved[elsewhere], moved[at]
    if moved[at] != text[at]:
        refused("".join(moved), key)
    # one too few and one too many make up for each other in length
    made_up = text[:at] + extra + text[at:elsewhere] + text[elsewhere + 1 :] if at < elsewhere else text[1:]
    if made_up != text:
        refused(made_up, key)


@given(keys, st.data(), st.booleans())
def test_blanks_hyphens_and_capitals_change_nothing(key: PrintedKey, data: st.DataObject, capitals: bool) -> None:
    text = list(key.encode().upper() if capitals else key.encode())
    noise = st.lists(st.sampled_from(" \t\r\n-\u00a0\u200b\u2011\u2013\u00ad"), max_size=2).map("".join)
    written = "".join(data.draw(noise) + character if i % 16 == 0 else character for i, character in enumerate(text))
    assert PrintedKey.parse(written + data.draw(noise)) == key


@given(keys, st.data())
def test_one_letter_in_the_other_case_is_refused(key: PrintedKey, data: st.DataObject) -> None:
    text = key.encode()
    letters = [i for i, character in enumerate(text) if character.isalpha()]
    at = data.draw(st.sampled_from(letters))
    assert "capital" in refused(text[:at] + text[at].upper() + text[at + 1 :], key).message


garbage = st.one_of(
    st.text(max_size=200),
    st.text("swarmowrbi1qpzy9x8 +:~=.-%", max_size=200),
    st.builds("swarm{}1{}".format, st.sampled_from("owrbi"), st.text(ALPHABET, max_size=200)),
)


@settings(max_examples=300)
@given(garbage)
def test_garbage_is_a_bad_key_and_never_a_crash(text: str) -> None:
    with pytest.raises(BadKey) as caught:
        parse_invitation(text)
    assert caught.value.hint


SAFE = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._~:+=%-")
KEY = FolderKeys.create(bytes(32)).printed(Role.READ)
pieces = st.sampled_from(
    ["+", ":", "~", "=", "%", "-", "--", "name=", "192.0.2.7", ":1", "2001-db8--1", "%2e", "%2f", "%ff", "k", "..", "ü"]
)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=300), st.lists(pieces, max_size=40).map("".join)))
def test_garbage_after_the_key_harms_nothing(text: str) -> None:
    key, hints = parse_invitation(KEY.encode() + "+" + text)
    assert key == KEY
    assert len(hints.addresses) <= 4
    assert len(hints.relays) <= 3
    again = format_invitation(key, hints)
    assert set(again) <= SAFE
    assert parse_invitation(again) == (key, hints)


@given(st.text(max_size=200))
def test_a_directory_name_is_never_a_path_nor_hidden(text: str) -> None:
    name = directory_name(text)
    if name is None:
        return
    assert "/" not in name
    assert "\\" not in name
    assert name[0] not in ".-~ "
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert 0 < len(name.encode("utf-8")) <= 100
    assert directory_name(name) == name


hosts = st.one_of(
    st.ip_addresses().map(str), st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9]{0,10}){0,3}", fullmatch=True)
)
ports = st.integers(1, 65535)


@given(
    st.lists(st.tuples(hosts, ports), max_size=6),
    st.lists(st.builds(RelayHint, hosts, ports, st.text("abcXYZ019_-", min_size=1, max_size=64)), max_size=5),
    st.one_of(st.none(), st.text(max_size=50)),
)
def test_what_hints_write_they_read(
    addresses: list[tuple[str, int]], relays: list[RelayHint], name: str | None
) -> None:
    text = Hints(tuple(addresses), tuple(relays), name).encode()
    assert set(text) <= SAFE
    read = Hints.parse(text)
    assert read.encode() == text
    assert read.name == directory_name(name or "")
