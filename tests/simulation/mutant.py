"""A mutant: a piece of the program's source that is replaced by another before its module is imported. The piece must
be there exactly once: a mutant that has lost its place says so, instead of proving nothing.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the program."""

    name: str
    what: str  # what it does wrong
    module: str
    old: str
    new: str
    kinds: tuple[str, ...] = ()  # of schedules that may convict it; () for all

    def apply(self) -> None:
        """Before the module is imported."""
        if self.module in sys.modules:
            raise RuntimeError(f"{self.module} was imported too early")
        sys.meta_path.insert(0, _Finder(self))

    def change(self, source: str) -> str:
        """Raises ValueError where the piece is not there exactly once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: its piece is {source.count(self.old)} times in {self.module}")
        return source.replace(self.old, self.new)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=_Loader(fullname, self.mutant))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, mutant: Mutant) -> None:
        spec = importlib.machinery.PathFinder.find_spec(name, sys.modules[name.rpartition(".")[0]].__path__)
        assert spec is not None
        assert spec.origin is not None
        super().__init__(name, spec.origin)
        self.mutant = mutant

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        with open(self.path, encoding="utf-8") as file:
            return compile(self.mutant.change(file.read()), self.path, "exec", dont_inherit=True)
