"""What a disk cannot hold, whatever is tried: kinds and names that its file system does not have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import Kind, name_of
from swarm.index.paths import compose

if TYPE_CHECKING:
    from swarm.sync.files import Traits


def refusal(traits: Traits, path: str, kind: Kind) -> str:
    """Why nothing of `kind` can be at `path`; "" where it can."""
    if kind is Kind.SYMLINK and not traits.symlinks:
        return "this disk has no symbolic links"
    if traits.trims and name_of(path).endswith((".", " ")):
        return "this disk drops dots and blanks at the end of a name"
    if traits.decomposes and name_of(path) != compose(name_of(path)):
        return "this disk would give the accents in its name back in another form"
    return ""
