"""The watcher on a real directory. `flush` is the barrier, so that nothing here sleeps."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from watchdog.observers import inotify_c

from swarm.disk import mounted, watcher
from swarm.disk.watcher import EVERYTHING, Watcher
from swarm.errors import Bug, Unavailable
from swarm.sync.dirty import Dirty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def mode(told: Told) -> str:
    return told.watcher.mode


class Told:
    """What a watcher said since the last look."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[Dirty] = []
        self.watcher = Watcher(root, self.said.append, coalesce=0.001)
        self.watcher.start()

    def look(self) -> Dirty:
        self.watcher.flush(5)
        said, self.said[:] = list(self.said), []
        return Dirty(
            frozenset().union(*(dirty.directories for dirty in said)),
            frozenset().union(*(dirty.closed for dirty in said)),
            any(dirty.overflow for dirty in said),
        )


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / ".swarm/tmp").mkdir(parents=True)
    told = Told(root)
    assert (told.watcher.mode, told.watcher.why) == ("inotify", "")
    yield told
    told.watcher.stop()


def test_what_was_there_before_is_no_news(told: Told) -> None:
    assert told.look() == Dirty(frozenset())


def test_a_written_file_makes_its_directory_dirty_and_is_closed(told: Told) -> None:
    (told.root / "a/f").write_bytes(b"x")
    (told.root / "g").write_bytes(b"x")
    assert told.look() == Dirty(frozenset({"a", ""}), frozenset({"a/f", "g"}))


def test_a_file_that_was_moved_in_was_not_written(told: Told) -> None:
    (told.root / "a/f").write_bytes(b"x")
    (told.root / "a/f").rename(told.root / "g")
    told.watcher.flush(5)
    assert frozenset().union(*(dirty.written for dirty in told.said)) == {"a/f"}
    assert frozenset().union(*(dirty.closed for dirty in told.said)) == {"a/f", "g"}


def test_a_file_still_being_written_is_not_closed(told: Told) -> None:
    with (told.root / "a/f").open("wb") as file:
        file.write(b"x")
        file.flush()
        assert told.look() == Dirty(frozenset({"a"}))
        file.write(b"y")
    assert told.look() == Dirty(frozenset({"a"}), frozenset({"a/f"}))


@pytest.mark.parametrize("change", ["delete", "chmod", "utime", "link", "symlink", "truncate"])
def test_every_kind_of_change_is_told(told: Told, change: str) -> None:
    file = told.root / "a/f"
    file.write_bytes(b"x")
    told.look()
    match change:
        case "delete":
            file.unlink()
        case "chmod":
            file.chmod(0o600)
        case "utime":
            os.utime(file, (1, 1))
        case "link":
            (told.root / "a/g").hardlink_to(file)
        case "symlink":
            (told.root / "a/g").symlink_to("f")
        case "truncate":
            os.truncate(file, 0)
    assert told.look().directories == {"a"}


def test_reading_is_not_told(told: Told) -> None:
    (told.root / "a/f").write_bytes(b"x")
    told.look()
    (told.root / "a/f").read_bytes()
    list((told.root / "a").iterdir())
    assert told.look() == Dirty(frozenset())


def test_a_moved_file_is_told_at_both_ends(told: Told) -> None:
    (told.root / "a/f").write_bytes(b"x")
    told.look()
    (told.root / "a/f").rename(told.root / "a/b/g")
    assert told.look() == Dirty(frozenset({"a", "a/b"}), frozenset({"a/b/g"}))


def test_a_file_installed_from_our_own_directory_is_told_where_it_arrives(told: Told) -> None:
    (told.root / ".swarm/tmp/1").write_bytes(b"x")
    assert told.look() == Dirty(frozenset())
    (told.root / ".swarm/tmp/1").rename(told.root / "a/f")
    assert told.look() == Dirty(frozenset({"a"}), frozenset({"a/f"}))


