"""Every way in which people and programs change files reaches the other device, in both directions."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle
from tests.live.tree import big_file, content, particulars, small_files, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.live

BIG = 4 << 20  # bytes; many chunks


@pytest.fixture(params=["from the first", "from the second"])
def directed(pair: tuple[Daemon, Daemon], request: pytest.FixtureRequest) -> tuple[Daemon, Daemon]:
    """The device where changes are made, and the other."""
    return pair if request.param == "from the first" else (pair[1], pair[0])


def save_by_rename(path: Path, data: bytes) -> None:
    """As vim (with backupcopy=no), gedit and most libraries do."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def save_by_new_file(path: Path, data: bytes) -> None:
    """As older editors do: for a moment there is no file."""
    path.unlink()
    path.write_bytes(data)


def save_with_backup(path: Path, data: bytes) -> None:
    """As emacs does: the old file becomes the backup."""
    path.rename(path.with_name(path.name + "~"))
    path.write_bytes(data)


def save_in_place(path: Path, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.write(data)
        stream.truncate()


def test_each_kind_of_edit_sends_about_what_changed(directed: tuple[Daemon, Daemon]) -> None:
    here, there = directed
    path = big_file(here.folder / "big.bin", BIG)
    settle(here, there)
    sent = there.fetched()

    def edit(change: Callable[[], object]) -> int:
        nonlocal sent
        change()
        settle(here, there)
        before, sent = sent, there.fetched()
        return sent - before

    def append() -> None:
        with path.open("ab") as stream:
            stream.write(content(5, 1000))

    def overwrite() -> None:
        with path.open("r+b") as stream:
            stream.seek(BIG // 2)
            stream.write(content(6, 1000))

    def insert() -> None:
        data = path.read_bytes()
        path.write_bytes(data[:1000] + content(7, 1000) + data[1000:])

    def cut() -> None:
        os.truncate(path, BIG // 3)

    for change in (append, overwrite, insert, cut):
        assert edit(change) < BIG // 4, change.__name__
    assert edit(lambda: path.write_bytes(path.read_bytes())) == 0


def test_renames_and_copies_send_no_content(directed: tuple[Daemon, Daemon]) -> None:
    here, there = directed
    big_file(here.folder / "old.bin", BIG)
    small_files(here.folder / "old", 3, 10)
    settle(here, there)
    sent = there.fetched()
    (here.folder / "old.bin").rename(here.folder / "new.bin")
    settle(here, there)
    (here.folder / "old").rename(here.folder / "new")
    settle(here, there)
    (here.folder / "new" / "d001").rename(here.folder / "moved out")
    settle(here, there)
    shutil.copytree(here.folder / "new", here.folder / "copied")
    shutil.copy2(here.folder / "new.bin", here.folder / "copied" / "old.bin")
    settle(here, there)
    assert there.fetched() == sent
    assert not (there.folder / "old.bin").exists()
    assert not (there.folder / "old").exists()
    assert (there.folder / "copied" / "old.bin").stat().st_size == BIG


def test_a_rename_that_swaps_two_files_or_differs_in_case_only(directed: tuple[Daemon, Daemon]) -> None:
    here, there = directed
    write(here.folder / "a", "a")
    write(here.folder / "b", "b")
    write(here.folder / "Name", "name")
    settle(here, there)
    (here.folder / "a").rename(here.folder / "c")
    (here.folder / "b").rename(here.folder / "a")
    (here.folder / "c").rename(here.folder / "b")
    (here.folder / "Name").rename(here.folder / "name")
    settle(here, there)
    assert (there.folder / "a").read_text() == "b"
    assert (there.folder / "b").read_text() == "a"
    assert "Name" not in os.listdir(there.folder)


def test_deletions_of_files_and_of_whole_directories_arrive(directed: tuple[Daemon, Daemon]) -> None:
    here, there = directed
    small_files(here.folder / "doomed", 3, 10)
    write(here.folder / "doomed.txt", "x")
    write(here.folder / "kept.txt", "x")
    settle(here, there)
    shutil.rmtree(here.folder / "doomed")
    (here.folder / "doomed.txt").unlink()
    settle(here, there)
    assert sorted(os.listdir(there.folder)) == [".swarm", "kept.txt"]


def test_a_file_becomes_a_directory_a_link_and_a_file_again(directed: tuple[Daemon, Daemon]) -> None:
    here, there = directed
    thing = write(here.folder / "thing", "a file")
    settle(here, there)
    thing.unlink()
    write(thing / "inside" / "deeper", "in a directory")
    settle(here, there)
    assert (there.folder / "thing" / "inside" / "deeper").read_text() == "in a directory"
    shutil.rmtree(thing)
    thing.symlink_to("elsewhere")
    settle(here, there)
    assert os.readlink(there.folder / "thing") == "elsewhere"
    thing.unlink()
    thing.write_text("a file again")
    settle(here, there)
    assert (there.folder / "thing").read_text() == "a file again"


@pytest.mark.parametrize("save", [save_by_rename, save_by_new_file, save_with_backup, save_in_place])
def test_editors_save_in_their_ways(pair: tuple[Daemon, Daemon], save: Callable[[Path, bytes], None]) -> None:
    anna, bob = pair
    path = write(anna.folder / "text.txt", content(0, 20_000))
    settle(anna, bob)
    for round_number, here in enumerate((anna, bob, anna), 1):
        for again in range(3):  # people press the key more than once
            save(here.folder / path.name, content(round_number * 10 + again, 20_000 + again))
        settle(anna, bob)
        settle(bob, anna)
        assert (bob.folder / path.name).read_bytes() == content(round_number * 10 + 2, 20_002)
        assert not [name for name in os.listdir(bob.folder) if "conflict" in name]


def test_modes_and_times_follow_without_content(directed: tuple[Daemon, Daemon]) -> None:
    here, there = directed
    path = big_file(here.folder / "tool.bin", BIG)
    settle(here, there)
    sent = there.fetched()
    path.chmod(0o750)
    settle(here, there)
    os.utime(path, ns=(1_111_111_111_123_456_789,) * 2)
    settle(here, there)
    (here.folder / "directory").mkdir(mode=0o700)
    settle(here, there)
    (here.folder / "directory").chmod(0o755)
    settle(here, there)
    assert particulars(there.folder) == particulars(here.folder)
    assert there.fetched() == sent


def test_two_writes_within_one_tick_of_the_clock_are_both_seen(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    for number in range(100):
        for text in ("first", "other"):
            write(anna.folder / f"{number}", text)
    settle(anna, bob)
    assert {path.read_text() for path in bob.folder.glob("[0-9]*")} == {"other"}


def test_a_file_that_is_written_all_the_time_does_not_stop_the_rest(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    with (anna.folder / "log").open("a", buffering=1) as log:
        for number in range(20):
            log.write(f"line {number}\n" * 50)
            write(anna.folder / f"{number}", f"{number}")
    settle(anna, bob)
    assert (bob.folder / "log").read_text().count("\n") == 1000
