"""A device with the read-only key, and history as its user meets it: two real daemons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, differences, settle, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """A writer that has shared its folder, and a reader that has joined it."""
    writer, reader = Daemon(tmp_path, "one").start(), Daemon(tmp_path, "two").start()
    try:
        writer.share()
        (writer.folder / "a.txt").write_text("first")
        key = writer.run("key", str(writer.folder), "--read-only").strip()
        assert key.startswith("swarmr1")
        reader.join(key)
        settle(writer, reader)
        yield writer, reader
    finally:
        writer.stop()
        reader.stop()


def versions(device: Daemon, name: str) -> list[dict[str, object]]:
    return list(json.loads(device.run("history", str(device.folder / name), "--json"))["versions"])


def test_a_reader_follows_keeps_its_own_edits_and_gives_them_up_when_told(shared: tuple[Daemon, Daemon]) -> None:
    writer, reader = shared
    assert reader.report()["role"] == "read"
    assert writer.report()["peers"][0]["role"] == "read"
    assert reader.run("key", str(reader.folder), code=1).startswith("swarm: error: this device has only the read key")

    (reader.folder / "a.txt").write_text("mine")
    (reader.folder / "new.txt").write_text("also mine")
    report = until(lambda: (r := reader.report())["local_changes"] == 2 and r, "two local changes")
    assert sorted(report["changed_paths"]) == ["a.txt", "new.txt"]
    assert report["state"] == "held"
    assert "2 local changes" in report["why"]
    shown = reader.run("status")
    assert "2 local changes" in shown
    assert "    a.txt\n    new.txt\n" in shown
    reader.wait()  # for what is shared, and that is here
    until(lambda: "latest on 0 of 1" in writer.run("status"), "the writer knows that files differ there")
    assert "  two  2 changed " in writer.run("status")
    assert writer.report()["peers"][0]["local_changes"] == 2
    writer.wait()  # a reader keeps nobody waiting
    (writer.folder / "b.txt").write_text("goes on")
    settle_only = until(lambda: (reader.folder / "b.txt").exists(), "the writer's next file")
    assert settle_only
    assert (reader.folder / "a.txt").read_text() == "mine"
    assert (writer.folder / "a.txt").read_text() == "first"
    assert not (writer.folder / "new.txt").exists()

    reader.run("revert", str(reader.folder / "new.txt"))
    until(lambda: not (reader.folder / "new.txt").exists(), "one change is undone")
    assert (reader.folder / "a.txt").read_text() == "mine"
    reader.run("revert", str(reader.folder))
    settle(writer, reader)
    assert reader.report()["state"] == "in-sync"
    until(lambda: "latest on 1 of 1" in writer.run("status"), "the writer knows that they are the same again")
    [kept] = (reader.folder / ".swarm/history").glob("a~*.txt")
    assert kept.read_text() == "mine"


def test_a_reader_serves_another_reader_while_the_writer_is_away(shared: tuple[Daemon, Daemon], tmp_path: Path) -> None:
    writer, reader = shared
    (writer.folder / "large.bin").write_bytes(bytes(range(256)) * 8192)
    settle(writer, reader)
    key = reader.run("key", str(reader.folder), "--read-only").strip()
    writer.stop()
    third = Daemon(tmp_path, "three").start()
    try:
        third.join(key)
        settle(reader, third)
        assert not differences(writer.folder, third.folder)
    finally:
        third.stop()


def test_what_was_replaced_and_deleted_is_listed_and_restored_for_everybody(shared: tuple[Daemon, Daemon]) -> None:
    writer, reader = shared
    (writer.folder / "a.txt").write_text("second")
    settle(writer, reader)
    [version] = versions(reader, "a.txt")
    assert version["size"] == 5
    (writer.folder / "a.txt").unlink()
    settle(writer, reader)
    assert len(versions(reader, "a.txt")) == 2
    [gone] = json.loads(reader.run("deleted", str(reader.folder), "--json"))["files"]
    assert (gone["path"], gone["versions"]) == (str(reader.folder / "a.txt"), 2)
    assert "2 versions" in reader.run("deleted", str(reader.folder))
    reader.run("restore", str(reader.folder / "a.txt"))
    assert (reader.folder / "a.txt").read_text() == "second"
    assert reader.run("deleted", str(reader.folder)) == ""
    reader.run("restore", str(reader.folder / "a.txt"), "--version", str(version["id"]))
    assert (reader.folder / "a.txt").read_text() == "first"
    assert len(versions(reader, "a.txt")) == 3


def test_a_writers_restore_is_an_edit_like_any_other(tmp_path: Path) -> None:
    one, two = Daemon(tmp_path, "one").start(), Daemon(tmp_path, "two").start()
    try:
        two.join(one.share())
        (one.folder / "a.txt").write_text("first")
        settle(one, two)
        (two.folder / "a.txt").write_text("a mistake")
        settle(one, two)
        one.run("restore", str(one.folder / "a.txt"))
        settle(one, two)
        assert (two.folder / "a.txt").read_text() == "first"
        one.run(
            "restore", str(one.folder / "a.txt"), "--to", str(one.folder / "sub/b.txt"), "--version", "000000", code=3
        )
        [mistake] = [version for version in versions(one, "a.txt") if version["size"] == 9]
        one.run(
            "restore", str(one.folder / "a.txt"), "--to", str(one.folder / "sub/b.txt"), "--version", str(mistake["id"])
        )
        settle(one, two)
        assert (two.folder / "sub/b.txt").read_text() == "a mistake"
        assert one.run("revert", str(one.folder), code=2).startswith("swarm: error: ")
    finally:
        one.stop()
        two.stop()
