"""Lists of membership tags: which folders and levels a side can prove, and nothing to anybody else.

A list holds a tag for each folder and level, is filled up with random bytes to a multiple of 8, and is sorted, so
that neither number nor order says which tag is what. Levels are proved apart: a blind host cannot make a read tag, and
so cannot pass as a reader.

Tags are looked up in a set, not compared in constant time: a binding is used once, so there is no second try for
whoever would time the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from swarm.errors import BadPeer
from swarm.keys.membership import TAG_BYTES, tag
from swarm.keys.role import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from swarm.ids import FolderId
    from swarm.keys.chain import FolderKeys

MAX_FOLDERS: Final = 32  # in one list, so that a stranger costs at most 4 KiB; the others are offered later
LEVELS: Final = (Role.BLIND, Role.READ)  # what a tag can prove; write takes a certificate
STEP: Final = 8  # hides all but the order of magnitude of how many folders there are
MAX_TAGS: Final = MAX_FOLDERS * len(LEVELS)


def show(
    folders: Iterable[FolderKeys], side: bytes, binding: bytes, random: Callable[[int], bytes]
) -> tuple[bytes, ...]:
    """The list that proves every level of at most MAX_FOLDERS folders, made by `side`."""
    return _fill([_tag(keys, level, side, binding) for keys in folders for level in _levels(keys)], random)


def answer(
    folders: Mapping[FolderId, FolderKeys],
    proved: Mapping[FolderId, Role],
    side: bytes,
    binding: bytes,
    random: Callable[[int], bytes],
) -> tuple[bytes, ...]:
    """The list for a peer that has proved these levels, and of no other folder or level."""
    return _fill([_tag(folders[folder], level, side, binding) for folder, level in proved.items()], random)


def match(
    folders: Mapping[FolderId, FolderKeys], tags: Collection[bytes], side: bytes, binding: bytes
) -> dict[FolderId, Role]:
    """The highest level that `tags`, made by `side`, prove of each folder; folders without a match are left out."""
    shown = frozenset(tags)
    proved: dict[FolderId, Role] = {}
    for folder, keys in folders.items():
        for level in _levels(keys):
            if _tag(keys, level, side, binding) in shown:
                proved[folder] = level
    return proved


def check(tags: Collection[bytes]) -> None:
    """Raises BadPeer for a list that `show` and `answer` would not make."""
    if not 0 < len(tags) <= MAX_TAGS or len(tags) % STEP:
        raise BadPeer(f"a list of {len(tags)} membership tags")
    if list(tags) != sorted(set(tags)):
        raise BadPeer("membership tags that are not sorted")


def split(data: bytes) -> tuple[bytes, ...]:
    """The list that `data` is the bytes of, checked. Raises BadPeer."""
    if len(data) % TAG_BYTES:
        raise BadPeer("a membership tag that is cut off")
    tags = tuple(data[at : at + TAG_BYTES] for at in range(0, len(data), TAG_BYTES))
    check(tags)
    return tags


def _levels(keys: FolderKeys) -> tuple[Role, ...]:
    return tuple(level for level in LEVELS if keys.role.holds(level))


def _tag(keys: FolderKeys, level: Role, side: bytes, binding: bytes) -> bytes:
    return tag(keys.membership_key(level), side, binding)


def _fill(tags: list[bytes], random: Callable[[int], bytes]) -> tuple[bytes, ...]:
    lacking = -len(tags) % STEP if tags else STEP
    return tuple(sorted([*tags, *(random(TAG_BYTES) for _ in range(lacking))]))
