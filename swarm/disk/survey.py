"""The survey: every file of a directory by name, size and time, without reading any and without leaving a trace.

It is for a directory that is not shared yet: nothing below it is made, written or hashed. What a shared folder would
ignore is left out here as well, by the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.disk import scanner
from swarm.disk.device_rules import device_rules
from swarm.disk.safefs import SafeFileSystem
from swarm.ids import Kind, join_path
from swarm.sync.events import ScanFailed
from swarm.sync.ignore import IgnoreRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.sync.files import Stat


def survey(root: str) -> Iterator[tuple[str, Stat]]:
    """(path, what lstat says) of every file and symbolic link below `root` that would be shared, in no order.

    A directory that cannot be read counts as empty: it is only counted here. Raises OSError where `root` cannot be.
    """
    files = SafeFileSystem(root)
    try:
        texts: dict[str, str] = {}
        ours = device_rules(root)
        rules = IgnoreRules(True, texts, ours)
        waiting = [""]
        while waiting:
            directory = waiting.pop()
            listing = scanner.scan(files, directory, _always_there)
            if isinstance(listing, ScanFailed):
                continue
            if listing.rules is not None:
                texts[directory] = listing.rules
                rules = IgnoreRules(True, texts, ours)
            for name, stat in listing.entries.items():
                path = join_path(directory, name)
                if stat.kind is None or rules.ignores(path, stat.kind is Kind.DIRECTORY):
                    continue
                if stat.kind is Kind.DIRECTORY:
                    waiting.append(path)
                else:
                    yield path, stat
    finally:
        files.close()


def _always_there() -> str:
    return ""
