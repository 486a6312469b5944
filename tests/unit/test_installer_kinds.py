"""The installer: links, directories, removals, moves and metadata."""

import errno
import os
from pathlib import Path

import pytest

from swarm.content.manifest import EMPTY_CONTENT
from swarm.disk.installer import run
from swarm.disk.placement import SYNC_ALL_FROM, Late, late_writes
from swarm.disk.safefs import SafeFileSystem
from swarm.ids import ContentId, Kind
from swarm.sync.events import Run
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.operation import (
    Confirm,
    InstallFile,
    InstallLink,
    MakeDirectory,
    MoveFile,
    Operation,
    Outcome,
    Remove,
    SetMetadata,
)
from tests.unit.installer_stage import (
    KEY,
    MTIME,
    NEW,
    TEMP,
    Clock,
    at,
    failing,
    history,
    install,
    local,
    memory,
    perform,
)


@pytest.fixture(params=["exchange", "steps"])
def files(request: pytest.FixtureRequest) -> MemoryFileSystem:
    return memory(exchange=request.param == "exchange")


# -- links, directories


def test_a_symlink_is_installed_replaced_and_removed(files: MemoryFileSystem) -> None:
    [made] = perform(files, InstallLink("link", None, "one", MTIME))
    assert made.outcome is Outcome.DONE
    assert made.stat == files.stat("link")
    assert files.stat("link").mtime_ns == MTIME
    [replaced] = perform(files, InstallLink("link", local(files, "link"), "two", MTIME))
    assert files.read_link("link") == "two"
    assert files.read_link(replaced.history) == "one"
    [removed] = perform(files, Remove("link", local(files, "link")))
    assert files.read_link(removed.history) == "two"
    assert files.tree() == {}


def test_a_file_becomes_a_symlink_and_a_symlink_a_file(files: MemoryFileSystem) -> None:
    files.write_file("f", b"old")
    files.symlink("target", "link")
    results = perform(
        files,
        InstallLink("f", local(files, "f"), "target", MTIME),
        install(files, "link", local(files, "link")),
    )
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE]
    assert files.read_link("f") == "target"
    assert files.read_file("link") == NEW


@pytest.mark.parametrize("target", ["", "n\0l"])
def test_a_symlink_that_cannot_be_is_permanent(files: MemoryFileSystem, target: str) -> None:
    [result] = perform(files, InstallLink("link", None, target, MTIME))
    assert (result.outcome, result.permanent) == (Outcome.FAILED, True)


def test_a_disk_without_symlinks_says_so() -> None:
    [result] = perform(memory(symlinks=False), InstallLink("link", None, "target", MTIME))
    assert (result.outcome, result.permanent) == (Outcome.FAILED, True)
    assert "symbolic" in result.why


def test_a_directory_is_made_or_adopted(files: MemoryFileSystem) -> None:
    files.mkdir("there", 0o700)
    results = perform(files, MakeDirectory("d", 0o750), MakeDirectory("d/e", 0o755), MakeDirectory("there", 0o755))
    assert [result.outcome for result in results] == [Outcome.DONE] * 3
    assert files.stat("d").mode == 0o750
    assert results[2].stat == files.stat("there")
    files.write_file("f", b"")
    [result] = perform(files, MakeDirectory("f", 0o755))
    assert result.outcome is Outcome.RACED


def test_another_name_that_the_disk_takes_for_the_same_is_not_adopted() -> None:
    files = memory(folds_case=True)
    files.mkdir("Photos")
    [result] = perform(files, MakeDirectory("photos", 0o755))
    assert result.outcome is Outcome.RACED


def test_only_an_empty_directory_is_removed(files: MemoryFileSystem) -> None:
    files.write_file("d/ignored.swp", b"x")
    expected = local(files, "d")
    [kept] = perform(files, Remove("d", expected))
    assert kept.outcome is Outcome.KEPT
    files.unlink("d/ignored.swp")
    [removed] = perform(files, Remove("d", expected))
    assert (removed.outcome, removed.stat) == (Outcome.DONE, None)
    [gone] = perform(files, Remove("d", expected))
    assert gone.outcome is Outcome.RACED
    files.mkdir("d")
    [another] = perform(files, Remove("d", expected))
    assert another.outcome is Outcome.RACED
    assert "d" in files.tree()


