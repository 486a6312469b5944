"""The installer: performs a group of operations so that a crash at any moment leaves whole files, and a user who acts at
any moment loses nothing.

    1  every temp gets its owner, attributes, mode and mtime, and is checked for its size;
    2  all of them are made durable, by one syncfs where they are many;
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
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from swarm.disk.assembler import drop, make_temp, open_temp
from swarm.disk.hasher import same_content
from swarm.disk.history import ensure_directory
from swarm.disk.placement import Late, Placement, Raced, Refused, copy
from swarm.disk.refusal import is_elsewhere, is_permanent, sentence
from swarm.ids import Kind, name_of, parent_of
from swarm.sync.events import OperationsDone
from swarm.sync.files import OURS
from swarm.sync.operation import (
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
    from swarm.sync.files import FileSystem, Stat, Writer
    from swarm.sync.operation import Operation
    from swarm.sync.store import Local

SYNC_ALL_FROM = 64  # files or directories: from here on one syncfs is cheaper than an fsync for each
RACY_NS = 10_000_000  # two ticks of a slow kernel clock: a write within them may carry the mtime that was there before
TEMPS = f"{OURS}/tmp"
_DIRECTORY_IN_USE = (errno.ENOTEMPTY, errno.EEXIST)


def run(
    files: FileSystem, effect: Run, chunk_key: bytes, now_ns: Callable[[], int], late: list[Late] | None = None
) -> OperationsDone:
    """Performs the operations in order, as one group of durability; one failure does not keep the others.

    `chunk_key`: the folder's, 32 bytes. `now_ns`: the clock that stamps files, Unix time in nanoseconds. What was
    displaced, and may still be written to by a program that has it open, is added to `late` (see `late_writes`).
    """
    group = _Group(files, chunk_key, now_ns)
    results = group.run(effect.operations)
    if late is not None:
        late.extend(group.placement.late)
    return OperationsDone(results)


class _Made(NamedTuple):
    """A temp that is ready to be seen."""

    temp: str
    stat: Stat


@dataclass(frozen=True, slots=True)
class _Achieved:
    """What a visible step came to."""

    stat: Stat | None
    history: str = ""
    outcome: Outcome = Outcome.DONE


class _Group:
    """One call of `run`."""

    def __init__(self, files: FileSystem, chunk_key: bytes, now_ns: Callable[[], int]) -> None:
        self.files = files
        self.placement = Placement(files, chunk_key, now_ns)
        self._chunk_key = chunk_key
        self._now_ns = now_ns
        self._taken: set[str] = set()  # temps that an operation of this group has for itself
        self._metadata_changed = False

    def run(self, operations: tuple[Operation, ...]) -> tuple[Result, ...]:
        made = self._make_all(operations)
        results = [
            before if isinstance(before, Result) else self._perform(operation, before)
            for operation, before in zip(operations, made, strict=True)
        ]
        for before in made:
            if isinstance(before, _Made) and name_of(before.temp).startswith(_OWN):
                drop(self.files, before.temp)  # its operation came to nothing
        why = self._sync_names()
        if why:
            results = [
                Result(result.operation, Outcome.FAILED, history=result.history, why=why)
                if result.outcome is Outcome.DONE
                else result
                for result in results
            ]
        return tuple(results)

    # -- 1 and 2: what is to be seen

    def _make_all(self, operations: tuple[Operation, ...]) -> list[_Made | Result | None]:
        """Everything that will be seen, durable. A result in place of what could not be made."""
        many = sum(isinstance(operation, InstallFile) for operation in operations) >= SYNC_ALL_FROM
        made: list[_Made | Result | None] = []
        for operation in operations:
            try:
                match operation:
                    case InstallFile():
                        made.append(self._finish_file(operation, durable=not many))
                    case InstallLink():
                        made.append(self._make_link(operation))
                    case _:
                        made.append(None)
            except Refused as refusal:
                made.append(_refused(operation, refusal.why, refusal.permanent))
            except OSError as error:
                permanent = is_permanent(error) and error.errno != errno.EINVAL  # of a temp it speaks of its kind
                made.append(_refused(operation, sentence(error), permanent))
        if many:
            try:
                self.files.sync_all()
            except OSError as error:
                return [
                    self._distrust(operation, before.temp, error) if isinstance(before, _Made) else before
                    for operation, before in zip(operations, made, strict=True)
                ]
        return made

    def _finish_file(self, operation: InstallFile, durable: bool) -> _Made:
        temp, writer = self._own_temp(operation)
        try:
            if writer.stat().size != operation.size:
                raise Refused("A temporary file in .swarm/tmp is not whole. It is gathered anew.")
            if operation.expected is not None and operation.expected.kind is Kind.FILE:
                try:
                    writer.copy_traits(operation.path)
                except OSError:
                    pass  # gone or replaced: the visible step will find that out
            for change in (lambda: writer.set_mode(operation.mode), lambda: writer.set_mtime(operation.mtime_ns)):
                try:
                    change()
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP):
                        raise  # else this disk has no such thing, and the achieved stat will say so
            if durable:
                try:
                    writer.sync()
                except OSError as error:
                    drop(self.files, temp)
                    raise Refused(sentence(error)) from error
            return _Made(temp, writer.stat())
        finally:
            writer.close()

    def _own_temp(self, operation: InstallFile) -> tuple[str, Writer]:
        """A temp that no other operation of the group uses."""
        if not operation.temp:
            temp = _own_name(operation.path)
            return temp, make_temp(self.files, temp)
        temp = operation.temp
        if temp in self._taken:  # equal files, planned at once
            temp = _own_name(operation.path)
            copy(self.files, operation.temp, temp)
        self._taken.add(operation.temp)
        return temp, open_temp(self.files, temp)

    def _make_link(self, operation: InstallLink) -> _Made:
        temp = _own_name(operation.path)
        ensure_directory(self.files, TEMPS)
        drop(self.files, temp)
        try:
            self.files.symlink(operation.target, temp)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP):
                raise Refused("This disk has no symbolic links.", permanent=True) from error
            if not operation.target or is_permanent(error):
                raise Refused("This disk cannot hold a symbolic link to there.", permanent=True) from error
            raise
        try:
            self.files.set_link_mtime(temp, operation.mtime_ns)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        return _Made(temp, self.files.stat(temp))

    def _distrust(self, operation: Operation, temp: str, error: OSError) -> Result:
        """After a sync that failed nobody knows what of the file is on the disk, and asking again would say "all"."""
        drop(self.files, temp)
        return _refused(operation, sentence(error), permanent=False)

    # -- 3: what is seen

    def _perform(self, operation: Operation, made: _Made | None) -> Result:
        try:
            achieved = self._act(operation, made)
        except Raced as raced:
            return Result(operation, Outcome.RACED, history=raced.history)
        except Refused as refusal:
            return _refused(operation, refusal.why, refusal.permanent)
        except OSError as error:
            if is_elsewhere(error) or isinstance(error, FileExistsError | IsADirectoryError):
                return Result(operation, Outcome.RACED)
            return _refused(operation, sentence(error), is_permanent(error))
        return Result(operation, achieved.outcome, achieved.stat, achieved.history)

    def _act(self, operation: Operation, made: _Made | None) -> _Achieved:
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
            case Remove():
                return self._remove(operation)

    def _install(self, operation: InstallFile | InstallLink, made: _Made) -> _Achieved:
        before = self._now_ns()
        history = ""
        if operation.expected is None:
            self.placement.fill(made.temp, operation.path)
        else:
            history = self.placement.replace(made.temp, made.stat, operation.path, operation.expected)
        content = operation.content if isinstance(operation, InstallFile) else None
        return _Achieved(self._as_installed(operation.path, made.stat, content, before), history)

    def _as_installed(self, path: str, made: Stat, content: ContentId | None, before: int) -> Stat:
        """The stat of what we installed, be it still there or not. `before`: when it was not there yet."""
        ours = replace(made, ctime_ns=0)  # no stat of a disk, so that the scan looks at whatever is there
        try:
            now = self.files.stat(path)
        except OSError:
            return ours
        if replace(now, ctime_ns=0) != ours:
            return ours
        if content is not None and now.size and now.mtime_ns >= before - self._tick():
            # So young an mtime may be that of a user's write after ours.
            if not same_content(self.files, path, now, content, self._chunk_key):
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
            if stat.mode != mode and stat.kind is Kind.DIRECTORY:  # the umask
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
        self.placement.move(operation.source, path, expected)
        moved = _as_expected(expected)
        try:
            moved = self.files.stat(path)
            if not _same_file(moved, expected):
                return _as_expected(expected)  # edited since
            return self._change(path, moved, expected, operation.mode, operation.mtime_ns)
        except Raced:
            return replace(moved, ctime_ns=0)
        except (Refused, OSError):
            return moved  # the plan sees that mode or mtime differ, and asks for that alone

    def _set_metadata(self, path: str, expected: Local, mode: int, mtime_ns: int) -> Stat:
        if expected.kind is Kind.DIRECTORY:
            stat = self.files.stat(path)
            if (stat.kind, stat.inode, stat.mode) != (expected.kind, expected.inode, expected.mode):
                raise Raced
        else:
            self.placement.must_be(path, expected)
            stat = self.files.stat(path)
            if not _same_file(stat, expected):
                raise Raced
        return self._change(path, stat, expected, mode, mtime_ns)

    def _change(self, path: str, stat: Stat, expected: Local, mode: int, mtime_ns: int) -> Stat:
        """Sets mode and mtime of what was just found to be `stat`. Raises Raced when it is not so any more."""
        wanted = stat if stat.kind is Kind.SYMLINK else replace(stat, mode=mode & 0o777)
        grain = self.files.traits.mtime_granularity_ns
        timed = stat.kind is not Kind.DIRECTORY and stat.mtime_ns // grain != mtime_ns // grain
        if wanted.mode == stat.mode and not timed:
            return stat
        self._metadata_changed = True
        if wanted.mode != stat.mode:
            self.files.set_mode(path, mode)
        if timed:
            wanted = replace(wanted, mtime_ns=mtime_ns)
            if stat.kind is Kind.SYMLINK:
                self.files.set_link_mtime(path, mtime_ns)
            else:
                self.files.set_mtime(path, mtime_ns)
        now = self.files.stat(path)
        if (now.kind, now.inode) != (stat.kind, stat.inode):
            raise Raced
        if now.kind is Kind.DIRECTORY:
            if now.mode != wanted.mode:
                raise _unable(now.mode == stat.mode, "permission bits")
            return now
        if now.mode != wanted.mode:
            raise _unable(now.mode == stat.mode, "permission bits")
        if now.size != stat.size or (now.mtime_ns != stat.mtime_ns and not timed):
            raise Raced
        if timed and now.mtime_ns // grain != mtime_ns // grain:
            raise _unable(now.mtime_ns == stat.mtime_ns, "such times")
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
        touched = self.placement.touched
        if not self._metadata_changed and len(touched) < SYNC_ALL_FROM:
            try:
                for directory in touched:
                    self.files.sync_directory(directory)
            except OSError:
                pass  # renamed by the user, most likely; the names in it are still to be made durable
            else:
                return ""
        try:
            self.files.sync_all()
        except OSError as error:
            return sentence(error)
        return ""


_OWN = "own-"  # temps that are not named by a content


def _own_name(path: str) -> str:
    return f"{TEMPS}/{_OWN}{blake2b(path.encode('utf-8', 'surrogateescape'), digest_size=16).hexdigest()}"


def _refused(operation: Operation, why: str, permanent: bool) -> Result:
    return Result(operation, Outcome.FAILED, why=why, permanent=permanent)


def _unable(ignored: bool, what: str) -> Exception:
    """The disk did not take what it was told, or the user told it something else meanwhile."""
    return Refused(f"This disk cannot hold {what}. The content is in sync.", permanent=True) if ignored else Raced()


def _same_file(stat: Stat, expected: Local) -> bool:
    return (stat.kind, stat.inode, stat.size, stat.mtime_ns) == (
        expected.kind,
        expected.inode,
        expected.size,
        expected.mtime_ns,
    )
