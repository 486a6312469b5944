"""Random histories of a few devices: whatever the order of delivery, all see the same, and nothing written is lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.ids import ContentId, Kind, Origin, parent_of
from swarm.index.paths import below_git, conflict_name
from swarm.index.record_codec import Draft, author
from swarm.index.version import context_of, merge, supersedes
from swarm.index.view import Entry, Resolution, affected, project, resolve
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey

if TYPE_CHECKING:
    from swarm.index.record import Record

KEYS = FolderKeys.create(bytes(range(32)))
DEVICE = DeviceKey.create(bytes(32))
LONG = "l" * 250 + ".txt"  # a conflict copy's name has to be cut
PATHS = ["a", "a/b", "a/b/c", "x.txt", "x.txt/y", "d", "d/e", ".git", ".git/head", ".git/head/z", LONG]

State = dict[str, tuple["Record", ...]]


def merged(state: State, *records: Record) -> State:
    after = dict(state)
    for record in records:
        after[record.path] = merge(after.get(record.path, ()), [record])
    return after


def everything(state: State) -> list[Record]:
    return [record for register in state.values() for record in register]


@dataclass
class Device:
    name: str
    state: State = field(default_factory=dict)
    seq: int = 0
    hlc: int = 0

    def write(self, path: str, kind: Kind, content: bytes, tombstone: bool, clock: int) -> Record:
        register = self.state.get(path, ())
        self.seq += 1
        self.hlc = max([self.hlc, *(record.hlc for record in register)]) + clock  # ties are wanted
        draft = Draft(
            Origin(self.name.encode() * 16),
            self.seq,
            context_of(register),
            path,
            kind,
            self.hlc,
            self.name,
            tombstone,
            ContentId(content if kind is Kind.FILE and not tombstone else b""),
            target="t" if kind is Kind.SYMLINK and not tombstone else "",
        )
        record = author(draft, KEYS, DEVICE)
        self.state = merged(self.state, record)
        return record


def history(rng: random.Random) -> tuple[list[Device], list[Record]]:
    """Devices after writes, exchanges and stray deliveries; and all that was ever written."""
    devices = [Device(chr(65 + n)) for n in range(rng.randint(2, 4))]
    written: list[Record] = []
    for _ in range(rng.randint(3, 25)):
        device = rng.choice(devices)
        dice = rng.random()
        if dice < 0.6:
            virtual = [entry.path for entry in project(device.state).values() if entry.virtual]
            path = rng.choice(virtual) if virtual and rng.random() < 0.4 else rng.choice(PATHS)
            if len(path) > 3 and rng.random() < 0.1:
                path += "/inside"
            kind = rng.choice([Kind.FILE] * 4 + [Kind.DIRECTORY, Kind.SYMLINK])
            tombstone = bool(device.state.get(path)) and rng.random() < 0.3
            content = bytes([rng.randint(1, 4)]) * 32  # few values, so that some are equal
            written.append(device.write(path, kind, content, tombstone, rng.randint(0, 2)))
        elif dice < 0.85:
            device.state = merged(device.state, *everything(rng.choice(devices).state))
        elif written:
            device.state = merged(device.state, *rng.sample(written, rng.randint(1, len(written))))
    return devices, written


seeds = st.integers(min_value=0, max_value=2**32).map(random.Random)


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_the_order_of_delivery_does_not_matter(rng: random.Random) -> None:
    devices, written = history(rng)
    reference = merged({}, *written)
    for _ in range(3):
        shuffled = written * 2
        rng.shuffle(shuffled)
        assert merged({}, *shuffled) == reference
    rng.shuffle(devices)
    states: State = {}
    for device in devices:
        states = merged(states, *everything(device.state))
    assert states == reference
    backwards = {path: tuple(reversed(register)) for path, register in reversed(reference.items())}
    assert project(backwards) == project(reference)


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_merging_is_commutative_associative_and_idempotent(rng: random.Random) -> None:
    devices, _ = history(rng)
    one, two, three = (rng.choice(devices).state for _ in range(3))
    for path in {*one, *two, *three}:
        a, b, c = one.get(path, ()), two.get(path, ()), three.get(path, ())
        assert merge(a, b) == merge(b, a)
        assert merge(merge(a, b), c) == merge(a, merge(b, c))
        assert merge(a, a) == a


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_a_record_that_nobody_replaced_is_kept(rng: random.Random) -> None:
    _, written = history(rng)
    state = merged({}, *written)
    for record in written:
        replaced = any(supersedes(other, record) for other in written if other.path == record.path)
        assert (record in state[record.path]) is not replaced


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_every_value_that_nobody_replaced_can_be_seen(rng: random.Random) -> None:
    _, written = history(rng)
    state = merged({}, *written)
    view = project(state)
    visible = [entry.record for entry in view.values() if entry.record is not None]
    for record in everything(state):
        if record.tombstone or record.kind is Kind.DIRECTORY:
            continue
        beside = [
            seen for seen in visible if seen.same_value(record) and parent_of(record.path) == parent_of(seen.path)
        ]
        assert beside or below_git(record.path)


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_what_holds_something_is_a_directory(rng: random.Random) -> None:
    _, written = history(rng)
    view = project(merged({}, *written))
    for path, entry in view.items():
        assert entry.path == path
        parent = parent_of(path)
        assert not parent or view[parent].kind is Kind.DIRECTORY


@dataclass
class Growing:
    """A view kept up to date change by change, as a folder does."""

    state: State = field(default_factory=dict)
    resolutions: dict[str, Resolution] = field(default_factory=dict)
    claimants: dict[str, str] = field(default_factory=dict)

    def register(self, path: str) -> tuple[Record, ...]:
        return self.state.get(path, ())

    def live_below(self, path: str) -> bool:
        return any(
            other.startswith(path + "/") and not all(record.tombstone for record in register)
            for other, register in self.state.items()
        )

    def take(self, record: Record) -> None:
        before = {path for path in parents(record.path) if self.live_below(path)}
        self.state = merged(self.state, record)
        after = {path for path in parents(record.path) if self.live_below(path)}
        turned = before ^ after
        for path in affected(record.path, self.claimants.get, turned.__contains__):
            for name in self.resolutions.get(path, Resolution()).claims:
                del self.claimants[name]
            resolution = self.resolutions[path] = resolve(path, self)
            for name in resolution.claims:
                assert name not in self.claimants  # no two registers ever try for one name
                self.claimants[name] = path

    def view(self) -> dict[str, Entry]:
        entries = [entry for resolution in self.resolutions.values() for entry in resolution.entries]
        assert len({entry.path for entry in entries}) == len(entries)
        return {entry.path: entry for entry in entries}


def parents(path: str) -> list[str]:
    found = []
    while path := parent_of(path):
        found.append(path)
    return found


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_a_view_kept_up_to_date_is_the_one_made_from_scratch(rng: random.Random) -> None:
    _, written = history(rng)
    written += rng.sample(written, len(written) // 2)
    rng.shuffle(written)
    growing = Growing()
    for record in written:
        growing.take(record)
        assert growing.view() == project(growing.state)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60)
hard = st.one_of(
    names,
    st.text("a.() ", min_size=1, max_size=12),
    st.text("().c", min_size=1, max_size=4).map(lambda text: f"a (conflict b {'0' * 6}){text}"),
)


@settings(max_examples=300, deadline=None)
@given(hard, hard, hard, hard, st.sampled_from([6, 8, 64]))
def test_copies_of_two_files_have_two_names(one: str, other: str, device: str, second: str, digits: int) -> None:
    name = conflict_name(one, device, "0" * 64, digits)
    assert len(name.encode()) <= 255
    if one != other and len(name.encode()) < 240:
        assert name != conflict_name(other, second, "0" * 64, digits)
