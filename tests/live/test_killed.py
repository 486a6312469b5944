"""A daemon that is killed, or loses its index, goes on where it was: nothing is fetched twice, nothing is deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until
from tests.live.tree import Size, big_file, contents, particulars, small_files, write

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live


def prepared(make_daemon: MakeDaemon, size: Size) -> tuple[Daemon, Daemon, int]:
    """Two daemons, a transfer that has begun, and the bytes of it all."""
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    for number in range(4):
        big_file(anna.folder / f"big{number}.bin", max(size.big, 32 << 20) // 4, seed=number)
    small_files(anna.folder / "many", size.directories, size.per_directory)
    bob.join(anna.share())
    return anna, bob, sum(map(len, contents(anna.folder)))


@pytest.mark.parametrize("victim", ["the one that fetches", "the one that serves"])
def test_a_transfer_goes_on_after_a_kill(make_daemon: MakeDaemon, size: Size, victim: str) -> None:
    anna, bob, total = prepared(make_daemon, size)
    killed = bob if victim == "the one that fetches" else anna
    fetched_before = 0
    for share in (0.1, 0.4):
        wanted = share * total - fetched_before
        until(lambda wanted=wanted: bob.fetched() > wanted, f"{share:.0%} fetched", timeout=size.timeout)  # type: ignore[misc]
        report = bob.report()
        assert report["need_bytes"], "the transfer was over before the kill: no test"
        if killed is bob:
            fetched_before += report["fetched_bytes"]
        killed.kill()
        killed.start()
    settle(anna, bob, timeout=size.timeout)
    assert particulars(bob.folder) == particulars(anna.folder)
    # What was on its way at each kill, and what was not on the disk yet, is all that is fetched again.
    assert fetched_before + bob.fetched() <= total + 2 * (8 << 20) + (total // 20)


def test_kills_at_any_moment_leave_whole_files_only(make_daemon: MakeDaemon, size: Size) -> None:
    anna, bob, _ = prepared(make_daemon, size)
    whole = {
        str(path.relative_to(anna.folder)): path.read_bytes()
        for path in anna.folder.rglob("*")
        if path.is_file() and ".swarm" not in path.parts
    }
    for number in range(6):
        time.sleep(0.05 * number)  # not for luck: the moment is what varies
        bob.kill()
        for path in bob.folder.rglob("*"):
            if path.is_file() and ".swarm" not in path.parts:
                assert path.read_bytes() == whole[str(path.relative_to(bob.folder))], path
        bob.start()
    settle(anna, bob, timeout=size.timeout)


def test_a_kill_of_both_loses_no_edit_that_was_on_disk(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    small_files(anna.folder / "x", 2, 20)
    settle(anna, bob)
    write(anna.folder / "x" / "new", "written just before the power failed")
    write(bob.folder / "x" / "d000" / "f0000.dat", "edited just before the power failed")
    anna.kill()
    bob.kill()
    write(anna.folder / "x" / "later", "written while nothing ran")
    (bob.folder / "x" / "d001" / "f0001.dat").unlink()
    anna.start()
    bob.start()
    settle(anna, bob)
    settle(bob, anna)
    assert (bob.folder / "x" / "later").exists()
    assert (anna.folder / "x" / "d000" / "f0000.dat").read_text() == "edited just before the power failed"
    assert not (anna.folder / "x" / "d001" / "f0001.dat").exists()


@pytest.mark.parametrize("harm", ["deleted", "garbage", "cut short"])
def test_a_lost_index_comes_back_with_no_content_sent(make_daemon: MakeDaemon, size: Size, harm: str) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    small_files(anna.folder / "many", size.directories, size.per_directory)
    big_file(anna.folder / "big.bin", size.big)
    bob.join(anna.share())
    settle(anna, bob, timeout=size.timeout)
    before = particulars(anna.folder)
    bob.stop()
    database = bob.database()
    raw = database.read_bytes()
    for path in database.parent.glob(database.name + "*"):
        path.unlink()
    if harm == "garbage":
        database.write_bytes(b"not a database " * 1000)
    elif harm == "cut short":
        database.write_bytes(raw[: len(raw) // 2])
    bob.start()
    settle(anna, bob, timeout=size.timeout)
    settle(bob, anna, timeout=size.timeout)
    assert particulars(anna.folder) == particulars(bob.folder) == before
    assert bob.fetched() == 0
    assert anna.fetched() == 0
    write(bob.folder / "after", "and life goes on")
    (bob.folder / "big.bin").unlink()
    settle(bob, anna)
    assert not (anna.folder / "big.bin").exists()


def test_an_orderly_end_takes_less_than_five_seconds_in_the_middle_of_a_transfer(
    make_daemon: MakeDaemon, size: Size
) -> None:
    anna, bob, _ = prepared(make_daemon, size)
    until(lambda: bob.fetched() > 1 << 20, "a beginning")
    for daemon in (bob, anna):
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 5.0
        assert "Traceback" not in daemon.log.read_text()
    anna.start()
    bob.start()
    settle(anna, bob, timeout=size.timeout)
