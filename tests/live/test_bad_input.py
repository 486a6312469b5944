"""Mistakes, broken disks and full ones: a clear error with a hint, a daemon that lives on, and nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until
from tests.live.tree import big_file, content, particulars, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live

IS_ROOT = os.geteuid() == 0


def complains(daemon: Daemon, *arguments: str, code: int, about: str) -> None:
    """The command fails with one error and one hint, and the daemon goes on."""
    said = daemon.run(*arguments, code=code)
    lines = said.splitlines()
    assert about in lines[0], said
    assert any(line.startswith("swarm: hint: ") and len(line) > len("swarm: hint: ") for line in lines), said
    assert daemon.alive


def test_paths_that_cannot_be(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    anna = make_daemon("anna").start()
    key = anna.share()
    file = write(tmp_path / "file", "a file")
    complains(anna, "share", str(file), code=2, about="is not a directory")
    complains(anna, "share", str(file / "below"), code=2, about="goes through a file")
    complains(anna, "join", key, str(file), code=2, about="is not a directory")
    complains(anna, "share", str(anna.folder / "inside"), code=1, about="inside the shared folder")
    complains(anna, "share", str(tmp_path), code=1, about="contains the shared folder")
    complains(anna, "join", key, str(tmp_path / "again"), code=2, about="on this device already")
    complains(anna, "wait", str(tmp_path), code=3, about="no shared folder")
    complains(anna, "wait", str(tmp_path / "missing"), code=3, about="there is no")
    complains(anna, "key", str(tmp_path), code=3, about="no shared folder")
    complains(anna, "join", key[:-1].split("+")[0][:-1], code=5, about="key")
    complains(anna, "wait", str(anna.folder), "--timeout=0.3", code=4, about="not identical yet")
    complains(anna, "wait", str(anna.folder), "--timeout=0.3", "--on=nobody", code=4, about="nobody")
    assert not (anna.folder / "inside").exists(), "a refused share leaves nothing behind"
    link = tmp_path / "link"
    link.symlink_to(anna.folder)
    assert anna.share(link).split("+")[0] == key.split("+")[0]


@pytest.mark.skipif(IS_ROOT, reason="root may read and write everything")
def test_a_directory_that_may_not_be_written(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    anna = make_daemon("anna").start()
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    complains(anna, "share", str(locked), code=1, about="cannot be read and written")
    complains(anna, "share", str(locked / "new"), code=1, about="cannot be created")


@pytest.mark.skipif(IS_ROOT, reason="root may read everything")
def test_an_unreadable_file_is_named_and_the_rest_goes_on(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "closed", "x").chmod(0)
    write(anna.folder / "open", "y")
    until(lambda: (bob.folder / "open").exists(), "the readable file")
    until(lambda: anna.report()["cannot"] == 1, "the unreadable file, in the status")


def test_a_directory_that_went_away_is_no_deletion(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "precious", "precious")
    settle(anna, bob)
    away = bob.folder.with_name("away")
    bob.folder.rename(away)
    until(lambda: bob.report()["state"] == "waiting", "bob says that the folder is away")
    assert bob.report()["why"]
    write(anna.folder / "meanwhile", "meanwhile")
    until(lambda: anna.report()["files"] == 2, "anna's new file")
    away.rename(bob.folder)
    settle(anna, bob)
    assert (anna.folder / "precious").read_text() == "precious"


def test_an_empty_directory_in_its_place_is_no_deletion(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "precious", "precious")
    settle(anna, bob)
    bob.stop()
    bob.folder.rename(bob.folder.with_name("away"))
    bob.folder.mkdir()
    bob.start()
    until(lambda: bob.report()["state"] == "waiting", "bob says that the folder is away")
    assert (anna.folder / "precious").read_text() == "precious"
    bob.folder.rmdir()
    bob.folder.with_name("away").rename(bob.folder)
    settle(anna, bob)


def test_a_bad_config_is_named_and_a_good_one_starts(make_daemon: MakeDaemon) -> None:
    anna = make_daemon("anna")
    anna.home.mkdir(mode=0o700)
    (anna.home / "config.toml").write_text("lisen = 3\n")
    process = anna.launch()
    assert process.wait(30) == 1
    assert "did you mean listen?" in anna.log.read_text()
    assert "Traceback" not in anna.log.read_text()
    anna.kill()
    (anna.home / "config.toml").unlink()
    anna.start()


def test_files_that_no_other_machine_wants_and_special_ones_stay(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    os.mkfifo(anna.folder / "pipe")
    write(anna.folder / ".DS_Store", "x")
    write(anna.folder / "real", "x")
    anna.wait()
    assert sorted(os.listdir(bob.folder)) == [".swarm", "real"]
    assert anna.report()["cannot"] == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "swarm-test", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here (that needs root on Linux)")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.lab
def test_a_full_disk_is_named_and_what_fits_arrives(make_daemon: MakeDaemon, small_disk: Path) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    bob.folder = small_disk / "folder"
    write(anna.folder / "precious", "precious")
    bob.join(anna.share())
    settle(anna, bob)
    big_file(anna.folder / "too-big.bin", 24 << 20)
    write(anna.folder / "small.txt", "small")
    sentence = "too-big.bin: The disk is full"
    until(lambda: sentence in (bob.report()["why"] or ""), "the status says why")
    until(lambda: (bob.folder / "small.txt").exists(), "what fits arrives")
    assert bob.report()["state"] == "syncing"
    assert bob.alive
    complains(bob, "wait", str(bob.folder), "--timeout=0.3", code=4, about="not identical yet")
    assert (anna.folder / "too-big.bin").stat().st_size == 24 << 20
    (anna.folder / "too-big.bin").unlink()
    settle(anna, bob)
    write(bob.folder / "more.txt", content(1, 1000))
    settle(bob, anna)
    assert particulars(anna.folder) == particulars(bob.folder)
    assert "Traceback" not in bob.log.read_text()


@pytest.mark.lab
def test_a_full_disk_below_the_index_loses_nothing_and_goes_on_with_space(
    make_daemon: MakeDaemon, small_disk: Path
) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob")
    bob.home = small_disk / "home"
    bob.environment["SWARM_HOME"] = str(bob.home)
    bob.start()
    bob.join(anna.share())
    write(anna.folder / "precious", "precious")
    settle(anna, bob)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    for number in range(300):
        write(anna.folder / f"file{number}", content(number, 3000))
    until(lambda: bob.report()["state"] in ("error", "waiting") or bob.report()["files"] == 301, "bob's verdict")
    assert bob.alive
    ballast.unlink()
    settle(anna, bob)
    assert "Traceback" not in bob.log.read_text()


@pytest.mark.lab
def test_a_disk_that_is_unplugged_is_no_deletion(make_daemon: MakeDaemon, small_disk: Path, tmp_path: Path) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    source = tmp_path / "mounted elsewhere"
    source.mkdir()
    bob.folder = small_disk / "folder"
    write(anna.folder / "precious", "precious")
    bob.join(anna.share())
    settle(anna, bob)
    subprocess.run(["mount", "--bind", str(source), str(small_disk)], check=True)  # an empty place where it was
    try:
        until(lambda: bob.report()["state"] == "waiting", "bob says that the disk is away", timeout=60)
        assert (anna.folder / "precious").exists()
        assert not os.listdir(source), "nothing is written below the place where the disk was"
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)
    write(anna.folder / "later", "later")
    settle(anna, bob)
    shutil.rmtree(source)
