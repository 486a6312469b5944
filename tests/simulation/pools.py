"""The pools of one simulated machine: work on its disk, each pool's in the order in which it was asked for.

A piece of work is run by the real scanner, hasher, assembler, installer or sender. In the middle of one, before any of
its system calls, the engine or another pool may get its turn, or the process end.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from swarm.disk import assembler, hasher, installer, scanner, sender
from swarm.disk.debt import Debt
from swarm.disk.late import LateWatch
from swarm.ids import parent_of
from swarm.node.hands import failed
from swarm.sync.dirty import Dirty
from swarm.sync.events import (
    DataArrived,
    DropTemp,
    Hash,
    OperationsDone,
    PrepareTemp,
    ReadDatabase,
    Run,
    Scan,
    Serve,
    StoreChunks,
    StoreFiles,
    SweepTemps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.disk.placement import Late
    from swarm.sync.events import Effect, Event
    from tests.simulation.device import Device

DISK_SECONDS = 0.001  # what a piece of disk work takes
AGAIN_SECONDS = 2.0  # until late writes are looked for again on a disk that is away
POOLS = ("scan", "hash", "temps", "install", "serve")

TempEffect = PrepareTemp | StoreChunks | StoreFiles | DropTemp | SweepTemps


class PowerCut(BaseException):
    """The process ends here, in the middle of a system call's approach. Nothing of ours may catch it."""


class Pools:
    """Of one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.debt = Debt()
        self.late = LateWatch()
        self.working: set[str] = set()  # pools that are in the middle of a piece of work
        self._cut_short: Callable[[], None] = self.forget  # what follows once a PowerCut has unwound
        self._jobs: dict[str, deque[Callable[[], Event | None]]] = {pool: deque() for pool in POOLS}

    def forget(self) -> None:
        """The process ended."""
        self.debt = Debt()
        self.working.clear()
        self.drop()

    def drop(self) -> None:
        """The engine ended: what has not begun is not done any more."""
        self.late = LateWatch()
        for jobs in self._jobs.values():
            jobs.clear()

    def carry_out(self, effect: Effect, life: int) -> None:
        """What an engine of that life wants done."""
        device = self.device
        match effect:
            case Scan(directory):
                self._later("scan", life, lambda: scanner.scan(device.files, directory, device.healthy, self.debt))
            case Hash():
                self._later("hash", life, lambda: hasher.read(device.files, effect, device.keys.chunk_key()))
            case ReadDatabase():
                key = device.keys.chunk_key()
                self._later("hash", life, lambda: hasher.read_database(device.files, effect, key, device.healthy))
            case Run():
                self._later("install", life, lambda: self._install(effect))
            case PrepareTemp() | StoreChunks() | StoreFiles() | DropTemp():
                self._later("temps", life, lambda: self._temp_work(effect))
            case SweepTemps() if device.sweeps:
                self._later("temps", life, lambda: self._temp_work(effect))
            case Serve():
                self._later("serve", life, lambda: self._serve(effect))

    def work_elsewhere(self, pool: str) -> None:
        """Another pool's thread gets its turn in the middle of a piece of disk work."""
        self._work(pool, self.device.lives)

    def power_cut(self, then: Callable[[], None]) -> None:
        """Ends the life now, in whatever is being done, and calls `then`."""
        if self.working:
            self._cut_short = then
            raise PowerCut
        then()

    def _later(self, pool: str, life: int, work: Callable[[], Event | None]) -> None:
        self._jobs[pool].append(work)
        world = self.device.world
        world.after(DISK_SECONDS * (0.5 + world.rng.random()), lambda: self._work(pool, life))

    def _work(self, pool: str, life: int) -> None:
        """The pool's next piece of work."""
        device = self.device
        if device.folder is None or device.lives != life or not self._jobs[pool]:
            return
        if pool in self.working:  # we are in the middle of one
            device.world.after(DISK_SECONDS, lambda: self._work(pool, life))
            return
        work = self._jobs[pool].popleft()
        self.working.add(pool)
        try:
            event = work()
        except PowerCut:
            if len(self.working) > 1:
                raise  # the outermost piece of work ends the life
            self._cut_short()
            return
        finally:
            self.working.discard(pool)
        if device.world.oracle is not None:
            device.world.oracle.look(device)
        if event is not None and device.lives == life:
            device.post(event)

    # -- pieces of work

    def _serve(self, effect: Serve) -> None:
        device = self.device
        network = device.world.network
        answer = list(sender.serve(device.files, device.keys.chunk_key(), effect.items))
        other = device.links.get(effect.peer)
        if other is None:
            return
        items = tuple((name, data) for name, data in answer if data is not None)
        missing = tuple(name for name, data in answer if data is None)
        network.count("Data")
        arrived = DataArrived(device.id, effect.request, items, missing, last=True)
        if device.world.oracle is not None:
            device.world.oracle.served(device, arrived)
        network.answer(device, other, arrived, effect.request)

    def _temp_work(self, effect: TempEffect) -> Event | None:
        files, chunk_key = self.device.files, self.device.keys.chunk_key()
        if why := "" if isinstance(effect, DropTemp | SweepTemps) else self.device.healthy():
            return failed(effect, why)
        match effect:
            case PrepareTemp():
                return assembler.prepare(files, effect, chunk_key)
            case StoreChunks():
                return assembler.store_chunks(files, effect, chunk_key)
            case StoreFiles():
                return assembler.store_files(files, effect, chunk_key)
            case DropTemp(temp):
                assembler.drop(files, temp)
            case SweepTemps():
                assembler.sweep(files)
        return None

    def _install(self, effect: Run) -> Event:
        device = self.device
        if why := device.healthy():
            return failed(effect, why) or OperationsDone(())
        oracle = device.world.oracle
        if oracle is not None:
            oracle.installing(device)
        displaced: list[Late] | None = [] if device.looks_late else None
        done = installer.run(device.files, effect, device.keys.chunk_key(), device.wall_ns, displaced, self.debt)
        if displaced:
            self.late.add(displaced, device.world.now)
            self._look_late(device.lives)
        for result in done.results:
            what = f"{type(result.operation).__name__} {result.operation.path} {result.outcome.value} {result.why}"
            device.world.note(device.name, what.rstrip())
            device.tell(result.operation.path)
        if oracle is not None:
            oracle.installed(device, done)
        return done

    def _look_late(self, life: int) -> None:
        """For what programs wrote to files that were displaced, when it is time."""
        device, due = self.device, self.late.next_due()
        if due is not None:
            device.world.at(due, lambda: self._later("install", life, self._look_for_late_writes))

    def _look_for_late_writes(self) -> Event | None:
        device = self.device
        if device.folder is None or device.healthy():
            device.world.after(AGAIN_SECONDS, lambda: self._look_late(device.lives))
            return None
        copies = self.late.look(device.files, device.name, device.world.now)
        self._look_late(device.lives)  # for the next of them
        for path in copies:
            device.tell(path)
        return Dirty(frozenset(parent_of(path) for path in copies), frozenset(copies)) if copies else None
