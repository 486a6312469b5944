"""The finisher: gives temps all that they shall have when they are first seen, and makes them durable.

Owner, attributes and ACL of what is replaced, mode and mtime are set before a name leads there: nobody ever reads a
file with permissions that it should not have. One syncfs makes many files durable, an fsync each a few.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from swarm.disk.assembler import drop, make_temp, open_temp
from swarm.disk.history import ensure_directory
from swarm.disk.placement import SYNC_ALL_FROM, Made, Refused, copy
from swarm.disk.refusal import is_permanent, sentence
from swarm.ids import Kind
from swarm.sync.files import OURS
from swarm.sync.operation import InstallFile, InstallLink, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.sync.files import FileSystem, Writer
    from swarm.sync.operation import Operation

TEMPS = f"{OURS}/tmp"
_NO_SUCH_THING = (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # modes on FAT, times before 1970 on some
_TEMP_GONE = "A temporary file in .swarm/tmp is gone or not whole. Leave that directory alone; it is gathered anew."


class Finisher:
    """For one group of operations."""

    def __init__(self, files: FileSystem) -> None:
        self.files = files
        self._taken: set[str] = set()  # temps that an operation of this group has for itself

    def make_all(self, operations: tuple[Operation, ...]) -> list[Made | Result | None]:
        """Everything that will be seen, durable. A result in place of what could not be made."""
        many = sum(isinstance(operation, InstallFile) for operation in operations) >= SYNC_ALL_FROM
        made: list[Made | Result | None] = []
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
                made.append(refused(operation, refusal.why, refusal.permanent))
            except OSError as error:
                gone = error.errno in (errno.ENOENT, errno.EINVAL)
                made.append(refused(operation, _TEMP_GONE if gone else sentence(error), False))
        if many:
            try:
                self.files.sync_all()
            except OSError as error:
                return [
                    self._distrust(operation, before.temp, error) if isinstance(before, Made) else before
                    for operation, before in zip(operations, made, strict=True)
                ]
        return made

    def _finish_file(self, operation: InstallFile, durable: bool) -> Made:
        temp, writer = self._own_temp(operation)
        try:
            if writer.stat().size != operation.size:
                raise Refused(_TEMP_GONE)
            if operation.expected is not None and operation.expected.kind is Kind.FILE:
                with suppress(OSError):  # gone or replaced: the visible step will find that out
                    writer.copy_traits(operation.path)
            with _tolerating(_NO_SUCH_THING):
                writer.set_mode(operation.mode & 0o777)
            with _tolerating(_NO_SUCH_THING):
                writer.set_mtime(operation.mtime_ns)
            if durable:
                try:
                    writer.sync()
                except OSError as error:
                    drop(self.files, temp)
                    raise Refused(sentence(error)) from error
            return Made(temp, writer.stat(), operation.content)
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

    def _make_link(self, operation: InstallLink) -> Made:
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
        with _tolerating(_NO_SUCH_THING):
            self.files.set_link_mtime(temp, operation.mtime_ns)
        return Made(temp, self.files.stat(temp))

    def _distrust(self, operation: Operation, temp: str, error: OSError) -> Result:
        """After a sync that failed nobody knows what of the file is on the disk, and asking again would say "all"."""
        drop(self.files, temp)
        return refused(operation, sentence(error), permanent=False)


def refused(operation: Operation, why: str, permanent: bool) -> Result:
    """The result of an operation to which the system said no."""
    return Result(operation, Outcome.FAILED, why=why, permanent=permanent)


def _own_name(path: str) -> str:
    """A temp that is not named by a content."""
    return f"{TEMPS}/own-{blake2b(path.encode('utf-8', 'surrogateescape'), digest_size=16).hexdigest()}"


@contextmanager
def _tolerating(codes: tuple[int, ...]) -> Iterator[None]:
    """For what some disks do not have: the achieved stat says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in codes:
            raise
