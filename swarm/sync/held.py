"""What is held until a member was heard: names that were found on the disk, and that no record says yet. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from swarm.ids import Kind, join_path, name_of, parent_of

if TYPE_CHECKING:
    from collections.abc import Container

    from swarm.sync.found import Found


class Held:
    """One folder's."""

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # directory -> names in it

    def __len__(self) -> int:
        return len(self._found)

    def put(self, path: str, found: Found) -> None:
        if found.kind is not Kind.DIRECTORY:
            self._drop(path)  # with what was below, where a directory was
        self._found[path] = found
        self._names[parent_of(path)].add(name_of(path))

    def get(self, path: str) -> Found | None:
        return self._found.get(path)

    def listed(self, directory: str, there: Container[str]) -> None:
        """A listing of `directory` has the names `there`: what else was held of it is no more, nor what is below."""
        for name in [name for name in self._names.get(directory, ()) if name not in there]:
            self._drop(join_path(directory, name))

    def take(self) -> list[tuple[str, Found]]:
        """All of it, a directory before what is in it; nothing is held any longer."""
        found, self._found = self._found, {}
        self._names.clear()
        return sorted(found.items(), key=lambda item: item[0].encode())

    def _drop(self, path: str) -> None:
        self._found.pop(path, None)
        self._names[parent_of(path)].discard(name_of(path))
        for name in list(self._names.get(path, ())):
            self._drop(join_path(path, name))
        self._names.pop(path, None)
