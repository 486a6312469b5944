"""Folders on real file systems: what they cannot hold is named, what they can is the same everywhere, and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.lab.disk import KINDS, Disk, NoDisk
from tests.live.daemon import SWARM, Daemon, until
from tests.live.tree import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeDisk = Callable[[str], Disk]

pytestmark = [pytest.mark.lab, pytest.mark.live]

EVERYDAY = ("exfat", "btrfs")  # the others with the lab at its larger sizes
SMALL = os.environ.get("SWARM_LAB_SIZE", "small") == "small"
OLD = 1_600_000_001_987_654_321  # an odd second, and all digits of its fraction


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    made: list[Disk] = []

    def make(kind: str) -> Disk:
        try:
            disk = Disk(tmp_path, kind)
        except NoDisk as error:
            pytest.skip(f"no {kind} here: {error}")
        made.append(disk)
        return disk

    yield make
    for disk in made:
        with suppress(NoDisk):
            disk.remove()


@pytest.fixture(scope="module")
def anna_and_bob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Daemon]]:
    base = tmp_path_factory.mktemp("devices")
    daemons = Daemon(base, "anna"), Daemon(base, "bob")
    yield daemons
    for daemon in daemons:
        with suppress(AssertionError):
            daemon.kill()


@pytest.fixture
def devices(anna_and_bob: tuple[Daemon, Daemon], tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """Anna on the machine's own disk; where Bob's folder goes is the test's matter."""
    for daemon in anna_and_bob:
        daemon.folder = tmp_path / f"folder-{daemon.name}"
        if not daemon.alive:
            daemon.kill()
            daemon.start()
    yield anna_and_bob
    for daemon in anna_and_bob:  # so that the disk can be unmounted
        with suppress(AssertionError):
            daemon.run("leave", str(daemon.folder))


def in_step(*daemons: Daemon) -> None:
    for daemon in daemons:
        daemon.wait()
    assert [daemon.report()["state"] for daemon in daemons] == ["in-sync"] * len(daemons)


def same(anna: Daemon, bob: Daemon, *, but: set[str]) -> None:
    """Names and contents, but for the names that Bob's disk cannot have."""
    command = ["diff", "-r", "--no-dereference", "-q", "-x", ".swarm", str(anna.folder), str(bob.folder)]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    assert {line.rpartition(": ")[2] for line in lines} <= but, lines


@pytest.mark.parametrize("kind", EVERYDAY if SMALL else KINDS)
def test_a_folder_on_a_real_file_system(devices: tuple[Daemon, Daemon], make_disk: MakeDisk, kind: str) -> None:
    anna, bob = devices
    bob.folder = make_disk(kind).place / "folder"
    for name, text in {"d/one.txt": "one", "Case": "1", "case": "2", "q?*": "bad", "r\u00e9sum\u00e9": "u"}.items():
        write(anna.folder / name, text)
    write(anna.folder / "run.sh", "#!/bin/sh").chmod(0o755)
    write(anna.folder / "old", "old").chmod(0o440)
    os.utime(anna.folder / "old", ns=(OLD, OLD))
    (anna.folder / "link").symlink_to("run.sh")
    bob.join(anna.share())
    in_step(anna, bob)
    cannot = {entry["path"] for entry in bob.report()["cannot_paths"]}
    assert cannot <= {"link", "q?*", "Case", "case"}
    assert all(entry["why"] for entry in bob.report()["cannot_paths"])
    if kind in ("ext4", "xfs", "btrfs", "tmpfs"):
        assert not cannot
        assert (bob.folder / "old").stat().st_mtime_ns == OLD
        assert (bob.folder / "run.sh").stat().st_mode & 0o777 == 0o755
    assert abs((bob.folder / "old").stat().st_mtime_ns - OLD) < 2_000_000_000
    same(anna, bob, but=cannot)
    # Both sides work.
    write(bob.folder / "d" / "one.txt", "of bob, on this disk")
    write(bob.folder / "new.txt", "new")
    write(anna.folder / "run.sh", "#!/bin/bash")
    in_step(bob, anna)
    same(anna, bob, but=cannot)
    modes = {name: oct((anna.folder / name).stat().st_mode & 0o777) for name in ("run.sh", "d/one.txt", "new.txt")}
    assert modes == {"run.sh": "0o755", "d/one.txt": "0o644", "new.txt": "0o644"}
    (bob.folder / "new.txt").rename(bob.folder / "New.txt")
    (anna.folder / "d").rename(anna.folder / "D")
    (anna.folder / "old").unlink()
    in_step(bob, anna)
    same(anna, bob, but=cannot)
    assert "New.txt" in os.listdir(anna.folder)
    assert {"D", "New.txt"} <= set(os.listdir(bob.folder))
    assert not (bob.folder / "old").exists()
    # And a restart, with inodes that may be others now, changes nothing.
    root = anna.report()["root"]
    bob.stop()
    bob.start()
    in_step(bob, anna)
    assert anna.report()["root"] == root
    assert {entry["path"] for entry in bob.report()["cannot_paths"]} == cannot


def test_two_edits_of_one_size_in_one_tick_of_a_coarse_clock_are_two_edits(
    devices: tuple[Daemon, Daemon], make_disk: MakeDisk
) -> None:
    """exFAT by FUSE counts whole seconds: the second edit changes nothing that a stat could show."""
    anna, bob = devices
    bob.folder = make_disk("exfat").place / "folder"
    bob.join(anna.share())
    in_step(anna, bob)
    file = write(bob.folder / "file", "first!")
    stamp = file.stat().st_mtime_ns
    until(lambda: (anna.folder / "file").exists(), "the first edit")
    file.write_text("second")
    os.utime(file, ns=(stamp, stamp))
    until(lambda: (anna.folder / "file").read_text() == "second", "the second edit")


