"""The twin in memory, where it is more than a disk: personalities, faults, users at the worst moment, and crashes."""

from __future__ import annotations

import errno
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from swarm.ids import Kind
from swarm.sync import memory_disk
from swarm.sync.files import Traits
from swarm.sync.memory_disk import BLOCK
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.memory_open_file import CutShort, Unsynced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SEEDS = range(60)


def make(traits: Traits | None = None, capacity: int = 1 << 40) -> MemoryFileSystem:
    clock = itertools.count(1_000_000_000, 1)
    return MemoryFileSystem(lambda: next(clock), traits, capacity)


def refused(code: int, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is checked
        call(*arguments)
    assert errno.errorcode[caught.value.errno or 0] == errno.errorcode[code]


def after_crashes(prepare: Callable[[MemoryFileSystem], None]) -> list[dict[str, bytes | str | None]]:
    """What is there after a crash, for many seeds: path -> content."""
    outcomes = []
    for seed in SEEDS:
        files = make()
        prepare(files)
        files.crash(random.Random(seed))
        outcomes.append({path: content for path, (_, content) in files.tree().items()})
    return outcomes


def names(outcomes: Iterable[dict[str, bytes | str | None]]) -> set[tuple[str, ...]]:
    return {tuple(sorted(outcome)) for outcome in outcomes}


# Users.


def test_users_write_read_and_remove() -> None:
    files = make()
    files.write_file("a/b/f", b"one")
    inode = files.stat("a/b/f").inode
    files.write_file("a/b/f", b"2")
    files.write_file(".swarm/tmp/x", b"")
    files.symlink("f", "a/l")
    files.make_fifo("p")
    assert files.stat("a/b/f").inode == inode  # in place, as an editor that truncates does
    assert files.read_file("a/b/f") == b"2"
    assert files.tree() == {
        "a": (Kind.DIRECTORY, None),
        "a/b": (Kind.DIRECTORY, None),
        "a/b/f": (Kind.FILE, b"2"),
        "a/l": (Kind.SYMLINK, "f"),
        "p": (None, None),
    }
    assert ".swarm/tmp/x" in files.tree(ours=True)
    files.remove("a")
    files.remove("p")
    assert files.tree() == {}


def test_two_runs_agree_to_the_last_stat() -> None:
    def run() -> list[object]:
        files = make()
        files.write_file("a/f", b"x")
        files.rename("a/f", "g")
        files.crash(random.Random(7))
        return [files.tree(), *files.scan("").items()]

    assert run() == run()


def test_inode_numbers_are_never_used_twice() -> None:
    files = make()
    seen = set()
    for _ in range(10):
        files.write_file("f", b"")
        seen.add(files.stat("f").inode)
        files.unlink("f")
    assert len(seen) == 10


def test_what_nobody_may_read_is_not_read() -> None:
    files = make()
    files.write_file("d/f", b"x")
    files.set_mode("d/f", 0)
    refused(errno.EACCES, files.open, "d/f")
    files.set_mode("d", 0)
    refused(errno.EACCES, files.list, "d")
    refused(errno.EACCES, files.scan, "d")


def test_traits_are_copied_from_file_to_file() -> None:
    files = make()
    files.write_file("old", b"")
    files.node("old").attributes["user.colour"] = b"green"
    files.create("new").copy_traits("old")
    assert files.node("new").attributes == {"user.colour": b"green"}


def test_a_mount_below_the_root_is_not_crossed() -> None:
    files = make()
    files.write_file("mnt/d/f", b"")
    files.write_file("g", b"")
    files.mount_below("mnt")
    for call in (files.stat, files.list, files.scan):
        refused(errno.EXDEV, call, "mnt")
    refused(errno.EXDEV, files.stat, "mnt/d")
    refused(errno.EXDEV, files.rename, "g", "mnt/g")
    refused(errno.EBUSY, files.rename, "mnt", "elsewhere")
    refused(errno.EBUSY, files.rmdir, "mnt")
    assert files.scan("")["mnt"].kind is None


# Faults.


def test_the_hook_comes_before_every_call_and_may_fail_it() -> None:
    files = make()
    files.write_file("f", b"x")
    calls: list[tuple[str, str]] = []

    def before(operation: str, path: str) -> None:
        calls.append((operation, path))
        if operation == "sync":
            raise OSError(errno.EIO, "the disk fails")

    files.before = before
    writer = files.reopen("f")
    writer.write_at(0, b"y")
    refused(errno.EIO, writer.sync)
    files.rename("f", "g")
    files.free_bytes()
    assert calls == [("reopen", "f"), ("write_at", "f"), ("sync", "f"), ("rename", "f"), ("free_bytes", "")]


def test_a_user_may_act_at_the_worst_moment() -> None:
    files = make()
    files.write_file("new", b"new")

    def before(operation: str, path: str) -> None:
        if operation == "rename_noreplace":
            files.write_file("target", b"user's")

    files.before = before
    refused(errno.EEXIST, files.rename_noreplace, "new", "target")
    assert files.read_file("target") == b"user's"


def test_a_full_disk_takes_no_more_and_loses_nothing() -> None:
    files = make(capacity=10)
    files.write_file("f", b"12345678")
    assert files.free_bytes() == 2
    writer = files.create("g")
    refused(errno.ENOSPC, writer.write_at, 0, b"123")
    refused(errno.ENOSPC, writer.truncate, 3)
    assert writer.stat().size == 0
    writer.write_at(0, b"12")
    files.link("f", "h")
    files.unlink("f")
    assert files.free_bytes() == 0
    files.unlink("h")
    assert files.free_bytes() == 8
    writer.truncate(1)
    assert files.free_bytes() == 9
    files.rename("g", "g2")
    files.write_file("f", b"123456789")
    files.rename("f", "g2")
    assert files.free_bytes() == 1
    files.sync_all()
    files.crash(random.Random(1))
    assert files.free_bytes() == 1


def test_an_absent_disk_answers_with_errors_or_with_nothing() -> None:
    files = make()
    files.write_file("a/f", b"x")
    reader = files.open("a/f")
    device = files.stat("").device
    files.unmount("missing")
    refused(errno.ENOENT, files.stat, "")
    refused(errno.ENOENT, files.scan, "")
    files.unmount("broken")
    refused(errno.EIO, files.stat, "")
    refused(errno.EIO, reader.read_at, 0, 1)
    files.unmount("empty")
    assert files.scan("") == {}
    assert files.stat("").device != device
    refused(errno.ENOENT, files.stat, "a")
    files.write_file("below", b"the mount point")
    files.mount()
    assert files.stat("").device == device
    assert sorted(files.tree()) == ["a", "a/f"]


# Personalities.


def test_a_disk_that_folds_case_has_one_name() -> None:
    files = make(Traits(folds_case=True))
    files.write_file("Readme", b"x")
    assert files.read_file("README") == b"x"
    refused(errno.EEXIST, files.create, "readme")
    assert files.list("") == ["Readme"]
    files.rename("Readme", "README")
    assert files.list("") == ["README"]
    assert files.read_file("readme") == b"x"


def test_a_disk_that_folds_unicode_has_one_name() -> None:
    files = make(Traits(folds_unicode=True))
    files.write_file("\u00e9", b"x")
    assert files.read_file("e\u0301") == b"x"
    refused(errno.EEXIST, files.mkdir, "e\u0301")
    refused(errno.ENOENT, files.stat, "\u00c9")


def test_a_disk_that_decomposes_tells_composed_names() -> None:
    files = make(Traits(folds_unicode=True, decomposes=True))
    files.write_file("e\u0301", b"x")
    assert files.list("") == ["\u00e9"]
    assert list(files.scan("")) == ["\u00e9"]
    assert files.read_file("e\u0301") == b"x"


def test_time_stamps_are_rounded_down() -> None:
    files = make(Traits(mtime_granularity_ns=2_000_000_000))
    files.write_file("f", b"")
    files.set_mtime("f", 5_999_999_999)
    assert files.stat("f").mtime_ns == 4_000_000_000


def test_what_the_disk_cannot_is_refused() -> None:
    files = make(Traits(exchange=False, symlinks=False))
    files.write_file("f", b"")
    files.write_file("g", b"")
    refused(errno.EINVAL, files.exchange, "f", "g")
    refused(errno.EPERM, files.symlink, "f", "l")


def test_without_noreplace_a_rename_takes_two_calls() -> None:
    files = make(Traits(noreplace=False))
    files.write_file("f", b"x")
    files.write_file("g", b"kept")
    calls: list[str] = []
    files.before = lambda operation, _: calls.append(operation)
    refused(errno.EEXIST, files.rename_noreplace, "f", "g")
    files.rename_noreplace("f", "h")
    assert calls == ["rename_noreplace", "link", "unlink"]
    assert sorted(files.list("")) == ["g", "h"]


# Crashes.


def test_what_was_synced_survives_every_crash() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("a/f", b"kept")
        files.sync_all()

    assert all(outcome == {"a": None, "a/f": b"kept"} for outcome in after_crashes(prepare))


def test_synced_content_without_its_directory_may_have_no_name() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        writer = files.create("f")
        writer.write_at(0, b"kept")
        writer.sync()

    outcomes = after_crashes(prepare)
    assert names(outcomes) == {(), ("f",)}
    assert all(outcome.get("f", b"kept") == b"kept" for outcome in outcomes)


def test_a_synced_name_without_its_content_may_be_torn() -> None:
    old, new = b"o" * BLOCK * 2, b"n" * BLOCK * 3

    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("f", old)
        files.sync_all()
        files.write_file("f", new)
        files.sync_directory("")

    contents = [outcome["f"] for outcome in after_crashes(prepare)]
    assert all(isinstance(content, bytes) for content in contents)
    blocks = {content[:BLOCK] for content in contents if isinstance(content, bytes)}
    assert blocks == {b"o" * BLOCK, b"n" * BLOCK, b"\0" * BLOCK}
    assert {len(content) for content in contents if isinstance(content, bytes)} == {len(old), len(new)}


def test_installing_with_all_its_syncs_is_safe() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("f", b"old")
        files.mkdir(".swarm")
        files.sync_all()
        writer = files.create(".swarm/temp")
        writer.write_at(0, b"new!")
        writer.sync()
        files.rename(".swarm/temp", "f")

    assert {outcome["f"] for outcome in after_crashes(prepare)} == {b"old", b"new!"}


def test_installing_without_syncing_the_temp_can_lose_the_file() -> None:
    """The very mistake that the simulator is there to find."""

    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("f", b"old")
        files.sync_all()
        files.write_file("temp", b"new!")
        files.rename("temp", "f")

    assert {outcome["f"] for outcome in after_crashes(prepare)} - {b"old", b"new!"}


def test_a_rename_survives_whole_or_not_at_all() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("a/f", b"x")
        files.mkdir("b")
        files.sync_all()
        files.rename("a/f", "b/f")

    assert names(after_crashes(prepare)) == {("a", "a/f", "b"), ("a", "b", "b/f")}


def test_an_exchange_survives_whole_or_not_at_all() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("f", b"one")
        files.write_file("g", b"two")
        files.sync_all()
        files.exchange("f", "g")

    assert {(outcome["f"], outcome["g"]) for outcome in after_crashes(prepare)} == {(b"one", b"two"), (b"two", b"one")}


def test_changes_of_different_names_survive_in_any_order() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.mkdir("one")
        files.mkdir("two")

    assert names(after_crashes(prepare)) == {(), ("one",), ("two",), ("one", "two")}


def test_a_change_survives_only_with_what_it_builds_on() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("a", b"x")
        files.sync_all()
        files.rename("a", "b")
        files.rename("b", "c")

    assert names(after_crashes(prepare)) == {("a",), ("b",), ("c",)}


def test_a_file_moved_into_a_new_directory_is_in_one_of_the_two_places() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("f", b"x")
        files.sync_all()
        files.mkdir("d")
        files.rename("f", "d/f")

    assert names(after_crashes(prepare)) == {("f",), ("d", "f"), ("d", "d/f")}

    def prepare_synced(files: MemoryFileSystem) -> None:
        prepare(files)
        files.sync_directory("")

    assert names(after_crashes(prepare_synced)) == {("d", "d/f")}


def test_a_synced_name_in_a_directory_that_is_not_is_lost_with_it() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("d/f", b"x")
        files.sync_directory("d")

    assert names(after_crashes(prepare)) == {(), ("d", "d/f")}


def test_a_directory_does_not_go_before_what_was_moved_out_of_it() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("d/f", b"kept")
        files.write_file("e/other", b"too")
        files.sync_all()
        files.rename("d/f", "e/f")
        files.rmdir("d")

    assert names(after_crashes(prepare)) == {
        ("d", "d/f", "e", "e/other"),
        ("d", "e", "e/f", "e/other"),
        ("e", "e/f", "e/other"),
    }


def test_syncing_one_directory_leaves_another_as_it_was() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.mkdir("a")
        files.mkdir("b")
        files.sync_all()
        files.mkdir("a/x")
        files.mkdir("b/y")
        files.sync_directory("a")

    assert names(after_crashes(prepare)) == {("a", "a/x", "b"), ("a", "a/x", "b", "b/y")}


def test_syncing_either_end_of_a_move_is_enough() -> None:
    for end in ("a", "b"):

        def prepare(files: MemoryFileSystem, end: str = end) -> None:
            files.write_file("a/f", b"x")
            files.mkdir("b")
            files.sync_all()
            files.rename("a/f", "b/f")
            files.sync_directory(end)

        assert names(after_crashes(prepare)) == {("a", "b", "b/f")}


def test_a_deletion_that_was_not_synced_may_come_back() -> None:
    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("f", b"x")
        files.sync_all()
        files.unlink("f")

    outcomes = after_crashes(prepare)
    assert names(outcomes) == {(), ("f",)}
    assert all(outcome.get("f", b"x") == b"x" for outcome in outcomes)


def test_moves_of_directories_into_each_other_never_lose_one() -> None:
    """If a lost move and a later one could combine, the two directories would hold each other and hang nowhere."""

    def prepare(files: MemoryFileSystem) -> None:
        files.write_file("a/f", b"x")
        files.write_file("b/g", b"y")
        files.sync_all()
        files.rename("a", "b/a")
        files.rename("b/a", "a")
        files.rename("b", "a/b")

    for outcome in after_crashes(prepare):
        assert sorted(content for content in outcome.values() if content is not None) == [b"x", b"y"]


def test_random_renames_and_crashes_never_lose_or_double_a_file() -> None:
    """Renames only, synced content: after any crash every file is somewhere, once."""
    for seed in range(40):
        rng = random.Random(seed)
        files = make()
        for number in range(4):
            files.write_file(f"d{number}/f{number}", bytes([number]))
        files.sync_all()
        for _ in range(60):
            tree = files.tree()
            directories = [path for path, (kind, _) in tree.items() if kind is Kind.DIRECTORY]
            source = rng.choice(list(tree))
            target = f"{rng.choice([*directories, '']) or '.'}/n{rng.randrange(6)}".removeprefix("./")
            try:
                rng.choice([files.rename_noreplace, files.exchange])(source, target)
            except OSError:
                continue
            if rng.random() < 0.2:
                now = files.tree()
                files.sync_directory(rng.choice([path for path in now if now[path][0] is Kind.DIRECTORY] or [""]))
            if rng.random() < 0.1:
                files.crash(rng)
            contents = [content for _, content in files.tree().values() if isinstance(content, bytes)]
            assert sorted(contents) == [b"\0", b"\1", b"\2", b"\3"], seed


def test_open_files_do_not_outlive_a_crash() -> None:
    files = make()
    files.write_file("f", b"x")
    reader = files.open("f")
    files.crash(random.Random(0))
    refused(errno.EIO, reader.read_at, 0, 1)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_disk, "MAX_PENDING", 10)
    files = make()
    for number in range(100):
        files.mkdir(f"d{number}")
        assert len(files._disk.pending) <= 10
    files.crash(random.Random(0))
    assert {f"d{number}" for number in range(90)} <= set(files.list(""))


