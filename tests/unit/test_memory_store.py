"""The Store in memory: what it does that no other store can, which is to refuse when it is told to."""

from __future__ import annotations

import pytest

from swarm.errors import Unavailable
from swarm.ids import PathKey
from swarm.sync.memory_store import MemoryStore


@pytest.mark.parametrize("refused", ["commit", "change", "read"])
def test_what_is_refused_is_not_done_and_can_be_rolled_back(refused: str) -> None:
    store = MemoryStore()
    store.put("name", b"before")
    store.commit()

    def before(operation: str) -> None:
        if operation == refused:
            raise Unavailable("the disk is full")

    def use() -> None:
        store.put("name", b"after")
        store.register(PathKey(b"k" * 20))
        store.commit()

    store.before = before
    with pytest.raises(Unavailable, match="full"):
        use()
    store.before = None
    store.rollback()
    assert store.get("name") == b"before"


def test_a_snapshot_refuses_nothing() -> None:
    store = MemoryStore()

    def before(operation: str) -> None:
        raise Unavailable("the disk is full")

    store.before = before
    twin = store.snapshot()
    twin.put("name", b"value")
    assert twin.get("name") == b"value"