@pytest.mark.parametrize("name", [".swarm", ".SWARM", ".swa\u200brm"])
def test_our_own_directory_is_never_watched_by_any_name(told: Told, name: str) -> None:
    (told.root / "a" / name / "tmp").mkdir(parents=True)
    assert told.look().directories == {"a"}
    (told.root / "a" / name / "tmp/f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset())


def test_a_new_tree_is_told_whole_and_watched(told: Told) -> None:
    (told.root / "n/e/w").mkdir(parents=True)
    assert told.look().directories == {"", "n", "n/e", "n/e/w"}
    (told.root / "n/e/w/f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset({"n/e/w"}), frozenset({"n/e/w/f"}))


def test_files_in_directories_made_and_filled_at_once_are_all_covered(told: Told) -> None:
    """The race between mkdir and the watch: whatever was not seen as an event lies in a directory called dirty."""
    for outer in range(20):
        for inner in range(10):
            directory = told.root / f"d{outer}/e{inner}"
            directory.mkdir(parents=True)
            (directory / "f").write_bytes(b"x")
    wanted = {f"d{outer}/e{inner}" for outer in range(20) for inner in range(10)}
    assert wanted <= told.look().directories


def test_a_tree_moved_in_is_told_whole_and_watched(told: Told, tmp_path: Path) -> None:
    (tmp_path / "outside/x/y").mkdir(parents=True)
    (tmp_path / "outside").rename(told.root / "in")
    assert told.look().directories == {"", "in", "in/x", "in/x/y"}
    (told.root / "in/x/y/f").write_bytes(b"x")
    assert told.look().directories == {"in/x/y"}


def test_a_tree_moved_out_is_watched_no_more(told: Told, tmp_path: Path) -> None:
    (told.root / "a").rename(tmp_path / "out")
    assert told.look().directories == {""}
    (tmp_path / "out/b/f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset())


def test_a_moved_tree_is_told_by_its_new_name(told: Told) -> None:
    (told.root / "a").rename(told.root / "c")
    assert told.look().directories == {"", "c", "c/b"}
    (told.root / "c/b/f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset({"c/b"}), frozenset({"c/b/f"}))


def test_moves_back_and_forth_leave_the_right_names(told: Told) -> None:
    for _ in range(50):
        (told.root / "a").rename(told.root / "c")
        (told.root / "c/b").rename(told.root / "z")
        (told.root / "z").rename(told.root / "c/b")
        (told.root / "c").rename(told.root / "a")
    told.look()
    (told.root / "a/b/f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset({"a/b"}), frozenset({"a/b/f"}))


def test_two_directories_exchanged_are_both_watched_afterwards(told: Told) -> None:
    (told.root / "c/d").mkdir(parents=True)
    told.look()
    libc = ctypes.CDLL(None, use_errno=True)
    one, other = os.fsencode(told.root / "a"), os.fsencode(told.root / "c")
    if libc.renameat2(-100, one, -100, other, 2) != 0:
        pytest.skip(f"no exchange here: {errno.errorcode[ctypes.get_errno()]}")
    assert {"", "a", "c", "a/d", "c/b"} <= told.look().directories
    for directory in ("a/d", "c/b"):
        (told.root / directory / "f").write_bytes(b"x")
        assert told.look().directories == {directory}


def test_a_directory_deleted_and_made_again_is_watched(told: Told) -> None:
    for _ in range(20):
        (told.root / "a/b").rmdir()
        (told.root / "a/b").mkdir()
    told.look()
    (told.root / "a/b/f").write_bytes(b"x")
    assert told.look().directories == {"a/b"}


def test_a_symlink_to_a_directory_is_not_entered(told: Told, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (told.root / "way").symlink_to(tmp_path / "outside")
    told.look()
    (tmp_path / "outside/f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset())


def test_a_name_that_is_not_utf8_is_told(told: Told) -> None:
    os.mkdir(os.fsencode(told.root) + b"/\xff")
    assert told.look().directories == {"", "\udcff"}


def test_a_root_named_by_a_symlink_is_watched(told: Told, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(told.root)
    alias = Told(tmp_path / "alias")
    (told.root / "a/f").write_bytes(b"x")
    assert alias.look().directories == {"a"}
    alias.watcher.stop()


def test_more_events_than_the_kernel_queues_are_an_overflow(tmp_path: Path) -> None:
    with open("/proc/sys/fs/inotify/max_queued_events") as file:
        limit = int(file.read())
    if limit > 100_000:
        pytest.skip(f"the queue holds {limit} events here")
    (tmp_path / "before").mkdir()
    held, free = threading.Event(), threading.Event()
    said: list[Dirty] = []

    def on_dirty(dirty: Dirty) -> None:
        said.append(dirty)
        held.set()
        free.wait(10)

    watching = Watcher(tmp_path, on_dirty, coalesce=0.001)
    watching.start()
    (tmp_path / "first").write_bytes(b"")
    assert held.wait(5)
    files = [os.open(tmp_path / name, os.O_CREAT | os.O_WRONLY) for name in ("one", "other")]
    for turn in range(limit + 10):
        os.fchmod(files[turn % 2], 0o600)  # not the same one twice, which the kernel would merge
    for fd in files:
        os.close(fd)
    (tmp_path / "before").rmdir()
    (tmp_path / "lost/deep").mkdir(parents=True)  # unseen: the queue is full
    free.set()
    watching.flush(10)
    assert any(dirty.overflow and "" in dirty.directories for dirty in said)
    said.clear()
    (tmp_path / "lost/deep/f").write_bytes(b"x")
    watching.flush(5)
    deep = frozenset({"lost/deep/f"})
    assert said == [Dirty(frozenset({"lost/deep"}), deep, written=deep)]
    watching.stop()


def test_when_the_limit_is_reached_it_polls_and_names_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    told = Told(tmp_path)
    monkeypatch.setattr(inotify_c, "inotify_add_watch", no_more)
    (tmp_path / "one too many").mkdir()
    assert told.look() == EVERYTHING
    assert told.watcher.mode == "polling"
    assert "fs.inotify.max_user_watches" in told.watcher.why
    assert told.look() == EVERYTHING  # a flush while polling is a scan
    told.watcher.stop()
    late = Told(tmp_path)
    assert late.watcher.mode == "polling"
    assert "fs.inotify.max_user_watches" in late.watcher.why
    late.watcher.stop()


def test_when_there_are_too_many_watchers_it_polls_and_names_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", no_more)
    told = Told(tmp_path)
    assert told.watcher.mode == "polling"
    assert "fs.inotify.max_user_instances" in told.watcher.why
    told.watcher.stop()


def test_polling_asks_for_a_whole_scan_at_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "network_kind", lambda _: "nfs4")
    twice = threading.Semaphore(0)

    def on_dirty(dirty: Dirty) -> None:
        assert dirty == EVERYTHING
        twice.release()

    polling = Watcher(tmp_path, on_dirty, interval=0.005)
    polling.start()
    assert polling.mode == "polling"
    assert "nfs4" in polling.why
    assert twice.acquire(timeout=5)
    assert twice.acquire(timeout=5)
    polling.stop()


def test_a_root_that_goes_away_is_told_and_watched_again_on_its_return(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    told = Told(root)
    root.rename(tmp_path / "elsewhere")
    assert told.look() == EVERYTHING
    assert mode(told) == "polling"
    assert told.look() == EVERYTHING  # still gone
    assert mode(told) == "polling"
    (tmp_path / "elsewhere").rename(root)
    assert told.look() == EVERYTHING
    assert mode(told) == "inotify"
    (root / "f").write_bytes(b"x")
    assert told.look() == Dirty(frozenset({""}), frozenset({"f"}))
    told.watcher.stop()


def test_a_deleted_root_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    told = Told(root)
    root.rmdir()
    assert told.look() == EVERYTHING
    assert (told.watcher.mode, bool(told.watcher.why)) == ("polling", True)
    told.watcher.stop()


def test_events_come_by_themselves_without_a_flush(tmp_path: Path) -> None:
    heard = threading.Event()
    watching = Watcher(tmp_path, lambda _: heard.set())
    watching.start()
    (tmp_path / "f").write_bytes(b"x")
    assert heard.wait(5)
    watching.stop()


def test_a_watcher_held_up_by_its_listener_says_so_in_time(tmp_path: Path) -> None:
    held, free = threading.Event(), threading.Event()

    def on_dirty(_: Dirty) -> None:
        held.set()
        free.wait(10)

    watching = Watcher(tmp_path, on_dirty, coalesce=0.001)
    watching.start()
    (tmp_path / "f").write_bytes(b"x")
    assert held.wait(5)
    with pytest.raises(Unavailable):
        watching.flush(0.01)
    free.set()
    watching.flush(5)
    watching.stop()


def test_a_stopped_watcher_says_nothing_and_cannot_be_used(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    told = Told(tmp_path)
    told.watcher.stop()
    told.watcher.stop()
    (tmp_path / "f").write_bytes(b"x")
    assert told.said == []
    with pytest.raises(Bug):
        told.watcher.flush(1)
    with pytest.raises(Bug):
        told.watcher.start()
    assert len(os.listdir("/proc/self/fd")) == before


def test_network_file_systems_are_known_by_their_mount(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    table = tmp_path / "mountinfo"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /mnt rw,noatime shared:1 - {{}} server:/ rw\n"
    table.write_text("1 1 0:0 / / rw - ext4 /dev/x rw\n" + line.format("nfs4"))
    assert mounted.network_kind(str(tmp_path), str(table)) == "nfs4"
    table.write_text(line.format("ext4"))
    assert mounted.network_kind(str(tmp_path), str(table)) == ""
    table.write_text("nonsense\n")
    assert mounted.network_kind(str(tmp_path), str(table)) == ""
    assert mounted.network_kind(str(tmp_path), str(tmp_path / "none")) == ""
