"""The exchange: what a folder says to its members about its records, and what it makes of what they say.

Nothing is believed for being said. A record counts when an introduced device signed it; a clock only filters what is
sent. What a member was told is what was committed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swarm.errors import BadPeer, SwarmError
from swarm.gossip.scuttlebutt import Missing, Scuttlebutt
from swarm.ids import Origin, PathKey, short
from swarm.index import record_codec
from swarm.index.differ import describe
from swarm.keys.certificate import Introduction, parse_introduction
from swarm.sync.events import Note, Send
from swarm.sync.reconcile import Reconcile, encode_description
from swarm.wire.messages import (
    MAX_DELTA_RECORDS,
    MAX_ORIGINS,
    AskBranches,
    AskRegisters,
    Delta,
    Introduce,
    Registers,
    State,
    TellBranches,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from swarm.ids import DeviceId
    from swarm.index.record import Record
    from swarm.keys.chain import FolderKeys
    from swarm.sync.events import Effect
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Store

    # Tells for each (record, device) whether the device signed it; a shell does it in threads.
    Verify = Callable[[Sequence[tuple[bytes, DeviceId]]], Sequence[bool]]

DELTA_BYTES = 256 << 10  # of records in one Delta: a quarter of a frame
DELTA_RECORDS = 512
MUCH = 64  # files needed: with fewer, whoever waits for the end wants to know each step
NEED_INTERVAL = 0.5  # seconds between two States that differ only in how much is needed
CHECK_INTERVAL = 45.0  # seconds between two States to a member to which nothing changed
DIFF_PAUSE = 10.0  # seconds before a second Merkle diff with the same member
# Seconds from asking a member to say all again until nothing can come any more that it said before it heard that: what
# may be on its way to us is some 4 MB, and 8 at most (MAX_UNCONFIRMED_BYTES), over a slow line.
RESEND_SECONDS = 120.0


class NotIntroduced(BadPeer):
    """Records came of an origin of which nobody has said whose it is."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the rest of the engine contributes to our State."""

    need_files: int
    need_bytes: int
    settled: bool
    local_changes: int


