"""Printed keys: what is accepted, and what each mistake is called."""

from __future__ import annotations

import traceback

import pytest

from swarm.errors import EXIT_BAD_KEY, BadKey, Bug
from swarm.ids import FolderId
from swarm.keys import bech32m
from swarm.keys.chain import FolderKeys
from swarm.keys.printed import PREFIXES, PrintedKey
from swarm.keys.role import Role

OWNER = FolderKeys.create(bytes(range(32)))
KEYS = {role: OWNER.printed(role).encode() for role in Role}
WRITE = KEYS[Role.WRITE]


def refused(text: str) -> BadKey:
    with pytest.raises(BadKey) as caught:
        PrintedKey.parse(text)
    assert caught.value.code == EXIT_BAD_KEY
    assert caught.value.hint
    return caught.value


def other(character: str) -> str:
    return "q" if character != "q" else "p"


def replaced(text: str, position: int, character: str) -> str:
    return text[:position] + character + text[position + 1 :]


@pytest.mark.parametrize(
    "text",
    [
        "A1LQFN3A",
        "a1lqfn3a",
        "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
        "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
        "?1v759aa",
    ],
)
def test_the_valid_strings_of_bip_350_have_a_fitting_checksum(text: str) -> None:
    prefix, _, data = text.lower().rpartition("1")
    values = [value for value in bech32m.to_values(data) if value is not None]
    assert len(values) == len(data)
    assert bech32m.residue(prefix, values) == 0


def test_a_checksum_of_the_older_bech32_does_not_fit() -> None:
    values = [value for value in bech32m.to_values("2uel5l") if value is not None]  # "A12UEL5L" of BIP-173
    assert bech32m.residue("a", values) != 0


@pytest.mark.parametrize("size", range(8))
def test_bytes_of_any_length_come_back(size: int) -> None:
    data = bytes(range(250, 250 + size)) if size < 6 else bytes(size)
    text = bech32m.encode("x", data)
    assert len(text) == bech32m.encoded_length("x", size)
    values = [value for value in bech32m.to_values(text[2:]) if value is not None]
    assert bech32m.to_bytes(values) == data


@pytest.mark.parametrize("values", [[], [0] * 5, [0] * 7, [0] * 9, [0, 1, *[0] * 6]])
def test_values_that_no_bytes_encode_to_are_no_bytes(values: list[int]) -> None:
    """Too few, left-over bits, or padding that is not zero: one key must have one spelling."""
    assert bech32m.to_bytes(values) in (None, b"")
    assert values in ([], [0] * 5) or bech32m.to_bytes(values) is None


@pytest.mark.parametrize("role", Role)
def test_a_key_may_be_in_capitals_and_broken_up_by_blanks_and_hyphens(role: Role) -> None:
    text = KEYS[role]
    groups = [text[i : i + 4] for i in range(0, len(text), 4)]
    for written in (text.upper(), " ".join(groups), "-".join(groups), "\n".join(groups), "–".join(groups)):
        assert PrintedKey.parse(written) == OWNER.printed(role)
    assert PrintedKey.parse(f"\ufeff  {text[:9]}\u200b{text[9:20]}\u00ad{text[20:]}\u00a0\r\n") == OWNER.printed(role)


@pytest.mark.parametrize("role", Role)
def test_one_wrong_character_is_located_wherever_it_is(role: Role) -> None:
    text = KEYS[role]
    for position in range(7, len(text)):
        error = refused(replaced(text, position, other(text[position])))
        assert error.message == f"the key has a typo, most likely at character {position + 1}"


def test_the_position_counts_neither_blanks_nor_hyphens() -> None:
    wrong = replaced(WRITE, 50, other(WRITE[50]))
    assert "character 51" in refused("-".join(wrong)).message


def test_neighbours_that_changed_places_are_located() -> None:
    for position in range(7, len(WRITE) - 1):
        one, two = WRITE[position], WRITE[position + 1]
        if one != two:
            error = refused(WRITE[:position] + two + one + WRITE[position + 2 :])
            assert f"characters {position + 1} and {position + 2} " in error.message


def test_more_than_one_typo_is_called_that() -> None:
    wrong = replaced(replaced(WRITE, 20, other(WRITE[20])), 60, other(WRITE[60]))
    assert refused(wrong).message == "the key has more than one typo"


@pytest.mark.parametrize("character", "1bio.;$_é\u212a\0")
def test_a_character_that_no_key_contains_is_located(character: str) -> None:
    assert "character 31 is not one" in refused(replaced(WRITE, 30, character)).message


