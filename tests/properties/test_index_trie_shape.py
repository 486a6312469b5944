"""A trie is its leaves, however they came; and a comparison finds exactly what differs."""

from __future__ import annotations

from collections import deque

from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.ids import PathKey
from swarm.index.differ import Differ, describe, keys_below
from swarm.index.memory_trie import MemoryTrieStore
from swarm.index.trie import root, update

# Few first digits, so that deep nodes, splits and merges are common.
keys = st.integers(0, 120).map(lambda n: PathKey(b"\x00" * (n % 4) + blake3(b"%d" % n).digest(20 - n % 4)))
leaves = st.one_of(st.none(), st.integers(0, 3).map(lambda n: blake3(b"%d" % n).digest()))
batches = st.lists(st.dictionaries(keys, leaves, max_size=80), max_size=8)


@settings(max_examples=200, deadline=None)
@given(batches)
def test_a_trie_grown_in_batches_is_the_one_built_at_once(history: list[dict[PathKey, bytes | None]]) -> None:
    grown = MemoryTrieStore()
    final: dict[PathKey, bytes | None] = {}
    for batch in history:
        final |= batch
        assert update(grown, batch) == root(grown)
    built = MemoryTrieStore()
    update(built, final)
    assert root(grown) == root(built)
    assert grown._nodes == built._nodes
    assert grown.leaves("", 1000) == built.leaves("", 1000)
    assert grown.leaves("", 1000) == sorted((key, leaf) for key, leaf in final.items() if leaf is not None)
    one_by_one = MemoryTrieStore()
    for key, leaf in reversed(final.items()):
        update(one_by_one, {key: leaf})
    assert one_by_one._nodes == built._nodes


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(keys, leaves), st.dictionaries(keys, leaves), st.dictionaries(keys, leaves))
def test_a_comparison_finds_exactly_what_differs(
    shared: dict[PathKey, bytes | None], one: dict[PathKey, bytes | None], other: dict[PathKey, bytes | None]
) -> None:
    ours, theirs = MemoryTrieStore(), MemoryTrieStore()
    update(ours, shared | one)
    update(theirs, shared | other)
    here, there, both = [], [], []
    differ = Differ(ours)
    questions = deque(differ.start())
    while questions:
        prefix = questions.popleft()
        step = differ.receive(prefix, describe(theirs, prefix))
        questions += step.questions
        here += [key for prefix in step.here for key in keys_below(ours, prefix)]
        there += step.there
        both += step.both
    our_leaves, their_leaves = dict(ours.leaves("", 1000)), dict(theirs.leaves("", 1000))
    assert sorted(here) == sorted(our_leaves.keys() - their_leaves.keys())
    assert sorted(there) == sorted(their_leaves.keys() - our_leaves.keys())
    common = our_leaves.keys() & their_leaves.keys()
    assert sorted(both) == sorted(key for key in common if our_leaves[key] != their_leaves[key])