@pytest.mark.parametrize("kind", ["ext4"] if SMALL else ["ext4", "exfat"])
def test_a_disk_that_comes_and_goes_is_waited_for(
    devices: tuple[Daemon, Daemon], make_disk: MakeDisk, kind: str
) -> None:
    anna, bob = devices
    disk = make_disk(kind)
    bob.folder = disk.place / "folder"
    write(anna.folder / "precious", "precious")
    bob.join(anna.share())
    in_step(anna, bob)
    for number in range(1 if SMALL else 3):
        disk.unmount(lazily=True)
        until(lambda: bob.report()["state"] == "waiting", "bob says that the disk is away", timeout=20)
        assert bob.report()["why"]
        write(anna.folder / f"meanwhile{number}", "meanwhile")
        (anna.folder / "precious").write_text(f"precious {number}")
        until(lambda number=number: anna.report()["files"] == 2 + number and anna.report()["peers"], "anna works on")  # type: ignore[misc]
        assert os.listdir(disk.place) == [], "nothing is written below the place where the disk was"
        disk.mount()
        until(lambda: bob.report()["state"] == "in-sync", "bob goes on", timeout=20)
        in_step(anna, bob)
        same(anna, bob, but=set())
        assert len(os.listdir(anna.folder)) == 3 + number


def test_a_paused_folder_lets_its_disk_be_unmounted(devices: tuple[Daemon, Daemon], make_disk: MakeDisk) -> None:
    anna, bob = devices
    disk = make_disk("ext4")
    bob.folder = disk.place / "folder"
    bob.join(anna.share())
    in_step(anna, bob)
    bob.run("pause", str(bob.folder))
    disk.unmount()
    write(anna.folder / "meanwhile", "meanwhile")
    bob.run("resume", str(bob.folder))
    until(lambda: bob.report()["state"] == "waiting", "bob says that the disk is away")
    disk.mount()
    until(lambda: bob.report()["state"] == "in-sync", "bob goes on", timeout=20)
    in_step(anna, bob)
    same(anna, bob, but=set())


def test_what_is_mounted_below_the_root_stays_out(devices: tuple[Daemon, Daemon], make_disk: MakeDisk) -> None:
    anna, bob = devices
    disk = make_disk("tmpfs")
    write(disk.place / "inside", "of another file system")
    write(anna.folder / "below" / "covered", "covered by the mount")
    write(anna.folder / "beside", "beside")
    bob.join(anna.share())
    in_step(anna, bob)
    subprocess.run(["mount", "--bind", str(disk.place), str(anna.folder / "below")], check=True)
    try:
        anna.run("scan", str(anna.folder))
        write(anna.folder / "more", "more")
        in_step(anna, bob)
        assert sorted(os.listdir(bob.folder)) == [".swarm", "below", "beside", "more"]
        assert os.listdir(bob.folder / "below") == ["covered"], "neither deleted nor replaced"
        write(bob.folder / "below" / "new", "must not go into the other file system")
        (bob.folder / "below" / "covered").unlink()
        in_step(anna, bob)  # what cannot be here is nothing that is needed
        told = {entry["path"]: entry["why"] for entry in anna.report()["cannot_paths"]}
        assert set(told) == {"below/new", "below/covered"}
        assert "another file system is mounted at below" in told["below/new"]
        assert sorted(os.listdir(disk.place)) == ["inside"]
    finally:
        subprocess.run(["umount", str(anna.folder / "below")], check=True)
    anna.run("scan", str(anna.folder))
    until(lambda: (anna.folder / "below" / "new").exists(), "what waited for its place")
    in_step(anna, bob)
    assert not (anna.folder / "below" / "covered").exists()
    same(anna, bob, but=set())


def test_attributes_and_access_lists_survive_what_others_write(
    devices: tuple[Daemon, Daemon], make_disk: MakeDisk
) -> None:
    if not all(shutil.which(tool) for tool in ("setfattr", "getfattr", "setfacl", "getfacl")):
        pytest.skip("no setfattr or setfacl here")
    anna, bob = devices
    bob.folder = make_disk("ext4").place / "folder"
    write(anna.folder / "file", "one")
    bob.join(anna.share())
    in_step(anna, bob)
    file = bob.folder / "file"
    subprocess.run(["setfattr", "-n", "user.tag", "-v", "mine", str(file)], check=True)
    subprocess.run(["setfacl", "-m", "u:12345:r", str(file)], check=True)
    os.chown(file, 12345, 23456)
    in_step(bob, anna)
    write(anna.folder / "file", "two, by another")
    in_step(anna, bob)
    assert file.read_text() == "two, by another"
    tag = subprocess.run(["getfattr", "--only-values", "-n", "user.tag", str(file)], capture_output=True, check=True)
    assert tag.stdout == b"mine"
    assert "user:12345:r--" in subprocess.run(["getfacl", "-n", str(file)], capture_output=True, text=True).stdout
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 23456)


def test_a_home_on_a_disk_without_permissions_is_refused(
    devices: tuple[Daemon, Daemon], make_disk: MakeDisk, tmp_path: Path
) -> None:
    anna, _ = devices
    home = make_disk("exfat").place / "home"
    environment = {**anna.environment, "SWARM_HOME": str(home)}
    result = subprocess.run(
        [*SWARM, "share", str(tmp_path / "some")], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    assert "other users could read your keys" in result.stderr
    assert "swarm: hint: Set SWARM_HOME to a directory on a local disk" in result.stderr
    assert "Traceback" not in result.stderr
