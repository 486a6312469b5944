"""The end of a run: all faults are healed and the world has settled. Is everything as it was promised?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import Kind, PathKey
from swarm.index.paths import compose, fold
from tests.simulation.due import Due
from tests.simulation.witness import named, node_at, shown

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.oracle import Oracle
    from tests.simulation.world import World

QUIET_SECONDS = 150.0  # of silence at the end: three times the interval of the clock checks
BY_NATURE = "this disk "  # so begins why a disk cannot hold something, however whole it is
SPOKEN = frozenset(("State",))  # what may be said in that silence


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one world, by what its oracle has seen."""

    oracle: Oracle

    @property
    def world(self) -> World:
        return self.oracle.world

    def lack_only_what_is_lost(self) -> bool:
        """Where a database was lost: a version that it had told of, and that its user wrote over before anybody had the
        bytes, is one that nobody can give, and that its author no longer knows to be his."""
        held = {self.oracle.name_of(data) for data in self.oracle.everywhere()}
        for device in self.world.devices:
            if device.folder is None:
                continue
            for path in device.folder.planner.needed_paths(1000):
                entry = device.folder.ledger.visible(path)
                if entry is None or entry.record is None or entry.record.content in held:
                    return False
        self.oracle.lost = self.agree(needing=True)
        return self.oracle.lost

    def agree(self, needing: bool = False) -> bool:
        """Whether all have the same index, and nothing more can be done on the disks: where somebody lied, who may be
        waited for in vain, or two are one device, so that one of them is always left out. `needing`: though they may
        wait for content."""
        if self.oracle.lies and any(self._is_at_work(d) or self._must_begin_a_life(d) for d in self.world.devices):
            return False
        statuses = [device.folder.status() for device in self.world.devices if device.folder is not None]
        return len({status.root for status in statuses}) == 1 and all(
            status.settled
            and not status.scanning
            and not status.holding
            and not status.health
            and (needing or self.oracle.lies or not status.need_files)
            for status in statuses
        )

    def _is_at_work(self, device: Device) -> bool:
        """Whether its disk is worked on, or waits for what somebody could give."""
        if device.folder is None:
            return False
        held = {self.oracle.name_of(data) for data in self.oracle.everywhere()}
        needed = [device.folder.ledger.visible(path) for path in device.folder.planner.needed_paths(1000)]
        return bool(device.folder.planner.busy) or any(
            entry is not None and entry.record is not None and entry.record.content in held for entry in needed
        )

    def _must_begin_a_life(self, device: Device) -> bool:
        """Whether a member has been made to believe that there are more of its records than it has made. It will sign
        under another origin, and what it says of that changes the roots, once the pause after its last life is over."""
        folder = device.folder
        if folder is None:
            return False
        ledger, peers = folder.ledger, folder.exchange.gossip.peers.values()
        return any(peer.clock.get(ledger.origin, 0) > min(ledger.seq, folder.life._told(ledger)) for peer in peers)

    def judge(self) -> None:
        """All faults are healed and the world has settled."""
        self._judge_trees()
        self._judge_contents()
        for device in self.world.devices:
            self._judge_index(device)
        for accusation in self.world.accusations:
            if not (self.oracle.lies and " of liar: " in accusation):
                self.oracle.convict(f"an honest device was accused: {accusation}")
        self._judge_silence()

    def _judge_trees(self) -> None:
        trees = {device.name: self._visible(device) for device in self.world.devices}
        [first, *others] = trees.items()
        for name, tree in others:
            if tree != first[1]:
                different = sorted(
                    path for path in tree.keys() | first[1].keys() if tree.get(path) != first[1].get(path)
                )
                path = different[0]
                self.oracle.convict(
                    f"{first[0]} and {name} say that they are identical and differ at {different}: "
                    f"{shown(first[1].get(path))} and {shown(tree.get(path))}"
                )
        for path, (_, data, _) in first[1].items():
            if self.oracle.lies and self._is_confused(path):
                continue
            if (
                isinstance(data, bytes)
                and data
                and (path, data) in self.oracle.ended
                and self.oracle.produced[path, data] == 1
            ):
                self.oracle.convict(f"{path} is back with {named(data)}, which a user took away")

    def _is_confused(self, path: str) -> bool:
        """Whether a record there claims to supersede what is not written yet: whoever may write can make a path that a
        deletion does not empty, as they can write it again."""
        ledgers = [device.folder.ledger for device in self.world.devices if device.folder is not None]
        known = {ledger.origin: ledger.seq for ledger in ledgers}
        return any(seq > known.get(o, seq) for record in ledgers[0].register(path) for o, seq in record.context)

    def _visible(self, device: Device) -> dict[str, tuple[Kind | None, bytes | str | None, int]]:
        """What all devices must agree on: names, contents, permissions of files."""
        assert device.folder is not None
        status = device.folder.status()
        for path, why in status.cannot:
            if not (why.lower().startswith(BY_NATURE) or self.oracle.lies):
                self.oracle.convict(f"{device.name} cannot have {(path, why)}")
        rivals = any(d.files.traits.folds_case or d.files.traits.folds_unicode for d in self.world.devices)
        links = self._links() if any(not d.files.traits.symlinks for d in self.world.devices) else set()
        decomposed = any(d.files.traits.decomposes for d in self.world.devices)
        found = {}
        tree = self.oracle.tree(device)
        unmet = self._unmet() if self.oracle.lies or self.oracle.lost else set()
        for path, (kind, data) in tree.items():
            if path in unmet:
                continue
            if rivals and self._has_rival(path):
                continue
            if path in links or (decomposed and path != compose(path)):
                continue
            found[path] = (kind, data, node_at(device.files, path).mode if kind is Kind.FILE else 0)
        return found

    def _links(self) -> set[str]:
        """Where there should be a link. A disk that has none keeps what was there before."""
        return {
            path
            for device in self.world.devices
            for path, (kind, _) in self.oracle.tree(device).items()
            if kind is Kind.SYMLINK
        }

    def _unmet(self) -> set[str]:
        """Paths for which somebody waits for what only a liar has."""
        return {
            path
            for device in self.world.devices
            if device.folder is not None
            for path in device.folder.planner.needed_paths(1000)
        }

    def _has_rival(self, path: str) -> bool:
        """Whether some device has a name that a folding disk takes for one on this path."""
        parts = path.split("/")
        for device in self.world.devices:
            assert device.folder is not None
            for register in device.store.registers():
                other = register[0].path
                others = other.split("/")
                for depth in range(1, min(len(parts), len(others)) + 1):
                    one, two = "/".join(parts[:depth]), "/".join(others[:depth])
                    if one != two and fold(one) == fold(two):
                        return True
        return False

    def _judge_contents(self) -> None:
        current = {data for device in self.world.devices for data in self.oracle.contents(self.oracle.tree(device))}
        histories = {data for device in self.world.devices for data in self.oracle.history(device)}
        for data, due in self.oracle.due.items():
            if data in current or (due is Due.SOMEWHERE and data in histories):
                continue
            where = "only in a history" if data in histories else "nowhere"
            self.oracle.convict(
                f"{named(data)}, written by {self.oracle.origin_of[data]}, is {where}, and is due {due.value}"
            )

    def _judge_index(self, device: Device) -> None:
        """What its index says of its disk is true."""
        assert device.folder is not None
        unmet = self._unmet() if self.oracle.lost else set()  # where what was deleted waits for what comes in its place
        cannot = device.folder.planner.cannot.keys() | device.folder.observer.cannot.keys()
        unmet |= device.folder.planner.cannot.keys()  # or for what this disk cannot hold: it is told so
        for path, (kind, data) in self.oracle.tree(device).items():
            local = device.store.local(path)
            if local is None or local.kind is not kind:
                if any(fold(path + "/").startswith(fold(one + "/")) for one in cannot):
                    continue
                self.oracle.convict(f"{device.name} does not know of {path}")
            elif isinstance(data, bytes) and local.content != self.oracle.name_of(data):
                self.oracle.convict(f"{device.name} takes {path} for another content than it has")
            elif local.copy_of == "" and kind is not Kind.DIRECTORY and not self.oracle.lies and path not in unmet:
                register = device.store.register(PathKey(device.folder.ledger.key_of(path)))
                if not any(record.content == local.content for record in register if not record.tombstone):
                    self.oracle.convict(f"{device.name} has {path} and no record of it")
        for peer, faults in device.folder.exchange.faults.items():
            # A State or Delta that was overtaken may look like that; on real streams none is.
            if faults and not (self.oracle.lies or self.oracle.claims.doubled or self.oracle.overtaken):
                self.oracle.convict(f"{device.name} had the clock of {peer.hex()[:8]} and other roots")

    def _judge_silence(self) -> None:
        roots = [device.folder.status().root for device in self.world.devices if device.folder is not None]
        if len(set(roots)) != 1:
            self.oracle.convict("the roots differ")
        trees = [self.oracle.tree(device) for device in self.world.devices]
        said = dict(self.world.network.messages)
        noted = len(self.world.trace)
        changing = self.oracle.changing
        self.world.run(QUIET_SECONDS)
        spoken = SPOKEN
        if self.oracle.twins and self.oracle.lost:  # whoever comes back is asked once for what nobody has
            spoken = SPOKEN | {"Fetch", "Data"}
        for kind, count in self.world.network.messages.items():
            if kind not in spoken and count > said.get(kind, 0) and not self.oracle.lies:
                self.oracle.convict(
                    f"no silence: {count - said.get(kind, 0)} times {kind}: {self.world.trace[noted:][:3]}"
                )
        devices = len(self.world.devices)
        states = self.world.network.messages.get("State", 0) - said.get("State", 0)
        if states > devices * (devices - 1) * 8 and not (self.oracle.lies or self.oracle.twins):
            self.oracle.convict(f"no silence: {states} States")
        if any(device.folder.status().root != roots[0] for device in self.world.devices if device.folder is not None):
            self.oracle.convict("the roots changed although nobody did anything")
        if self.oracle.changing != changing:
            self.oracle.convict(f"a disk was worked on although nobody did anything: {self.world.trace[noted:][:3]}")
        if trees != [self.oracle.tree(device) for device in self.world.devices]:
            self.oracle.convict(f"files changed although nobody did anything: {self.world.trace[noted:][:3]}")
