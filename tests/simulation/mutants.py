"""The mutants: changes of the program that each break one promise. An oracle that lets one pass is to be mended.

A mutant is a piece of source replaced by another before its module is imported. The piece must be there exactly once:
a mutant that has lost its place says so, instead of proving nothing.
"""

# ruff: noqa: E501
from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the program."""

    name: str
    what: str  # what it does wrong
    module: str
    old: str
    new: str
    kinds: tuple[str, ...] = ()  # of schedules that may convict it; () for all

    def apply(self) -> None:
        """Before the module is imported."""
        if self.module in sys.modules:
            raise RuntimeError(f"{self.module} was imported too early")
        sys.meta_path.insert(0, _Finder(self))

    def change(self, source: str) -> str:
        """Raises ValueError where the piece is not there exactly once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.name}: its piece is {source.count(self.old)} times in {self.module}")
        return source.replace(self.old, self.new)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=_Loader(fullname, self.mutant))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, mutant: Mutant) -> None:
        spec = importlib.machinery.PathFinder.find_spec(name, sys.modules[name.rpartition(".")[0]].__path__)
        assert spec is not None
        assert spec.origin is not None
        super().__init__(name, spec.origin)
        self.mutant = mutant

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        with open(self.path, encoding="utf-8") as file:
            return compile(self.mutant.change(file.read()), self.path, "exec", dont_inherit=True)


D, S, X = "swarm.disk.", "swarm.sync.", "swarm.index."
ALL: tuple[str, ...] = ()
PLAIN, CRASH, DISK = ("plain",), ("crash",), ("disk",)
BASES = ("database", "everything")

