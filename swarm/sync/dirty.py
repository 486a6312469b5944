"""What a watcher saw: hints, never evidence.

The scan is the truth. A hint that is lost costs latency, a hint too many costs a look at one directory.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dirty:
    """Where to look. Paths are relative to the folder's root, "" is the root itself."""

    directories: frozenset[str]  # something in them changed; a new directory comes with every directory below it
    closed: frozenset[str] = frozenset()  # files whose last writer closed, or that were moved in: content is complete
    overflow: bool = False  # events were lost or never come: everything may have changed, so scan it all
    written: frozenset[str] = frozenset()  # of the closed ones, those that a writer closed: our own renames are none
