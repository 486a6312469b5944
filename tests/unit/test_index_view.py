"""What one sees of a set of registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import ContentId, Kind, Origin
from swarm.index import view
from swarm.index.paths import conflict_name
from swarm.index.record_codec import Draft, author
from swarm.index.view import Entry, affected, project, resolve
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey

if TYPE_CHECKING:
    import pytest

    from swarm.index.record import Record

KEYS = FolderKeys.create(bytes(range(32)))
DEVICE = DeviceKey.create(bytes(32))
NAMES = {b"A": "Ada", b"B": "Bob", b"C": "Cy"}


def record(
    who: bytes,
    path: str,
    what: str | Kind | None,
    *,
    hlc: int = 1,
    seq: int = 1,
    target: str = "",
    mode: int = 0o644,
) -> Record:
    """By device `who`: a file with content `what`, something of that kind, or (None) a tombstone."""
    kind = what if isinstance(what, Kind) else Kind.FILE
    content = ContentId(what.encode().ljust(32, b".")) if isinstance(what, str) else ContentId(b"")
    draft = Draft(
        Origin(who * 16), seq, (), path, kind, hlc, NAMES[who], what is None, content, 0, mode, 0, target
    )  # fmt: skip
    return author(draft, KEYS, DEVICE)


def shown(*records: Record) -> dict[str, Record | None]:
    """The view of these records, as the record at each path."""
    registers: dict[str, tuple[Record, ...]] = {}
    for each in records:
        registers[each.path] = (*registers.get(each.path, ()), each)
    entries = project(registers)
    for path, entry in entries.items():
        assert entry.path == path
        assert entry.virtual == (entry.record is not None and entry.record.path != path)
    return {path: entry.record for path, entry in entries.items()}


def copy_of(loser: Record, digits: int = 6) -> str:
    return conflict_name(loser.path, loser.device_name, loser.hash.hex(), digits)


@dataclass
class OneRegister:
    """A folder with one register."""

    records: tuple[Record, ...]

    def register(self, path: str) -> tuple[Record, ...]:
        return self.records if path == self.records[0].path else ()

    def live_below(self, path: str) -> bool:
        return self.records[0].path.startswith(path + "/")


def test_a_file_that_one_deleted_and_another_edited_survives() -> None:
    edit = record(b"A", "x", "edited", hlc=1)
    assert shown(edit, record(b"B", "x", None, hlc=9)) == {"x": edit}


def test_a_deleted_file_is_gone() -> None:
    assert shown(record(b"A", "x", None), record(b"B", "x", None)) == {}


def test_equal_siblings_are_one_and_the_latest_speaks_for_them() -> None:
    older, newer = record(b"A", "x", "same", hlc=1), record(b"B", "x", "same", hlc=2, mode=0o600)
    assert shown(older, newer) == shown(newer, older) == {"x": newer}


def test_the_latest_edit_gets_the_name_and_the_other_a_copy() -> None:
    older, newer = record(b"A", "d/x.txt", "one", hlc=1), record(b"B", "d/x.txt", "two", hlc=2)
    assert shown(older, newer) == {"d": None, "d/x.txt": newer, copy_of(older): older}
    assert copy_of(older) == f"d/x (conflict Ada {older.hash.hex()[:6]}).txt"


def test_of_two_edits_in_the_same_millisecond_the_same_one_wins_everywhere() -> None:
    one, other = record(b"A", "x", "one"), record(b"B", "x", "two")
    assert shown(one, other) == shown(other, one) == {"x": other, copy_of(one): one}


def test_a_directory_keeps_its_name_against_a_later_file() -> None:
    directory, file = record(b"A", "x", Kind.DIRECTORY), record(b"B", "x", "file", hlc=9)
    assert shown(directory, file) == {"x": directory, copy_of(file): file}


def test_a_name_with_something_below_it_is_a_directory() -> None:
    file, below = record(b"A", "x", "file"), record(b"B", "x/y/z", "below")
    assert shown(file, below) == {"x": None, "x/y": None, "x/y/z": below, copy_of(file): file}


def test_all_files_lose_a_name_to_a_directory() -> None:
    one, other = record(b"A", "x", "one"), record(b"B", "x", "two")
    link = record(b"C", "x", Kind.SYMLINK, target="somewhere")
    below = record(b"A", "x/y", "below")
    copies = {copy_of(loser): loser for loser in (one, other, link)}
    assert shown(one, other, link, below) == {"x": None, "x/y": below, **copies}


def test_two_directories_are_one() -> None:
    one, other = record(b"A", "x", Kind.DIRECTORY), record(b"B", "x", Kind.DIRECTORY, hlc=2)
    assert shown(one, other) == {"x": other}


def test_a_file_added_inside_a_deleted_directory_revives_it() -> None:
    added = record(b"B", "x/new", "content")
    assert shown(record(b"A", "x", None, hlc=9), added) == {"x": None, "x/new": added}


def test_a_deleted_file_does_not_revive_its_directory() -> None:
    assert shown(record(b"A", "x", None), record(b"B", "x/old", None)) == {}


def test_a_link_to_elsewhere_is_another_value() -> None:
    one = record(b"A", "x", Kind.SYMLINK, target="a")
    other = record(b"B", "x", Kind.SYMLINK, target="b")
    assert shown(one, other) == {"x": other, copy_of(one): one}


def test_below_a_repository_a_loser_never_appears() -> None:
    older, newer = record(b"A", ".git/refs/main", "one", hlc=1), record(b"B", ".git/refs/main", "two", hlc=2)
    assert shown(older, newer) == {".git": None, ".git/refs": None, ".git/refs/main": newer}
    assert resolve(older.path, OneRegister((older, newer))).hidden == (older,)


def test_a_conflict_about_the_repository_itself_is_shown() -> None:
    older, newer = record(b"A", ".git", "one", hlc=1), record(b"B", ".git", "two", hlc=2)
    assert shown(older, newer) == {".git": newer, copy_of(older): older}


def test_a_copy_that_was_given_a_record_is_not_shown_twice() -> None:
    older, newer = record(b"A", "x", "one", hlc=1), record(b"B", "x", "two", hlc=2)
    materialised = record(b"C", copy_of(older), "one")
    assert shown(older, newer, materialised) == {"x": newer, copy_of(older): materialised}


def test_a_copy_gives_way_to_another_file_of_its_name_and_grows() -> None:
    older, newer = record(b"A", "x", "one", hlc=1), record(b"B", "x", "two", hlc=2)
    squatter = record(b"C", copy_of(older), "unrelated")
    grown = copy_of(older, 8)
    assert shown(older, newer, squatter) == {"x": newer, copy_of(older): squatter, grown: older}
    second = record(b"C", grown, Kind.DIRECTORY, seq=2)
    assert shown(older, newer, squatter, second)[copy_of(older, 10)] == older


def test_a_copy_gives_way_to_a_directory_of_its_name() -> None:
    older, newer = record(b"A", "x", "one", hlc=1), record(b"B", "x", "two", hlc=2)
    inside = record(b"C", copy_of(older) + "/y", "inside")
    assert shown(older, newer, inside)[copy_of(older, 8)] == older


def test_a_copy_whose_value_only_loses_at_its_name_is_shown_elsewhere() -> None:
    older, newer = record(b"A", "x", "one", hlc=1), record(b"B", "x", "two", hlc=2)
    same, edited = record(b"C", copy_of(older), "one", hlc=3), record(b"B", copy_of(older), "edited", hlc=4, seq=2)
    seen = shown(older, newer, same, edited)
    assert seen[copy_of(older)] == edited
    assert seen[copy_of(older, 8)] == older
    assert seen[copy_of(same)] == same


def test_a_deleted_file_of_that_name_is_no_obstacle() -> None:
    older, newer = record(b"A", "x", "one", hlc=1), record(b"B", "x", "two", hlc=2)
    assert shown(older, newer, record(b"C", copy_of(older), None))[copy_of(older)] == older


def test_a_copy_finds_a_place_though_every_length_of_its_hash_is_taken() -> None:
    older, newer = record(b"A", "x", "one", hlc=1), record(b"B", "x", "two", hlc=2)
    squatters = [record(b"C", copy_of(older, digits), f"squatter {digits}", seq=digits) for digits in range(6, 66, 2)]
    seen = shown(older, newer, *squatters)
    [place] = [path for path, found in seen.items() if found == older]
    assert place not in {squatter.path for squatter in squatters}
    assert len(seen) == 2 + len(squatters)


def test_two_copies_of_one_register_with_the_same_short_hash_get_different_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blunt(path: str, device_name: str, digest_hex: str, digits: int) -> str:
        return conflict_name(path, "same", "000000" + digest_hex, digits)

    monkeypatch.setattr(view, "conflict_name", blunt)
    one, other, winner = record(b"A", "x", "1"), record(b"B", "x", "2"), record(b"C", "x", "3", hlc=9)
    places = {value: path for path, value in shown(one, other, winner).items()}
    assert places[other] == "x (conflict same 000000)"
    assert places[one] == f"x (conflict same 000000{one.hash.hex()[:2]})"


def test_a_thousand_siblings_are_all_shown() -> None:
    records = [record(b"A", "x", f"value {seq}", seq=seq) for seq in range(1, 1001)]
    assert set(shown(*records).values()) == set(records)


def test_a_change_affects_its_path_the_directories_that_turned_and_those_whose_copies_claim_them() -> None:
    claims = {"a/b/c": "copied", "a/b": "above", "a": "far"}
    nothing: dict[str, str] = {}
    assert affected("a/b/c", claims.get, lambda directory: directory == "a/b") == ["a/b/c", "a/b", "copied", "above"]
    assert affected("a/b/c", claims.get, lambda directory: False) == ["a/b/c", "copied"]
    assert affected("a/b/c", nothing.get, lambda directory: True) == ["a/b/c", "a/b", "a"]


def test_an_entry_says_what_it_is() -> None:
    assert Entry("x", None).kind is Kind.DIRECTORY
    assert Entry("x", record(b"A", "x", "file")).kind is Kind.FILE