def test_mixed_case_is_refused() -> None:
    assert "capital" in refused(WRITE[:40] + WRITE[40:].upper()).message
    assert "capital" in refused("swarmw1" + WRITE[7:].upper()).message


@pytest.mark.parametrize("role", Role)
def test_a_key_that_is_cut_off_is_called_that(role: Role) -> None:
    for length in range(1, len(KEYS[role])):
        assert "cut off" in refused(KEYS[role][:length]).message


@pytest.mark.parametrize("role", Role)
def test_a_key_that_is_too_long_is_called_that(role: Role) -> None:
    assert "too long" in refused(KEYS[role] + "q").message
    assert "too long" in refused(KEYS[role] + "q" * 2000).message


@pytest.mark.parametrize("text", ["", " \n", "-", "\u200b"])
def test_no_key_at_all_is_called_that(text: str) -> None:
    assert refused(text).message == "no key was given"


@pytest.mark.parametrize(
    "text", ["hello", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "swarms", "/home/anna/Docs", "1", "swarm sync"]
)
def test_something_else_is_not_called_a_key(text: str) -> None:
    assert refused(text).message == "this is not a swarm key"


def test_an_unknown_kind_is_called_that_and_an_invite_by_its_name() -> None:
    assert "no such kind" in refused("swarmx1" + "q" * 91).message
    assert "invite" in refused("swarmi1" + WRITE[7:]).message
    assert "invite" in refused("SWARMI1QQQQ").message


@pytest.mark.parametrize("prefix", ["swarmo1", "swarmr1", "swarmb1", "swarmx1", "swanmw1", "swarmwl", "svarmw1"])
def test_a_typo_in_the_prefix_is_told_from_one_in_the_secret(prefix: str) -> None:
    error = refused(prefix + WRITE[7:])
    assert "the first 7 characters" in error.message
    assert "a write key" in error.message
    assert "swarmw1" in error.hint


def _crafted(role: Role, payload: bytes) -> str:
    return bech32m.encode(PREFIXES[role], payload)


def test_a_newer_version_asks_for_an_update_whatever_its_length() -> None:
    for size in (0, 10, 52, 100):
        error = refused(_crafted(Role.WRITE, b"\2" + bytes(size)))
        assert "newer version" in error.message
        assert error.hint == "update swarm"


def test_a_later_epoch_asks_for_an_update() -> None:
    text = PrintedKey(Role.READ, 1, OWNER.folder_id, bytes(32), bytes(32)).encode()
    assert refused(text).hint == "update swarm"


def test_a_fitting_checksum_over_the_wrong_length_is_refused() -> None:
    for role in Role:
        for size in (0, 1, 30, 51, 54, 84, 86):
            refused(_crafted(role, (b"\1" + bytes(4) + bytes(range(100)))[:size]))


def test_an_owner_key_must_belong_to_its_folder() -> None:
    crafted = PrintedKey(Role.OWNER, 0, FolderId(bytes(16)), bytes(range(32))).encode()
    assert "does not belong" in refused(crafted).message


@pytest.mark.parametrize(
    "make",
    [
        lambda: PrintedKey(Role.WRITE, 0, OWNER.folder_id, bytes(31)),
        lambda: PrintedKey(Role.WRITE, 0, OWNER.folder_id, bytes(32), bytes(32)),
        lambda: PrintedKey(Role.READ, 0, OWNER.folder_id, bytes(32)),
        lambda: PrintedKey(Role.READ, 0, FolderId(b""), bytes(32), bytes(32)),
        lambda: PrintedKey(Role.WRITE, 1 << 32, OWNER.folder_id, bytes(32)).encode(),
    ],
)
def test_a_printed_key_of_the_wrong_shape_is_our_bug(make: object) -> None:
    assert callable(make)
    with pytest.raises(Bug):
        make()


def test_no_part_of_the_key_is_in_the_traceback_of_a_refusal() -> None:
    mistakes = [
        WRITE[:-1],
        WRITE + "q",
        replaced(WRITE, 40, "b"),
        replaced(WRITE, 40, other(WRITE[40])),
        WRITE[:1] * 99,
    ]
    mistakes += [WRITE[:40] + WRITE[40:].upper(), "swarmi" + WRITE[6:], "x" + WRITE]
    for text in mistakes:
        shown = "".join(traceback.format_exception(refused(text))).lower()
        assert not any(WRITE[i : i + 6] in shown for i in range(7, len(WRITE) - 6))