# -- removing and moving


def test_a_removed_file_is_in_history(files: MemoryFileSystem) -> None:
    files.write_file("d/f", b"old")
    expected = local(files, "d/f")
    [result] = perform(files, Remove("d/f", expected))
    assert (result.outcome, result.stat) == (Outcome.DONE, None)
    assert files.read_file(result.history) == b"old"
    [again] = perform(files, Remove("d/f", expected))
    assert again.outcome is Outcome.RACED


def test_an_edit_that_races_a_removal_stays(files: MemoryFileSystem) -> None:
    files.write_file("f", b"old")
    expected = local(files, "f")
    at(files, "rename", lambda: files.write_file("f", b"edited"))
    [result] = perform(files, Remove("f", expected))
    assert (result.outcome, result.history) == (Outcome.RACED, "")
    assert files.read_file("f") == b"edited"
    assert history(files) == []


@pytest.mark.parametrize("noreplace", [True, False])
def test_a_move_keeps_the_file_itself(noreplace: bool) -> None:
    files = memory(noreplace=noreplace)
    files.write_file("a", b"data")
    files.mkdir("d")
    expected = local(files, "a")
    [result] = perform(files, MoveFile("a", expected, "d/b", expected.content, 0o600, MTIME))
    assert result.outcome is Outcome.DONE
    assert result.stat == files.stat("d/b")
    assert (files.stat("d/b").inode, files.stat("d/b").mode, files.stat("d/b").mtime_ns) == (
        expected.inode,
        0o600,
        MTIME,
    )
    assert "a" not in files.tree()
    assert history(files) == []


@pytest.mark.parametrize("noreplace", [True, False])
def test_a_move_does_not_replace_anything(noreplace: bool) -> None:
    files = memory(noreplace=noreplace)
    files.write_file("a", b"data")
    files.write_file("b", b"user's")
    expected = local(files, "a")
    [result] = perform(files, MoveFile("a", expected, "b", expected.content, 0o644, expected.mtime_ns))
    assert result.outcome is Outcome.RACED
    assert (files.read_file("a"), files.read_file("b")) == (b"data", b"user's")


def test_a_rename_of_case_alone_on_a_disk_that_folds_case_keeps_the_file() -> None:
    files = memory(folds_case=True)
    files.write_file("docs/Readme", b"data")
    expected = local(files, "docs/Readme")
    [result] = perform(
        files, MoveFile("docs/Readme", expected, "docs/README", expected.content, 0o644, expected.mtime_ns)
    )
    assert result.outcome is Outcome.DONE
    assert files.list("docs") == ["README"]
    assert files.read_file("docs/README") == b"data"


def test_a_case_rename_planned_as_removal_and_installation_loses_nothing() -> None:
    files = memory(folds_case=True)
    files.write_file("Readme", b"old")
    results = perform(files, install(files, "README"), Remove("Readme", local(files, "Readme")))
    assert [result.outcome for result in results] == [Outcome.RACED, Outcome.DONE]
    assert files.read_file(results[1].history) == b"old"
    [again] = perform(files, install(files, "README"))
    assert again.outcome is Outcome.DONE
    assert files.list("") == [".swarm", "README"]


# -- metadata


def test_mode_and_time_are_set_on_what_is_expected(files: MemoryFileSystem) -> None:
    files.write_file("f", b"data")
    files.mkdir("d")
    files.write_file("d/newer", b"")  # a directory's own times mean nothing
    results = perform(
        files, SetMetadata("f", local(files, "f"), 0o755, MTIME), SetMetadata("d", local(files, "d"), 0o700, MTIME)
    )
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE]
    assert results[0].stat == files.stat("f")
    assert (files.stat("f").mode, files.stat("f").mtime_ns) == (0o755, MTIME)
    assert files.stat("d").mode == 0o700
    assert files.stat("d").mtime_ns != MTIME


