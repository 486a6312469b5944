"""What a disk cannot hold, and what of a mode is told from a disk without modes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarm.ids import NO_CONTENT, Kind
from swarm.sync.abilities import refusal
from swarm.sync.files import Stat, Traits
from swarm.sync.found import DIRECTORY_MODE, FILE_MODE, Found, told_mode
from swarm.sync.memory_files import MemoryFileSystem
from tests.simulation.device import Device
from tests.simulation.world import World

EXFAT = Traits(
    exchange=False, folds_case=True, mtime_granularity_ns=2_000_000_000, symlinks=False, trims=True, modes=False
)


@pytest.mark.parametrize(
    ("path", "kind", "why"),
    [
        ("link", Kind.SYMLINK, "symbolic links"),
        ("d/name.", Kind.FILE, "dots and blanks"),
        ("d/name ", Kind.DIRECTORY, "dots and blanks"),
        ("d./name", Kind.FILE, ""),
        ("name", Kind.FILE, ""),
    ],
)
def test_what_a_disk_does_not_have_is_said_before_it_is_tried(path: str, kind: Kind, why: str) -> None:
    said = refusal(EXFAT, path, kind)
    assert why in said if why else not said
    assert refusal(Traits(), path, kind) == ""


def test_from_a_disk_without_modes_the_mode_that_was_told_before_is_told() -> None:
    found = Found(Stat(Kind.FILE, 0, 0o777, 0, 0, 1, 1), Kind.FILE, NO_CONTENT, "")
    assert told_mode(found, True, None) == 0o777
    assert told_mode(found, False, None) == FILE_MODE
    assert told_mode(replace(found, kind=Kind.DIRECTORY), False, None) == DIRECTORY_MODE


def test_the_twin_of_such_a_disk_behaves_like_one() -> None:
    files = MemoryFileSystem(lambda: 1_700_000_000_000_000_000, EXFAT)
    files.write_file("name. ", b"x", mode=0o600)
    assert files.list("") == ["name"]
    assert files.read_file("name.") == b"x"
    files.set_mode("name", 0o600)
    assert files.stat("name").mode == 0o777


def test_a_folder_on_such_a_disk_neither_changes_modes_nor_loses_names() -> None:
    world = World(1, 1)
    one, other = world.devices[0], Device(world, "exfat", world.keys, False, EXFAT)
    world.devices.append(other)
    one.start(created=True)
    other.start()
    world.connect_all()
    one.write("run.sh", b"#!")
    with one.files.as_user():
        one.files.set_mode("run.sh", 0o755)
    one.write("ends in a dot.", b"x")
    world.settle()
    other.write("run.sh", b"#! of the other")
    other.write("new", b"n")
    world.settle()
    assert one.read("run.sh") == b"#! of the other"
    assert one.files.stat("run.sh").mode == 0o755
    assert one.files.stat("new").mode == FILE_MODE
    assert one.read("ends in a dot.") == b"x"
    assert "ends in a dot." not in other.tree()
    assert "ends in a dot" not in other.tree()


def test_a_name_that_the_disk_would_give_back_as_another_is_not_put_there() -> None:
    world = World(1, 1)
    traits = Traits(folds_unicode=True, decomposes=True)
    one, other = world.devices[0], Device(world, "hfs", world.keys, False, traits)
    world.devices.append(other)
    one.start(created=True)
    other.start()
    world.connect_all()
    one.write("caf\u00e9", b"composed")
    one.write("the\u0301", b"decomposed")
    world.settle()
    other.write("caf\u00e9", b"of the other")
    with other.files.as_user():
        other.files.write_file("re\u0301sume\u0301", b"typed decomposed")
    other.tell("r\u00e9sum\u00e9")
    world.settle()
    assert one.read("caf\u00e9") == b"of the other"
    assert one.read("r\u00e9sum\u00e9") == b"typed decomposed"
    assert one.read("the\u0301") == b"decomposed", "not renamed by the other's disk"
    assert other.folder is not None
    assert [path for path, _ in other.folder.status().cannot] == ["the\u0301"]
