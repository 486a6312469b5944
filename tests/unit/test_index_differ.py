"""Finding a difference, and peers that lie about theirs."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from swarm.errors import BadPeer
from swarm.ids import PathKey
from swarm.index import differ as differ_module
from swarm.index.differ import OUTSTANDING, Branch, Bucket, Differ, describe, keys_below
from swarm.index.memory_trie import MemoryTrieStore
from swarm.index.trie import BUCKET, DEPTH, update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def key(number: int) -> PathKey:
    """Sixty files a directory."""
    return PathKey(blake3(b"%d" % (number // 60)).digest(3) + blake3(b"file %d" % number).digest(17))


def digest(number: int) -> bytes:
    return blake3(b"leaf %d" % number).digest()


def filled(numbers: Iterable[int]) -> MemoryTrieStore:
    store = MemoryTrieStore()
    update(store, {key(number): digest(number) for number in numbers})
    return store


def compare(ours: MemoryTrieStore, theirs: MemoryTrieStore) -> tuple[set[PathKey], set[PathKey], set[PathKey], int]:
    """Keys only here, only there, differing; and how many questions it took."""
    differ = Differ(ours)
    questions = deque(differ.start())
    here: list[PathKey] = []
    there: list[PathKey] = []
    both: list[PathKey] = []
    while questions:
        assert len(questions) <= OUTSTANDING
        prefix = questions.popleft()
        step = differ.receive(prefix, describe(theirs, prefix))
        questions.extend(step.questions)
        here += [key for prefix in step.here for key in keys_below(ours, prefix)]
        there += step.there
        both += step.both
    assert differ.done
    for found in (here, there, both):
        assert len(found) == len(set(found))
    return set(here), set(there), set(both), differ.asked


def exhaust(step: Callable[[], None]) -> None:
    """Goes on until it raises; 100,000 steps are for ever."""
    for _ in range(100_000):
        step()


def test_two_equal_tries_cost_at_most_one_round() -> None:
    assert compare(filled(range(1000)), filled(range(1000))) == (set(), set(), set(), 1)


def test_one_difference_in_thousands_is_found_in_a_few_questions() -> None:
    ours, theirs = filled(range(5000)), filled(range(5000))
    update(ours, {key(17): digest(0)})
    assert compare(ours, theirs)[:3] == (set(), set(), {key(17)})
    assert compare(ours, theirs)[3] <= 10


def test_what_each_side_lacks_is_told_apart() -> None:
    ours, theirs = filled(range(100, 3000)), filled(range(2900))
    here, there, both, _ = compare(ours, theirs)
    assert here == {key(number) for number in range(2900, 3000)}
    assert there == {key(number) for number in range(100)}
    assert both == set()


def test_an_empty_side_is_told_in_one_question() -> None:
    everything = {key(number) for number in range(3000)}
    assert compare(filled(range(3000)), filled([])) == (everything, set(), set(), 1)
    assert compare(filled([]), filled(range(3000)))[:3] == (set(), everything, set())
    assert compare(filled([]), filled([])) == (set(), set(), set(), 1)


def test_a_few_leaves_against_many() -> None:
    few, many = filled([3, 2999]), filled(range(3000))
    assert compare(many, few)[:3] == ({key(n) for n in range(3000)} - {key(3), key(2999)}, set(), set())
    assert compare(few, many)[:3] == (set(), {key(n) for n in range(3000)} - {key(3), key(2999)}, set())


def test_only_so_many_questions_are_under_way_at_once() -> None:
    differ = Differ(filled([]))
    theirs = filled(range(20_000))
    questions = differ.start()
    outstanding = most = len(questions)
    while questions:
        batch, questions = questions, []
        for prefix in batch:
            step = differ.receive(prefix, describe(theirs, prefix))
            questions += step.questions
            outstanding += len(step.questions) - 1
            most = max(most, outstanding)
    assert most == OUTSTANDING


@pytest.mark.parametrize("prefix", ["g", "A", "0x", "0 ", "-1", "0" * (DEPTH + 1), "0\n", "٣"])
def test_a_question_for_something_that_is_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(BadPeer):
        describe(filled([1]), prefix)


def test_a_question_below_a_bucket_is_answered() -> None:
    store = filled([1])
    assert describe(store, key(1).hex()) == Bucket(((key(1), digest(1)),))
    assert describe(store, ("1" if key(1).hex()[0] == "0" else "0") * 3) == Bucket(())


def test_an_answer_that_nobody_asked_for_is_refused() -> None:
    differ = Differ(filled(range(100)))
    with pytest.raises(BadPeer, match="not asked"):
        differ.receive("", Bucket(()))
    differ.start()
    with pytest.raises(BadPeer, match="not asked"):
        differ.receive("0", Bucket(()))
    differ.receive("", Bucket(()))
    with pytest.raises(BadPeer, match="not asked"):
        differ.receive("", Bucket(()))


LEAF = (key(1), digest(1))


@pytest.mark.parametrize(
    "answer",
    [
        Branch(b""),
        Branch(b"x" * 511),
        Branch(b"x" * 544),
        Branch(bytes(512)),
        Bucket(tuple(sorted((key(n), digest(n)) for n in range(BUCKET + 1)))),
        Bucket((LEAF, LEAF)),
        Bucket(tuple(sorted(((key(n), digest(n)) for n in range(2)), reverse=True))),
        Bucket(((PathKey(b"short"), digest(1)),)),
        Bucket(((key(1), b"short"),)),
    ],
)
def test_an_answer_of_the_wrong_shape_is_refused(answer: Branch | Bucket) -> None:
    differ = Differ(filled([]))
    differ.start()
    with pytest.raises(BadPeer):
        differ.receive("", answer)


def test_a_leaf_from_elsewhere_is_refused() -> None:
    differ = Differ(filled([]))
    differ.start()
    [prefix] = differ.receive("", Branch(digest(1) + bytes(480))).questions
    assert prefix == "0"
    with pytest.raises(BadPeer):
        differ.receive("0", Bucket(((PathKey(b"\x10" * 20), digest(1)),)))


def test_a_peer_whose_trie_has_no_ground_is_refused_at_the_depth_of_a_key() -> None:
    differ = Differ(filled(range(100)))
    [prefix] = differ.start()
    for depth in range(DEPTH):
        [prefix] = differ.receive(prefix, Branch(digest(depth) + bytes(480))).questions
    assert len(prefix) == DEPTH
    with pytest.raises(BadPeer, match="shape"):
        differ.receive(prefix, Branch(digest(0) + bytes(480)))


def test_a_peer_whose_trie_has_no_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differ_module, "MAX_QUESTIONS", 5000)
    differ = Differ(filled(range(100)))
    questions = deque(differ.start())

    def answer_one() -> None:
        prefix = questions.pop()
        answer = Bucket(()) if len(prefix) == DEPTH else Branch(b"".join(digest(n) for n in range(16)))
        questions.extend(differ.receive(prefix, answer).questions)
        assert len(differ._waiting) <= (OUTSTANDING + DEPTH) * 15

    with pytest.raises(BadPeer, match="does not end"):
        exhaust(answer_one)
    assert differ.asked == 5000


def test_registers_that_change_during_the_comparison_do_no_harm() -> None:
    ours, theirs = filled(range(1000)), filled(range(500, 1500))
    differ = Differ(ours)
    questions = deque(differ.start())
    changes = iter(range(2000, 2400))
    while questions:
        prefix = questions.popleft()
        step = differ.receive(prefix, describe(theirs, prefix))
        questions.extend(step.questions)
        number = next(changes)
        update(theirs, {key(number): digest(number), key(number - 1400): None})
        update(ours, {key(number - 2000): None, key(number + 1000): digest(number)})
    assert differ.done