class Exchange:
    """One folder's conversation with its connected members."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        keys: FolderKeys,
        *,
        verify: Verify,
        out: Callable[[Effect], None],
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.keys = keys
        self.gossip = Scuttlebutt()
        self.faults: dict[DeviceId, int] = {}  # roots that differed although clocks agreed, and nothing was on its way
        self.outdated = False  # somebody writes records of a version that we do not know
        self.doubles: list[Record] = []  # signed in this life of ours, and not by us
        self._verify = verify
        self._out = out
        self._introductions: dict[Origin, Introduction] = {}
        for raw in store.introductions().values():
            introduction = parse_introduction(raw, keys)
            self._introductions[introduction.origin] = introduction
        self._up_at: dict[DeviceId, float] = {}
        self._told: dict[DeviceId, tuple[State, float]] = {}
        self._resend: set[DeviceId] = set()
        self._reconciles: dict[DeviceId, Reconcile] = {}
        self._last_diff: dict[DeviceId, float] = {}

    # -- what the engine asks

    def is_identical(self, peer: DeviceId) -> bool:
        """Whether the member has reported our roots, and that it needs nothing for them."""
        told = self.gossip.peers.get(peer)
        return (
            told is not None
            and told.heard
            and (told.live_root, told.tombstone_root) == self.ledger.roots
            and not told.need_files
            and told.settled
        )

    def hears_anybody(self) -> bool:
        """Whether some member has said what it has: then it may be sent what it lacks."""
        return any(told.heard for told in self.gossip.peers.values())

    def covers(self, peer: DeviceId) -> bool:
        """Whether we have taken in everything that the member's clock says it has."""
        told = self.gossip.peers.get(peer)
        ours = self.ledger.clock
        return told is not None and told.heard and all(ours.get(o, 0) >= seq for o, seq in told.clock.items())

    def next_due(self, now: float) -> float | None:
        times = [told_at + CHECK_INTERVAL for _, told_at in self._told.values()]
        forward = self.gossip.next_due(self.ledger.clock, self.ledger.origin, now)
        return min([*times, *([forward] if forward is not None else [])], default=None)

    def introduce(self, introduction: Introduction) -> None:
        """Of this device itself, or of another one, checked."""
        if introduction.origin not in self._introductions:
            self._introductions[introduction.origin] = introduction
            self.store.put_introduction(introduction.origin, introduction.raw)

    def begin_life(self, introduction: Introduction) -> None:
        """What members sent of the life before, we did not take: its clock was ours to move. Now it is theirs."""
        self.introduce(introduction)
        self.doubles = []
        self._resend.update(self.gossip.peers)

    # -- members

    def up(self, peer: DeviceId, now: float) -> None:
        self.down(peer)
        self.gossip.up(peer)
        self._up_at[peer] = now
        self._resend.add(peer)  # an earlier engine of ours may have been told what it then failed to commit

    def down(self, peer: DeviceId) -> None:
        self.gossip.down(peer)
        self._up_at.pop(peer, None)
        self._told.pop(peer, None)
        self._resend.discard(peer)
        self._reconciles.pop(peer, None)

    def receive(self, peer: DeviceId, message: object, now: float, wall: int) -> None:
        """Raises BadPeer."""
        if peer not in self.gossip.peers:
            return  # its session ended while this was in the inbox
        try:
            self._receive(peer, message, now, wall)
        except NotIntroduced:
            # The member may have told an engine of ours before this one, in the same session, which then failed to
            # commit it. It comes again, behind its introduction, once the member has heard that it shall send all.
            if now >= self._up_at[peer] + RESEND_SECONDS:
                raise

    def _receive(self, peer: DeviceId, message: object, now: float, wall: int) -> None:
        match message:
            case State():
                self._state(peer, message)
            case Introduce():
                self._introduce(message)
            case Delta():
                self._delta(peer, message, now, wall)
            case AskBranches():
                self._ask_branches(peer, message)
            case TellBranches():
                if peer in self._reconciles:
                    self._send_all(peer, self._reconciles[peer].branches(message))
                    self._finish_reconcile(peer)
            case AskRegisters():
                self._ask_registers(peer, message)
            case Registers():
                self._registers(peer, message, wall)
            case _:
                raise BadPeer("a message that does not belong on this lane")

    def _state(self, peer: DeviceId, state: State) -> None:
        clock = {Origin(origin): seq for origin, seq in state.clock}
        if len(clock) != len(state.clock):
            raise BadPeer("a clock that names an origin twice")
        self.gossip.heard(peer, clock, state.resend)
        if state.resend:
            self._told.pop(peer, None)  # nor does it know any more what we have told it: say it again
        told = self.gossip.peers[peer]
        told.live_root, told.tombstone_root = state.live_root, state.tombstone_root
        told.need_files, told.need_bytes, told.settled = state.need_files, state.need_bytes, state.settled
        told.local_changes = state.local_changes

    def _introduce(self, message: Introduce) -> None:
        for raw in message.introductions:
            introduction = parse_introduction(raw, self.keys)
            if introduction.origin not in self._introductions and len(self._introductions) >= MAX_ORIGINS:
                raise BadPeer("more devices than a folder can have")
            self.introduce(introduction)

    def _delta(self, peer: DeviceId, message: Delta, now: float, wall: int) -> None:
        origin = Origin(message.origin)
        if message.upto < message.after:
            raise BadPeer("a delta that ends before it begins")
        if origin not in self._introductions:
            raise NotIntroduced(f"a delta of {short(origin)}, which was not introduced")
        records = self._open(message.records, origin, wall)
        if records is None:
            return
        for record in records:
            if not message.after < record.seq <= message.upto:
                raise BadPeer("a delta with a record from beyond its ends")
            self._take(record)
        if origin == self.ledger.origin:
            return  # nobody but us moves our own clock: records of this life that we lack make a new life
        if message.after > self.ledger.clock.get(origin, 0):
            self._resend.add(peer)  # a gap: what came is kept, the clock stays, and the gap is asked for
        elif message.upto > self.ledger.clock.get(origin, 0):
            self.ledger.advance(origin, message.upto)
            self.gossip.learned(origin, now)

    def _take(self, record: Record) -> None:
        if self.ledger.merge(record) and record.origin == self.ledger.origin:
            self.doubles.append(record)

    def _open(self, raws: Sequence[bytes], only: Origin | None, wall: int) -> list[Record] | None:
        """The records, verified; None when one needs a newer swarm. Raises BadPeer for any that is not valid."""
        signed: list[tuple[bytes, DeviceId]] = []
        for raw in raws:
            head = record_codec.peek(raw)
            if only is not None and head.origin != only:
                raise BadPeer(f"a record of {short(head.origin)} in a delta of {short(only)}")
            introduction = self._introductions.get(head.origin)
            if introduction is None:
                raise NotIntroduced(f"a record of {short(head.origin)}, which was not introduced")
            signed.append((raw, introduction.device))
        if not all(self._verify(signed)):
            raise BadPeer("a record that its device did not sign")
        try:
            records = [record_codec.open_record(raw, self.keys) for raw in raws]
        except record_codec.UnknownVersion:
            self.outdated = True
            return None
        except BadPeer:
            raise
        except SwarmError as error:
            raise BadPeer(f"a record that cannot be opened: {error.message}") from error
        for record in records:
            self.ledger.seen(record.hlc, wall)
        return records

    # -- Merkle diff

    def _ask_branches(self, peer: DeviceId, message: AskBranches) -> None:
        trie = self.store.tombstone_trie if message.tombstones else self.store.live_trie
        self.ledger.seal()  # the tries must say what the registers say
        branches = tuple((prefix, encode_description(describe(trie, prefix))) for prefix in message.prefixes)
        self._out(Send(peer, TellBranches(message.folder, message.tombstones, branches)))

    def _ask_registers(self, peer: DeviceId, message: AskRegisters) -> None:
        batch: list[Record] = []
        size = 0
        origins: set[Origin] = set()
        batches: list[list[Record]] = []
        for key in message.keys:
            for record in self.store.register(PathKey(key)):
                if size + len(record.raw) > DELTA_BYTES or len(batch) >= MAX_DELTA_RECORDS:
                    batches.append(batch)
                    batch, size = [], 0
                batch.append(record)
                size += len(record.raw)
                origins.add(record.origin)
        batches.append(batch)
        self._introduce_to(peer, sorted(origins))
        for number, records in enumerate(batches, 1):
            raws = tuple(record.raw for record in records)
            self._out(Send(peer, Registers(message.folder, raws, last=number == len(batches))))

    def _registers(self, peer: DeviceId, message: Registers, wall: int) -> None:
        for record in self._open(message.records, None, wall) or ():
            self._take(record)
        if message.last and peer in self._reconciles:
            self._send_all(peer, self._reconciles[peer].registers())
            self._finish_reconcile(peer)

    def _finish_reconcile(self, peer: DeviceId) -> None:
        reconcile = self._reconciles[peer]
        if reconcile.done:
            del self._reconciles[peer]
            self._out(Note(f"compared the whole index with {short(peer)}: {reconcile.differing} paths differed"))

    def _disagreement(self, peer: DeviceId, now: float) -> bool:
        """Equal clocks and unequal roots: somebody was told an untruth, or lost something."""
        told = self.gossip.peers[peer]
        return (
            told.heard
            and told.clock == self.ledger.clock
            and (told.live_root, told.tombstone_root) != self.ledger.roots
            and peer not in self._reconciles
            and now - self._last_diff.get(peer, float("-inf")) >= DIFF_PAUSE
        )

    def _lacks_anything(self) -> bool:
        """Whether some member has records that we have not. What they supersede is in no delta: whoever has taken in
        one origin and not yet the other has our clock for a moment, and a register without the old and the new."""
        return any(told.heard and not self.covers(peer) for peer, told in self.gossip.peers.items())

    def compare(self, now: float) -> None:
        """Begins a Merkle diff with every member that has our clock and not our roots."""
        for peer in self.gossip.peers:
            if self._disagreement(peer, now):
                self._last_diff[peer] = now
                if not self._lacks_anything():
                    self.faults[peer] = self.faults.get(peer, 0) + 1
                reconcile = self._reconciles[peer] = Reconcile(self.keys.folder_id, self.store)
                self._send_all(peer, reconcile.start())

    # -- what we say, after the commit

    def speak(self, progress: Progress, now: float) -> None:
        """Our state where it changed, and the records that members lack."""
        live_root, tombstone_root = self.ledger.roots
        state = State(
            self.keys.folder_id,
            tuple(sorted(self.ledger.clock.items())),
            live_root,
            tombstone_root,
            progress.need_files,
            progress.need_bytes,
            progress.settled,
            resend=False,
            local_changes=progress.local_changes,
        )
        for peer in self.gossip.peers:
            self._speak_state(peer, state, now)
            while lacking := self.gossip.missing(peer, self.ledger.clock, self.ledger.origin, now):
                for missing in lacking:
                    if self.gossip.has_room(peer):  # the one before may have taken the last of it
                        self._send_delta(peer, missing)

    def _speak_state(self, peer: DeviceId, state: State, now: float) -> None:
        before = self._told.get(peer)
        if peer in self._resend:
            self._resend.discard(peer)
            self._out(Send(peer, replace(state, resend=True)))
        elif before is None or _news(before[0], state) or now >= before[1] + CHECK_INTERVAL:
            self._out(Send(peer, state))
        elif before[0] == state or now - before[1] < NEED_INTERVAL:
            return
        else:
            self._out(Send(peer, state))
        self._told[peer] = (state, now)

    def _send_delta(self, peer: DeviceId, missing: Missing) -> None:
        """One Delta: all of our current records from there on, as far as one message goes."""
        origin, after = missing
        ours = self.ledger.clock[origin]
        upto = after
        raws: list[bytes] = []
        size = 0
        records = self.store.signed_after(origin, after, DELTA_RECORDS)
        for seq, raw in records:
            if seq > ours or (raws and size + len(raw) > DELTA_BYTES):
                break
            raws.append(raw)
            size += len(raw)
            upto = seq
        else:
            if len(records) < DELTA_RECORDS:
                upto = ours
        if len(raws) < len(records) and records[len(raws)][0] > ours:
            upto = ours
        self._introduce_to(peer, [origin])
        self._out(Send(peer, Delta(self.keys.folder_id, origin, after, upto, tuple(raws))))
        self.gossip.sent(peer, origin, upto, len(raws), size)

    def _introduce_to(self, peer: DeviceId, origins: Iterable[Origin]) -> None:
        known = self.gossip.peers[peer].introduced
        new = [origin for origin in origins if origin not in known and origin in self._introductions]
        if new:
            known.update(new)
            raws = tuple(self._introductions[origin].raw for origin in new)
            self._out(Send(peer, Introduce(self.keys.folder_id, raws)))

    def _send_all(self, peer: DeviceId, messages: Iterable[object]) -> None:
        for message in messages:
            self._out(Send(peer, message))


def _news(before: State, now: State) -> bool:
    """What a member must know at once: other records, the end (or beginning) of what is needed, or that all was looked
    at; but not each time that the installer's own changes were, while much is needed."""
    return (
        before.clock != now.clock
        or before.live_root != now.live_root
        or before.tombstone_root != now.tombstone_root
        or (before.need_files == 0) != (now.need_files == 0)
        or (before.settled != now.settled and min(before.need_files, now.need_files) < MUCH)
        or (before.local_changes == 0) != (now.local_changes == 0)
    )
