"""What every FileSystem must do, on a disk by openat2, on a disk by walking, and in memory."""

from __future__ import annotations

import errno
import itertools
import os
from typing import TYPE_CHECKING

import pytest

from swarm.disk.safefs import SafeFileSystem
from swarm.ids import Kind
from swarm.sync.memory_files import MemoryFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from swarm.sync.files import FileSystem, Stat

BAD_PATHS = ("/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "a\0b", "\0")


@pytest.fixture(params=["openat2", "walk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileSystem]:
    if request.param == "memory":
        clock = itertools.count(1_700_000_000_000_000_000, 1_000_000)
        memory = MemoryFileSystem(lambda: next(clock))
        memory.mkdir(".swarm")
        memory.mkdir(".swarm/tmp")
        yield memory
        return
    root = tmp_path / "root"
    (root / ".swarm/tmp").mkdir(parents=True)
    real = SafeFileSystem(root, walk=request.param == "walk")
    yield real
    real.close()


def put(files: FileSystem, path: str, data: bytes = b"") -> Stat:
    writer = files.create(path)
    writer.write_at(0, data)
    seen = writer.stat()
    writer.close()
    return seen


def get(files: FileSystem, path: str) -> bytes:
    reader = files.open(path)
    data = reader.read_at(0, 1 << 20)
    reader.close()
    return data


def refused(code: int, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is checked
        call(*arguments)
    assert errno.errorcode[caught.value.errno or 0] == errno.errorcode[code]


def test_a_file_is_read_as_it_was_written(files: FileSystem) -> None:
    writer = files.create("f", 0o600)
    writer.write_at(5, b"world")
    writer.write_at(0, b"hello")
    assert writer.read_at(0, 100) == b"helloworld"
    assert writer.read_at(8, 100) == b"ld"
    assert writer.read_at(10, 1) == b""
    assert writer.read_at(500, 1) == b""
    writer.flush_range(0, 10)
    writer.sync()
    writer.close()
    writer.close()
    assert get(files, "f") == b"helloworld"
    seen = files.stat("f")
    assert (seen.kind, seen.size, seen.mode) == (Kind.FILE, 10, 0o600)
    assert seen.device == files.stat("").device


def test_writing_beyond_the_end_leaves_zeros(files: FileSystem) -> None:
    writer = files.create("f")
    writer.write_at(3, b"x")
    assert writer.read_at(0, 9) == b"\0\0\0x"
    writer.truncate(6)
    assert writer.read_at(0, 9) == b"\0\0\0x\0\0"
    writer.truncate(2)
    assert writer.stat().size == 2
    writer.close()


def test_a_closed_file_is_closed(files: FileSystem) -> None:
    put(files, "f")
    reader = files.open("f")
    reader.close()
    refused(errno.EBADF, reader.read_at, 0, 1)


def test_reopening_goes_on_where_it_was(files: FileSystem) -> None:
    put(files, "f", b"abc")
    writer = files.reopen("f")
    writer.write_at(1, b"BCD")
    writer.close()
    assert get(files, "f") == b"aBCD"


def test_mode_and_mtime_are_set_exactly(files: FileSystem) -> None:
    writer = files.create("f")
    writer.set_mode(0o640)
    writer.set_mtime(1_234_567_890_123_456_789)
    writer.close()
    seen = files.stat("f")
    assert (seen.mode, seen.mtime_ns) == (0o640, 1_234_567_890_123_456_789)
    files.set_mode("f", 0o604)
    files.set_mtime("f", 17)
    seen = files.stat("f")
    assert (seen.mode, seen.mtime_ns) == (0o604, 17)
    files.mkdir("d")
    files.set_mode("d", 0o710)
    files.set_mtime("d", 1_000_000_018)
    seen = files.stat("d")
    assert (seen.kind, seen.size, seen.mode, seen.mtime_ns) == (Kind.DIRECTORY, 0, 0o710, 1_000_000_018)
    files.set_link_mtime("d", 2_000_000_019)
    assert files.stat("d").mtime_ns == 2_000_000_019


def test_setuid_is_never_set(files: FileSystem) -> None:
    writer = files.create("f", 0o4755)
    assert writer.stat().mode & 0o7000 == 0
    writer.set_mode(0o6755)
    files.set_mode("f", 0o7755)
    assert files.stat("f").mode == 0o755
    writer.close()


def test_a_file_that_nobody_may_read_can_be_given_a_mode(files: FileSystem) -> None:
    put(files, "f")
    files.set_mode("f", 0)
    files.set_mode("f", 0o600)
    assert files.stat("f").mode == 0o600


def test_a_symlink_is_a_thing_of_its_own(files: FileSystem) -> None:
    files.mkdir("d")
    files.symlink("d/../näher", "l")
    seen = files.stat("l")
    assert (seen.kind, seen.size) == (Kind.SYMLINK, 0)
    assert files.read_link("l") == "d/../näher"
    files.set_link_mtime("l", 42)
    assert files.stat("l").mtime_ns == 42
    refused(errno.EINVAL, files.open, "l")
    refused(errno.EINVAL, files.reopen, "l")
    refused(errno.EINVAL, files.set_mode, "l", 0o600)
    refused(errno.EINVAL, files.set_mtime, "l", 1)
    refused(errno.EINVAL, files.read_link, "d")
    refused(errno.EEXIST, files.symlink, "x", "l")
    refused(errno.ENOENT, files.symlink, "", "m")
    refused(errno.EINVAL, files.symlink, "a\0b", "m")
    files.unlink("l")
    refused(errno.ENOENT, files.stat, "l")


def test_nothing_goes_through_a_symlink(files: FileSystem) -> None:
    files.mkdir("real")
    files.mkdir("real/d")
    put(files, "real/f", b"safe")
    put(files, "g")
    files.symlink("real", "way")
    for call in (
        files.stat,
        files.open,
        files.create,
        files.reopen,
        files.read_link,
        files.mkdir,
        files.rmdir,
        files.unlink,
        files.list,
        files.scan,
        files.sync_directory,
    ):
        refused(errno.ELOOP, call, "way/d")
    refused(errno.ELOOP, files.list, "way")
    refused(errno.ELOOP, files.scan, "way")
    refused(errno.ELOOP, files.stat, "way/d/deeper")
    refused(errno.ELOOP, files.set_mode, "way/f", 0o600)
    refused(errno.ELOOP, files.set_mtime, "way/f", 1)
    refused(errno.ELOOP, files.set_link_mtime, "way/f", 1)
    refused(errno.ELOOP, files.symlink, "x", "way/l")
    for move in (files.rename, files.rename_noreplace, files.link):
        refused(errno.ELOOP, move, "g", "way/g")
        refused(errno.ELOOP, move, "way/f", "h")
    refused(errno.ELOOP, files.exchange, "g", "way/f")
    assert sorted(files.list("real")) == ["d", "f"]


def test_a_symlink_to_outside_leads_nowhere(files: FileSystem, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    files.symlink(str(tmp_path / "outside"), "evil")
    files.symlink("/proc/self/cwd", "magic")
    for way in ("evil", "magic"):
        refused(errno.ELOOP, files.create, f"{way}/f")
        refused(errno.ELOOP, files.mkdir, f"{way}/d")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_is_not_plain_names_is_refused_everywhere(files: FileSystem, path: str) -> None:
    files.mkdir("a")
    put(files, "f")
    for call in (
        files.stat,
        files.list,
        files.scan,
        files.open,
        files.create,
        files.reopen,
        files.read_link,
        files.mkdir,
        files.rmdir,
        files.unlink,
        files.sync_directory,
    ):
        refused(errno.EINVAL, call, path)
    for setting in (files.set_mode, files.set_mtime, files.set_link_mtime):
        refused(errno.EINVAL, setting, path, 0)
    refused(errno.EINVAL, files.symlink, "x", path)
    for move in (files.rename, files.rename_noreplace, files.link, files.exchange):
        refused(errno.EINVAL, move, "f", path)
        refused(errno.EINVAL, move, path, "f")


def test_the_root_itself_cannot_be_made_moved_or_removed(files: FileSystem) -> None:
    put(files, "f")
    for call in (files.mkdir, files.rmdir, files.unlink, files.create, files.open):
        refused(errno.EINVAL, call, "")
    refused(errno.EINVAL, files.rename, "", "x")
    refused(errno.EINVAL, files.rename, "f", "")


def test_a_name_that_is_too_long_is_refused(files: FileSystem) -> None:
    put(files, "ä" * 127)
    refused(errno.ENAMETOOLONG, files.create, "ä" * 128)
    refused(errno.ENAMETOOLONG, files.stat, "x" * 256)
    refused(errno.ENAMETOOLONG, files.stat, "x" * 256 + "/y")


def test_a_path_longer_than_the_kernel_takes_works_all_the_same(files: FileSystem) -> None:
    name = "d" * 200
    path = name
    for _ in range(25):
        files.mkdir(path)
        path = f"{path}/{name}"
    put(files, path, b"deep")
    assert len(path) > 5000
    assert get(files, path) == b"deep"
    assert files.scan(path.rpartition("/")[0])[name].size == 4
    assert files.list(path.rpartition("/")[0]) == [name]


def test_a_name_that_is_not_utf8_is_never_made(files: FileSystem) -> None:
    put(files, "f")
    for call in (files.create, files.mkdir):
        refused(errno.EILSEQ, call, "bad\udcff")
    for move in (files.rename, files.rename_noreplace, files.link):
        refused(errno.EILSEQ, move, "f", "bad\udcff")
    refused(errno.EILSEQ, files.symlink, "x", "bad\udcff")
    refused(errno.EILSEQ, files.symlink, "bad\udcff", "x")
    refused(errno.ENOENT, files.stat, "bad\udcff")
    assert "f" in files.list("")


def test_strange_names_are_names(files: FileSystem) -> None:
    names = {"a\nb", "\x1b[31m", " ", "...", "~", "con", "*", "\\", "é", "e\u0301", ":"}
    for name in names:
        put(files, name)
    assert set(files.list("")) == names | {".swarm"}
    assert set(files.scan("")) == names | {".swarm"}


def test_listing_and_scanning_agree(files: FileSystem) -> None:
    files.mkdir("d")
    files.mkdir("d/sub")
    put(files, "d/f", b"four")
    files.symlink("f", "d/l")
    assert sorted(files.list("d")) == ["f", "l", "sub"]
    seen = files.scan("d")
    assert {name: stat.kind for name, stat in seen.items()} == {
        "f": Kind.FILE,
        "l": Kind.SYMLINK,
        "sub": Kind.DIRECTORY,
    }
    assert all(files.stat(f"d/{name}") == stat for name, stat in seen.items())
    assert files.scan("d/sub") == {}
    assert files.scan("") == {name: files.stat(name) for name in files.list("")}
    refused(errno.ENOTDIR, files.list, "d/f")
    refused(errno.ENOTDIR, files.scan, "d/f")
    refused(errno.ENOENT, files.scan, "gone")
    refused(errno.ENOTDIR, files.stat, "d/f/x")


def test_two_scans_at_once_do_not_disturb_each_other(files: FileSystem) -> None:
    for number in range(3):
        put(files, f"f{number}")
    assert len(files.list("")) == len(files.list("")) == 4
    assert len(files.scan("")) == len(files.scan("")) == 4


def test_making_what_is_there_is_refused(files: FileSystem) -> None:
    put(files, "f", b"kept")
    files.mkdir("d")
    files.symlink("nowhere", "l")
    for name in ("f", "d", "l"):
        refused(errno.EEXIST, files.create, name)
        refused(errno.EEXIST, files.mkdir, name)
        refused(errno.EEXIST, files.link, "f", name)
        refused(errno.EEXIST, files.rename_noreplace, "f", name)
    refused(errno.ENOENT, files.create, "no/f")
    refused(errno.ENOENT, files.mkdir, "no/d")
    assert get(files, "f") == b"kept"


def test_removing_minds_the_kind(files: FileSystem) -> None:
    files.mkdir("d")
    put(files, "d/f")
    refused(errno.ENOTEMPTY, files.rmdir, "d")
    refused(errno.EISDIR, files.unlink, "d")
    refused(errno.ENOTDIR, files.rmdir, "d/f")
    refused(errno.ENOENT, files.unlink, "d/g")
    files.unlink("d/f")
    files.rmdir("d")
    refused(errno.ENOENT, files.rmdir, "d")
    assert files.list("") == [".swarm"]


def test_only_a_regular_file_is_opened(files: FileSystem) -> None:
    files.mkdir("d")
    refused(errno.EINVAL, files.open, "d")
    refused(errno.EINVAL, files.reopen, "d")
    refused(errno.ENOENT, files.open, "none")


def test_a_fifo_blocks_nobody_and_is_never_opened(files: FileSystem, tmp_path: Path) -> None:
    if isinstance(files, MemoryFileSystem):
        files.make_fifo("p")
    else:
        os.mkfifo(tmp_path / "root/p")
    assert files.stat("p").kind is None
    assert files.scan("")["p"].kind is None
    refused(errno.EINVAL, files.open, "p")
    refused(errno.EINVAL, files.reopen, "p")
    refused(errno.EINVAL, files.set_mode, "p", 0o600)
    refused(errno.EINVAL, files.set_mtime, "p", 0)


def test_a_hard_link_is_the_same_file(files: FileSystem) -> None:
    put(files, "f", b"one")
    files.mkdir("d")
    files.link("f", "d/g")
    assert files.stat("f").inode == files.stat("d/g").inode
    writer = files.reopen("d/g")
    writer.write_at(0, b"two")
    writer.close()
    assert get(files, "f") == b"two"
    files.rename("f", "d/g")  # POSIX: nothing happens, both stay
    assert files.stat("f").inode == files.stat("d/g").inode
    files.unlink("f")
    assert get(files, "d/g") == b"two"
    refused(errno.EPERM, files.link, "d", "e")
    refused(errno.ENOENT, files.link, "f", "h")
    files.symlink("d/g", "l")
    files.link("l", "m")
    assert files.stat("m").kind is Kind.SYMLINK


def test_a_rename_replaces(files: FileSystem) -> None:
    put(files, "old", b"old")
    inode = put(files, "new", b"new").inode
    files.rename("new", "old")
    assert get(files, "old") == b"new"
    assert files.stat("old").inode == inode
    refused(errno.ENOENT, files.stat, "new")
    refused(errno.ENOENT, files.rename, "new", "old")
    files.rename("old", "old")
    assert get(files, "old") == b"new"


def test_a_rename_minds_directories(files: FileSystem) -> None:
    put(files, "f")
    files.mkdir("d")
    files.mkdir("full")
    put(files, "full/x", b"x")
    refused(errno.EISDIR, files.rename, "f", "d")
    refused(errno.ENOTDIR, files.rename, "d", "f")
    refused(errno.ENOTEMPTY, files.rename, "d", "full")
    refused(errno.EINVAL, files.rename, "d", "d/below")
    refused(errno.EINVAL, files.rename_noreplace, "d", "d/below")
    files.rename("full", "d")
    assert get(files, "d/x") == b"x"
    files.rename_noreplace("d", "e")
    assert get(files, "e/x") == b"x"


def test_a_rename_without_replacing_moves(files: FileSystem) -> None:
    inode = put(files, "f", b"x").inode
    files.mkdir("d")
    files.rename_noreplace("f", "d/g")
    assert files.stat("d/g").inode == inode
    refused(errno.ENOENT, files.stat, "f")
    refused(errno.ENOENT, files.rename_noreplace, "f", "h")
    refused(errno.EEXIST, files.rename_noreplace, "d/g", "d/g")


def test_an_exchange_swaps_whatever_is_there(files: FileSystem) -> None:
    put(files, "f", b"file")
    files.mkdir("d")
    put(files, "d/inner", b"inner")
    files.symlink("x", "l")
    files.exchange("f", "d")
    assert get(files, "d") == b"file"
    assert get(files, "f/inner") == b"inner"
    files.exchange("l", "f/inner")
    assert get(files, "l") == b"inner"
    assert files.read_link("f/inner") == "x"
    refused(errno.ENOENT, files.exchange, "l", "none")
    refused(errno.ENOENT, files.exchange, "none", "l")
    refused(errno.EINVAL, files.exchange, "f", "f/inner")


def test_ctime_tells_of_every_change(files: FileSystem) -> None:
    put(files, "f")
    put(files, "g")
    before = files.stat("f").ctime_ns
    files.exchange("f", "g")
    assert files.stat("g").ctime_ns >= before
    files.set_mtime("g", 5)
    assert files.stat("g").ctime_ns >= before
    assert files.stat("g").ctime_ns != 5


def test_an_open_file_outlives_its_name(files: FileSystem) -> None:
    writer = files.create("f")
    files.unlink("f")
    writer.write_at(0, b"still")
    assert writer.read_at(0, 9) == b"still"
    writer.close()


def test_syncing_is_possible_everywhere(files: FileSystem) -> None:
    files.mkdir("d")
    files.sync_directory("")
    files.sync_directory("d")
    files.sync_all()
    refused(errno.ENOENT, files.sync_directory, "none")
    put(files, "f")
    refused(errno.ENOTDIR, files.sync_directory, "f")


def test_free_bytes_are_counted(files: FileSystem) -> None:
    assert files.free_bytes() > 1 << 20


def test_traits_are_those_of_a_good_disk(files: FileSystem) -> None:
    traits = files.traits
    assert traits.symlinks
    assert files.traits is traits  # measured once
    assert files.list(".swarm/tmp") == []  # and nothing left behind


def test_copied_traits_are_no_reason_to_fail(files: FileSystem) -> None:
    put(files, "old")
    writer = files.create("new")
    writer.copy_traits("old")
    refused(errno.ENOENT, writer.copy_traits, "none")
    writer.close()
