"""Places where a daemon may find itself: two on one folder, another user's home, files of others, no watches left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swarm.disk import marker
from tests.live.daemon import SWARM, Daemon, settle, until
from tests.live.tree import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import MakeDaemon
    from tests.live.tree import Size

pytestmark = pytest.mark.live

SOMEBODY = 54321  # a user that is nobody's
ROOM = Path(__file__).parents[2]

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root on Linux can be two users",
)


def commands_of(daemon: Daemon, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """A command of another user in a daemon's home: its exit code, and what it says on stderr."""
    result = subprocess.run(
        [*SWARM, *arguments], env=daemon.environment, input=stdin, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may enter, which those of pytest are not."""
    place = Path(tempfile.mkdtemp(prefix="swarm-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def somebody(make_daemon: MakeDaemon, open_place: Path) -> Daemon:
    """A device of another user than the one who runs the tests."""
    as_somebody = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")
    if subprocess.run([*as_somebody, sys.executable, "-c", "import swarm"], cwd=ROOM, capture_output=True).returncode:
        pytest.skip("nobody else can run this program")
    daemon = make_daemon("bob", open_place, inside=as_somebody)
    daemon.environment["PYTHONPATH"] = str(ROOM)
    for directory in (daemon.home, open_place / "user-bob", daemon.folder):
        directory.mkdir(mode=0o700, exist_ok=True)
        os.chown(directory, SOMEBODY, SOMEBODY)
    return daemon


def test_a_folder_that_another_daemon_has_is_refused_and_taken_when_that_one_ends(make_daemon: MakeDaemon) -> None:
    anna, carol = make_daemon("anna").start(), make_daemon("carol").start()
    write(anna.folder / "file", "one")
    key = anna.share()
    code, said = commands_of(carol, "join", "-", str(anna.folder), "--yes", stdin=key + "\n")
    assert code == 1
    assert f"{anna.folder} is already kept in step by process" in said
    assert str(anna.home) in said
    assert carol.status()["folders"] == []
    anna.stop()
    lock = marker.claim(str(anna.folder), "the home of a test")
    anna.start()
    until(lambda: anna.report()["state"] == "error", "anna says that it is taken")
    assert "already kept in step" in anna.report()["why"]
    assert "the home of a test" in anna.report()["why"]
    lock.release()
    until(lambda: anna.report()["state"] == "waiting", "anna has it again")
    assert anna.report()["files"] == 1


def test_a_folder_that_comes_back_as_another_daemons_is_left_to_that_one(make_daemon: MakeDaemon) -> None:
    anna = make_daemon("anna").start()
    write(anna.folder / "file", "one")
    anna.share()
    until(lambda: anna.report()["files"] == 1, "anna has looked")
    elsewhere = anna.folder.with_name("elsewhere")
    shutil.copytree(anna.folder, elsewhere, symlinks=True)
    lock = marker.claim(str(elsewhere), "the home of a test")
    anna.folder.rename(anna.folder.with_name("away"))
    until(lambda: "is not there" in (anna.report()["why"] or ""), "anna says that it is away")
    elsewhere.rename(anna.folder)
    until(lambda: "the home of a test" in (anna.report()["why"] or ""), "anna says who has it")
    assert anna.report()["state"] == "error"
    lock.release()
    until(lambda: anna.report()["state"] == "waiting", "anna has it again")
    assert anna.report()["files"] == 1


@needs_root
def test_root_does_not_run_a_daemon_in_a_users_home(somebody: Daemon, tmp_path: Path) -> None:
    somebody.start()
    somebody.stop()
    code, said = commands_of(somebody, "share", str(tmp_path / "by root"))
    assert code == 1
    assert f"belongs to another user ({SOMEBODY}, and you are 0)" in said
    assert "without sudo" in said
    owners = {path.stat().st_uid for path in (somebody.home, *somebody.home.rglob("*")) if path.name != "daemon.log"}
    assert owners == {SOMEBODY}
    somebody.start()  # nothing of root's is in its way
    assert commands_of(somebody, "status")[0] == 0, "root may look"


@needs_root
def test_files_of_others_that_cannot_be_read_are_named_and_the_rest_goes_on(
    somebody: Daemon, make_daemon: MakeDaemon
) -> None:
    anna, bob = make_daemon("anna").start(), somebody
    write(anna.folder / "shared", "of anna")
    write(bob.folder / "closed", "of root").chmod(0o600)
    write(bob.folder / "closed directory" / "inside", "of root").parent.chmod(0o700)
    write(bob.folder / "readable", "of root, for all").chmod(0o644)
    bob.start()
    bob.join(anna.share(), None, "--yes")
    until(lambda: (anna.folder / "readable").exists(), "what can be read arrives")
    until(lambda: bob.report()["cannot"] == 2, "what cannot be read is counted")
    assert {entry["path"] for entry in bob.report()["cannot_paths"]} == {"closed", "closed directory"}
    assert all("permission" in entry["why"] for entry in bob.report()["cannot_paths"])
    assert not (anna.folder / "closed").exists()
    write(anna.folder / "readable", "changed by anna")  # bob may not write to root's file, but may replace it
    until(lambda: (bob.folder / "readable").read_text() == "changed by anna", "the change")
    os.chown(bob.folder / "closed", SOMEBODY, SOMEBODY)
    until(lambda: (anna.folder / "closed").exists(), "it can be read now", timeout=60)
    os.chmod(bob.folder / "closed directory", 0o755)
    os.chmod(bob.folder / "closed directory" / "inside", 0o644)
    until(lambda: (anna.folder / "closed directory" / "inside").exists(), "and the directory", timeout=60)
    assert bob.report()["cannot"] == 0


def test_a_strict_umask_neither_opens_nor_closes_files_elsewhere(make_daemon: MakeDaemon) -> None:
    anna = make_daemon("anna").start()
    before = os.umask(0o077)
    try:
        bob = make_daemon("bob").start()
    finally:
        os.umask(before)
    for name, mode in (("open", 0o664), ("closed", 0o600), ("program", 0o755)):
        write(anna.folder / "d" / name, name).chmod(mode)
    (anna.folder / "d").chmod(0o775)
    bob.join(anna.share())
    settle(anna, bob)
    found = {name: (bob.folder / "d" / name).stat().st_mode & 0o777 for name in ("", "open", "closed", "program")}
    assert found == {"": 0o775, "open": 0o664, "closed": 0o600, "program": 0o755}
    assert (bob.folder / ".swarm" / "history").stat().st_mode & 0o077 == 0


def test_without_watches_the_folder_is_looked_through_and_the_value_to_set_is_named(
    make_daemon: MakeDaemon, size: Size
) -> None:
    """In a user namespace of its own the limit is lowered for one daemon, and for nobody else."""
    lower = 'echo 3 > /proc/sys/user/max_inotify_watches && exec "$0" "$@"'
    inside = ("unshare", "--user", "--map-root-user", "sh", "-c", lower)
    with suppress(FileNotFoundError):
        if subprocess.run([*inside, "true"], capture_output=True).returncode:
            pytest.skip("no user namespaces, or no limits in them")
    anna, bob = make_daemon("anna", inside=inside), make_daemon("bob").start()
    for number in range(10):
        write(anna.folder / f"d{number}" / "file", f"{number}")
    anna.start()
    bob.join(anna.share())
    settle(anna, bob)
    why = anna.report()["why"]
    assert "noticed late" in why
    assert "sysctl fs.inotify.max_user_watches=" in why
    write(anna.folder / "d7" / "file", "changed")
    anna.run("scan", str(anna.folder))
    settle(anna, bob)
    assert (bob.folder / "d7" / "file").read_text() == "changed"
    if size.name == "small":
        return  # the rest takes half a minute
    write(anna.folder / "d8" / "file", "changed as well")
    until(lambda: (bob.folder / "d8" / "file").read_text() == "changed as well", "the next look", timeout=45)