def test_a_write_that_ends_early_leaves_what_it_wrote() -> None:
    files = MemoryFileSystem(lambda: 0)
    writer = files.create("a")

    def before(operation: str, path: str) -> None:
        if operation == "write_at":
            raise CutShort(errno.ENOSPC, 0.5)

    files.before = before
    with pytest.raises(OSError, match="ENOSPC"):
        writer.write_at(0, b"12345678")
    assert files.read_file("a") == b"1234"


def test_after_a_sync_that_failed_a_second_one_makes_nothing_durable_until_it_is_written_anew() -> None:
    """As fsync(2) on Linux: the pages count as clean."""
    files = MemoryFileSystem(lambda: 0)
    writer = files.create("a")
    writer.write_at(0, b"first")
    failing = True

    def before(operation: str, path: str) -> None:
        if failing and operation == "sync":
            raise Unsynced(errno.EIO)

    files.before = before
    with pytest.raises(OSError, match="EIO"):
        writer.sync()
    failing = False
    writer.sync()
    assert files.node("a").image.data == b""
    writer.write_at(0, b"again")
    writer.sync()
    assert files.node("a").image.data == b"again"


def test_what_is_put_aside_is_still_there_for_whoever_has_it_open() -> None:
    files = MemoryFileSystem(lambda: 0)
    files.write_file("a", b"first")
    files.unmount("aside")
    assert files.read_file("a") == b"first"
    with files.opened_anew():
        assert files.list("") == []
    assert files.tree_of_bare() == {}
    files.mount()
    assert files.list("") == ["a"]
