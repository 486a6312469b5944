"""The fetcher: from which member to ask which bytes, and which temps are complete.

A pull (see requests.py). Every content wanted has one temp, named by it; what an
earlier run fetched is found there, and what a local file holds is copied from it. Small files (one chunk for certain)
are asked for by content id, many to a request; larger ones by the nodes of their manifests first, then by chunks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from swarm.content.chunk import MIN_CHUNK, ChunkRef
from swarm.content.manifest import checked_node, chunk_list, missing_nodes
from swarm.errors import BadPeer, Integrity, SwarmError
from swarm.sync.assembly import Assembly, Request, Stage, temp_of
from swarm.sync.backlog import Backlog
from swarm.sync.events import Accuse, DropTemp, PrepareTemp, StoreChunks, StoreFiles
from swarm.sync.lacking import Lacking
from swarm.sync.requests import Requests
from swarm.wire.messages import What

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.ids import ContentId, DeviceId
    from swarm.sync.events import ChunksStored, DataArrived, Effect, FilesStored, TempPrepared
    from swarm.sync.store import Store
    from swarm.wire.messages import State

MAX_ACTIVE = 1024  # contents being gathered at once
MAX_ACTIVE_BYTES = 1 << 30  # of contents being gathered at once; one larger than that is gathered alone
MAX_REQUEST = 1 << 20  # bytes in one request, so that an answer comes in good time
MAX_REQUEST_FILES = 128  # small files in one request
NODE_COST = 8 << 10  # bytes that a manifest node counts for
MAX_FAILURES = 3  # of one temp, before its paths wait for better days


class Fetcher:
    """One folder's wants. `ready(path)` is called when the content that a path waits for is complete."""

    def __init__(
        self,
        store: Store,
        *,
        out: Callable[[Effect], None],
        ready: Callable[[str], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self.store = store
        self.fetched_bytes = 0  # content bytes that members sent us since the start
        self.stored_bytes = 0  # of what is still wanted: already in temps
        self._out = out
        self._ready = ready
        self._failed = failed
        self._assemblies: dict[ContentId, Assembly] = {}
        self._queue: dict[ContentId, None] = {}  # QUEUED, in order
        self._active: dict[ContentId, None] = {}  # begun and not READY
        self._active_bytes = 0
        self._by_path: dict[str, ContentId] = {}
        self._lacking = Lacking()
        self._requests = Requests(self._lacking, out)
        self._sources: Counter[str] = Counter()  # files of ours that are being read for temps
        self._backlog = Backlog()
        self._failures: defaultdict[ContentId, int] = defaultdict(int)

    # -- wants

    def want(self, path: str, content: ContentId, size: int) -> None:
        """`path` waits for this content. Calls `ready` at once where its temp is complete, known before or not."""
        if self._by_path.get(path) != content:
            self.forget(path)
            self._by_path[path] = content
        assembly = self._assemblies.get(content)
        if assembly is None:
            assembly = self._assemblies[content] = Assembly(content, size, {path: None})
            self._queue[content] = None
        else:
            assembly.paths[path] = None
        if assembly.stage is Stage.READY:
            self._ready(path)

    def forget(self, path: str) -> None:
        """`path` no longer waits for anything."""
        content = self._by_path.pop(path, None)
        assembly = self._assemblies.get(content) if content is not None else None
        if content is None or assembly is None:
            return
        del assembly.paths[path]
        if not assembly.paths:
            self._end(assembly)
            if assembly.stage not in (Stage.QUEUED, Stage.PREPARING) and assembly.size:
                self._out(DropTemp(assembly.temp))

    def installed(self, path: str) -> tuple[ChunkRef, ...]:
        """The temp that `path` waited for is no more: it became the file. Returns its chunks."""
        content = self._by_path.pop(path, None)
        assembly = self._assemblies.get(content) if content is not None else None
        if assembly is None:
            return ()
        assembly.paths.pop(path, None)
        self._end(assembly)
        if assembly.paths:  # the others copy from the file that is now there
            again = self._assemblies[assembly.content] = Assembly(assembly.content, assembly.size, assembly.paths)
            self._queue[again.content] = None
        return assembly.chunks

    def chunks_of(self, path: str) -> tuple[ChunkRef, ...]:
        """Of the content that `path` waits for, as far as they are known."""
        content = self._by_path.get(path)
        return self._assemblies[content].chunks if content is not None else ()

    def temp_lost(self, path: str) -> None:
        """The temp was not what it should be when it was looked at: begin again."""
        content = self._by_path.get(path)
        assembly = self._assemblies.get(content) if content is not None else None
        if assembly is not None and assembly.stage is Stage.READY:
            self._restart(assembly)

    def distrust(self) -> None:
        """The disk was away: what had been written to temps, and to the files that fill them, may never have got there.
        Each is looked at anew, which keeps what is right."""
        for assembly in list(self._assemblies.values()):
            if assembly.stage in (Stage.CHUNKS, Stage.READY):
                self._restart(assembly)

    def is_ready(self, path: str) -> bool:
        content = self._by_path.get(path)
        return content is not None and self._assemblies[content].stage is Stage.READY

    def reads(self, path: str) -> bool:
        """Whether a temp is being filled from our file at `path`: if that is displaced now, its bytes are sent for."""
        return path in self._sources

    @property
    def idle(self) -> bool:
        """Whether nobody waits for any content."""
        return not self._assemblies

    # -- members

    def member_up(self, peer: DeviceId) -> None:
        self._requests.member_up(peer)
        self._lacking.forget(peer)

    def member_down(self, peer: DeviceId) -> None:
        for request in self._requests.member_down(peer):
            self._unask_all(request)
        self._lacking.forget(peer)

    def member_said(self, peer: DeviceId, state: State) -> None:
        """How far it is: it may have now what it lacked."""
        self._lacking.said(peer, state)

    # -- answers

    def data(self, event: DataArrived, now: float) -> None:
        request = self._requests.heard(event.request, event.peer, now)
        if request is None:
            return
        missing = [identifier for identifier in event.missing if identifier in request.wanted]
        self._lacking.add(event.peer, missing, now)
        for identifier in missing:
            self._unask(request, identifier)
        items = [(name, data) for name, data in event.items if name in request.wanted]
        self.fetched_bytes += sum(len(data) for _, data in items)
        match request.what:
            case What.NODES:
                self._take_nodes(event.peer, request, items, now)
            case What.FILES:
                files = [
                    (assembly.content, assembly.temp, data)
                    for name, data in items
                    for content, _ in request.wanted.pop(name)
                    if (assembly := self._assemblies.get(content)) is not None
                ]
                if files:
                    self._out(self._backlog.taking(StoreFiles(event.peer, event.request, tuple(files))))
            case What.CHUNKS:
                pieces = [
                    (content, index, assembly.temp, assembly.chunks[index], data)
                    for name, data in items
                    for content, index in request.wanted.pop(name)
                    if (assembly := self._assemblies.get(content)) is not None and index in assembly.asked
                ]
                if pieces:
                    self._out(self._backlog.taking(StoreChunks(event.peer, event.request, tuple(pieces))))
        if event.last:
            self._lacking.add(event.peer, request.wanted, now)  # not answered is not there
            self.lost(event.request)

    def lost(self, number: int) -> None:
        """No more of an answer comes."""
        if (request := self._requests.close(number)) is not None:
            self._unask_all(request)

    def prepared(self, event: TempPrepared) -> None:
        assembly = self._assemblies.get(event.content)
        if assembly is None:
            self._out(DropTemp(temp_of(event.content)))  # nobody waits for it any more
            return
        if assembly.stage is not Stage.PREPARING:
            return
        self._leave_sources(assembly)
        if event.why:
            self._fail(assembly, event.why)
            return
        assembly.stage = Stage.CHUNKS
        self._store(assembly, sum(assembly.chunks[index].length for index in set(event.present)))
        assembly.missing = dict.fromkeys(sorted(set(range(len(assembly.chunks))) - set(event.present)))
        self._check_ready(assembly)

    def chunks_stored(self, event: ChunksStored) -> None:
        self._backlog.done()
        for content, index in event.stored:
            assembly = self._assemblies.get(content)
            if assembly is not None and assembly.stage is Stage.CHUNKS:
                if index in assembly.asked or index in assembly.missing:
                    self._store(assembly, assembly.chunks[index].length)
                assembly.asked.discard(index)
                assembly.missing.pop(index, None)
                self._check_ready(assembly)
        for content, index in event.bad:
            if (assembly := self._assemblies.get(content)) is not None and index in assembly.asked:
                assembly.asked.discard(index)
                assembly.missing[index] = None
        if event.bad:
            self._out(Accuse(event.peer, "it sent a chunk that is not what its name says"))
        if event.why:
            for content in dict.fromkeys(content for content, _ in event.refused) or list(self._active):
                if (assembly := self._assemblies.get(content)) is not None and assembly.stage is Stage.CHUNKS:
                    self._fail(assembly, event.why)

    def files_stored(self, event: FilesStored) -> None:
        self._backlog.done()
        for content, node, chunk in event.stored:
            assembly = self._assemblies.get(content)
            if assembly is None:
                self._out(DropTemp(temp_of(content)))
                continue
            if assembly.stage is Stage.WHOLE:
                self.store.put_manifest_node(content, node)
                assembly.chunks = (chunk,)
                assembly.missing.clear()
                self._set_ready(assembly)
        for content in event.bad:
            if (assembly := self._assemblies.get(content)) is not None:
                assembly.waiting = False
        if event.bad:
            self._out(Accuse(event.peer, "it sent a file that is not what its name says"))
        if event.why:
            for content in list(self._active):
                if (assembly := self._assemblies.get(content)) is not None and assembly.stage is Stage.WHOLE:
                    self._fail(assembly, event.why)

    # -- the pump

    def next_due(self) -> float | None:
        times = [self._requests.next_due(), self._lacking.next_due() if self._assemblies else None]
        return min((when for when in times if when is not None), default=None)

    def pump(self, now: float) -> None:
        """Begins what there is room for, and asks for what is missing."""
        for request in self._requests.take_overdue(now):
            self._unask_all(request)
        self._lacking.tick(now)
        while self._queue and len(self._active) < MAX_ACTIVE:
            content = next(iter(self._queue))
            assembly = self._assemblies[content]
            if self._active and self._active_bytes + assembly.size > MAX_ACTIVE_BYTES:
                break
            del self._queue[content]
            self._active[content] = None
            self._active_bytes += assembly.size
            self._begin(assembly)
        if self._has_room():
            self._ask_small(now)
            self._ask_chunks(now)

    def _begin(self, assembly: Assembly) -> None:
        if not assembly.size:
            self._set_ready(assembly)
            return
        try:
            lacking = missing_nodes(assembly.content, self.store.manifest_node)
            if not lacking:
                assembly.chunks = tuple(
                    chunk_list(assembly.content, self.store.manifest_node, expected_size=assembly.size)
                )
                assembly.stage = Stage.PREPARING
                places = tuple(tuple(self.store.find_chunk(chunk.id)) for chunk in assembly.chunks)
                assembly.sources = frozenset(place.path for some in places for place in some)
                self._sources.update(assembly.sources)
                self._out(PrepareTemp(assembly.content, assembly.size, assembly.temp, assembly.chunks, places))
                return
        except (BadPeer, Integrity) as error:  # its author stated a size, or built a tree, that cannot be
            self._fail(assembly, f"its manifest is wrong: {error.message}", final=True)
            return
        assembly.stage = Stage.WHOLE if assembly.size <= MIN_CHUNK else Stage.NODES
        assembly.waiting = False

    def _ask_small(self, now: float) -> None:
        """Whole small files and manifest nodes."""
        batches: dict[tuple[DeviceId, What], Request] = {}
        for content in list(self._active):
            assembly = self._assemblies.get(content)
            if assembly is None or assembly.waiting or assembly.stage not in (Stage.WHOLE, Stage.NODES):
                continue
            if assembly.stage is Stage.WHOLE:
                what, names, cost = What.FILES, [bytes(content)], assembly.size
            else:
                what, cost = What.NODES, NODE_COST
                names = missing_nodes(content, self.store.manifest_node)[:MAX_REQUEST_FILES]
                if not names:  # another content, or the scan of a file of ours, brought the last of them
                    self._begin(assembly)
                    continue
            peer = self._requests.pick(names)
            if peer is None:
                if not self._has_room():
                    break
                continue
            request = batches.get((peer, what))
            if request is None:
                request = batches[peer, what] = Request(peer, what, {}, 0, now)
            for name in names:
                request.wanted.setdefault(name, []).append((content, 0))
            self._requests.grow(request, cost * len(names))
            assembly.waiting = True
            if request.expected >= MAX_REQUEST or len(request.wanted) >= MAX_REQUEST_FILES:
                self._requests.send(batches.pop((peer, what)))
        for request in batches.values():
            self._requests.send(request)

    def _ask_chunks(self, now: float) -> None:
        batches: dict[DeviceId, Request] = {}
        for content in self._active:
            assembly = self._assemblies[content]
            if assembly.stage is not Stage.CHUNKS or not assembly.missing:
                continue
            for index in list(assembly.missing):
                chunk = assembly.chunks[index]
                peer = self._requests.pick([chunk.id])
                if peer is None:
                    if not self._has_room():
                        break
                    continue
                request = batches.get(peer)
                if request is None:
                    request = batches[peer] = Request(peer, What.CHUNKS, {}, 0, now)
                if chunk.id not in request.wanted:
                    self._requests.grow(request, chunk.length)
                request.wanted.setdefault(chunk.id, []).append((content, index))
                del assembly.missing[index]
                assembly.asked.add(index)
                if request.expected >= MAX_REQUEST:
                    self._requests.send(batches.pop(peer))
        for request in batches.values():
            self._requests.send(request)

    def _has_room(self) -> bool:
        return not self._backlog.is_full() and self._requests.has_room()

    # -- inside

    def _take_nodes(self, peer: DeviceId, request: Request, items: Iterable[tuple[bytes, bytes]], now: float) -> None:
        for name, raw in items:
            wanting = request.wanted.pop(name)
            try:
                checked_node(name, raw)
            except (BadPeer, SwarmError) as error:
                self._out(Accuse(peer, f"it sent a bad manifest node: {error.message}"))
                self._lacking.add(peer, (name,), now)
            else:
                self.store.put_manifest_node(name, raw)
            for content, _ in wanting:
                assembly = self._assemblies.get(content)
                if assembly is not None and assembly.stage is Stage.NODES:
                    self._begin(assembly)  # complete, or asks for the next level

    def _unask(self, request: Request, name: bytes) -> None:
        for content, index in request.wanted.pop(name):
            assembly = self._assemblies.get(content)
            if assembly is None:
                continue
            if request.what is What.CHUNKS:
                if index in assembly.asked:
                    assembly.asked.discard(index)
                    assembly.missing[index] = None
            else:
                assembly.waiting = False

    def _unask_all(self, request: Request) -> None:
        for name in list(request.wanted):
            self._unask(request, name)

    def _store(self, assembly: Assembly, size: int) -> None:
        assembly.stored += size
        self.stored_bytes += size

    def _check_ready(self, assembly: Assembly) -> None:
        if not assembly.missing and not assembly.asked:
            self._set_ready(assembly)

    def _set_ready(self, assembly: Assembly) -> None:
        assembly.stage = Stage.READY
        self._leave_active(assembly)
        self._failures.pop(assembly.content, None)
        for path in list(assembly.paths):
            self._ready(path)

    def _fail(self, assembly: Assembly, why: str, final: bool = False) -> None:
        self._failures[assembly.content] += 1
        if not final and self._failures[assembly.content] < MAX_FAILURES:
            self._restart(assembly)
            return
        self._failures.pop(assembly.content, None)
        self._end(assembly)
        for path in assembly.paths:
            self._by_path.pop(path, None)
            self._failed(path, why)

    def _restart(self, assembly: Assembly) -> None:
        self._end(assembly)
        self._assemblies[assembly.content] = Assembly(assembly.content, assembly.size, assembly.paths)
        self._queue[assembly.content] = None

    def _end(self, assembly: Assembly) -> None:
        if self._assemblies.pop(assembly.content, None) is not None:
            self.stored_bytes -= assembly.stored
        self._queue.pop(assembly.content, None)
        self._leave_sources(assembly)
        self._leave_active(assembly)

    def _leave_sources(self, assembly: Assembly) -> None:
        for path in assembly.sources:
            self._sources[path] -= 1
            if not self._sources[path]:
                del self._sources[path]
        assembly.sources = frozenset()

    def _leave_active(self, assembly: Assembly) -> None:
        if assembly.content in self._active:
            del self._active[assembly.content]
            self._active_bytes -= assembly.size
