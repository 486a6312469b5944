"""Finding what two tries do not have in common: one side asks, the other describes what it has below a prefix.

The asker descends where hashes differ, depth first, with at most OUTSTANDING questions on the way. Registers may
change on both sides meanwhile, so an answer is *not* checked against the hash that led to it: it is checked for its
shape, and the whole for its length. A peer that lies can make us ask MAX_QUESTIONS times and report differences that
are none; asking for those records, or sending them, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from swarm.errors import BadPeer
from swarm.ids import HASH_BYTES, PATH_KEY_BYTES
from swarm.index.trie import BUCKET, DEPTH, DIGITS, EMPTY, FANOUT, hash_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.ids import PathKey
    from swarm.index.trie import Leaf, TrieStore

OUTSTANDING = 256  # questions: their answers are 200 kB at most, and fill a long fast line
MAX_QUESTIONS = 1 << 20  # a trie of ten million leaves has fewer nodes


class Branch(NamedTuple):
    """More than BUCKET leaves are below the prefix."""

    children: bytes  # 16 hashes of 32 bytes, zeros where there is nothing


class Bucket(NamedTuple):
    """All leaves below the prefix."""

    leaves: tuple[Leaf, ...]  # at most BUCKET, sorted by key


Description = Branch | Bucket


class Step(NamedTuple):
    """What one answer brought."""

    questions: list[str]  # prefixes to ask for next
    here: list[str]  # prefixes: all that we have below them, they have not (`keys_below`); a whole key is one as well
    there: list[PathKey]  # they have, we have not
    both: list[PathKey]  # both have, and differ


def describe(store: TrieStore, prefix: str) -> Description:
    """The answer to a peer's question. Raises BadPeer for what is no prefix."""
    if len(prefix) > DEPTH or prefix.strip(DIGITS):
        raise BadPeer("a question for something that is no prefix")
    node = store.node(prefix)
    return Bucket(tuple(store.leaves(prefix, BUCKET))) if node is None else Branch(node.children)


def keys_below(store: TrieStore, prefix: str) -> Iterator[PathKey]:
    """Our keys with this prefix, in order, a bucket at a time."""
    if store.node(prefix) is None:
        yield from (key for key, _ in store.leaves(prefix, BUCKET))
    else:
        for digit in DIGITS:
            yield from keys_below(store, prefix + digit)


@dataclass(slots=True)
class Differ:
    """One comparison of our trie with a peer's. Finished when `done`."""

    store: TrieStore
    asked: int = 0  # questions so far
    _open: set[str] = field(default_factory=set)  # asked and not answered
    _waiting: list[str] = field(default_factory=list)  # not asked yet; the last one is next

    @property
    def done(self) -> bool:
        return not self._open and not self._waiting

    def expects(self, prefix: str) -> bool:
        """Whether that question is open."""
        return prefix in self._open

    def start(self) -> list[str]:
        """The first questions."""
        self._waiting = [""]
        return self._ask()

    def receive(self, prefix: str, description: Description) -> Step:
        """Takes the peer's answer to a question. Raises BadPeer for one that was not asked, or is of no use."""
        if prefix not in self._open:
            raise BadPeer("an answer to a question that was not asked")
        self._open.remove(prefix)
        step = Step([], [], [], [])
        if isinstance(description, Branch):
            self._descend(prefix, description, step)
        else:
            self._compare(prefix, _checked(prefix, description), step)
        step.questions.extend(self._ask())
        return step

    def _ask(self) -> list[str]:
        questions = []
        while self._waiting and len(self._open) < OUTSTANDING:
            if self.asked == MAX_QUESTIONS:
                raise BadPeer("a comparison of tries does not end")
            prefix = self._waiting.pop()
            self._open.add(prefix)
            self.asked += 1
            questions.append(prefix)
        return questions

    def _descend(self, prefix: str, branch: Branch, step: Step) -> None:
        theirs = branch.children
        if len(prefix) == DEPTH or len(theirs) != FANOUT * HASH_BYTES or not any(theirs):
            raise BadPeer("an inner node of a trie has the wrong shape")
        for child, digit in enumerate(DIGITS):
            below = prefix + digit
            their_hash = theirs[child * HASH_BYTES : (child + 1) * HASH_BYTES]
            our_hash = hash_at(self.store, below)
            if their_hash == our_hash:
                continue
            if their_hash == EMPTY:
                step.here.append(below)
            else:
                self._waiting.append(below)

    def _compare(self, prefix: str, theirs: dict[str, Leaf], step: Step) -> None:
        """Their few leaves with ours, which may be many: only those branches of ours are entered that they have too."""
        if not theirs:
            if hash_at(self.store, prefix) != EMPTY:
                step.here.append(prefix)
            return
        if self.store.node(prefix) is not None:
            for digit in DIGITS:
                below = prefix + digit
                self._compare(below, {key: leaf for key, leaf in theirs.items() if key.startswith(below)}, step)
            return
        ours = {key.hex(): digest for key, digest in self.store.leaves(prefix, BUCKET)}
        step.here.extend(key for key in ours if key not in theirs)
        for digits, (key, digest) in theirs.items():
            if digits not in ours:
                step.there.append(key)
            elif ours[digits] != digest:
                step.both.append(key)


def _checked(prefix: str, bucket: Bucket) -> dict[str, Leaf]:
    """Their leaves by the digits of their keys."""
    if len(bucket.leaves) > BUCKET:
        raise BadPeer("a bucket of a trie is too full")
    leaves: dict[str, Leaf] = {}
    previous = ""
    for key, digest in bucket.leaves:
        digits = key.hex()
        if (
            len(key) != PATH_KEY_BYTES
            or len(digest) != HASH_BYTES
            or not digits.startswith(prefix)
            or digits <= previous
        ):
            raise BadPeer("a bucket of a trie has the wrong shape")
        leaves[digits] = (key, digest)
        previous = digits
    return leaves