# fmt: off
MUTANTS: tuple[Mutant, ...] = tuple(
    Mutant(*row)
    for row in (
        # -- the disk
        ("directories not synced", "tells of names that are not durable", D + "placement",
         "self.files.sync_directory(directory)", "pass", PLAIN),
        ("parents not synced", "forgets that the directory above may be new", D + "placement",
         "in _with_all_above(self.touched)", "in dict(self.touched)", ALL),
        ("temps not synced", "shows bytes that are not durable", D + "finisher",
         "                    writer.sync()", "                    pass", PLAIN),
        ("syncs nothing after metadata", "reports a mode that is not durable", D + "placement",
         "        self.files.sync_all()\n        self.metadata_changed = False", "        self.metadata_changed = False", ALL),
        ("no look before", "installs without looking what is there", D + "placement",
         "if not _alike(stat, expected) or stat.ctime_ns != expected.ctime_ns:", "if stat.kind is Kind.DIRECTORY:", PLAIN),
        ("no look after the exchange", "takes what came out for what was expected", D + "placement",
         "        if self._is(place, expected):\n            self._may_be_late(path, place)\n            return place",
         "        if True:\n            self._may_be_late(path, place)\n            return place", PLAIN),
        ("fill replaces", "renames over what has appeared", D + "placement",
         "        self.files.rename_noreplace(temp, path)\n        self._touch(path)\n\n    def replace",
         "        self.files.rename(temp, path)\n        self._touch(path)\n\n    def replace", PLAIN),
        ("no history", "removes what it replaced", D + "placement",
         "            self._may_be_late(path, place)\n            return place\n        raise self._put_back(",
         "            self.files.unlink(place)\n            return ''\n        raise self._put_back(", PLAIN),
        ("removes for good", "a remote deletion deletes", D + "installer",
         "return _Achieved(None, self.placement.displace(path, expected))",
         "return (self.files.unlink(path), _Achieved(None))[1]", PLAIN),
        ("does not put back", "keeps a user's raced edit in history", D + "placement",
         "        raise self._put_back(place, path, temp, made, expected)", "        raise Raced", PLAIN),
        ("hides what it has shown", "a new file in its place is no word where the old one cannot be seen", D + "placement",
         "return Unseen(place, sentence(error))", "return Raced(place)", PLAIN),
        ("reports the user's bytes as ours", "takes what is there for what was installed", D + "installer",
         "        if replace(now, ctime_ns=NEVER, device=made.device) != ours:\n            return ours",
         "        if now.kind is Kind.FILE:\n            return now", PLAIN),
        ("serves without hashing", "sends what is at the place", D + "sender",
         "if len(data) != place.length or chunk_id(self._chunk_key, data) != chunk:", "if False:", PLAIN),
        ("stores files without hashing", "believes a peer's bytes", D + "assembler",
         "        if name != content:", "        if False:", ("liars",)),
        ("stores chunks without hashing", "believes a peer's chunks", D + "assembler",
         "if len(data) != chunk.length or chunk_id(chunk_key, data) != chunk.id:", "if False:", ("liars",)),
        ("prepares without hashing", "believes what an earlier run left", D + "assembler",
         "if len(data) == chunk.length and chunk_id(chunk_key, data) == chunk.id:", "if len(data) == chunk.length:",
         ("crash", "disk", "everything")),
        ("scan ignores health altogether", "takes an unmounted folder for an empty one", D + "scanner",
         "    if why := healthy():\n        return ScanFailed(directory, False, why)\n    if debt",
         "    healthy = lambda: ''\n    if debt", DISK),
        ("unreadable is empty", "takes an error for an empty directory", D + "scanner",
         "    if failure is not None:", "    if failure is not None and is_elsewhere(failure):", DISK),
        ("no first look", "lists a disk that is away, and then back", D + "scanner",
         "    if why := healthy():\n        return ScanFailed(directory, False, why)\n    if debt", "    if debt", DISK),
        ("no second look", "lists a disk that was there, and then away", D + "scanner",
         "        failure = error\n    if why := healthy():\n        return ScanFailed(directory, False, why)\n",
         "        failure = error\n", DISK),
        ("believes a young time", "takes a user's write in the same second for ours", D + "installer",
         "if content is not None and doubtful and not", "if content is not None and False and not", PLAIN),
        ("does not read what came out", "takes a write in the same second for the expected file", D + "placement",
         "        return not self.is_fresh(stat.mtime_ns) or self.holds(path, stat, expected)", "        return True", PLAIN),
        # -- the engine
        ("context from received", "an edit covers what was only received", S + "ledger",
         "context = version.context_of(covered, base.installed if base is not None else ())",
         "context = version.context_of(register, base.installed if base is not None else ())", PLAIN),
        ("no materialising", "an edit covers conflict copies", S + "ledger",
         "            self._materialise(entry, wall)\n        self._keep_own_winner", "        self._keep_own_winner", PLAIN),
        ("fresh file not read again", "misses a write in the same tick", S + "observer",
         "RACY_NS = 10_000_000", "RACY_NS = -1", PLAIN),
        ("adopts any content", "takes what is here for what the index says", S + "found",
         "and record.content == found.content", "and record.size == found.stat.size", ALL),
        ("no hold", "a lost database says at once what is here", S + "folder",
         'store.put("holding", b"1")', "pass", BASES),
        ("no new life", "goes on in a feed that others know better", S + "life",
         "        if known <= min(ledger.seq, self._told(ledger)):", "        if True:", BASES),
        ("gap moves the clock", "what was lost on the way is never asked for", S + "exchange",
         "        if message.after > self.ledger.clock.get(origin, 0):", "        if False:", ("network",)),
        ("clock as evidence", "a clock removes what it covers and the sender did not send", S + "exchange",
         "        if origin == self.ledger.origin:\n            return  # nobody",
         "        sent = {record.hash for record in records}\n"
         "        for stale in self.store.records_after(origin, message.after, 512):\n"
         "            if stale.seq <= message.upto and stale.hash not in sent:\n"
         "                self.store.put_register(stale.key, ())\n"
         "        if origin == self.ledger.origin:\n            return  # nobody", ("network", "liars", "everything")),
        ("last writer wins", "the clock on the wall decides a merge", X + "version",
         "    return new.covers(old.dot) and not old.covers(new.dot)", "    return new.hlc > old.hlc", PLAIN),
        ("deletion beats edit", "a tombstone wins", X + "view",
         "        if not record.tombstone:\n            values.setdefault",
         "        if not any(other.tombstone for other in register):\n            values.setdefault", PLAIN),
        ("losers vanish", "a conflict shows no copy", X + "view",
         "    for loser in losers:\n        copy = _place", "    for loser in ():\n        copy = _place", PLAIN),
        ("a directory loses to a file", "a file takes a directory's name", X + "view",
         "    if directory:\n        return None, values\n", "", PLAIN),
        ("unsigned is fine", "believes forged records", S + "exchange",
         "        if not all(self._verify(signed)):", "        if False:", ("liars",)),
        ("tells before the commit", "a crash forgets what was told", S + "folder",
         "        self.store.commit()\n        if self._pending_barrier", "        if self._pending_barrier", CRASH),
        ("moves without looking", "a rename takes whatever is at the old name", D + "placement",
         "        self._take(source, expected, place)\n", "        self.files.rename(source, place)\n        self._touch(source)\n",
         PLAIN),
        # -- what the database refuses, and what a run leaves that ended before its commit
        ("forgets its intentions", "takes its own deeds of an earlier run for the user's", S + "folder",
         "        self.intents.note()", "        pass", ("store", "crash")),
        ("deletes what was superseded", "signs the deletion of what was never here", S + "observer",
         "not doubtful and self.ledger.has_live(path, before.installed)",
         "any(not record.tombstone for record in self.ledger.register(path))", ("store", "short", "crash")),
        ("goes on without its database", "says what was not committed", S + "folder",
         "        self.intents.note()\n        self.store.commit()\n",
         "        self.intents.note()\n        try:\n            self.store.commit()\n        except Exception:\n            pass\n",
         ("store",)),
        ("trusts what was gathered", "takes temps for whole when a disk comes back", S + "folder",
         "                    self.fetcher.distrust()\n", "", ("disk",)),
        ("blames the manifest", "takes the database's refusal for a wrong manifest", S + "fetcher",
         "except (BadPeer, Integrity) as error:  # its", "except SwarmError as error:  # its", ("store",)),
        ("signs as another does", "goes on in a life that a copy of the machine leads too", S + "exchange",
         "            self.doubles.append(record)", "            pass", ("clones",)),
        ("tells anew what it told", "an old copy says again what members may have superseded", S + "folder",
         "        self.life.open(self.ledger)\n", "", ("database",)),
        ("old news is new", "what an old copy says again is newer than its edits", S + "ledger",
         "moved, hlc=orphan.hlc)", "moved)", ("database",)),
        ("a copy goes on", "a database that knows that it was copied begins no new life", S + "life",
         "        if not new and known is not None:", "        if known is not None:", ("clones",)),
        # -- what is there, and what lasts
        ("any marker will do", "works in another folder that stands in the place of this one", D + "marker",
         "    if _parsed(sight.text) != folder:", "    if False:", ("marker",)),
        ("no marker will do", "works in an empty directory that stands in the folder's place", D + "marker",
         "    if sight.text is None:\n        raise", "    if sight.text is None:\n        return sight.place\n    if False:\n        raise",
         ("marker", "disk")),
        ("welcomes nobody", "never works again in a folder that was away", D + "presence",
         "        self._place = self._found\n        self.away = \"\"\n", "        self._place = self._found\n", ("marker", "disk")),
        ("pays no debt", "takes for held what an earlier run put there and a power cut takes", D + "debt",
         "        if self._owing:", "        if False:", ("crash", "short", "threads", "store")),
        ("syncs once more", "believes a second sync after one that failed", D + "finisher",
         "                    drop(self.files, temp)\n                    raise Refused(sentence(error)) from error",
         "                    writer.sync()", ("short",)),
        ("half a chunk is a chunk", "takes a write that ended early for a whole one", D + "assembler",
         "                why = _temp_trouble(error)\n                refused.append((content, index))\n                continue",
         "                pass", ("short",)),
        ("temps beside the marker", "leaves the places that are its own", S + "assembly",
         "{OURS}/tmp/", "{OURS}/", PLAIN),
        # -- members that lie about what they have
        ("any node will do", "takes another manifest for the one that it asked for", "swarm.content.manifest",
         "    if node_id(raw) != name:", "    if False:", ("falsehoods",)),
        ("any size will do", "believes the size that a record says", "swarm.content.manifest",
         "    if offset != expected_size:", "    if False:", ("falsehoods",)),
        # -- what was wrong once
        ("a directory made anew", "does not learn the new inode", S + "observer",
         "(local.mode != stat.mode or local.inode != stat.inode)", "local.mode != stat.mode", PLAIN),
        ("keeps what was written over", "an edit keeps its own base as a conflict copy", S + "ledger",
         "            if base is not None and version.context_covers(base.installed, entry.record.dot):\n                continue",
         "            if False:\n                continue", PLAIN),
        ("adopts over a live version", "says nothing when an edit meets an equal version", S + "adoption",
         "    if _wrote_over(ledger, path, found, local):", "    if False:", PLAIN),
        ("a ready temp is forgotten", "waits for what is there", S + "fetcher",
         "        if self._by_path.get(path) != content:\n            self.forget(path)",
         "        if self._by_path.get(path) == content:\n            return\n        if True:\n            self.forget(path)", PLAIN),
        ("brings back what was moved and deleted", "does a move again", D + "placement",
         "        self._touch(path)  # and no look", "        self.files.stat(path)\n        self._touch(path)  # and no look", PLAIN),
        ("takes back what was moved and written over", "gives a user's edit another name", D + "placement",
         "        self._touch(path)  # and no look",
         "        if not self._is(path, expected) and self._return(path, source):\n"
         "            raise Raced\n        self._touch(path)  # and no look", PLAIN),
        ("believes in equal bytes", "takes a version for installed where nobody looked", S + "planner",
         "                return Need(entry, installed)  # of another",
         "                if not self._metadata_differs(record, local):\n"
         "                    self.store.put_local(path, replace(local, installed=installed, copy_of=copy_of))\n"
         "                    return None\n"
         "                return Need(entry, installed)  # of another", PLAIN),
        ("installs where nobody knows", "puts things below a directory that is missing", S + "folder",
         "return self.observer.missing.above(path)", 'return ""', ("personality",)),
        ("believes a stat", "takes what a writer has just closed for what it was", S + "observer",
         "            if written and hides_writes(stat, wall):", "            if False:", PLAIN),
        ("holds what is gone", "tells what its user removed before anybody was heard", S + "observer",
         "        self._held.listed(directory, event.entries)\n", "", ("database",)),
        ("forgets what it told", "takes what others know of another life for its own", S + "life",
         "min(ledger.seq, self._told(ledger))", "ledger.seq", BASES),
        ("asks for ever", "asks again at every State for what nobody has", S + "lacking",
         "        if state != member.said:", "        if True:", ("database",)),
        ("never reads history", "a lost database forgets what is in history", S + "folder",
         "            self.archive.tick()", "            pass", ("database",)),
        ("falls over a liar's context", "supersedes itself", S + "ledger",
         "if origin != self.origin else (origin, min(seq, self._seq))", "if True else (origin, seq)", ("liars",)),
        ("never reads again", "what could not be read once is never read", S + "observer",
         "            self._unread.setdefault(parent_of(event.path), (now + UNREAD_AGAIN, False))\n", "", DISK),
        ("takes a name for its double", "lets a disk give a name back as another", S + "abilities",
         "    if traits.decomposes and", "    if False and", ("decomposed",)),
        ("says need is nothing", "reports identical before it is", S + "planner",
         "        return len(self._needs) + len(self._running)", "        return 0", ALL),
    )
)
