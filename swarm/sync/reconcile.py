"""Reconcile: a Merkle diff with one member, over both tries, for when clocks agree and roots do not.

It only pulls. The other side sees the same disagreement and pulls what it lacks in its turn. What comes back are
records, verified like any other; a clock never moves by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm.errors import BadPeer
from swarm.ids import HASH_BYTES, PATH_KEY_BYTES, PathKey
from swarm.index.differ import Branch, Bucket, Description, Differ
from swarm.wire.messages import MAX_QUESTIONS, AskBranches, AskRegisters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.ids import FolderId
    from swarm.sync.store import Store
    from swarm.wire.messages import TellBranches

_BRANCH, _BUCKET = b"\x01", b"\x00"
_LEAF_BYTES = PATH_KEY_BYTES + HASH_BYTES


def encode_description(description: Description) -> bytes:
    """01 | 16 hashes, or 00 | (key, leaf hash)…"""
    if isinstance(description, Branch):
        return _BRANCH + description.children
    return _BUCKET + b"".join(key + digest for key, digest in description.leaves)


def decode_description(raw: bytes) -> Description:
    """Raises BadPeer; what it holds is checked by the Differ."""
    body = raw[1:]
    if raw[:1] == _BRANCH:
        return Branch(body)
    if raw[:1] != _BUCKET or len(body) % _LEAF_BYTES:
        raise BadPeer("a description of a trie's prefix has the wrong shape")
    leaves = (body[start : start + _LEAF_BYTES] for start in range(0, len(body), _LEAF_BYTES))
    return Bucket(tuple((PathKey(leaf[:PATH_KEY_BYTES]), leaf[PATH_KEY_BYTES:]) for leaf in leaves))


@dataclass(slots=True)
class Reconcile:
    """One comparison with one member. Yields messages to send."""

    folder: FolderId
    store: Store
    differing: int = 0  # registers that were asked for
    _differs: dict[bool, Differ] = field(default_factory=dict)
    _keys: list[PathKey] = field(default_factory=list)
    _asked: bool = False  # an AskRegisters is out

    @property
    def done(self) -> bool:
        return not self._keys and not self._asked and all(differ.done for differ in self._differs.values())

    def start(self) -> Iterator[object]:
        for tombstones, trie in ((False, self.store.live_trie), (True, self.store.tombstone_trie)):
            self._differs[tombstones] = Differ(trie)
            yield from self._ask(tombstones, self._differs[tombstones].start())

    def branches(self, message: TellBranches) -> Iterator[object]:
        """Raises BadPeer for an answer of the wrong shape."""
        questions: list[str] = []
        differ = self._differs[message.tombstones]
        for prefix, raw in message.branches:
            if not differ.expects(prefix):
                continue  # the answer to an earlier comparison, which was given up: nobody's fault
            step = differ.receive(prefix, decode_description(raw))
            questions += step.questions
            self._keys += step.there + step.both
        yield from self._ask(message.tombstones, questions)
        yield from self._ask_registers()

    def registers(self) -> Iterator[object]:
        """An answer to AskRegisters came to its end."""
        self._asked = False
        yield from self._ask_registers()

    def _ask(self, tombstones: bool, prefixes: list[str]) -> Iterator[object]:
        for start in range(0, len(prefixes), MAX_QUESTIONS):
            yield AskBranches(self.folder, tombstones, tuple(prefixes[start : start + MAX_QUESTIONS]))

    def _ask_registers(self) -> Iterator[object]:
        if self._keys and not self._asked:
            batch, self._keys = self._keys[:MAX_QUESTIONS], self._keys[MAX_QUESTIONS:]
            self._asked = True
            self.differing += len(batch)
            yield AskRegisters(self.folder, tuple(batch))