def test_metadata_of_what_changed_meanwhile_is_left_alone(files: MemoryFileSystem) -> None:
    files.write_file("f", b"data")
    files.mkdir("d")
    operations = (
        SetMetadata("f", local(files, "f"), 0o755, MTIME),
        SetMetadata("d", local(files, "d"), 0o700, MTIME),
    )
    files.write_file("f", b"datb")
    files.set_mode("d", 0o711)
    assert [result.outcome for result in perform(files, *operations)] == [Outcome.RACED, Outcome.RACED]
    assert files.stat("f").mtime_ns != MTIME
    assert files.stat("d").mode == 0o711


def test_what_is_still_there_is_confirmed_and_what_is_not_is_a_race(files: MemoryFileSystem) -> None:
    for path in ("same", "written", "gone"):
        files.write_file(path, b"data")
    files.mkdir("d")
    operations = [Confirm(path, local(files, path)) for path in ("same", "d", "written", "gone")]
    files.write_file("written", b"datb")
    files.unlink("gone")
    same, directory, written, gone = perform(files, *operations)
    assert (same.outcome, same.stat) == (Outcome.DONE, files.stat("same"))
    assert (directory.outcome, directory.stat) == (Outcome.DONE, files.stat("d"))
    assert written.outcome is gone.outcome is Outcome.RACED


def test_a_write_that_our_own_mtime_would_hide_is_noticed(files: MemoryFileSystem) -> None:
    files.write_file("f", b"data")
    operation = SetMetadata("f", local(files, "f"), 0o644, MTIME)
    at(files, "set_mtime", lambda: files.write_file("f", b"EDIT"))
    [result] = perform(files, operation)
    assert result.outcome is Outcome.RACED
    assert files.read_file("f") == b"EDIT"


def test_a_disk_that_ignores_modes_is_not_asked_for_ever(files: MemoryFileSystem) -> None:
    files.write_file("f", b"data")
    failing(files, "set_mode", errno.EOPNOTSUPP)
    [result] = perform(files, SetMetadata("f", local(files, "f"), 0o755, files.stat("f").mtime_ns))
    assert (result.outcome, result.permanent) == (Outcome.FAILED, True)


def test_times_are_compared_as_coarsely_as_the_disk_keeps_them() -> None:
    files = memory(mtime_granularity_ns=2_000_000_000)
    [result] = perform(files, install(files, "f"))
    assert result.stat == files.stat("f")
    calls: list[str] = []
    files.before = lambda operation, path: calls.append(operation)
    [result] = perform(files, SetMetadata("f", local(files, "f"), 0o640, MTIME))
    assert result.outcome is Outcome.DONE
    assert "set_mtime" not in calls


# -- late writes


def test_a_write_through_a_handle_that_was_open_before_is_found_in_history(files: MemoryFileSystem) -> None:
    files.write_file("f", b"old")
    files.write_file("g", b"old")
    editor = files.reopen("f")
    late: list[Late] = []
    results = perform(files, install(files, "f", local(files, "f")), Remove("g", local(files, "g")), late=late)
    assert [entry.path for entry in late] == ["f", "g"]
    assert late_writes(files, late) == []
    editor.write_at(0, b"saved late")
    [changed] = late_writes(files, late)
    assert changed.history == results[0].history
    assert files.read_file(changed.history) == b"saved late"
    assert changed.stat == files.stat(changed.history)
    assert late_writes(files, [changed]) == []
    files.unlink(changed.history)
    assert late_writes(files, [changed]) == []


# -- a real disk


