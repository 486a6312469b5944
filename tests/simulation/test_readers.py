"""Devices that hold the read-only key: they follow, they pass on, and what their users change stays theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.errors import Bug
from swarm.ids import NO_CONTENT, Kind, Origin
from swarm.index import record_codec
from swarm.keys.certificate import Certificate, Introduction
from swarm.keys.chain import FolderKeys
from swarm.keys.role import Role
from swarm.node.report import FolderReport, state_of
from swarm.sync.events import Accuse, HistoryDropped, Received, RevertWanted
from swarm.sync.exchange import RESEND_SECONDS
from swarm.sync.ledger import Value
from swarm.wire.messages import Delta, Introduce
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.device import Device


def with_reader(seed: int = 1, devices: int = 2) -> tuple[World, Device, Device]:
    """A folder made on the first device; the second joins with its read-only key, all others with the write key."""
    world = World(seed, devices)
    world.devices[1].keys = FolderKeys.from_printed(world.keys.printed(Role.READ))
    world.devices[0].start(created=True)
    for device in world.devices[1:]:
        device.start()
    world.connect_all()
    return world, world.devices[0], world.devices[1]


def changes(device: Device) -> list[str]:
    assert device.folder is not None
    return sorted(device.folder.changes)


def history(device: Device) -> list[bytes]:
    return sorted(
        data for _, data in device.files.tree(".swarm/history", ours=True).values() if isinstance(data, bytes)
    )


def rest(world: World, seconds: float = 10.0) -> None:
    """Lets every device notice what its user did, and then come to rest."""
    world.run(seconds)
    world.settle()


def test_a_reader_follows_what_writers_do() -> None:
    world, writer, reader = with_reader()
    writer.mkdir("d")
    writer.write("d/a.txt", b"first")
    writer.write("large.bin", world.rng.randbytes(3_000_000))
    rest(world)
    assert reader.tree() == writer.tree()
    writer.write("d/a.txt", b"second")
    writer.rename("large.bin", "d/larger.bin")
    rest(world)
    assert reader.tree() == writer.tree()
    assert changes(reader) == []
    assert world.accusations == []


def test_a_reader_passes_records_and_content_on_between_writers_that_never_meet() -> None:
    world, writer, _ = with_reader(devices=3)
    other = world.devices[2]
    world.cut(writer, other)
    writer.write("a.bin", data := world.rng.randbytes(2_000_000))
    rest(world)
    assert other.read("a.bin") == data
    other.write("b.txt", b"from the other")
    rest(world)
    assert writer.read("b.txt") == b"from the other"
    assert world.accusations == []


def test_what_a_reader_changes_stays_on_its_device_and_no_record_is_made() -> None:
    world, writer, reader = with_reader()
    for name in ("edited", "deleted", "renamed", "left"):
        writer.write(f"{name}.txt", name.encode())
    rest(world)
    before = writer.tree()
    reader.write("edited.txt", b"my own words")
    reader.write("new.txt", b"mine")
    reader.remove("deleted.txt")
    reader.rename("renamed.txt", "other name.txt")
    reader.mkdir("made")
    rest(world)
    mine = reader.tree()
    assert writer.tree() == before
    assert reader.read("edited.txt") == b"my own words"
    assert "deleted.txt" not in mine
    assert changes(reader) == ["deleted.txt", "edited.txt", "made", "new.txt", "other name.txt", "renamed.txt"]
    assert reader.folder is not None
    assert reader.folder.ledger.seq == 0
    status = reader.folder.status()
    assert (status.local_changes, status.need_files, status.cannot_count) == (6, 0, 0)
    rest(world, 200)
    assert reader.tree() == mine
    writer.write("left.txt", b"goes on")
    rest(world)
    assert reader.read("left.txt") == b"goes on"
    assert reader.read("edited.txt") == b"my own words"


def test_local_changes_survive_a_restart_and_are_found_if_made_while_swarm_was_away() -> None:
    world, writer, reader = with_reader()
    writer.write("a.txt", b"a")
    writer.write("b.txt", b"b")
    rest(world)
    reader.write("a.txt", b"changed while it ran")
    rest(world)
    reader.stop()
    reader.write("b.txt", b"changed while it did not")
    reader.start()
    world.connect(writer, reader)
    rest(world)
    assert changes(reader) == ["a.txt", "b.txt"]
    assert reader.read("a.txt") == b"changed while it ran"
    assert reader.read("b.txt") == b"changed while it did not"


def test_an_incoming_version_takes_its_place_and_the_local_one_goes_to_history() -> None:
    world, writer, reader = with_reader()
    writer.write("a.txt", b"first")
    writer.write("gone.txt", b"gone")
    writer.write("deleted.txt", b"once")
    rest(world)
    reader.write("a.txt", b"my own words")
    reader.write("gone.txt", b"my own, too")
    reader.write("new.txt", b"mine")
    reader.remove("deleted.txt")
    rest(world)
    writer.write("a.txt", b"second")
    writer.remove("gone.txt")
    writer.write("new.txt", b"theirs")
    writer.write("deleted.txt", b"twice")
    rest(world)
    assert reader.tree() == writer.tree()
    assert changes(reader) == []
    assert {b"my own words", b"my own, too", b"mine"} <= set(history(reader))


def test_an_edit_made_just_before_a_version_arrives_is_in_history() -> None:
    world, writer, reader = with_reader()
    writer.write("a.txt", b"first")
    rest(world)
    writer.write("a.txt", b"second")
    reader.write("a.txt", b"my own words")
    rest(world)
    assert reader.read("a.txt") == b"second"
    assert b"my own words" in history(reader)


def test_revert_puts_the_folders_version_back_and_the_local_ones_into_history() -> None:
    world, writer, reader = with_reader()
    writer.mkdir("d")
    for name in ("a.txt", "d/b.txt", "d/c.txt"):
        writer.write(name, name.encode())
    rest(world)
    reader.write("a.txt", b"my a")
    reader.write("d/b.txt", b"my b")
    reader.remove("d/c.txt")
    reader.mkdir("d/mine")
    reader.write("d/mine/new.txt", b"my new")
    rest(world)
    reader.post(RevertWanted("d"))
    rest(world)
    assert changes(reader) == ["a.txt"]
    assert reader.read("a.txt") == b"my a"
    reader.post(RevertWanted(""))
    rest(world)
    assert changes(reader) == []
    assert reader.tree() == writer.tree()
    assert {b"my a", b"my b", b"my new"} <= set(history(reader))


def test_putting_a_file_back_by_hand_ends_the_change() -> None:
    world, writer, reader = with_reader()
    writer.write("a.txt", b"first")
    rest(world)
    reader.rename("a.txt", "b.txt")
    rest(world)
    assert changes(reader) == ["a.txt", "b.txt"]
    reader.rename("b.txt", "a.txt")
    rest(world)
    assert changes(reader) == []
    assert reader.tree() == writer.tree()


def test_a_directory_that_a_reader_deleted_comes_back_with_what_is_new_in_it() -> None:
    world, writer, reader = with_reader()
    writer.mkdir("d")
    writer.write("d/old.txt", b"old")
    rest(world)
    reader.remove("d")
    rest(world)
    assert changes(reader) == ["d", "d/old.txt"]
    writer.write("d/new.txt", b"new")
    rest(world)
    assert reader.read("d/new.txt") == b"new"
    assert changes(reader) == ["d/old.txt"]


def test_a_file_made_in_a_directory_that_is_deleted_elsewhere_keeps_it() -> None:
    world, writer, reader = with_reader()
    writer.mkdir("d")
    writer.write("d/theirs.txt", b"theirs")
    rest(world)
    reader.write("d/mine.txt", b"mine")
    rest(world)
    writer.remove("d")
    rest(world)
    assert set(reader.tree()) == {"d", "d/mine.txt"}
    assert changes(reader) == ["d", "d/mine.txt"]
    reader.post(RevertWanted(""))
    rest(world)
    assert reader.tree() == {}
    assert b"mine" in history(reader)


def test_a_directory_made_where_a_file_arrives_gives_way_with_all_that_is_in_it() -> None:
    world, writer, reader = with_reader()
    world.settle()
    reader.mkdir("x")
    reader.write("x/mine.txt", b"mine")
    rest(world)
    assert changes(reader) == ["x", "x/mine.txt"]
    writer.write("x", b"a file")
    rest(world)
    assert reader.read("x") == b"a file"
    assert changes(reader) == []
    assert b"mine" in history(reader)


def test_a_file_made_where_a_directory_arrives_gives_way() -> None:
    world, writer, reader = with_reader()
    writer.mkdir("d")
    writer.write("d/a.txt", b"a")
    rest(world)
    reader.remove("d")
    reader.write("d", b"a file of mine")
    rest(world)
    assert changes(reader) == ["d", "d/a.txt"]
    writer.write("d/b.txt", b"b")
    rest(world)
    assert reader.read("d/b.txt") == b"b"
    assert b"a file of mine" in history(reader)


def test_a_readers_own_file_is_never_renamed_away_for_somebody_elses() -> None:
    world, writer, reader = with_reader()
    writer.write("a.txt", b"the very same")
    rest(world)
    reader.rename("a.txt", "mine.txt")
    rest(world)
    writer.rename("a.txt", "theirs.txt")
    rest(world)
    assert reader.read("theirs.txt") == b"the very same"
    assert reader.read("mine.txt") == b"the very same"
    assert changes(reader) == ["mine.txt"]


def test_a_reader_that_joins_with_files_gets_the_folders_and_its_own_are_in_history() -> None:
    world = World(4, 2)
    writer, reader = world.devices
    reader.keys = FolderKeys.from_printed(world.keys.printed(Role.READ))
    writer.write("same.txt", b"same")
    writer.write("differ.txt", b"of the writer")
    reader.write("same.txt", b"same")
    reader.write("differ.txt", b"of the reader")
    reader.write("only mine.txt", b"mine")
    writer.start(created=True)
    reader.start()
    world.connect_all()
    rest(world)
    assert reader.read("differ.txt") == b"of the writer"
    assert history(reader) == [b"of the reader"]
    assert changes(reader) == ["only mine.txt"]
    assert set(writer.tree()) == {"same.txt", "differ.txt"}


def test_a_reader_that_lost_its_database_catches_up_again() -> None:
    from swarm.sync.memory_store import MemoryStore

    world, writer, reader = with_reader()
    writer.write("a.txt", b"first")
    writer.write("b.txt", b"b")
    rest(world)
    reader.stop()
    reader.store = MemoryStore()
    writer.write("a.txt", b"second")
    world.run(5)
    reader.start()
    world.connect(writer, reader)
    rest(world)
    assert reader.tree() == writer.tree()
    assert changes(reader) == []


def test_a_readers_engine_never_makes_a_record() -> None:
    world, writer, reader = with_reader()
    world.settle()
    assert reader.folder is not None
    with pytest.raises(Bug):
        reader.folder.ledger.write("a.txt", Value(Kind.FILE), None, 0)
    with pytest.raises(Bug):
        Certificate.issue(reader.keys, reader.id, Role.WRITE)
    assert writer.folder is not None
    assert set(reader.folder.ledger.clock) == set(writer.folder.ledger.clock)


@pytest.mark.parametrize("how", ["not introduced", "with a reader's certificate", "in a writer's name"])
def test_a_forged_record_is_refused_and_its_sender_named(how: str) -> None:
    """A reader knows every key but the one that certifies: it can seal a record, and sign it as the device it is."""
    world, writer, reader = with_reader()
    writer.write("a.txt", b"first")
    world.settle()
    assert writer.folder is not None
    genuine = writer.folder.ledger.origin
    origin = Origin(b"\x07" * 16) if how == "not introduced" else genuine
    said: list[object] = []
    if how == "with a reader's certificate":
        certificate = Certificate.issue(world.keys, reader.id, Role.READ)
        with pytest.raises(Bug):
            Introduction.issue(certificate, reader.key, 5)
        raw = bytearray(Introduction.issue(Certificate.issue(world.keys, reader.id, Role.WRITE), reader.key, 5).raw)
        raw[1 : 1 + len(certificate.raw)] = certificate.raw
        said.append(Introduce(world.keys.folder_id, (bytes(raw),)))
    else:
        draft = record_codec.Draft(
            origin=origin,
            seq=writer.folder.ledger.seq + 1,
            context=(),
            tombstone=True,
            content=NO_CONTENT,
            path="a.txt",
            kind=Kind.FILE,
            size=0,
            mode=0,
            mtime_ns=0,
            hlc=writer.wall_ms(),
            device_name="mallory",
            target="",
            moved="",
        )
        record = record_codec.author(draft, reader.keys, reader.key)
        seq = writer.folder.ledger.seq
        said.append(Delta(world.keys.folder_id, origin, seq, seq + 1, (record.raw,)))
    now = world.now + RESEND_SECONDS  # earlier, an engine before this one may have been told whose it is
    effects = writer.folder.step([Received(reader.id, message) for message in said], now, writer.wall_ms())
    assert [effect.peer for effect in effects if isinstance(effect, Accuse)] == [reader.id]
    assert [record.tombstone for record in writer.folder.ledger.register("a.txt")] == [False]


def meddle(world: World, device: Device, mark: str) -> None:
    """Somebody does one thing in the folder."""
    names = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "x"]
    path = world.rng.choice(names)
    try:
        match world.rng.randrange(6):
            case 0 | 1 | 2:
                device.write(path, f"{mark} {world.rng.randrange(4)}".encode())
            case 3:
                device.mkdir(path)
            case 4:
                device.remove(path)
            case _:
                device.rename(path, world.rng.choice(names))
    except OSError:
        return  # it cannot be done just now


@pytest.mark.parametrize("seed", [*range(12), 390, 6499])
def test_whatever_both_do_nothing_of_a_reader_gets_out_nothing_is_lost_and_revert_makes_all_equal(seed: int) -> None:
    world, writer, reader = with_reader(seed)
    rest(world)
    for _ in range(6):
        apart = world.rng.random() < 0.4
        if apart:
            world.cut(writer, reader)
        for _ in range(world.rng.randrange(1, 5)):
            meddle(world, writer, "writer")
            meddle(world, reader, "reader")
            world.run(world.rng.choice([0.0, 0.01, 0.1, 1.0, 3.0]))
        if world.rng.random() < 0.2:
            reader.stop()
            meddle(world, reader, "reader")
            reader.start()
            apart = True
        if apart:
            world.run(3)
            world.connect(writer, reader)
        rest(world)
        assert not [data for data in writer.contents() if data.startswith(b"reader")]
        mine = {data for data in reader.contents() if data.startswith(b"reader")}
        assert bool(mine) <= bool(changes(reader))
    before = {data for data in reader.contents() if data.startswith(b"reader")}
    reader.post(RevertWanted(""))
    rest(world)
    assert changes(reader) == []
    assert reader.tree() == writer.tree()
    assert before <= set(history(reader))
    assert world.accusations == []


def test_the_status_of_a_changed_reader_says_so_and_is_not_in_sync() -> None:
    world, writer, reader = with_reader()
    writer.write("a.txt", b"first")
    rest(world)

    def state() -> tuple[str, str | None]:
        assert reader.folder is not None
        return state_of(FolderReport("00", "Docs", "/d", "read", reader.folder.status(), None, "", {}, {}))

    assert state() == ("in-sync", None)
    reader.write("a.txt", b"mine")
    rest(world)
    name, why = state()
    assert name == "held"
    assert why is not None
    assert why.startswith("1 local change,")
    world.cut(writer, reader)
    world.run(1)
    assert state()[0] == "waiting"


def test_chunks_of_what_history_let_go_are_forgotten() -> None:
    world, writer, reader = with_reader()
    writer.write("a.bin", first := world.rng.randbytes(200_000))
    rest(world)
    assert reader.folder is not None
    writer.write("a.bin", world.rng.randbytes(200_000))
    rest(world)
    [place] = [path for path, (_, data) in reader.files.tree("", ours=True).items() if data == first]
    assert place in reader.store._chunks
    reader.post(HistoryDropped((place, ".swarm/history/never was")))
    rest(world)
    assert place not in reader.store._chunks
