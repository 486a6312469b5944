"""The installer: files, from a temp to their place."""

import errno
from dataclasses import replace

import pytest

from swarm.content.manifest import EMPTY_CONTENT
from swarm.disk.history import parse
from swarm.disk.late import LATE_SECONDS, LateWatch
from swarm.disk.placement import NEVER, PUT_BACK, SYNC_ALL_FROM, Late
from swarm.ids import name_of
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.operation import (
    InstallFile,
    InstallLink,
    Outcome,
)
from tests.unit.installer_stage import MTIME, NEW, TEMP, at, failing, history, install, local, memory, perform


@pytest.fixture(params=["exchange", "steps"])
def files(request: pytest.FixtureRequest) -> MemoryFileSystem:
    return memory(exchange=request.param == "exchange")


# -- files


def test_a_new_file_has_its_mode_and_time_when_it_is_first_seen(files: MemoryFileSystem) -> None:
    [result] = perform(files, install(files, "f"))
    assert (result.outcome, result.history) == (Outcome.DONE, "")
    assert result.stat == files.stat("f")
    assert result.stat is not None
    assert (result.stat.mode, result.stat.mtime_ns) == (0o640, MTIME)
    assert files.read_file("f") == NEW
    assert TEMP not in files.tree(ours=True)


def test_setuid_and_its_like_are_never_installed(files: MemoryFileSystem) -> None:
    [result] = perform(files, replace(install(files, "f"), mode=0o7755))
    assert result.outcome is Outcome.DONE
    assert files.stat("f").mode == 0o755


def test_a_replaced_file_is_in_history_under_its_own_name(files: MemoryFileSystem) -> None:
    files.write_file("d/f.txt", b"old")
    late: list[Late] = []
    [result] = perform(files, install(files, "d/f.txt", local(files, "d/f.txt")), late=late)
    assert result.outcome is Outcome.DONE
    assert files.read_file("d/f.txt") == NEW
    assert files.read_file(result.history) == b"old"
    displaced = parse(name_of(result.history))
    assert displaced is not None
    assert displaced.name == "f.txt"
    assert [(entry.path, entry.history) for entry in late] == [("d/f.txt", result.history)]


def test_owner_and_attributes_of_what_is_replaced_are_kept(files: MemoryFileSystem) -> None:
    files.write_file("f", b"old")
    files.node("f").attributes["user.tag"] = b"blue"
    perform(files, install(files, "f", local(files, "f")))
    assert files.node("f").attributes == {"user.tag": b"blue"}


def test_an_empty_file_needs_no_temp(files: MemoryFileSystem) -> None:
    files.write_file("f", b"old")
    operation = InstallFile("f", local(files, "f"), EMPTY_CONTENT, 0, 0o600, MTIME, "")
    other = replace(operation, path="g", expected=None)
    assert [result.outcome for result in perform(files, operation, other)] == [Outcome.DONE, Outcome.DONE]
    assert (files.read_file("f"), files.read_file("g")) == (b"", b"")


def test_what_appeared_where_nothing_should_be_stays(files: MemoryFileSystem) -> None:
    operation = install(files, "f")
    files.write_file("f", b"user's")
    [result] = perform(files, operation)
    assert result.outcome is Outcome.RACED
    assert files.read_file("f") == b"user's"
    assert files.read_file(TEMP) == NEW


@pytest.mark.parametrize("what", ["edited", "replaced", "deleted", "chmod", "directory", "symlink"])
def test_a_file_that_is_not_as_expected_is_not_touched(files: MemoryFileSystem, what: str) -> None:
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))
    match what:
        case "edited":
            files.write_file("f", b"new")
        case "replaced":
            files.write_file("g", b"old")
            files.rename("g", "f")
        case "deleted":
            files.unlink("f")
        case "chmod":
            files.set_mode("f", 0o600)
        case "directory":
            files.unlink("f")
            files.mkdir("f")
        case "symlink":
            files.unlink("f")
            files.symlink("g", "f")
    before = files.tree()
    [result] = perform(files, operation)
    assert result.outcome is Outcome.RACED
    assert files.tree() == before
    assert history(files) == []
    assert files.read_file(TEMP) == NEW


def test_an_edit_at_the_last_moment_is_put_back_and_the_temp_need_not_be_fetched_again() -> None:
    files = memory()
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))
    at(files, "exchange", lambda: files.write_file("f", b"the user's edit"))
    late: list[Late] = []
    [result] = perform(files, operation, late=late)
    assert (result.outcome, result.history) == (Outcome.RACED, "")
    assert files.read_file("f") == b"the user's edit"
    assert files.read_file(TEMP) == NEW
    # The new file was visible for a moment: somebody may have it open, and where it is now is looked at again.
    assert [files.read_file(entry.history) for entry in late] == [NEW]


