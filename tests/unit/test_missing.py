"""Missing paths: each waits, and is a deletion once a second listing lacks it too."""

from __future__ import annotations

from swarm.ids import NO_CONTENT, Kind
from swarm.sync.memory_store import MemoryStore
from swarm.sync.missing import Missing
from swarm.sync.store import Local


def local(inode: int, kind: Kind = Kind.FILE) -> Local:
    return Local(kind, 1, 0o644, 1, 1, inode, NO_CONTENT, "", ())


def test_a_path_is_deleted_when_the_listing_that_confirms_it_lacks_it() -> None:
    missing = Missing(MemoryStore())
    missing.add("a", local(1), due=2.0)
    assert not missing.confirmed("a")
    assert list(missing.take_due(1.9)) == []
    assert list(missing.take_due(2.0)) == ["a"]
    missing.confirm("a")
    assert missing.next_due() is None
    assert missing.confirmed("a")
    assert not missing


def test_a_listing_that_failed_confirms_nothing() -> None:
    missing = Missing(MemoryStore())
    missing.add("d/a", local(1), due=2.0)
    missing.confirm("d/a")
    missing.unconfirmed("e", due=5.0)
    assert missing.next_due() is None
    missing.unconfirmed("d", due=5.0)
    assert missing.next_due() == 5.0
    assert not missing.confirmed("d/a")


def test_what_is_there_again_is_forgotten() -> None:
    missing = Missing(MemoryStore())
    missing.add("a", local(1), due=2.0)
    assert missing.was_at(1) == "a"
    assert missing.forget("a", local(1))
    assert not missing.forget("a", local(1))
    assert missing.was_at(1) is None
    assert missing.next_due() is None


def test_what_is_below_a_missing_directory_is_missing_too() -> None:
    store = MemoryStore()
    store.put_local("d/e/f", local(3))
    missing = Missing(store)
    missing.add("d", local(1, Kind.DIRECTORY), due=2.0)
    missing.add("d/e", local(2, Kind.DIRECTORY), due=2.0)
    assert missing.above("d/e/f") == "d"
    assert missing.above("d") == "d"
    assert missing.above("x") == ""
    assert missing.was_at(3) == "d/e/f"


def test_what_is_below_a_directory_that_is_back_is_not_missing() -> None:
    store = MemoryStore()
    store.put_local("d/f", local(3))
    missing = Missing(store)
    missing.add("other", local(9), due=2.0)
    missing.add("d", local(1, Kind.DIRECTORY), due=2.0)
    missing.forget("d", local(1, Kind.DIRECTORY))
    assert missing.was_at(3) is None, "a hard link to it would pass for a rename, and it would be deleted"
    assert missing.was_at(9) == "other"


def test_a_directory_seen_elsewhere_need_not_wait_unless_it_is_being_listed() -> None:
    missing = Missing(MemoryStore())
    missing.add("d", local(1, Kind.DIRECTORY), due=2.0)
    missing.hasten(1, due=0.3)
    assert missing.next_due() == 0.3
    missing.confirm("d")
    missing.hasten(1, due=0.4)
    assert missing.next_due() is None
    missing.hasten(7, due=0.4)
