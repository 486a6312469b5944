"""The home: where it is, that it is ours alone, and that a crash leaves no half of anything in it."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swarm.disk import durable
from swarm.disk.api_socket import SOCKET_PATH_BYTES, choose_socket, find_socket
from swarm.disk.durable import open_directory, read_small, write_durably
from swarm.disk.home import Home
from swarm.errors import EXIT_NOT_FOUND, UserError
from swarm.ids import FolderId

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = FolderId(b"\x01" * 16)
TWO = FolderId(b"\xfe" * 16)
KEY = "swarmw1qqqq+192.0.2.7:47474"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Home]:
    opened = Home.open(tmp_path / "home", {})
    yield opened
    opened.close()


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "docs").mkdir()
    return str(tmp_path / "docs")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# -- where it is


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"SWARM_HOME": "/srv/swarm", "HOME": "/home/a", "XDG_STATE_HOME": "/state"}, "linux", "/srv/swarm"),
        ({"SWARM_HOME": "/srv/x/../swarm/"}, "darwin", "/srv/swarm"),
        ({"SWARM_HOME": "", "HOME": "/home/a", "XDG_STATE_HOME": "/state"}, "linux", "/state/swarm"),
        ({"HOME": "/home/a"}, "linux", "/home/a/.local/state/swarm"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "relative"}, "linux", "/home/a/.local/state/swarm"),
        ({"HOME": "/home/a"}, "freebsd14", "/home/a/.local/state/swarm"),
        ({"HOME": "/Users/a", "XDG_STATE_HOME": "/s"}, "darwin", "/Users/a/Library/Application Support/Swarm"),
    ],
)
def test_the_home_is_where_the_environment_says(environ: dict[str, str], platform: str, expected: str) -> None:
    assert Home.locate(environ, platform) == Path(expected)


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.locate({"SWARM_HOME": "here"}, "linux") == tmp_path / "here"


# -- opening


def test_a_new_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        opened = Home.open(tmp_path / "deep" / "home", {})
        opened.close()
    finally:
        os.umask(before)
    assert {each.name: mode(each) for each in opened.path.iterdir()} == {
        "device.key": 0o600,
        "folders": 0o700,
        "lock": 0o600,
    }
    assert mode(opened.path) == 0o700
    assert opened.config == opened.path / "config.toml"
    assert opened.socket == opened.path / "api.sock"


def test_a_device_keeps_its_seed_and_no_two_have_the_same(tmp_path: Path) -> None:
    seeds = []
    for name in ("home", "home", "other"):
        opened = Home.open(tmp_path / name, {})
        seeds.append(opened.seed)
        opened.close()
    assert seeds[0] == seeds[1] != seeds[2]
    assert [len(seed) for seed in seeds] == [32, 32, 32]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_device_key_is_neither_used_nor_replaced(tmp_path: Path, content: bytes) -> None:
    Home.open(tmp_path / "home", {}).close()
    key = tmp_path / "home" / "device.key"
    key.write_bytes(content)
    with pytest.raises(UserError) as caught:
        Home.open(tmp_path / "home", {})
    assert "damaged" in caught.value.message
    assert caught.value.hint
    assert key.read_bytes() == content


def test_permissions_that_have_become_wider_are_narrowed(tmp_path: Path, root: str) -> None:
    opened = Home.open(tmp_path / "home", {})
    folder = opened.add_folder(ONE, KEY, root)
    opened.close()
    directories = [opened.path, opened.path / "folders", folder.directory]
    files = [opened.path / "device.key", folder.directory / "key"]
    for each in directories:
        each.chmod(0o755)
    for each in files:
        each.chmod(0o644)
    Home.open(opened.path, {}).close()
    assert [mode(each) for each in directories + files] == [0o700] * 3 + [0o600] * 2


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError) as caught:
        Home.open(tmp_path, {})
    assert "not a Swarm home" in caught.value.message
    assert mode(tmp_path) == 0o755
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_directory_or_one_with_settings_becomes_a_home(tmp_path: Path) -> None:
    for name in ("empty", "configured"):
        (tmp_path / name).mkdir()
    (tmp_path / "configured" / "config.toml").write_text("")
    (tmp_path / "configured" / "notes").write_text("")
    for name in ("empty", "configured"):
        Home.open(tmp_path / name, {}).close()


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(UserError):
        Home.open(tmp_path / "home", {})


# -- the lock


def test_a_second_daemon_is_told_who_runs_already(opened: Home) -> None:
    with pytest.raises(UserError) as caught:
        Home.open(opened.path, {})
    assert "already running" in caught.value.message
    assert str(os.getpid()) in caught.value.message
    opened.close()
    opened.close()
    Home.open(opened.path, {}).close()


def test_a_daemon_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from swarm.disk.home import Home;"
        "Home.open(Path(sys.argv[1]), {}); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "home")], check=False)
    assert done.returncode == -9
    Home.open(tmp_path / "home", {}).close()


def test_a_home_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(fd: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(UserError) as caught:
        Home.open(tmp_path / "home", {})
    assert "local disk" in caught.value.hint


def test_a_home_whose_locks_keep_nobody_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    with pytest.raises(UserError) as caught:
        Home.open(tmp_path / "home", {})
    assert "keep nobody out" in caught.value.message
    assert "local disk" in caught.value.hint


def test_a_home_without_a_write_ahead_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect("file:scratch?mode=memory&cache=shared", uri=True))
    with pytest.raises(UserError) as caught:
        Home.open(tmp_path / "home", {})
    assert "write-ahead log" in caught.value.message
    assert "local disk" in caught.value.hint
    monkeypatch.undo()
    Home.open(tmp_path / "home", {}).close()  # the failed attempt holds no lock


# -- folders


def test_folders_are_remembered(opened: Home, root: str) -> None:
    other = root + "2\n"  # a name may end in a newline
    opened.add_folder(TWO, KEY, other)
    added = opened.add_folder(ONE, KEY, root)
    assert mode(added.directory) == 0o700
    assert mode(added.directory / "key") == 0o600
    assert added.database == opened.path / "folders" / ("01" * 16) / "index.db"
    opened.close()
    again = Home.open(opened.path, {})
    assert [(each.folder, each.key(), each.root()) for each in again.folders()] == [(ONE, KEY, root), (TWO, KEY, other)]
    assert again.folder(ONE) == added
    assert again.folder(FolderId(b"\x02" * 16)) is None
    again.close()


def test_a_root_that_is_not_utf8_is_remembered_to_the_byte(opened: Home, root: str) -> None:
    odd = os.fsdecode(os.fsencode(root) + b"/caf\xe9")
    assert opened.add_folder(ONE, KEY, odd).root() == odd


def test_adding_a_folder_again_replaces_its_key_and_nothing_else(opened: Home, root: str) -> None:
    added = opened.add_folder(ONE, KEY, root)
    added.database.write_text("index")
    assert opened.add_folder(ONE, "swarmo1qqqq", root).key() == "swarmo1qqqq"
    assert added.database.read_text() == "index"
    assert added.root() == root


def test_a_folder_has_one_root_and_a_root_one_folder(opened: Home, root: str, tmp_path: Path) -> None:
    opened.add_folder(ONE, KEY, root)
    with pytest.raises(UserError):
        opened.add_folder(ONE, KEY, str(tmp_path / "elsewhere"))
    with pytest.raises(UserError):
        opened.add_folder(TWO, KEY, root)
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(UserError):
        opened.add_folder(TWO, KEY, str(tmp_path / "link"))
    assert [each.folder for each in opened.folders()] == [ONE]


def test_the_home_is_never_shared(opened: Home, tmp_path: Path) -> None:
    for overlapping in (tmp_path, opened.path, opened.path / "folders", Path("/")):
        with pytest.raises(UserError):
            opened.add_folder(ONE, KEY, str(overlapping))
    assert opened.folders() == []


def test_a_key_that_is_nowhere_else_outlives_its_folder(opened: Home, root: str) -> None:
    opened.add_folder(ONE, KEY, root)
    kept = opened.remove_folder(ONE, keep_key=True)
    assert kept is not None
    assert kept.read_text().strip() == KEY
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert opened.folders() == []


def test_a_removed_folder_is_gone_and_can_be_added_again(opened: Home, root: str) -> None:
    opened.add_folder(ONE, KEY, root).database.write_text("index")
    opened.remove_folder(ONE)
    assert opened.folders() == []
    assert list((opened.path / "folders").iterdir()) == []
    with pytest.raises(UserError) as caught:
        opened.remove_folder(ONE)
    assert caught.value.code == EXIT_NOT_FOUND
    assert not opened.add_folder(ONE, KEY, root).database.exists()


def test_what_a_crash_left_half_done_is_finished_at_the_next_start(opened: Home, root: str) -> None:
    opened.add_folder(ONE, KEY, root)
    folders = opened.path / "folders"
    for leftover in (".new-" + "03" * 16, ".gone-" + "04" * 16):
        (folders / leftover).mkdir()
        (folders / leftover / "key").write_text(KEY)
    (folders / "notes").mkdir()
    assert [each.folder for each in opened.folders()] == [ONE]
    opened.close()
    Home.open(opened.path, {}).close()
    assert {each.name for each in folders.iterdir()} == {"01" * 16, "notes"}


def test_a_damaged_folder_says_so_and_is_mended_by_adding_it(opened: Home, root: str) -> None:
    added = opened.add_folder(ONE, KEY, root)
    for name in ("key", "path"):
        (added.directory / name).unlink()
    with pytest.raises(UserError):
        added.key()
    with pytest.raises(UserError):
        added.root()
    opened.add_folder(TWO, KEY, root + "2")  # others are not held up by it
    assert opened.add_folder(ONE, KEY, root).root() == root
    assert added.key() == KEY


# -- durable writing


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_directory(tmp_path) as directory:
        write_durably(directory, "key", b"old")
        monkeypatch.setattr(durable, "_sync", full)
        with pytest.raises(OSError, match="space"):
            write_durably(directory, "key", b"new")
        assert read_small(directory, "key", 10) == b"old"
        monkeypatch.undo()
        write_durably(directory, "key", b"new")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"key": b"new"}


def test_small_files_are_read_to_a_limit_and_never_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(1000))
    (tmp_path / "link").symlink_to("big")
    os.mkfifo(tmp_path / "fifo")
    with open_directory(tmp_path) as directory:
        assert len(read_small(directory, "big", 10)) == 10
        with pytest.raises(OSError, match="symbolic"):
            read_small(directory, "link", 10)
        assert read_small(directory, "fifo", 10) == b""


# -- the socket


@pytest.fixture
def brief() -> Iterator[Path]:
    """A directory that a socket fits into, unlike some that tests are given."""
    with tempfile.TemporaryDirectory(prefix="sw", dir="/tmp") as made:
        yield Path(made)


def test_a_long_home_has_its_socket_elsewhere_and_says_where(tmp_path: Path, brief: Path) -> None:
    runtime = brief / "run"
    runtime.mkdir()
    long = tmp_path / ("h" * SOCKET_PATH_BYTES)
    opened = Home.open(long, {"XDG_RUNTIME_DIR": str(runtime)})
    assert opened.socket.parent.parent == runtime
    assert mode(opened.socket.parent) == 0o700
    assert find_socket(long) == opened.socket  # whatever the environment of whoever asks
    opened.close()
    again = Home.open(long, {"XDG_RUNTIME_DIR": str(runtime)})
    assert again.socket == opened.socket
    again.close()


@pytest.mark.parametrize("runtime", ["", "relative", "/does/not/exist", "/" + "r" * SOCKET_PATH_BYTES])
def test_without_a_usable_runtime_directory_the_socket_is_in_tmp(tmp_path: Path, runtime: str) -> None:
    long = tmp_path / ("h" * SOCKET_PATH_BYTES)
    long.mkdir()
    socket = choose_socket(long, {"XDG_RUNTIME_DIR": runtime})
    try:
        assert str(socket).startswith(f"/tmp/swarm-{os.geteuid()}-")
        assert mode(socket.parent) == 0o700
        assert len(os.fsencode(socket)) <= SOCKET_PATH_BYTES
    finally:
        socket.parent.rmdir()


@pytest.mark.parametrize("trap", ["open", "link", "file", "foreign"])
def test_a_directory_that_may_be_somebody_elses_is_refused(
    tmp_path: Path, brief: Path, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = brief / "run"
    runtime.mkdir()
    environ = {"XDG_RUNTIME_DIR": str(runtime)}
    long = tmp_path / ("h" * SOCKET_PATH_BYTES)
    long.mkdir()
    place = choose_socket(long, environ).parent
    place.rmdir()
    if trap == "link":
        (tmp_path / "mine").mkdir(0o700)
        place.symlink_to(tmp_path / "mine")
    elif trap == "file":
        place.write_text("")
    else:
        place.mkdir(0o700)
        if trap == "open":
            place.chmod(0o777)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(UserError):
        choose_socket(long, environ)
    with pytest.raises(UserError):
        find_socket(long)


def test_a_home_that_became_short_forgets_the_other_place(tmp_path: Path) -> None:
    (tmp_path / "api.path").write_text("/tmp/elsewhere/api.sock")
    assert find_socket(tmp_path) == Path("/tmp/elsewhere/api.sock")
    assert choose_socket(tmp_path, {}) == tmp_path / "api.sock"
    assert find_socket(tmp_path) == tmp_path / "api.sock"
