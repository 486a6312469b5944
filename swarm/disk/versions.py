"""Versions: what history has of a path, and what it has that the folder has no more.

Everything is read from the names in `.swarm/history` (see history.py) and their stats: no index of it is kept anywhere,
so none can be wrong, and what a user removes from history by hand is simply not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swarm.disk.history import history_path, parse
from swarm.ids import Kind, join_path, parent_of
from swarm.sync.files import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.sync.files import FileSystem, Stat


class Version(NamedTuple):
    """A file or symlink in history."""

    path: str  # where it was; of a name that had to be cut to fit, what was left of it
    place: str  # where it is
    when_ms: int  # when it was replaced or removed: Unix time, milliseconds
    id: str  # 6 hex digits, enough to tell the versions of a path apart
    stat: Stat


class Gone(NamedTuple):
    """A path that history knows and where nothing is now."""

    newest: Version
    versions: int


def versions_of(files: FileSystem, path: str) -> list[Version]:
    """The versions of one path, newest first. OSError where history cannot be read."""
    found = [
        version
        for version in _in_directory(files, parent_of(path))[0]
        if history_path(path, version.when_ms, version.id) == version.place
    ]
    found = [version._replace(path=path) for version in found]  # a name that was cut is whole again
    return sorted(found, key=lambda version: (version.when_ms, version.id), reverse=True)


def all_versions(files: FileSystem, below: str = "") -> Iterator[Version]:
    """Every version of the paths below a directory ("" for all), in no order that means anything."""
    directories = [below]
    while directories:
        directory = directories.pop()
        versions, further = _in_directory(files, directory)
        yield from versions
        directories += further


def deleted(files: FileSystem, below: str = "") -> list[Gone]:
    """What was at or below a path, is in history and not in the folder: the newest version of each, by path."""
    newest: dict[str, Gone] = {}
    here = versions_of(files, below) if below else []
    for version in [*here, *all_versions(files, below)]:
        known = newest.get(version.path)
        if known is None:
            newest[version.path] = Gone(version, 1)
        else:
            later = max(known.newest, version, key=lambda one: (one.when_ms, one.id))
            newest[version.path] = Gone(later, known.versions + 1)
    return [newest[path] for path in sorted(newest) if not _is_there(files, path)]


def _in_directory(files: FileSystem, directory: str) -> tuple[list[Version], list[str]]:
    """What history has of a directory's files, and the directories in it."""
    within = join_path(HISTORY, directory).rstrip("/")
    try:
        entries = files.scan(within)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    versions: list[Version] = []
    directories: list[str] = []
    for name, stat in entries.items():
        if not name.isprintable() and any("\ud800" <= character <= "\udfff" for character in name):
            continue  # not UTF-8, so it was never a path of ours
        if stat.kind is Kind.DIRECTORY:
            directories.append(join_path(directory, name))
        elif stat.kind is not None and (said := parse(name)) is not None:
            path = join_path(directory, said.name)
            versions.append(Version(path, join_path(within, name), said.when_ms, said.unique, stat))
    return versions, directories


def _is_there(files: FileSystem, path: str) -> bool:
    try:
        files.stat(path)
    except OSError:
        return False
    return True
