"""The order in which a repository's files change on the disk: objects come before what names them, and go after. Pure.

Below a `.git` directory a branch that leads to an object which is still on its way is a broken repository, and a pack
that comes in place of loose objects takes longer than their removal. When all agree it does not matter, and until then
this keeps the repository usable. It is an order and no promise: an object that this disk cannot hold is not waited for.
"""

from __future__ import annotations

from collections import Counter, defaultdict

NAMES_LAST = 0.2  # seconds that a branch or an index is read later than it could be: its objects come before it

_GIT = ".git"
_OBJECTS = "objects"


class Repositories:
    """What is needed below each `.git` of one folder, and who waits for it."""

    def __init__(self) -> None:
        self._objects: Counter[str] = Counter()  # `.git` directory -> its objects that are still to come
        self._changes: Counter[str] = Counter()  # all that is to be done but to remove objects
        self._names: defaultdict[str, dict[str, None]] = defaultdict(dict)  # held: what may name objects
        self._removals: defaultdict[str, dict[str, None]] = defaultdict(dict)  # held: objects that go

    def needed(self, path: str, going: bool, sign: int = 1) -> None:
        """`path` is needed (with -1: no longer); `going`: nothing shall be there."""
        if (place := _place(path)) is None:
            return
        git, is_object = place
        if is_object and not going:
            self._objects[git] += sign
        if not (is_object and going):
            self._changes[git] += sign
        if sign < 0:
            self._names[git].pop(path, None)
            self._removals[git].pop(path, None)

    def hold(self, path: str, going: bool) -> bool:
        """Whether `path` has to wait; then `free` gives it back in time."""
        if (place := _place(path)) is None:
            return False
        git, is_object = place
        held = (going and self._changes[git] > 0) if is_object else self._objects[git] > 0
        if held:
            (self._removals if is_object else self._names)[git][path] = None
        return held

    def free(self) -> str | None:
        """One that has waited long enough."""
        for waiting, reasons in ((self._names, self._objects), (self._removals, self._changes)):
            for git in list(waiting):
                if not waiting[git]:
                    del waiting[git]
                elif not reasons[git]:
                    path = next(iter(waiting[git]))
                    del waiting[git][path]
                    return path
        return None


def names_objects(path: str) -> bool:
    """Whether `path` is in a repository and may name objects: a branch, a log, an index."""
    place = _place(path)
    return place is not None and not place[1]


def _place(path: str) -> tuple[str, bool] | None:
    """The `.git` directory that a path is in, and whether it is among its objects."""
    if _GIT not in path:
        return None
    names = path.split("/")
    if _GIT not in names[:-1]:
        return None
    at = names.index(_GIT)
    return "/".join(names[: at + 1]), names[at + 1] == _OBJECTS and len(names) > at + 2
