"""The main job, in virtual time: what two people do to one folder, and what must come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.sync import planner
from swarm.sync.events import Run
from tests.simulation.world import World, two_devices

if TYPE_CHECKING:
    from swarm.sync.events import Effect


def test_a_new_file_appears_on_the_other_side() -> None:
    world, one, other = two_devices()
    world.settle()
    one.write("hello.txt", b"hello")
    world.settle()
    assert other.read("hello.txt") == b"hello"
    assert one.tree() == other.tree()


def test_large_files_arrive_in_chunks() -> None:
    world, one, other = two_devices()
    data = world.rng.randbytes(3_000_000)
    one.write("large.bin", data)
    world.settle()
    assert other.read("large.bin") == data


def test_an_edit_in_the_middle_sends_only_what_changed() -> None:
    world, one, other = two_devices()
    data = bytearray(world.rng.randbytes(8_000_000))
    one.write("large.bin", bytes(data))
    world.settle()
    assert other.folder is not None
    before = other.folder.fetcher.fetched_bytes
    data[4_000_000:4_000_100] = b"x" * 100
    one.write("large.bin", bytes(data))
    world.settle()
    assert other.read("large.bin") == bytes(data)
    assert other.folder.fetcher.fetched_bytes - before < 800_000


def test_directories_empty_ones_too_and_their_removal() -> None:
    world, one, other = two_devices()
    one.mkdir("a")
    one.mkdir("a/b")
    one.write("a/b/c.txt", b"c")
    one.mkdir("empty")
    world.settle()
    assert one.tree() == other.tree()
    other.remove("a")
    world.settle()
    assert one.tree() == other.tree()
    assert "a" not in one.tree()
    assert "empty" in one.tree()


def test_a_deleted_file_goes_and_its_content_is_in_history() -> None:
    world, one, other = two_devices()
    one.write("a.txt", b"precious")
    world.settle()
    one.remove("a.txt")
    world.settle()
    assert "a.txt" not in other.tree()
    kept = other.files.tree(".swarm/history", ours=True)
    assert any(data == b"precious" for _, data in kept.values())


def test_a_rename_sends_no_content() -> None:
    world, one, other = two_devices()
    one.mkdir("d")
    for number in range(5):
        one.write(f"d/{number}", world.rng.randbytes(50_000))
    world.settle()
    assert other.folder is not None
    before = other.folder.fetcher.fetched_bytes
    one.rename("d", "e")
    world.settle()
    assert one.tree() == other.tree()
    assert other.folder.fetcher.fetched_bytes == before


def test_edits_on_both_sides_while_apart_keep_both_contents() -> None:
    world, one, other = two_devices()
    one.write("a.txt", b"first")
    world.settle()
    world.cut(one, other)
    one.write("a.txt", b"edited by one")
    other.write("a.txt", b"edited by other!")
    world.run(5)
    world.connect(one, other)
    world.settle()
    assert one.tree() == other.tree()
    assert one.contents() == sorted([b"edited by one", b"edited by other!"])


def test_an_edit_beats_a_deletion() -> None:
    world, one, other = two_devices()
    one.write("a.txt", b"first")
    world.settle()
    world.cut(one, other)
    one.remove("a.txt")
    other.write("a.txt", b"edited")
    world.run(5)
    world.connect(one, other)
    world.settle()
    assert one.read("a.txt") == b"edited"
    assert one.tree() == other.tree()


def test_a_file_replaced_by_a_directory_and_back() -> None:
    world, one, other = two_devices()
    one.write("x", b"a file")
    world.settle()
    one.remove("x")
    one.mkdir("x")
    one.write("x/inside", b"deep")
    world.settle()
    assert other.read("x/inside") == b"deep"
    other.remove("x")
    other.write("x", b"a file again")
    world.settle()
    assert one.read("x") == b"a file again"
    assert one.tree() == other.tree()


def test_two_folders_with_files_are_merged_and_nothing_is_lost() -> None:
    world = World(3, 2)
    one, other = world.devices
    one.write("same.txt", b"same")
    one.write("differ.txt", b"of one")
    one.write("only-one.txt", b"1")
    other.write("same.txt", b"same")
    other.write("differ.txt", b"of the other")
    other.write("only-other.txt", b"2")
    one.start(created=True)
    other.start()
    world.run(5)
    world.connect_all()
    world.settle()
    assert one.tree() == other.tree()
    assert one.contents() == sorted([b"same", b"of one", b"of the other", b"1", b"2"])


def test_editing_a_conflict_copy_makes_it_a_file_of_its_own() -> None:
    world, one, other = two_devices()
    one.write("a.txt", b"first")
    world.settle()
    world.cut(one, other)
    one.write("a.txt", b"edited by one")
    other.write("a.txt", b"edited by other!")
    world.run(5)
    world.connect(one, other)
    world.settle()
    [copy] = [path for path in one.tree() if "conflict" in path]
    winner = one.read("a.txt")
    one.write(copy, b"the copy, edited")
    world.settle()
    assert one.tree() == other.tree()
    assert other.read(copy) == b"the copy, edited"
    assert other.read("a.txt") == winner
    other.remove(copy)
    world.settle()
    assert one.tree() == other.tree()
    assert set(one.tree()) == {"a.txt"}


def test_deleting_a_conflict_copy_deletes_it_everywhere() -> None:
    world, one, other = two_devices()
    one.write("a.txt", b"first")
    world.settle()
    world.cut(one, other)
    one.write("a.txt", b"edited by one")
    other.write("a.txt", b"edited by other!")
    world.run(5)
    world.connect(one, other)
    world.settle()
    [copy] = [path for path in one.tree() if "conflict" in path]
    other.remove(copy)
    world.settle()
    assert set(one.tree()) == set(other.tree()) == {"a.txt"}


def test_a_killed_device_goes_on_where_it_was() -> None:
    world, one, other = two_devices()
    data = world.rng.randbytes(20_000_000)
    one.write("large.bin", data)
    assert other.folder is not None
    while other.folder.fetcher.fetched_bytes < 8_000_000:
        world.run(0.005)
    fetched = other.folder.fetcher.fetched_bytes
    other.stop()
    world.run(1)
    other.start()
    world.connect(one, other)
    world.settle()
    assert other.read("large.bin") == data
    assert other.folder is not None
    assert other.folder.fetcher.fetched_bytes < len(data) - fetched + 9_000_000


def test_a_lost_database_comes_back_without_content_or_deletions() -> None:
    from swarm.sync.memory_store import MemoryStore

    world, one, other = two_devices()
    for number in range(40):
        one.write(f"{number}.txt", world.rng.randbytes(1000))
    world.settle()
    before = one.tree()
    other.stop()
    other.store = MemoryStore()
    other.start()
    world.run(5)
    world.connect(one, other)
    world.settle()
    assert one.tree() == other.tree() == before
    assert other.folder is not None
    assert other.folder.fetcher.fetched_bytes == 0


@pytest.mark.parametrize("seed", range(3))
def test_eight_devices_converge(seed: int) -> None:
    world = World(seed, 8)
    world.devices[0].start(created=True)
    for device in world.devices[1:]:
        device.start()
    world.connect_all()
    for number, device in enumerate(world.devices):
        device.write(f"by-{number}.txt", f"{number}".encode())
        device.write("shared.txt", f"version {number}".encode())
    world.settle()
    assert all(device.tree() == world.devices[0].tree() for device in world.devices)
    assert len(world.devices[0].contents()) == 16


def test_the_same_seed_gives_the_same_trace() -> None:
    def run() -> list[str]:
        world, one, other = two_devices(seed=11)
        one.write("a", b"a")
        other.write("b", b"b")
        world.settle()
        return world.trace

    assert run() == run()


def test_a_directory_of_a_thousand_files_is_renamed_in_a_few_steps_and_messages() -> None:
    world, one, other = two_devices()
    for number in range(1000):
        one.write(f"d/{number % 20}/{number}", b"%d" % number)
    world.settle()
    before = dict(world.network.messages)
    assert other.folder is not None
    fetched = other.folder.fetcher.fetched_bytes
    one.rename("d", "e")
    began = world.now
    world.settle()
    assert world.now - began < 1.5, "nobody waits for a deletion to be believed that was our own"
    assert one.tree() == other.tree()
    assert other.read("e/1/1") == b"1"
    assert other.folder.fetcher.fetched_bytes == fetched
    assert world.network.messages["State"] - before["State"] < 40


def test_the_installer_has_the_next_group_while_it_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the disk waits for the database and the database for the disk, group by group."""
    monkeypatch.setattr(planner, "MAX_GROUP", 4)
    monkeypatch.setattr(planner, "NEXT_GROUP", 2)
    world, one, other = two_devices()
    world.settle()
    waiting: list[int] = []
    carry_out = other.pools.carry_out

    def carried_out(effect: Effect, life: int) -> None:
        carry_out(effect, life)
        if isinstance(effect, Run):
            waiting.append(len(other.pools._jobs["install"]))

    monkeypatch.setattr(other.pools, "carry_out", carried_out)
    for number in range(40):
        one.mkdir(f"d{number}")
    world.settle()
    assert max(waiting) == 2
    one.rename("d0", "e")
    for number in range(1, 40):
        one.remove(f"d{number}")
    world.settle()
    assert other.tree() == one.tree()


def test_files_of_a_renamed_directory_are_moved_and_not_copied_from_history() -> None:
    world, one, other = two_devices()
    for number in range(4):
        one.write(f"d/sub{number % 2}/{number}", b"%d" % number * 10)
    world.settle()
    begun = len(world.trace)
    one.rename("d", "e")
    world.settle()
    told = world.trace[begun:]
    assert sum("MoveFile" in line for line in told) == 4
    assert not any("InstallFile" in line for line in told)
    assert sorted(other.contents()) == [b"0" * 10, b"1" * 10, b"2" * 10, b"3" * 10]
