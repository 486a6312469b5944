"""The scanner: one directory's listing, or why there is none.

An unreadable directory is unknown, not empty, and so is one that was listed while the disk below it came or went:
hence the look at the folder's health before *and* after. Only what comes out of a healthy folder may become a deletion.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from swarm.disk.refusal import is_elsewhere, sentence
from swarm.ids import Kind, join_path
from swarm.index.paths import is_ours
from swarm.sync.events import ScanFailed, Scanned
from swarm.sync.ignore import IGNORE_FILE, MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.disk.debt import Debt
    from swarm.sync.files import FileSystem, Stat

# One byte more than MAX_TEXT characters can have in UTF-8: what is cut here is too long for IgnoreRules, which says so.
MAX_RULES_BYTES = 4 * MAX_TEXT + 1


def scan(
    files: FileSystem,
    directory: str,
    healthy: Callable[[], str],
    debt: Debt | None = None,
    looked: bool = False,
) -> Scanned | ScanFailed:
    """Lists `directory` ("" is the root). `healthy()`: "" while the folder's disk is there and ours, else a sentence.
    `debt`: paid first, since what is listed counts as held. `looked`: it was found healthy a moment ago, after the
    listing before this one; thousands are made in a row.

    Leaves out every spelling of our own directory, at any depth.
    """
    if not looked and (why := healthy()):
        return ScanFailed(directory, False, why)
    if debt is not None and (why := debt.pay(files)):
        return ScanFailed(directory, False, why)
    found: dict[str, Stat] = {}
    rules: str | None = None
    failure: OSError | None = None
    try:
        found = files.scan(directory)
        rules = _rules(files, directory, found)
    except OSError as error:
        failure = error
    if why := healthy():
        return ScanFailed(directory, False, why)
    if failure is not None:
        return ScanFailed(directory, is_elsewhere(failure), sentence(failure))
    return Scanned(directory, {name: stat for name, stat in found.items() if not is_ours(name)}, rules)


def _rules(files: FileSystem, directory: str, found: dict[str, Stat]) -> str | None:
    """The text of the directory's ignore file; None where there is none that can be read. Then its rules do not hold
    and more is synced than the user wants, which is the side that loses no data. A disk that fails is not that."""
    stat = found.get(IGNORE_FILE)
    if stat is None or stat.kind is not Kind.FILE:
        return None
    try:
        reader = files.open(join_path(directory, IGNORE_FILE))
        try:
            raw = reader.read_at(0, MAX_RULES_BYTES)
        finally:
            reader.close()
    except OSError as error:
        if error.errno == errno.EIO:
            raise
        return None
    return raw.decode("utf-8", "replace")
