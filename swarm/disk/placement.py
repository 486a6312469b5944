"""The visible step of an operation: a finished temp comes in, what was there goes to history, and no byte is lost.

A user may write, rename, replace or delete at any path between any two system calls; nothing can be locked. Two facts
carry the rest. A rename never copies: whatever a name is taken from still is somewhere, unharmed. And what a rename
took can be *looked at afterwards*, when no name of the user's leads to it any more. So nothing is ever removed or
renamed over on the strength of an earlier look: the name is taken first, then comes the look, and what was not expected
is put back.

**Where nothing should be** (`fill`): RENAME_NOREPLACE. What appears meanwhile wins, EEXIST, nothing has changed.

**Where something should be** (`replace`), with RENAME_EXCHANGE:

    1  stat of the path: not as expected, ctime included -> nothing is touched.
    2  temp -> its future place in history.                        A crash here leaves a copy of the new file there.
    3  exchange(history, path): in one step the new file is visible and the old one is in history. Since the old one
       lands there directly, there is no moment at which a crash leaves a user's bytes under a temp's name.
    4  look at what came out: kind, inode, size, mtime; read it if its mtime is fresh, for a write in the same tick of
       the clock changes none of them. (Not ctime: the exchange has changed it.)

  What the user may do, by when:
    before 1    write, replace, delete: the stat differs. Nothing has happened.
    1 to 3      write in place, or replace: step 4 sees it, and it is put back (below).
                delete: exchange says ENOENT; nothing has happened.
                directory in its place: exchange takes it, step 4 sees it, it is put back whole.
    after 3     the user sees the new file, and whatever they do to it is a new version made of it. The result speaks
                of the file as we installed it, so that the next scan finds the difference.
    any time    write through a handle opened before 3: lands in history. `Late` lists what was displaced, to be looked
                at again when such handles have been closed.
    a write in place between 1 and 3 that also sets the old mtime and keeps the size: taken for the expected file. It is
                in history, as every file that is replaced.

  Put back: exchange again. What comes out now is either the new file, untouched: done. Or the user has been at the path
  once more, and what came out is newer than what went in: exchange again, which makes the newest visible and keeps the
  older in history; and so on, PUT_BACK times at most. If the path is empty, a rename that replaces nothing.
  The new file has been visible, so that somebody may hold it open: it stays in history (and on the list), and the
  temp gets a copy of it, so that a large file need not be fetched again.
  Where the disk refuses 4 and what follows, the new file is there to be seen, and is reported so (Unseen): what a user
  does to it then is done to the new version. What came out is on the list of `Late`, as what was expected.

**Without RENAME_EXCHANGE**: path -> history, look, then temp -> path where nothing may be. For a moment the path is
empty: a program that looks then finds nothing, and a crash then leaves the old version in history only; the scan
takes it for a deletion of the old version, which the new version survives, and it is installed again. Rejected: link
to history, stat, rename over the path, which is never empty; but what a user renamed to that path after the stat
would be gone for good.

**Removing** (`displace`): path -> history, look, put back by a rename that replaces nothing. **Moving** (`move`): the
same, and then history -> the new path, where nothing may be. Of these two changes a crash may keep the first alone, so
a new directory in history is made durable before it; the file then is in history, and is installed anew. Rejected: one
rename, and the look at the new path. That is a user's name already: nobody can tell what was written there since from
what was written to the old name before, and one of the two would have to go where its user did not put it.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from swarm.disk.assembler import drop, make_temp
from swarm.disk.hasher import same_content
from swarm.disk.history import ensure_directory, free_place, history_path
from swarm.disk.refusal import is_permanent, sentence
from swarm.ids import Kind, parent_of
from swarm.sync.files import Stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.ids import ContentId
    from swarm.sync.files import FileSystem
    from swarm.sync.store import Local

PUT_BACK = 8  # times that a user may be quicker than us before the older of two versions stays in history
FRESH_NS = 2_000_000_000  # an mtime this young proves nothing: FAT counts in 2 s, kernels in 10 ms
SYNC_ALL_FROM = 64  # files or directories: from here on one syncfs is cheaper than an fsync for each
COPY_BYTES = 1 << 20  # a read, when a temp is copied
NEVER = 0  # a ctime that no disk gives: with it in the local tree the scan takes a second look, whatever is there


class Made(NamedTuple):
    """A temp that is ready to be seen."""

    temp: str
    stat: Stat
    content: ContentId | None = None  # of a file, where it is known


class Late(NamedTuple):
    """A file that was displaced. A program that still has it open may go on writing to it."""

    path: str  # where it was
    history: str  # where it is
    stat: Stat  # when it was displaced


class Raced(Exception):
    """The disk was not as expected. `history`: where something of the user's had to stay, or ""; `spare`: where our own
    new file had to stay, or ""."""

    def __init__(self, history: str = "", spare: str = "") -> None:
        super().__init__(history)
        self.history = history
        self.spare = spare


class Unseen(Exception):
    """The new file is in its place, and the system would not let us see what it took the place of, which is at
    `history`: most likely what was expected, and `Late` looks again."""

    def __init__(self, history: str, why: str) -> None:
        super().__init__(why)
        self.history = history
        self.why = why


class Refused(Exception):
    """The system said no."""

    def __init__(self, why: str, permanent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.permanent = permanent


@dataclass(slots=True)
class Placement:
    """The visible steps of one group. `now_ns`: the wall clock that stamps files, Unix time in nanoseconds."""

    files: FileSystem
    chunk_key: bytes
    now_ns: Callable[[], int]
    touched: dict[str, None] = field(default_factory=dict)  # directories whose names changed
    metadata_changed: bool = False  # of a user's file, which we do not open for writing and so cannot fsync
    late: list[Late] = field(default_factory=list)
    _unlasting: bool = False  # directories in history were made, and a crash may take them

    # -- steps; each raises Raced, Refused or OSError, and then nothing of the user's has changed its place, unless the
    # -- user was quicker than PUT_BACK, or took the place that something was to be put back to. Or Unseen, by `replace`

    def fill(self, temp: str, path: str) -> None:
        """Puts the temp where nothing is."""
        try:
            self.files.rename_noreplace(temp, path)
        except OSError:
            if not self._is_linked(temp, path):
                raise
        self._touch(path)

    def replace(self, made: Made, path: str, expected: Local) -> str:
        """Puts what was made in place of the file or symlink expected. Returns where that is now."""
        self.must_be(path, expected)
        place = self._free_place(path)
        if not self.files.traits.exchange:
            return self._replace_in_steps(made.temp, path, expected, place)
        try:
            self.files.rename(made.temp, place)
        except OSError as error:
            raise Refused(sentence(error), is_permanent(error)) from error
        self._touch(place)
        try:
            self.files.exchange(place, path)
        except OSError as error:
            self.files.rename_noreplace(place, made.temp)  # it was never visible
            if error.errno == errno.EINVAL:  # promised by the file system, and not kept in this directory
                return self._replace_in_steps(made.temp, path, expected, place)
            raise
        self._touch(path)
        if self._is(place, expected):
            self._may_be_late(path, place)
            return place
        raise self._put_back(place, path, made, expected)

    def displace(self, path: str, expected: Local) -> str:
        """Takes away the file or symlink expected. Returns where it is now."""
        self.must_be(path, expected)
        place = self._free_place(path)
        self._take(path, expected, place)
        self._may_be_late(path, place)
        return place

    def make_room(self, paths: Iterable[str]) -> None:
        """Makes what history needs for these to be moved, and makes it durable, once for all of them: a sync for each
        directory that is renamed costs more than all its files. What cannot be made is told by the move itself."""
        for directory in dict.fromkeys(parent_of(history_path(path, 0, "")) for path in paths):
            with suppress(OSError):
                made = ensure_directory(self.files, directory)
                self.touched.update(dict.fromkeys(made))
                self._unlasting |= bool(made)
        if self._unlasting:
            with suppress(OSError):
                self.settle()

    def move(self, source: str, path: str, expected: Local) -> None:
        """Renames the file expected at `source` to where nothing is."""
        self.must_be(source, expected)
        place = self._free_place(source)
        if self._unlasting:
            self.settle()  # the new directory first: what follows are two changes, of which a crash may keep the first
        self._take(source, expected, place)
        try:
            self.files.rename_noreplace(place, path)
        except OSError as error:
            if not self._return(place, source):
                raise Raced(place) from error
            raise
        self._touch(path)  # and no look: what is there by now, a user put there

    # -- making it last

    def settle(self) -> None:
        """Makes durable what was done so far, each directory once."""
        if not self.metadata_changed and len(self.touched) < SYNC_ALL_FROM:
            try:
                for directory in _with_all_above(self.touched):  # a user's new directory may not be durable yet
                    self.files.sync_directory(directory)
            except OSError:
                pass  # renamed by the user, most likely; the names in it are still to be made durable
            else:
                self.touched.clear()
                self._unlasting = False
                return
        self.files.sync_all()
        self.metadata_changed = False
        self._unlasting = False
        self.touched.clear()

    # -- looking

    def must_be(self, path: str, expected: Local) -> Stat:
        """Its stat. Raises Raced unless `path` is exactly what the plan expects, with all that a stat can say."""
        stat = self.files.stat(path)
        if not _alike(stat, expected) or stat.ctime_ns != expected.ctime_ns:
            raise Raced
        return stat

    def holds(self, path: str, stat: Stat, content: Local) -> bool:
        """Whether `path` is of this stat, and has the content (or target) of a local entry, read anew."""
        try:
            if stat.kind is Kind.SYMLINK:
                return self.files.read_link(path) == content.target and self.files.stat(path) == stat
        except OSError:
            return False
        return same_content(self.files, path, stat, content.content, self.chunk_key)

    def is_fresh(self, mtime_ns: int) -> bool:
        """Whether a write might have happened since that carries the same mtime."""
        return self.now_ns() - mtime_ns < max(FRESH_NS, 2 * self.files.traits.mtime_granularity_ns)

    def _is(self, path: str, expected: Local) -> bool:
        """Whether what was taken to `path` is what the plan expected where it came from."""
        try:
            stat = self.files.stat(path)
        except OSError:
            return False
        if not _alike(stat, expected):
            return False
        return not self.is_fresh(stat.mtime_ns) or self.holds(path, stat, expected)

    # -- inside

    def _is_linked(self, temp: str, path: str) -> bool:
        """Whether the temp is there, and has kept its own name as well: some disks take two steps, and may refuse the
        second. It is a temp nobody needs."""
        try:
            one, other = self.files.stat(temp), self.files.stat(path)
        except OSError:
            return False
        return (one.inode, one.device) == (other.inode, other.device)

    def _touch(self, path: str) -> None:
        self.touched[parent_of(path)] = None

    def _free_place(self, path: str) -> str:
        try:
            place, made = free_place(self.files, path, self.now_ns())
        except OSError as error:
            raise Refused(sentence(error), is_permanent(error)) from error
        self.touched.update(dict.fromkeys(made))
        self._unlasting |= bool(made)
        return place

    def _may_be_late(self, path: str, place: str) -> None:
        try:
            stat = self.files.stat(place)
        except OSError:
            return
        if stat.kind is Kind.FILE:
            self.late.append(Late(path, place, stat))

    def _take(self, path: str, expected: Local, place: str) -> None:
        self.files.rename(path, place)  # nothing is at `place`, and nobody but us makes names there
        self._touch(path)
        self._touch(place)
        if not self._is(place, expected):
            raise Raced("" if self._return(place, path) else place)

    def _return(self, place: str, path: str) -> bool:
        """Gives something its name back, unless the name was taken again."""
        try:
            self.files.rename_noreplace(place, path)
        except OSError:
            return False
        return True

    def _replace_in_steps(self, temp: str, path: str, expected: Local, place: str) -> str:
        self._take(path, expected, place)
        try:
            self.files.rename_noreplace(temp, path)
        except OSError as error:
            if not self._return(place, path):
                raise Raced(place) from error
            raise
        self._may_be_late(path, place)
        return place

    def _put_back(self, place: str, path: str, made: Made, expected: Local) -> Raced | Unseen:
        """Undoes an exchange that took something unexpected. Returns what had to stay in history."""
        inside = made.stat  # what we last put at `path`
        for _ in range(PUT_BACK):
            try:
                held = self.files.stat(place)
                self.files.exchange(place, path)
            except FileNotFoundError:
                if self._return(place, path):
                    return Raced()
                continue
            except OSError as error:
                if inside is not made.stat:
                    return Raced(place)
                self.late.append(Late(path, place, stat_of(expected)))
                return Unseen(place, sentence(error))
            try:
                out = self.files.stat(place)
            except OSError:
                return Raced(place)
            if _unchanged(out, inside) and (inside is not made.stat or self._is_still(place, out, made.content)):
                if not _unchanged(out, made.stat):
                    return Raced(place)
                self._keep_new(place, path, made.temp, out)
                return Raced(spare=place)
            inside = held
        return Raced(place)

    def _is_still(self, place: str, stat: Stat, content: ContentId | None) -> bool:
        """Whether what we had put there is what it was: where a write could carry the same mtime it is read."""
        if content is None or not self.is_fresh(stat.mtime_ns):
            return True
        return same_content(self.files, place, stat, content, self.chunk_key)

    def _keep_new(self, place: str, path: str, temp: str, stat: Stat) -> None:
        """Our own new file came out again: a copy of it becomes the temp."""
        if stat.kind is not Kind.FILE:
            return
        self.late.append(Late(path, place, stat))
        try:
            copy(self.files, place, temp)
        except OSError:
            return  # then it is gathered anew


def copy(files: FileSystem, source: str, temp: str) -> None:
    """Makes `temp` a new file with the content of `source`."""
    reader = files.open(source)
    try:
        writer = make_temp(files, temp)
        try:
            offset = 0
            while data := reader.read_at(offset, COPY_BYTES):
                writer.write_at(offset, data)
                offset += len(data)
        except OSError:
            drop(files, temp)
            raise
        finally:
            writer.close()
    finally:
        reader.close()


def late_writes(files: FileSystem, entries: list[Late]) -> list[Late]:
    """Which of these were written to since they were displaced: each is a version that nobody has seen. To be asked
    some seconds later, when programs have closed what they had open; each comes with its stat as it is now."""
    changed = []
    for entry in entries:
        try:
            stat = files.stat(entry.history)
        except OSError:
            continue
        if not _unchanged(stat, replace(entry.stat, inode=stat.inode)):  # another one in a copy of the folder
            changed.append(entry._replace(stat=stat))
    return changed


def _with_all_above(directories: Iterable[str]) -> dict[str, None]:
    """In an order in which each comes after the directory that holds it; "" is the root."""
    found: dict[str, None] = {}
    for directory in directories:
        way = [directory]
        while way[-1] and parent_of(way[-1]) not in found:
            way.append(parent_of(way[-1]))
        found.update(dict.fromkeys(reversed(way)))
    return found


def stat_of(local: Local) -> Stat:
    """What a file expected looks like, but for what no plan is about: its ctime and its device."""
    return Stat(local.kind, local.size, local.mode, local.mtime_ns, NEVER, local.inode, 0)


def _alike(stat: Stat, expected: Local) -> bool:
    return (
        stat.kind is expected.kind
        and stat.kind is not Kind.DIRECTORY
        and stat.size == expected.size
        and stat.mtime_ns == expected.mtime_ns
        and stat.inode == expected.inode
    )


def _unchanged(one: Stat, other: Stat) -> bool:
    """The same inode with the same bytes, as far as a stat can say; ctime changes with every rename."""
    return (one.kind, one.inode, one.size, one.mtime_ns) == (other.kind, other.inode, other.size, other.mtime_ns)
