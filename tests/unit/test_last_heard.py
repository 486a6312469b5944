"""How far a member was when it was last heard."""

from __future__ import annotations

from dataclasses import replace

from swarm.ids import DeviceId, Origin
from swarm.sync import last_heard
from swarm.sync.last_heard import MAX_MEMBERS, LastHeard
from swarm.sync.memory_store import MemoryStore
from swarm.wire.messages import State

NAS = DeviceId(b"n" * 32)
ONE, TWO = Origin(b"1" * 16), Origin(b"2" * 16)


def state(need_files: int = 0, *, settled: bool = True, **clock: int) -> State:
    origins = {"one": ONE, "two": TWO}
    entries = tuple((origins[name], seq) for name, seq in clock.items())
    return State(b"f" * 16, entries, b"", b"", need_files, 0, settled, resend=False)


def test_what_lies_beyond_its_clock_and_what_it_needed_is_behind() -> None:
    heard = LastHeard(MemoryStore())
    heard.heard(NAS, state(one=10))
    assert heard.behind({ONE: 10}) == {NAS: 0}
    assert heard.behind({ONE: 12, TWO: 5}) == {NAS: 7}
    assert heard.behind({ONE: 3}) == {NAS: 0}  # it knows more than we do
    heard.heard(NAS, state(4, one=12, two=5))
    assert heard.behind({ONE: 12, TWO: 5}) == {NAS: 4}


def test_who_has_not_looked_at_its_disk_yet_is_not_called_identical() -> None:
    heard = LastHeard(MemoryStore())
    heard.heard(NAS, state(settled=False, one=10))  # as of one that asks for a preview: it has the index, and no file
    assert heard.behind({ONE: 10}) == {}
    heard.heard(NAS, state(one=8))
    heard.heard(NAS, state(settled=False, one=10))
    assert heard.behind({ONE: 10}) == {NAS: 2}


def test_a_reader_that_changed_files_is_not_called_identical_while_it_is_away() -> None:
    heard = LastHeard(MemoryStore())
    heard.heard(NAS, replace(state(1, one=10), local_changes=2))
    assert heard.behind({ONE: 10}) == {NAS: 3}


def test_it_is_remembered_over_a_restart() -> None:
    store = MemoryStore()
    LastHeard(store).heard(NAS, state(3, one=10, two=2))
    assert LastHeard(store).behind({ONE: 11, TWO: 2}) == {NAS: 4}


def test_no_more_members_are_remembered_than_there_is_room_for() -> None:
    heard = LastHeard(MemoryStore())
    for number in range(MAX_MEMBERS + 1):
        heard.heard(DeviceId(number.to_bytes(32, "big")), state(one=1))
    known = heard.behind({})
    assert len(known) == MAX_MEMBERS
    assert DeviceId(bytes(32)) not in known


def test_damage_costs_what_is_damaged_only() -> None:
    store = MemoryStore()
    LastHeard(store).heard(NAS, state(one=10))
    whole = store.get(last_heard.NAME)
    assert whole is not None
    for length in range(len(whole)):
        store.put(last_heard.NAME, whole[:length])
        assert LastHeard(store).behind({ONE: 10}) == {}
