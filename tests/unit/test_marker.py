"""The marker of a shared folder: what is there, what is not, and that absence is never taken for deletion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.disk.marker import Place, Reason, Unhealthy, check, claim, lay_out, read
from swarm.errors import Unavailable, UserError
from swarm.ids import FolderId

ONE = FolderId(b"\x01" * 16)
TWO = FolderId(b"\xfe" * 16)


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "docs").mkdir()
    return str(tmp_path / "docs")


def place_of(root: str) -> Place:
    found = os.stat(root)
    return found.st_dev, found.st_ino


def reason(root: str, place: Place) -> Reason:
    """Why the folder is not healthy."""
    with pytest.raises(Unavailable) as caught:
        check(root, ONE, place)
    assert isinstance(caught.value, Unhealthy)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.reason


def test_a_marked_directory_is_laid_out_for_its_owner_alone(root: str) -> None:
    lay_out(root, ONE)
    ours = Path(root, ".swarm")
    assert (ours / "folder-id").read_text() == "01" * 16 + "\n"
    assert {each.name for each in ours.iterdir()} == {"folder-id", "tmp", "history"}
    assert [each.stat().st_mode & 0o777 for each in (ours, ours / "tmp", ours / "history")] == [0o700] * 3
    assert read(root) == ONE


def test_laying_out_again_keeps_what_is_there(root: str) -> None:
    lay_out(root, ONE)
    kept = Path(root, ".swarm", "history", "old")
    kept.write_text("kept")
    Path(root, ".swarm", "tmp").rmdir()
    lay_out(root, ONE)
    assert kept.read_text() == "kept"
    assert Path(root, ".swarm", "tmp").is_dir()


def test_a_directory_of_another_folder_is_refused(root: str) -> None:
    lay_out(root, ONE)
    with pytest.raises(UserError) as caught:
        lay_out(root, TWO)
    assert caught.value.hint
    assert read(root) == ONE


@pytest.mark.parametrize("text", ["", "\n", "01", "zz" * 16, "01" * 17, "\xff" * 32, "01" * 4000])
def test_a_marker_that_is_none_is_not_overwritten(root: str, text: str) -> None:
    lay_out(root, ONE)
    file = Path(root, ".swarm", "folder-id")
    file.write_text(text)
    assert read(root) == FolderId(b"")
    assert reason(root, place_of(root)) == "foreign"
    with pytest.raises(UserError):
        lay_out(root, ONE)
    assert file.read_text() == text


def test_a_link_in_place_of_our_directory_is_not_followed(root: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    Path(root, ".swarm").symlink_to(tmp_path / "other")
    with pytest.raises(UserError):
        lay_out(root, ONE)
    with pytest.raises(UserError):
        claim(root, "/home")
    assert list((tmp_path / "other").iterdir()) == []
    assert reason(root, place_of(root)) == "unmarked"


def test_a_root_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        lay_out(str(tmp_path / "missing"), ONE)


# -- one daemon a folder


def test_two_daemons_never_share_one_root(root: str) -> None:
    lay_out(root, ONE)
    lock = claim(root, "/home/anna")
    assert Path(root, ".swarm", "lock").read_text() == f"{os.getpid()}\n/home/anna\n"
    with pytest.raises(UserError) as caught:
        claim(root, "/home/ben")
    assert str(os.getpid()) in caught.value.message
    assert "/home/anna" in caught.value.message
    assert caught.value.hint
    lock.release()
    claim(root, "/home/ben").release()


def test_another_process_is_kept_out_until_it_is_let_in(root: str) -> None:
    lay_out(root, ONE)
    script = (
        "import sys; from swarm.disk.marker import claim; from swarm.errors import UserError\n"
        "try: claim(sys.argv[1], 'other')\n"
        "except UserError: sys.exit(7)"
    )
    attempt = [sys.executable, "-c", script, root]
    lock = claim(root, "/home/anna")
    assert subprocess.run(attempt, check=False).returncode == 7
    lock.release()
    assert subprocess.run(attempt, check=False).returncode == 0


def test_a_root_without_a_marker_directory_cannot_be_claimed(root: str) -> None:
    with pytest.raises(UserError):
        claim(root, "/home/anna")
    assert list(Path(root).iterdir()) == []


# -- health


def test_a_folder_that_is_there_is_healthy(root: str) -> None:
    lay_out(root, ONE)
    check(root, ONE, place_of(root))


def test_every_way_of_not_being_there_has_its_reason(root: str, tmp_path: Path) -> None:
    place = place_of(root)
    assert reason(root, place) == "unmarked"
    lay_out(root, ONE)
    assert reason(root, (place[0] + 1, place[1])) == "moved"
    assert reason(root + "/missing", place) == "missing"
    (tmp_path / "file").write_text("")
    assert reason(str(tmp_path / "file"), place) == "missing"
    assert reason(str(tmp_path / "file" / "below"), place) == "missing"
    (tmp_path / "loop").symlink_to("loop")
    assert reason(str(tmp_path / "loop"), place) == "unreadable"
    Path(root, ".swarm", "folder-id").write_text(TWO.hex())
    assert reason(root, place) == "foreign"
    Path(root, ".swarm", "folder-id").unlink()
    assert reason(root, place) == "unmarked"
    Path(root, ".swarm", "folder-id").symlink_to("elsewhere")
    assert reason(root, place) == "unreadable"


def test_a_marker_that_is_written_with_capitals_or_blanks_is_still_ours(root: str) -> None:
    lay_out(root, FolderId(b"\xab" * 16))
    Path(root, ".swarm", "folder-id").write_text("AB" * 16 + "  \n")
    check(root, FolderId(b"\xab" * 16), place_of(root))


def test_a_directory_that_may_not_be_read_is_unknown_and_not_empty(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(root, ONE)
    place = place_of(root)

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", fails)
    assert reason(root, place) == "unreadable"


def test_the_root_itself_may_be_a_link(root: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    lay_out(str(tmp_path / "link"), ONE)
    check(str(tmp_path / "link"), ONE, place_of(root))


def test_a_folder_that_is_missing_at_the_start_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Unhealthy) as caught:
        check(str(tmp_path / "missing"), ONE)
    assert caught.value.reason == "missing"


def test_a_copy_of_the_folder_in_its_place_is_another_directory(root: str) -> None:
    lay_out(root, ONE)
    place = check(root, ONE)
    os.rename(root, root + "-aside")
    os.mkdir(root)
    lay_out(root, ONE)
    assert reason(root, place) == "moved"
    assert check(root, ONE) != place