def test_a_user_who_is_always_quicker_loses_nothing_and_we_give_up() -> None:
    files = memory()
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))
    exchanges = 0

    def before(name: str, path: str) -> None:
        nonlocal exchanges
        if name == "exchange":
            exchanges += 1
            with files.as_user():
                files.write_file("draft", b"edit %d" % exchanges)
                files.rename("draft", "f")

    files.before = before
    [result] = perform(files, operation)
    files.before = None
    assert result.outcome is Outcome.RACED
    assert exchanges == PUT_BACK + 1
    kept = {files.read_file("f"), files.read_file(result.history)}
    assert b"edit %d" % exchanges in kept


def test_a_new_file_is_told_as_there_where_the_disk_refuses_to_show_the_old_one_which_is_looked_at_later() -> None:
    files = memory()
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))

    def before(name: str, path: str) -> None:
        if name == "exchange":  # a user is quicker, and then the disk says no to all that is asked of what came out
            with files.as_user():
                files.write_file("f", b"the user's edit")
            failing(files, "stat", errno.EIO, ".swarm/history/")

    files.before = before
    late: list[Late] = []
    [result] = perform(files, operation, late=late)
    files.before = None
    assert (result.outcome, result.stat) == (Outcome.FAILED, files.stat("f"))
    assert files.read_file("f") == NEW
    assert files.read_file(result.history) == b"the user's edit"
    watch = LateWatch()
    watch.add(late, 0.0)
    [path] = watch.look(files, "anna", LATE_SECONDS)
    assert files.read_file(path) == b"the user's edit"


def test_a_file_edited_right_after_it_was_installed_is_done_and_the_scan_sees_the_edit(
    files: MemoryFileSystem,
) -> None:
    operation = install(files, "f")

    def edit(name: str, path: str) -> None:
        if (name, path) == ("stat", "f"):
            files.before = None
            files.write_file("f", b"edited")

    files.before = edit
    [result] = perform(files, operation)
    assert result.outcome is Outcome.DONE
    assert result.stat is not None
    assert (result.stat.size, result.stat.mtime_ns, result.stat.ctime_ns) == (len(NEW), MTIME, NEVER)


@pytest.mark.parametrize("size", [0, 3, 100])
def test_a_temp_that_is_not_whole_is_not_installed(files: MemoryFileSystem, size: int) -> None:
    operation = install(files, "f")
    files.write_file(TEMP, bytes(size))
    [result] = perform(files, operation)
    assert (result.outcome, result.permanent) == (Outcome.FAILED, False)
    assert result.why
    assert "f" not in files.tree()


@pytest.mark.parametrize("kind", ["gone", "symlink", "directory", "fifo"])
def test_a_temp_that_is_something_else_is_not_installed(files: MemoryFileSystem, kind: str) -> None:
    operation = install(files, "f")
    files.unlink(TEMP)
    match kind:
        case "symlink":
            files.symlink("../../f", TEMP)
        case "directory":
            files.mkdir(TEMP)
        case "fifo":
            files.make_fifo(TEMP)
    [result] = perform(files, operation)
    assert (result.outcome, result.permanent) == (Outcome.FAILED, False)
    assert "f" not in files.tree()


def test_a_temp_without_permissions_from_an_attempt_before_is_taken_up(files: MemoryFileSystem) -> None:
    operation = replace(install(files, "f"), mode=0o000)
    files.set_mode(TEMP, 0o000)
    [result] = perform(files, operation)
    assert result.outcome is Outcome.DONE
    assert files.stat("f").mode == 0o000


def test_equal_files_planned_at_once_each_get_the_one_temp(files: MemoryFileSystem) -> None:
    operations = [install(files, path) for path in ("a", "b", "c")]
    assert [result.outcome for result in perform(files, *operations)] == [Outcome.DONE] * 3
    assert len({files.stat(path).inode for path in "abc"}) == 3
    assert {files.read_file(path) for path in "abc"} == {NEW}
    assert files.list(".swarm/tmp") == []


def test_temps_that_came_to_nothing_do_not_stay(files: MemoryFileSystem) -> None:
    operations = [install(files, path) for path in ("a", "b")]
    files.write_file("b", b"user's")
    link = InstallLink("b", None, "target", MTIME)
    assert [result.outcome for result in perform(files, *operations, link)] == [
        Outcome.DONE,
        Outcome.RACED,
        Outcome.RACED,
    ]
    assert files.list(".swarm/tmp") == []


