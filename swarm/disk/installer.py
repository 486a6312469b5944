"""The installer: performs a group of operations so that a crash at any moment leaves whole files, and a user who acts
at any moment loses nothing.

    1  every temp gets its owner, attributes, mode and mtime, and is checked for its size (see finisher.py);
    2  all of them are made durable, by one syncfs where they are many; so is room in history where much is moved;
    3  in the plan's order, each operation's visible step (see placement.py, which says why it is safe);
    4  the directories concerned are made durable, each once;
    5  only now results say DONE, with the stat that was achieved (FAT and HFS+ round what they are told).

So a name never leads to bytes that are not on the disk, and what was told as DONE is there after a crash.

When the user changes a file right after it was installed, DONE still is the answer, with the stat that it had as we
installed it: the next scan finds the difference, and it becomes a version of the user's, made of this one. Reporting
what is there instead would pass the user's bytes off as the ones installed.

Setting an mtime hides a write that came just before. So after every mtime that is set on a user's file, the file is
read, and it counts only if it has the content expected.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swarm.disk.assembler import drop
from swarm.disk.debt import Debt
from swarm.disk.finisher import Finisher, refused
from swarm.disk.hasher import same_content
from swarm.disk.placement import NEVER, Late, Made, Placement, Raced, Refused, Unseen, stat_of
from swarm.disk.refusal import NAME, is_elsewhere, is_permanent, sentence
from swarm.ids import Kind, name_of, parent_of
from swarm.sync.events import OperationsDone
from swarm.sync.operation import (
    Confirm,
    InstallFile,
    InstallLink,
    MakeDirectory,
    MoveFile,
    Outcome,
    Remove,
    Result,
    SetMetadata,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.ids import ContentId
    from swarm.sync.events import Run
    from swarm.sync.files import FileSystem, Stat
    from swarm.sync.operation import Operation
    from swarm.sync.store import Local

MANY_MOVED = 16  # files of one group: so many may leave many directories
RACY_NS = 10_000_000  # two ticks of a slow kernel clock: a write within them may carry the mtime that was there before
_DIRECTORY_IN_USE = (errno.ENOTEMPTY, errno.EEXIST)
_UNABLE = "This disk cannot hold the file's permissions or its time. The content is in sync."


def run(
    files: FileSystem,
    effect: Run,
    chunk_key: bytes,
    now_ns: Callable[[], int],
    late: list[Late] | None = None,
    debt: Debt | None = None,
) -> OperationsDone:
    """Performs the operations in order, as one group of durability; one failure does not keep the others.

    `chunk_key`: the folder's, 32 bytes. `now_ns`: the clock that stamps files, Unix time in nanoseconds. What was
    displaced, and may still be written to by a program that has it open, is added to `late` (see `late_writes`). What
    was done and could not be made durable is FAILED, and on `debt`.
    """
    group = _Group(files, chunk_key, now_ns, debt or Debt())
    results = group.run(effect.operations)
    if late is not None:
        late.extend(group.placement.late)
    return OperationsDone(results)


@dataclass(frozen=True, slots=True)
class _Achieved:
    """What a visible step came to."""

    stat: Stat | None
    history: str = ""
    outcome: Outcome = Outcome.DONE
    why: str = ""


class _Group:
    """One call of `run`."""

    def __init__(self, files: FileSystem, chunk_key: bytes, now_ns: Callable[[], int], debt: Debt) -> None:
        self.files = files
        self._debt = debt
        self.placement = Placement(files, chunk_key, now_ns)
        self._chunk_key = chunk_key
        self._now_ns = now_ns

    def run(self, operations: tuple[Operation, ...]) -> tuple[Result, ...]:
        made = Finisher(self.files).make_all(operations)
        moved = [operation.source for operation in operations if isinstance(operation, MoveFile)]
        if len(moved) >= MANY_MOVED:
            self.placement.make_room(moved)
        results: list[Result] = []
        for operation, before in zip(operations, made, strict=True):
            results.append(before if isinstance(before, Result) else self._perform(operation, before))
            if isinstance(before, Made) and results[-1].outcome is not Outcome.DONE and before.temp != _temp(operation):
                drop(self.files, before.temp)  # nobody else knows of it
        why = self._sync_names()
        if why:
            results = [
                replace(result, outcome=Outcome.FAILED, why=why) if result.outcome is Outcome.DONE else result
                for result in results
            ]
        return tuple(results)

    # -- 3: what is seen

    def _perform(self, operation: Operation, made: Made | None) -> Result:
        try:
            achieved = self._act(operation, made)
        except Raced as raced:
            return Result(operation, Outcome.RACED, history=raced.history, spare=raced.spare)
        except Refused as refusal:
            return refused(operation, refusal.why, refusal.permanent)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._cannot_be_named(operation, made):
                return refused(operation, NAME, True)
            if is_elsewhere(error) or isinstance(error, FileExistsError | IsADirectoryError):
                return Result(operation, Outcome.RACED)
            failed = refused(operation, sentence(error), is_permanent(error))
            return replace(failed, covered=error.errno == errno.EXDEV)
        return Result(operation, achieved.outcome, achieved.stat, achieved.history, why=achieved.why)

    def _cannot_be_named(self, operation: Operation, made: Made | None) -> bool:
        """Whether all is there but the new name: some FUSE drivers of FAT and its kin say ENOENT to a name that they
        refuse. Elsewhere ENOENT means that the user was quicker."""
        if self.files.traits.modes:
            return False
        match operation:
            case InstallFile(expected=None) | InstallLink(expected=None) if made is not None:
                source = made.temp
            case MoveFile(source=source):
                pass
            case MakeDirectory():
                source = parent_of(operation.path)
            case _:
                return False
        needed = (source, parent_of(operation.path))
        return all(self._is_there(path) for path in needed) and not self._is_there(operation.path)

    def _is_there(self, path: str) -> bool:
        try:
            self.files.stat(path)
        except OSError:
            return False
        return True

    def _act(self, operation: Operation, made: Made | None) -> _Achieved:
        match operation:
            case InstallFile() | InstallLink():
                assert made is not None
                return self._install(operation, made)
            case MakeDirectory():
                return _Achieved(self._make_directory(operation))
            case MoveFile():
                return _Achieved(self._move(operation))
            case SetMetadata(path=path, expected=expected, mode=mode, mtime_ns=mtime_ns):
                return _Achieved(self._set_metadata(path, expected, mode, mtime_ns))
            case Confirm(path=path, expected=expected):
                self.placement.metadata_changed |= operation.lasting  # so that all of the disk is synced
                return _Achieved(self._as_expected(path, expected))
            case Remove():
                return self._remove(operation)

    def _install(self, operation: InstallFile | InstallLink, made: Made) -> _Achieved:
        before = self._now_ns()
        history, outcome, why = "", Outcome.DONE, ""
        try:
            if operation.expected is None:
                self.placement.fill(made.temp, operation.path)
            else:
                history = self.placement.replace(made, operation.path, operation.expected)
        except Unseen as unseen:  # the user sees the new file, and whatever they do is done to that
            history, outcome, why = unseen.history, Outcome.FAILED, unseen.why
        return _Achieved(self._as_installed(operation.path, made.stat, made.content, before), history, outcome, why)

    def _as_installed(self, path: str, made: Stat, content: ContentId | None, before: int) -> Stat:
        """The stat of what we put there, be it still there or not. `before`: when it was not there yet."""
        ours = replace(made, ctime_ns=NEVER)
        try:
            now = self.files.stat(path)
        except OSError:
            return ours
        if replace(now, ctime_ns=NEVER, device=made.device) != ours:
            return ours
        # So young an mtime may be that of a user's write after our step.
        doubtful = now.size > 0 and now.mtime_ns >= before - self._tick()
        if content is not None and doubtful and not same_content(self.files, path, now, content, self._chunk_key):
            return ours
        return now

    def _tick(self) -> int:
        return max(RACY_NS, 2 * self.files.traits.mtime_granularity_ns)

    def _make_directory(self, operation: MakeDirectory) -> Stat:
        path, mode = operation.path, operation.mode & 0o777
        try:
            self.files.mkdir(path, mode)
        except FileExistsError:
            stat = self.files.stat(path)
            if stat.kind is not Kind.DIRECTORY or not self._is_exact(path):
                raise Raced from None
        else:
            stat = self.files.stat(path)
            if stat.mode != mode and stat.kind is Kind.DIRECTORY and self.files.traits.modes:  # the umask
                self.files.set_mode(path, mode)
                self.placement.touched[path] = None
                stat = self.files.stat(path)
            if stat.kind is not Kind.DIRECTORY:
                raise Raced
        self.placement.touched[parent_of(path)] = None
        return stat

    def _is_exact(self, path: str) -> bool:
        """Whether the name is really this one, and not another that the disk takes for the same."""
        traits = self.files.traits
        return not (traits.folds_case or traits.folds_unicode) or name_of(path) in self.files.list(parent_of(path))

    def _move(self, operation: MoveFile) -> Stat:
        path, expected = operation.path, operation.source_expected
        before = self._now_ns()
        self.placement.move(operation.source, path, expected)
        moved = self._as_installed(path, stat_of(expected), expected.content, before)
        if moved.ctime_ns == NEVER:
            return moved
        try:
            return self._change(path, moved, expected, operation.mode, operation.mtime_ns)
        except Raced:
            return replace(moved, ctime_ns=NEVER)
        except (Refused, OSError):
            return moved  # the plan sees that mode or mtime differ, and asks for that alone

    def _set_metadata(self, path: str, expected: Local, mode: int, mtime_ns: int) -> Stat:
        return self._change(path, self._as_expected(path, expected), expected, mode, mtime_ns)

    def _as_expected(self, path: str, expected: Local) -> Stat:
        """Its stat. Of a directory, times and names in it are its own matter."""
        if expected.kind is not Kind.DIRECTORY:
            return self.placement.must_be(path, expected)
        stat = self.files.stat(path)
        if (stat.kind, stat.inode, stat.mode) != (expected.kind, expected.inode, expected.mode):
            raise Raced
        return stat

    def _change(self, path: str, stat: Stat, expected: Local, mode: int, mtime_ns: int) -> Stat:
        """Sets mode and mtime of what was just found to be `stat`. Raises Raced when it is not so any more."""
        wanted = mode & 0o777 if stat.kind is not Kind.SYMLINK and self.files.traits.modes else stat.mode
        grain = self.files.traits.mtime_granularity_ns
        timed = stat.kind is not Kind.DIRECTORY and stat.mtime_ns // grain != mtime_ns // grain
        if wanted == stat.mode and not timed:
            return stat
        self.placement.metadata_changed = True
        try:
            if wanted != stat.mode:
                self.files.set_mode(path, mode & 0o777)
            if timed:
                set_mtime = self.files.set_link_mtime if stat.kind is Kind.SYMLINK else self.files.set_mtime
                set_mtime(path, mtime_ns)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
                raise Refused(_UNABLE, permanent=True) from error
            raise
        now = self.files.stat(path)
        if (now.kind, now.inode, now.size) != (stat.kind, stat.inode, stat.size):
            raise Raced
        if now.mode != wanted:
            raise Refused(_UNABLE, permanent=True) if now.mode == stat.mode else Raced
        if now.kind is Kind.DIRECTORY:
            return now
        if timed and now.mtime_ns // grain != mtime_ns // grain:
            raise Refused(_UNABLE, permanent=True) if now.mtime_ns == stat.mtime_ns else Raced
        if not timed and now.mtime_ns != stat.mtime_ns:
            raise Raced
        if (timed or self.placement.is_fresh(now.mtime_ns)) and not self.placement.holds(path, now, expected):
            raise Raced
        return now

    def _remove(self, operation: Remove) -> _Achieved:
        path, expected = operation.path, operation.expected
        if expected.kind is not Kind.DIRECTORY:
            return _Achieved(None, self.placement.displace(path, expected))
        stat = self.files.stat(path)
        if stat.kind is not Kind.DIRECTORY or stat.inode != expected.inode:
            raise Raced
        if path in self.placement.touched:
            self.placement.settle()  # what was taken out of it must not go with it in a crash
        try:
            self.files.rmdir(path)
        except OSError as error:
            if error.errno in _DIRECTORY_IN_USE:
                return _Achieved(stat, outcome=Outcome.KEPT)
            raise
        self.placement.touched[parent_of(path)] = None
        return _Achieved(None)

    # -- 4: what lasts

    def _sync_names(self) -> str:
        """Makes durable what was done. Returns why not, or ""."""
        try:
            self.placement.settle()
        except OSError as error:
            self._debt.owe()
            return sentence(error)
        return ""


def _temp(operation: Operation) -> str:
    return operation.temp if isinstance(operation, InstallFile) else ""
