"""Databases that cannot be read, or not now, and names that only look like one's: they hold nobody else up."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from swarm.sync.databases import LONGEST_REST
from swarm.sync.events import Barrier
from tests.simulation.scenario import devices, judge

if TYPE_CHECKING:
    from swarm.sync.memory_open_file import MemoryReader
    from tests.simulation.device import Device


def refuse(device: Device, secret: str) -> None:
    """Nobody may read it on that device."""
    usual = device.files.open

    def open_unless_forbidden(path: str) -> MemoryReader:
        if path == secret:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        return usual(path)

    device.files.open = open_unless_forbidden  # type: ignore[method-assign]


def never_rests(device: Device, busy: str) -> None:
    """Whenever it is read, it is written to."""
    usual = device.files.open

    def open_while_it_is_written(path: str) -> MemoryReader:
        reader = usual(path)
        if path == busy:
            device.write(path, bytes(device.files.node(path).data) + b"+")
        return reader

    device.files.open = open_while_it_is_written  # type: ignore[method-assign]


def test_a_database_that_nobody_may_read_holds_up_neither_the_folder_nor_who_waits() -> None:
    world, [one, other] = devices()
    refuse(one, "mail.db")
    one.write("mail.db", b"pages")
    one.write("mail.db-wal", b"log")
    world.run(5.0)
    one.stop()
    one.start()
    one.write("else", b"words")
    world.network.dial()
    world.run(5.0)
    assert other.read("else") == b"words"
    one.post(Barrier(7))
    world.run(5.0)
    assert one.folder is not None
    status = one.folder.status()
    assert status.barrier == 7
    assert [path for path, _ in status.cannot] == ["mail.db"]
    assert not status.put_off, "it is not written to at all"


def test_a_database_that_never_rests_does_not_keep_its_folder_from_starting() -> None:
    world, [one, other] = devices()
    never_rests(one, "mail.db")
    one.write("mail.db", b"pages")
    world.run(1.0)
    one.stop()
    one.start()
    one.write("else", b"words")
    world.network.dial()
    world.run(2 * LONGEST_REST)
    assert other.read("else") == b"words"
    assert one.folder is not None
    assert one.folder.status().put_off == "mail.db"


def test_a_directory_beside_a_database_with_the_name_of_its_log_is_a_directory() -> None:
    world, [one, other] = devices()
    one.mkdir("mail.db-wal")
    one.write("mail.db-wal/notes", b"words")
    world.settle()
    one.write("mail.db-wal/more", b"words")
    one.write("mail.db", b"pages")
    judge(world)
    assert sorted(other.tree()) == ["mail.db", "mail.db-wal", "mail.db-wal/more", "mail.db-wal/notes"]


def test_a_log_beside_a_directory_with_the_name_of_a_database_is_a_file() -> None:
    world, [one, other] = devices()
    one.mkdir("mail.db")
    world.settle()
    one.write("mail.db/notes", b"words")
    world.settle()
    one.write("mail.db-journal", b"log")
    judge(world)
    assert sorted(other.tree()) == ["mail.db", "mail.db-journal", "mail.db/notes"]


def test_a_database_whose_log_would_have_too_long_a_name_has_none() -> None:
    world, [one, other] = devices()
    name = 250 * "n" + ".db"
    one.write(name, b"pages")
    judge(world)
    assert other.read(name) == b"pages"