def test_a_real_disk_does_the_same(tmp_path: Path) -> None:
    (tmp_path / ".swarm/tmp").mkdir(parents=True)
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "r").write_bytes(b"removed")
    (tmp_path / "m").write_bytes(b"moved")
    temp = tmp_path / TEMP
    temp.write_bytes(NEW)
    files = SafeFileSystem(tmp_path)
    try:
        content = local(files, TEMP).content
        moving = local(files, "m")
        operations: tuple[Operation, ...] = (
            InstallFile("f", local(files, "f"), content, len(NEW), 0o640, MTIME, TEMP),
            InstallFile("f2", None, content, len(NEW), 0o640, MTIME, TEMP),
            InstallFile("empty", None, ContentId(EMPTY_CONTENT), 0, 0o600, MTIME, ""),
            InstallLink("link", None, "f", MTIME),
            MakeDirectory("d", 0o775),
            MoveFile("m", moving, "d/m", moving.content, 0o600, MTIME),
            Remove("r", local(files, "r")),
        )
        results = perform(files, *operations)
        assert [(result.outcome, result.why) for result in results] == [(Outcome.DONE, "")] * len(operations)
        for result in results:
            if result.stat is not None and result.stat.kind is not Kind.DIRECTORY:
                assert result.stat == files.stat(result.operation.path)
    finally:
        files.close()
    assert (tmp_path / "f").read_bytes() == (tmp_path / "f2").read_bytes() == NEW
    assert (tmp_path / results[0].history).read_bytes() == b"old"
    assert (tmp_path / results[-1].history).read_bytes() == b"removed"
    assert os.stat(tmp_path / "d").st_mode & 0o777 == 0o775
    assert os.readlink(tmp_path / "link") == "f"
    assert sorted(os.listdir(tmp_path / ".swarm/tmp")) == []


def test_a_name_that_the_disk_denies_without_saying_so_is_told_as_impossible() -> None:
    """exFAT by FUSE answers ENOENT to a name that it cannot have."""
    files = memory(modes=False, exchange=False)
    operations = (
        install(files, "what?"),
        MakeDirectory("why?", 0o755),
        install(files, "plain", temp=".swarm/tmp/another"),
    )

    def deny(_: str, path: str) -> None:
        if path.endswith("?"):
            raise FileNotFoundError(errno.ENOENT, "no such file", path)

    real = files.rename_noreplace

    def rename_noreplace(source: str, target: str) -> None:
        deny("", target)
        real(source, target)

    files.before = deny
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "rename_noreplace", rename_noreplace)
        results = run(files, Run(operations), KEY, Clock()).results
    assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.FAILED, Outcome.DONE]
    assert [result.permanent for result in results] == [True, True, False]
    assert "cannot hold such a name" in results[0].why


def test_a_directory_that_vanished_is_no_impossible_name(files: MemoryFileSystem) -> None:
    (result,) = run(files, Run((install(files, "gone/file"),)), KEY, Clock()).results
    assert result.outcome is Outcome.RACED


def test_modes_are_not_asked_of_a_disk_that_has_none() -> None:
    files = memory(modes=False)
    results = run(files, Run((MakeDirectory("d", 0o750), install(files, "run.sh"))), KEY, Clock()).results
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.DONE]
    here = local(files, "run.sh")
    (result,) = run(files, Run((SetMetadata("run.sh", here, 0o755, MTIME + 10**9),)), KEY, Clock()).results
    assert result.outcome is Outcome.DONE
    assert files.stat("run.sh").mtime_ns == MTIME + 10**9


def test_files_that_leave_many_directories_make_room_in_history_for_all_with_one_sync() -> None:
    """A sync for each directory, before the first of its files was moved, took longer than all the moves."""
    files = memory()
    moves = []
    for number in range(SYNC_ALL_FROM):
        files.write_file(f"old/{number}/f", b"%d" % number)
        files.mkdir(f"new{number}")
        expected = local(files, f"old/{number}/f")
        path = f"new{number}/f"
        moves.append(MoveFile(f"old/{number}/f", expected, path, expected.content, 0o644, expected.mtime_ns))
    with files.as_user():
        files.sync_all()
    called: list[str] = []
    files.before = lambda operation, _: called.append(operation)
    assert {result.outcome for result in perform(files, *moves)} == {Outcome.DONE}
    synced = [number for number, operation in enumerate(called) if "sync" in operation]
    assert len(synced) < 8
    assert called.index("rename") > synced[0], "a crash would take the directory in history, and the file with it"