@pytest.mark.parametrize(
    ("code", "permanent"),
    [
        (errno.ENOSPC, False),
        (errno.EACCES, False),
        (errno.EROFS, False),
        (errno.EIO, False),
        (errno.ENAMETOOLONG, True),
    ],
)
def test_a_disk_that_refuses_says_why_and_everything_stays(files: MemoryFileSystem, code: int, permanent: bool) -> None:
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))
    for call in ("mkdir", "rename", "exchange") if files.traits.exchange else ("mkdir", "rename"):
        failing(files, call, code)
        [result] = perform(files, operation)
        files.before = None
        assert (result.outcome, result.permanent) == (Outcome.FAILED, permanent)
        assert result.why.endswith(".")
        assert files.read_file("f") == b"old"
        assert files.read_file(TEMP) == NEW


def test_a_name_impossible_here_is_permanent(files: MemoryFileSystem) -> None:
    [result] = perform(files, install(files, "n" * 256))
    assert (result.outcome, result.permanent) == (Outcome.FAILED, True)
    assert "long" in result.why


def test_a_mount_point_on_the_way_is_told_and_tried_again(files: MemoryFileSystem) -> None:
    files.mkdir("mount")
    operation = install(files, "mount/f")
    files.mount_below("mount")
    [result] = perform(files, operation)
    assert (result.outcome, result.permanent) == (Outcome.FAILED, False)
    assert "mount" in result.why


def test_a_directory_that_vanished_is_a_race(files: MemoryFileSystem) -> None:
    files.symlink("elsewhere", "link")
    for path in ("nowhere/f", "link/f"):
        [result] = perform(files, install(files, path))
        assert result.outcome is Outcome.RACED


def test_an_exchange_that_is_promised_and_not_kept_goes_by_steps() -> None:
    files = memory()
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))
    failing(files, "exchange", errno.EINVAL)
    [result] = perform(files, operation)
    files.before = None
    assert result.outcome is Outcome.DONE
    assert files.read_file("f") == NEW
    assert files.read_file(result.history) == b"old"


def test_a_file_that_appears_while_the_path_is_empty_stays_and_the_old_one_is_in_history() -> None:
    files = memory(exchange=False)
    files.write_file("f", b"old")
    operation = install(files, "f", local(files, "f"))
    at(files, "rename_noreplace", lambda: files.write_file("f", b"user's"))
    [result] = perform(files, operation)
    assert result.outcome is Outcome.RACED
    assert files.read_file("f") == b"user's"
    assert files.read_file(result.history) == b"old"


# -- durability


def test_few_files_are_synced_one_by_one_and_many_at_once() -> None:
    for count, once in ((SYNC_ALL_FROM - 1, False), (SYNC_ALL_FROM, True)):
        files = memory()
        operations = [install(files, f"f{i}", data=b"%d" % i, temp=f".swarm/tmp/{i}") for i in range(count)]
        calls: list[str] = []
        files.before = lambda operation, path, calls=calls: calls.append(operation)
        results = perform(files, *operations)
        assert {result.outcome for result in results} == {Outcome.DONE}
        assert calls.count("sync") == (0 if once else count)
        assert calls.count("sync_all") == int(once)
        assert calls.count("sync_directory") == 1


def test_a_file_whose_sync_failed_is_thrown_away_since_asking_again_would_say_all_is_well() -> None:
    files = memory()
    operation = install(files, "f")
    failing(files, "sync", errno.EIO)
    [result] = perform(files, operation)
    files.before = None
    assert (result.outcome, result.permanent) == (Outcome.FAILED, False)
    assert TEMP not in files.tree(ours=True)
    assert "f" not in files.tree()
    operations = [install(files, f"f{i}", data=b"%d" % i, temp=f".swarm/tmp/{i}") for i in range(SYNC_ALL_FROM)]
    failing(files, "sync_all", errno.EIO)
    results = perform(files, *operations)
    files.before = None
    assert {result.outcome for result in results} == {Outcome.FAILED}
    assert files.tree() == {}
    assert files.list(".swarm/tmp") == []


def test_names_that_cannot_be_made_durable_are_not_told_as_done(files: MemoryFileSystem) -> None:
    operation = install(files, "f")

    def before(name: str, path: str) -> None:
        if name in ("sync_directory", "sync_all"):
            raise OSError(errno.EIO, "EIO")

    files.before = before
    [result] = perform(files, operation)
    assert result.outcome is Outcome.FAILED
