"""Setbacks: what the end of a run, a crash of a disk, or the loss of a database, makes of what is owed.

To the device it is then as if its user had done what happened. The oracle must not expect more of it than it can see,
and yet what was durable has to be there.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import Kind
from swarm.index import version
from swarm.keys.device import origin_of
from swarm.keys.seal import path_key
from tests.simulation.due import Due
from tests.simulation.witness import changed_paths, durable_contents, local_at, named, node_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.index.record import Record
    from swarm.sync.folder import Folder
    from tests.simulation.device import Device
    from tests.simulation.oracle import Oracle

TWICE = 2  # times that something was written, where it may come back after it was taken away


@dataclass(frozen=True, slots=True)
class Setback:
    """Of one device, as its world's oracle sees it."""

    oracle: Oracle
    device: Device

    def ended(self, folder: Folder) -> None:
        """Its run ends here: nobody will report what the installer has of that folder, and what was reported since the
        last commit is forgotten. What an earlier run left so is settled by one that has looked at everything."""
        oracle, watched = self.oracle, self.oracle.watched(self.device)
        if folder.observer.first_walk_done and folder.observer.settled:
            watched.doubted.clear()
        watched.doubted |= watched.given
        for path, data in oracle.ended:
            if path in watched.given & watched.acted:  # a moment ago, so that no run will know that it was the user
                oracle.produced[path, data] += TWICE

    def killed(self, folder: Folder) -> None:
        """In the middle of a piece of work, too. What our very last system call displaced was not looked at: had a
        user just written it, it would have been put back, and the next run takes it for what was to be displaced."""
        oracle, device, planner = self.oracle, self.device, folder.planner
        self.ended(folder)
        watched = oracle.watched(device)
        displaced = watched.displaced  # by the last call but one, when the last one was let go and is never made
        oracle.look(device)
        for data in (displaced | watched.displaced) & oracle.due.keys() if planner.busy else ():
            oracle.due[data] = Due.SOMEWHERE

    def forgot(self) -> None:
        """Its database was lost, or is an old copy: everything on its disk is as if written now."""
        oracle, device = self.oracle, self.device
        oracle.remember(device)
        self.tells_anew()
        for path, (kind, data) in oracle.tree(device).items():
            if kind is not Kind.FILE or not isinstance(data, bytes):
                continue
            known = self._is_known_at(path)
            if not known or self._is_touched(path):
                oracle.watched(device).made(path, data)
            if known:
                continue
            if "(conflict " in path:
                oracle.ended.add((path, data))  # it goes with what it is of
            elif not self._is_live_elsewhere(path, data):  # else it is adopted, and goes where that goes
                oracle.ended.discard((path, data))
        for data in oracle.history(device) - set(oracle.contents(oracle.tree(device))):
            if data in oracle.due:  # it may have given way to a version whose record only that database had
                oracle.due[data] = Due.SOMEWHERE
        watched = oracle.watched(device)
        watched.taken.clear()
        undone = {entry for entry in oracle.ended if self._is_gone_here(*entry) and self._is_live_elsewhere(*entry)}
        oracle.ended -= undone  # nobody else knew of it
        names = {oracle.name_of(data): data for data in oracle.written}
        for path, local in device.store.locals_below(""):
            data = names.get(local.content, b"")
            if watched.tree.get(path, (None, b""))[1] != data and data in oracle.due:
                oracle.due[data] = Due.SOMEWHERE  # an old copy takes what is there for what a user put in its place
        for path, _ in device.store.locals_below(""):  # what has gone since, it cannot tell from what a user deleted
            if path not in watched.tree:
                watched.removed[path] = oracle.world.now
                watched.reappeared.pop(path, None)

    def _is_touched(self, path: str) -> bool:
        """Whether its permissions or its time are others than its database says."""
        local, node = local_at(self.device.store, path), node_at(self.device.files, path)
        return local is not None and (local.mode, local.mtime_ns) != (node.mode, node.mtime_ns)

    def tells_anew(self, noticed: bool = False) -> None:
        """It may say again what it has no word of having told. Should members know more of this life than it does, its
        own record there may be another one to them, so it is written anew: for who has superseded it meanwhile, a
        version that nobody wrote over. What they have kept of it then is its dot alone, which stands as well for what
        a database that began as this one put there. And, `noticed` or not, what it has not looked at yet it says for
        the first time, as if somebody had put the same bytes there once more: no deletion can be meant for that."""
        for path, (kind, data) in self.oracle.tree(self.device).items():
            if kind is not Kind.FILE or not isinstance(data, bytes):
                continue
            if not self._is_known_at(path) or (not noticed and self._is_untold(path)):
                self.oracle.produced[path, data] += TWICE

    def _is_untold(self, path: str) -> bool:
        device = self.device
        local, incarnation = device.store.local(path), device.store.get("incarnation")
        if local is None or incarnation is None:
            return False
        origin = origin_of(device.id, int.from_bytes(incarnation, "big"))
        known = [int.from_bytes(device.store.get(name) or b"", "big") for name in ("told", "confirmed")]
        return any(dot == origin and seq > max(known) for dot, seq in local.installed)

    def _is_gone_here(self, path: str, data: bytes) -> bool:
        """Whether that was taken away by this device's user: removed, or written over by what is there."""
        watched = self.oracle.watched(self.device)
        if path in watched.removed:
            return True
        kind, there = watched.tree.get(path, (None, None))
        return kind is Kind.FILE and there != data and node_at(self.device.files, path).inode in watched.users

    def _is_live_elsewhere(self, path: str, data: bytes) -> bool:
        """Whether all that other devices know, of those too that do not run, has a version of these bytes there."""
        oracle = self.oracle
        others = [other.store for other in oracle.world.devices if other is not self.device]
        for source in {path, *(store.claimant(path) or path for store in others)}:
            key = path_key(oracle.world.keys.path_key(), source)
            register: tuple[Record, ...] = ()
            for store in others:
                register = version.merge(register, store.register(key))
            if any(record.content == oracle.name_of(data) for record in register if not record.tombstone):
                return True
        return False

    @contextmanager
    def crash(self) -> Iterator[None]:
        """The power of its disk fails within it."""
        oracle, device = self.oracle, self.device
        oracle.look(device)
        watched = oracle.watched(device)
        durable = durable_contents(device.files, watched.users)
        before, metadata = oracle.tree(device), oracle.metadata(device)
        held = set(oracle.contents(before)) | oracle.history(device)
        installed = {path for path in before if node_at(device.files, path).inode not in watched.users}
        yield
        after = oracle.tree(device)
        left = set(oracle.contents(after)) | oracle.history(device)
        for gone in (held & durable & oracle.written) - left:
            oracle.convict(f"{device.name}: a crash lost {named(gone)}, which was durable")
        for path, (kind, data) in after.items():
            torn = kind is Kind.FILE and data not in oracle.written and not oracle.is_from_a_liar(data)
            if torn and node_at(device.files, path).inode not in watched.users:
                oracle.convict(f"{device.name}: a crash left a torn file at {path}, which no user had written to")
        elsewhere = oracle.everywhere(but=device)
        for gone in held - left:
            if gone in elsewhere and gone in oracle.due:
                oracle.due[gone] = Due.SOMEWHERE
            elif gone not in elsewhere:
                oracle.due.pop(gone, None)  # nobody had made it durable, and nobody else has it
                oracle.lossy = True
        changed = changed_paths(before, after)
        lasting = {  # a conflict copy goes with the version that it is of, and so when that is torn
            data for path, (_, data) in after.items() if before.get(path) == after[path] and "(conflict " not in path
        }
        for path in changed:
            if (old := before.get(path)) is None:
                continue
            if isinstance(old[1], bytes):
                oracle.produced[path, old[1]] += TWICE
                oracle.ended.add((path, old[1]))  # to the device it is as if its user had done that
                if old[1] in oracle.due and old[1] not in lasting:
                    oracle.due[old[1]] = Due.SOMEWHERE  # nobody had made durable that it is here
            if (new := after.get(path)) is None or new[0] is not old[0]:
                watched.removed[path] = oracle.world.now
                watched.reappeared.pop(path, None)
        for path in changed:
            new, old = after.get(path), before.get(path)
            if new is None or new[0] is not Kind.FILE or not isinstance(new[1], bytes):
                continue
            owed = oracle.due.get(new[1])
            oracle.wrote(device, path, new[1])
            if path in installed or (old is None and path not in watched.removed) or self._is_known_at(path):
                self._owe(new[1], owed)  # as if what did not last had never been done: it is wanted as before
            if not self._is_known_at(path):
                node_at(device.files, path).ctime_ns += 1  # torn, or old; else nobody could see it
            if new[1] not in held and new[1] in oracle.due:
                oracle.due[new[1]] = Due.SOMEWHERE  # a user has nothing of it
        oracle.touched(device, before, after, metadata)
        oracle.remember(device)

    def _is_known_at(self, path: str) -> bool:
        """Whether its database says of `path` what is there, so that a crash is nothing that it could see."""
        oracle, device = self.oracle, self.device
        local, node = device.store.local(path), node_at(device.files, path)
        return local is not None and local.inode == node.inode and local.content == oracle.name_of(bytes(node.data))

    def _owe(self, data: bytes, due: Due | None) -> None:
        oracle = self.oracle
        if due is None:
            oracle.due.pop(data, None)
        else:
            oracle.due[data] = due
