"""What only a real disk can show: mounts, races with symlinks, foreign names, traits, the fallbacks of old kernels."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import unicodedata
from typing import TYPE_CHECKING

import pytest

from swarm.disk import open_file, safefs, syscalls
from swarm.disk.probe import CAUTIOUS
from swarm.disk.safefs import SafeFileSystem
from swarm.ids import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["openat2", "walk"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SafeFileSystem]:
    root = tmp_path / "root"
    (root / ".swarm/tmp").mkdir(parents=True)
    found = SafeFileSystem(root, walk=request.param == "walk")
    yield found
    found.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(syscalls, call, refused)


@pytest.fixture
def mounted(root: Path, files: SafeFileSystem) -> Iterator[Path]:
    """A tmpfs below the root."""
    assert files.list("") == [".swarm"]
    target = root / "mnt"
    target.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(target)], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("mounting needs root on Linux")
    try:
        (target / "d").mkdir()
        (target / "f").write_bytes(b"elsewhere")
        yield target
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)


def test_a_mount_below_the_root_is_not_crossed(files: SafeFileSystem, mounted: Path, root: Path) -> None:
    (root / "g").write_bytes(b"")
    for look in (files.list, files.scan, files.sync_directory, files.stat):
        with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
            look("mnt")
    for call in (files.stat, files.open, files.create, files.mkdir, files.unlink, files.list):
        with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
            call("mnt/f")
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        files.rename("g", "mnt/g")
    seen = files.scan("")
    assert seen["mnt"].kind is None
    assert seen["g"].kind is Kind.FILE
    assert sorted(entry.name for entry in mounted.iterdir()) == ["d", "f"]


def test_a_bind_mount_of_the_same_disk_is_seen_by_openat2(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (root / "bound").mkdir(parents=True)
    files = SafeFileSystem(root)
    if files._walks:
        pytest.skip("no openat2 here")
    made = subprocess.run(
        ["mount", "--bind", str(tmp_path / "other"), str(root / "bound")], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting needs root on Linux")
    try:
        assert files.scan("")["bound"].kind is None
        with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
            files.stat("bound")
        with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
            files.create("bound/f")
    finally:
        files.close()
        subprocess.run(["umount", "-l", str(root / "bound")], check=True)


def test_a_directory_swapped_for_a_symlink_all_the_time_never_lets_us_out(
    files: SafeFileSystem, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "d").mkdir(parents=True)
    (root / "way/d").mkdir(parents=True)
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        while not stop.is_set():
            syscalls.renameat2(fd, "way", fd, "link", syscalls.RENAME_EXCHANGE)
        os.close(fd)

    if not files.traits.exchange:
        pytest.skip("no exchange here")
    attacker = threading.Thread(target=swap)
    attacker.start()
    outcomes: set[int | None] = set()
    try:
        for number in range(2000):
            try:
                files.create(f"way/d/{number}").close()
                outcomes.add(0)
            except OSError as error:
                outcomes.add(error.errno)
    finally:
        stop.set()
        attacker.join()
    assert list((outside / "d").iterdir()) == []
    assert outcomes <= {0, errno.ELOOP, errno.ENOTDIR}  # the last where the walk looks again, and it is back


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, errno.EINVAL])
def test_without_openat2_the_directories_are_walked(root: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    (root / "a/b").mkdir(parents=True)
    refuse(monkeypatch, "openat2", code)
    files = SafeFileSystem(root)
    files.create("a/b/f").close()
    assert files.list("a/b") == ["f"]
    files.close()


def test_another_failure_of_openat2_is_no_reason_to_walk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    before = len(os.listdir("/dev/fd"))
    refuse(monkeypatch, "openat2", errno.EMFILE)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        SafeFileSystem(root)
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL])
def test_without_noreplace_a_rename_still_never_replaces(
    files: SafeFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse(monkeypatch, "renameat2", code)
    (root / "f").write_bytes(b"new")
    (root / "g").write_bytes(b"kept")
    (root / "d").mkdir()
    (root / "e").mkdir()
    (root / "l").symlink_to("f")
    for source, target in (("f", "g"), ("f", "d"), ("d", "g"), ("d", "e"), ("l", "g")):
        with pytest.raises(FileExistsError):
            files.rename_noreplace(source, target)
    assert (root / "g").read_bytes() == b"kept"
    files.rename_noreplace("f", "d/f")
    files.rename_noreplace("d", "e/d")
    files.rename_noreplace("l", "m")
    assert (root / "e/d/f").read_bytes() == b"new"
    assert sorted(files.list("")) == [".swarm", "e", "g", "m"]
    assert not files.traits.noreplace
    assert not files.traits.exchange
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        files.exchange("g", "m")


def test_without_hard_links_a_rename_still_never_replaces(
    files: SafeFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "as on FAT")

    refuse(monkeypatch, "renameat2", errno.EINVAL)
    monkeypatch.setattr(os, "link", no_links)
    (root / "f").write_bytes(b"new")
    (root / "g").write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        files.rename_noreplace("f", "g")
    files.rename_noreplace("f", "h")
    assert (root / "h").read_bytes() == b"new"
    assert (root / "g").read_bytes() == b"kept"


def test_a_failing_rename_is_not_tried_another_way(files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    files.create("f").close()
    refuse(monkeypatch, "renameat2", errno.ENOSPC)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        files.rename_noreplace("f", "g")
    assert "f" in files.list("")


def test_a_root_replaced_under_us_is_noticed_and_not_written_to(files: SafeFileSystem, root: Path) -> None:
    assert files.stat("").kind is Kind.DIRECTORY
    root.rename(root.with_name("away"))
    with pytest.raises(FileNotFoundError):
        files.stat("")
    root.mkdir()
    with pytest.raises(FileNotFoundError):
        files.stat("")
    files.create("f").close()
    assert list(root.iterdir()) == []
    root.rmdir()
    root.with_name("away").rename(root)
    assert files.stat("").kind is Kind.DIRECTORY
    assert (root / "f").exists()


def test_a_root_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        SafeFileSystem(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        SafeFileSystem(tmp_path / "none")


def test_foreign_names_are_listed_and_can_be_handled(files: SafeFileSystem, root: Path) -> None:
    with open(os.fsencode(root) + b"/\xff\xfe", "wb") as file:
        file.write(b"x")
    assert "\udcff\udcfe" in files.list("")
    assert files.scan("")["\udcff\udcfe"].size == 1
    assert files.open("\udcff\udcfe").read_at(0, 9) == b"x"
    files.rename("\udcff\udcfe", "plain")
    assert (root / "plain").read_bytes() == b"x"


def test_no_descriptor_is_left_open(files: SafeFileSystem, root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "l").symlink_to("a")
    before = len(os.listdir("/dev/fd"))
    files.create("a/b/f").close()
    writer = files.reopen("a/b/f")
    writer.copy_traits("a/b/f")
    writer.close()
    files.scan("a/b")
    files.list("")
    files.stat("a/b")
    files.set_mode("a/b/f", 0o600)
    files.sync_directory("a/b")
    files.rename("a/b/f", "a/g")
    assert files.traits.symlinks
    for path in ("l/x", "a/none/x", "a/g/x", "a/b", "a/../b"):
        for call in (files.open, files.create, files.reopen, files.scan, files.unlink, files.read_link):
            try:
                call(path)
            except OSError:
                continue
            assert (call, path) == (files.scan, "a/b")
        with pytest.raises(OSError):  # noqa: PT011 - any will do
            files.rename("a/g", f"{path}/x/y")
    assert len(os.listdir("/dev/fd")) == before


def test_descriptors_are_not_inherited(files: SafeFileSystem) -> None:
    writer = files.create("f")
    assert not os.get_inheritable(writer._fd)
    assert not os.get_inheritable(files.root_descriptor)
    fd = files.open_directory(".swarm/tmp")
    assert not os.get_inheritable(fd)
    os.close(fd)
    writer.close()


def test_threads_may_share_it(files: SafeFileSystem) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            files.mkdir(name)
            for number in range(50):
                writer = files.create(f"{name}/{number}")
                writer.write_at(0, name.encode())
                writer.close()
                assert files.open(f"{name}/{number}").read_at(0, 9) == name.encode()
            assert len(files.scan(name)) == 50
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_short_reads_and_writes_are_continued(files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: read(fd, min(length, 3), offset))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, data[:2], offset))
    writer = files.create("f")
    writer.write_at(1, b"0123456789")
    assert writer.read_at(0, 100) == b"\x000123456789"
    assert writer.read_at(2, 7) == b"1234567"
    writer.close()


def test_a_disk_that_writes_nothing_and_names_no_error_is_not_asked_for_ever(
    files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0 if offset else write(fd, data[:4], offset))
    writer = files.create("f")
    with pytest.raises(OSError, match="no more"):
        writer.write_at(0, b"0123456789")
    writer.close()


def test_an_mtime_that_no_kernel_holds_is_an_oserror(files: SafeFileSystem) -> None:
    writer = files.create("f")
    for attempt in (1 << 100, -(1 << 100)):
        with pytest.raises(OSError, match="mtime"):
            writer.set_mtime(attempt)
        with pytest.raises(OSError, match="mtime"):
            files.set_mtime("f", attempt)
    writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="extended attributes are tried on Linux")
def test_extended_attributes_and_owner_come_along_but_no_privilege(files: SafeFileSystem, root: Path) -> None:
    old = root / "old"
    old.write_bytes(b"")
    acl = bytes.fromhex(  # user::rw- user:4711:r-- group::r-- mask::r-- other::---
        "0200000001000600ffffffff020004006712000004000400ffffffff10000400ffffffff20000000ffffffff"
    )
    try:
        os.setxattr(old, "user.colour", b"green")
        os.setxattr(old, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no such attributes here: {error.strerror}")
    privileged = True
    try:
        os.chown(old, 4242, 4343)
    except PermissionError:
        privileged = False
    if privileged:
        os.setxattr(old, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        os.setxattr(old, "trusted.overlay.opaque", b"y")
    writer = files.create("new")
    writer.copy_traits("old")
    writer.close()
    assert os.getxattr(root / "new", "user.colour") == b"green"
    assert os.getxattr(root / "new", "system.posix_acl_access") == acl
    assert set(os.listxattr(root / "new")) <= {"user.colour", "system.posix_acl_access", "security.selinux"}
    found = (root / "new").stat()
    if privileged:
        assert (found.st_uid, found.st_gid) == (4242, 4343)


def test_traits_are_cautious_until_they_can_be_tried(root: Path) -> None:
    root.mkdir()
    files = SafeFileSystem(root)
    assert files.traits == CAUTIOUS
    files.mkdir(".swarm")
    files.mkdir(".swarm/tmp")
    assert files.traits != CAUTIOUS
    assert files.list(".swarm/tmp") == []
    files.close()


@pytest.mark.parametrize("granularity", [1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000])
def test_rounded_time_stamps_are_found_out(
    files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch, granularity: int
) -> None:
    exact = open_file.set_times

    def rounding(name: int | str, mtime_ns: int, directory: int | None = None) -> None:
        exact(name, mtime_ns - mtime_ns % granularity, directory)

    monkeypatch.setattr(safefs, "set_times", rounding)
    assert files.traits.mtime_granularity_ns == granularity


def test_folded_names_are_found_out(files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "stat", lambda path: files.scan(".swarm/tmp")[files.list(".swarm/tmp")[0]])
    traits = files.traits
    assert traits.folds_case
    assert traits.folds_unicode


def test_names_that_a_disk_decomposes_are_told_composed(
    files: SafeFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = files.rename

    def decomposing(old: str, new: str) -> None:
        exact(old, unicodedata.normalize("NFD", new))

    monkeypatch.setattr(files, "rename", decomposing)
    folding = files.stat
    monkeypatch.setattr(files, "stat", lambda path: folding(unicodedata.normalize("NFD", path)))
    assert files.traits.decomposes
    (root / "cafe\u0301").write_bytes(b"")
    (root / os.fsdecode(b"bad\xff")).write_bytes(b"")
    assert sorted(files.list("")) == sorted([".swarm", os.fsdecode(b"bad\xff"), "caf\u00e9"])
    assert "caf\u00e9" in files.scan("")


def test_a_file_that_vanishes_during_a_scan_is_left_out(
    files: SafeFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("f", "g"):
        (root / name).write_bytes(b"")
    scan = os.scandir

    class Scandir:
        """Lists first, and then deletes a file before anybody can stat it."""

        def __init__(self, fd: int) -> None:
            with scan(fd) as entries:
                self.entries = list(entries)
            (root / "g").unlink()

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Scandir)
    assert set(files.scan("")) == {".swarm", "f"}


def test_a_scan_that_cannot_look_is_unknown_and_not_empty(
    files: SafeFileSystem, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "f").write_bytes(b"")

    class Entry:
        name = "f"

        def stat(self, follow_symlinks: bool) -> os.stat_result:
            assert not follow_symlinks
            raise OSError(errno.EIO, "the disk fails")

    class Scandir:
        def __init__(self, fd: int) -> None:
            pass

        def __enter__(self) -> list[Entry]:
            return [Entry()]

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Scandir)
    with pytest.raises(OSError, match="the disk fails"):
        files.scan("")


def test_a_file_system_that_cannot_sync_a_directory_syncs_it_all(
    files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def refused(_: int) -> None:
        raise OSError(errno.EINVAL, "as on CIFS")

    monkeypatch.setattr(os, "fsync", refused)
    monkeypatch.setattr(syscalls, "syncfs", synced.append)
    files.sync_directory("")
    assert synced == [files.root_descriptor]


def test_modes_that_do_not_stay_are_found_out(files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "set_mode", lambda path, mode: None)  # as FAT, which says yes
    assert not files.traits.modes


def test_names_that_are_cut_are_found_out(files: SafeFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = files.create
    monkeypatch.setattr(files, "create", lambda path, mode=0o600: exact(path.rstrip("."), mode))
    assert files.traits.trims
