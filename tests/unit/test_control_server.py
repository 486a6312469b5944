"""The API over a real Unix socket, with a daemon that only remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swarm import __version__
from swarm.control.api import MAX_BODY, Api
from swarm.control.client import Client, NotRunning
from swarm.control.daemon import Waited
from swarm.control.server import may_command, serve
from swarm.errors import EXIT_FAILED, EXIT_HELD, EXIT_NOT_FOUND, EXIT_USAGE, UserError
from tests.unit.fake_daemon import SECRET, FakeDaemon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    """A short directory: a socket's path has 108 bytes, and pytest's own are long."""
    with tempfile.TemporaryDirectory(prefix="sw", dir="/tmp") as directory:
        yield Path(directory) / "api.sock"


@contextlib.asynccontextmanager
async def served(place: Path) -> AsyncIterator[tuple[FakeDaemon, Client]]:
    daemon = FakeDaemon()
    server = await serve(Api(daemon), place)
    try:
        yield daemon, Client(place)
    finally:
        await server.close()


def drive(place: Path, test: Callable[[FakeDaemon, Client], Coroutine[Any, Any, None]]) -> None:
    """Runs `test` against a served FakeDaemon; the blocking client belongs into asyncio.to_thread."""

    async def run() -> None:
        async with asyncio.timeout(10):
            async with served(place) as (daemon, client):
                await test(daemon, client)

    asyncio.run(run())


def refused(place: Path, call: Callable[[Client], object]) -> UserError:
    """The error with which the daemon answers `call`."""
    errors: list[UserError] = []

    async def test(_: FakeDaemon, client: Client) -> None:
        with pytest.raises(UserError) as caught:
            await asyncio.to_thread(call, client)
        errors.append(caught.value)

    drive(place, test)
    return errors[0]


def test_every_verb_reaches_its_method_and_brings_its_answer_back(place: Path) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        def calls() -> list[Any]:
            return [
                client.call("share", path="/d/Docs", name="Docs"),
                client.call("join", key="swarmw1x", path=None, merge=True),
                client.call("wait", path="/d", on="bob", peers=2, timeout=1.5),
                client.call("key", path="/d", kind="read"),
                client.call("relays"),
                client.call("relay-add", relay="r:1~KEY", token=None),
                client.ask("status"),
                client.ping(),
            ]

        shared, joined, waited, key, relays, added, status, pong = await asyncio.to_thread(calls)
        assert shared["key"] == SECRET
        assert shared["notes"] == ["Anyone with this key can read and change Docs."]
        assert joined["path"] == "/home/anna/Docs"
        assert waited == {"done": True, "missing": []}
        assert relays["relays"][0]["state"] == "connecting"
        assert added == {"relay": "r:1~KEY", "notes": ["Registered."]}
        assert key == {"key": "swarmr1fake"}
        assert status["device"]["name"] == "anna-desk"
        assert pong == {"version": __version__, "pid": os.getpid()}
        assert daemon.calls == [
            ("share", "/d/Docs", "Docs"),
            ("join", "swarmw1x", None, True),
            ("wait", "/d", "bob", 2, 1.5),
            ("key", "/d", "read"),
            ("relays",),
            ("relay-add", "r:1~KEY", None),
        ]

    drive(place, test)


def test_what_changes_a_folder_reaches_its_method(place: Path) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        def calls() -> list[Any]:
            return [
                client.call("leave", path="/d"),
                client.call("move", old="/d", new="/e"),
                client.call("pause", path="/d", seconds=60),
                client.call("resume", path="/d"),
                client.call("scan", path="/d"),
            ]

        answers = await asyncio.to_thread(calls)
        assert answers[0] == {"name": "Docs", "path": "/d", "notes": ["leave is done"]}
        assert daemon.calls == [
            ("leave", "/d"),
            ("move", "/d", "/e"),
            ("pause", "/d", 60.0),
            ("resume", "/d"),
            ("scan", "/d"),
        ]
        settings = (await asyncio.to_thread(client.ask, "config"))["settings"]
        assert {"key": "log-level", "value": "info", "from": "default"} in settings

    drive(place, test)


def test_events_come_as_they_happen_and_end_with_the_daemon(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.control.api.HEARTBEAT", 0.05)
    heard: list[str] = []

    def listen() -> None:
        for name, _ in Client(place).events():
            heard.append(name)

    async def run() -> None:
        async with asyncio.timeout(10):
            async with served(place) as (daemon, _):
                listening = asyncio.create_task(asyncio.to_thread(listen))
                await daemon.listening.wait()
                await asyncio.sleep(0.2)  # a few comments, which are no events
                daemon.happenings.put_nowait(("folder", {"id": "00ff"}))
                while len(heard) < 2:  # noqa: ASYNC110 (another thread appends)
                    await asyncio.sleep(0.01)
            await listening

    asyncio.run(run())
    assert heard == ["status", "folder"]


def test_a_listener_that_hangs_up_is_let_go(place: Path) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        def listen() -> None:
            events = client.events()
            assert next(events)[0] == "status"
            events.close()  # type: ignore[attr-defined]

        await asyncio.to_thread(listen)
        await daemon.silent.wait()

    drive(place, test)


def test_stop_answers_before_the_daemon_ends(place: Path) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        assert await asyncio.to_thread(client.call, "stop") == {"pid": os.getpid()}
        assert daemon.stopped.is_set()

    drive(place, test)


def test_a_mistake_of_the_user_comes_back_with_hint_and_exit_code(place: Path) -> None:
    error = refused(place, lambda client: client.call("join", key="k", path="/full", merge=False))
    assert error.message == "/full has files already"
    assert (error.hint, error.code) == ("--yes merges", EXIT_HELD)
    assert refused(place, lambda client: client.call("key", path="/elsewhere", kind="write")).code == EXIT_NOT_FOUND


def test_a_preview_has_its_numbers(place: Path) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        found = await asyncio.to_thread(client.call, "preview", key="k", path="/full")
        assert (found["member"], found["only_here"], found["only_there"]) == ("nas", 3, 2)
        assert daemon.calls == [("preview", "k", "/full")]

    drive(place, test)


def test_what_is_not_available_is_a_failure_with_its_sentence(place: Path) -> None:
    error = refused(place, lambda client: client.call("share", path="/offline"))
    assert (error.message, error.hint, error.code) == ("the disk is away", "plug it in", EXIT_FAILED)


def test_a_bug_is_logged_with_its_traceback_and_answered_without(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "swarm.control"):
        error = refused(place, lambda client: client.call("share", path="/bug"))
    assert error.code == EXIT_FAILED
    assert error.message == "the daemon failed: ZeroDivisionError"
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("share", {}),
        ("share", {"path": "relative"}),
        ("share", {"path": "/a", "nmae": "x"}),
        ("join", {"path": "/a"}),
        ("key", {"path": "/a", "kind": "golden"}),
        ("wait", {"path": "/a", "peers": -1}),
        ("stop", {"now": True}),
    ],
)
def test_wrong_arguments_never_reach_the_daemon(place: Path, verb: str, arguments: dict[str, Any]) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        with pytest.raises(UserError) as caught:
            await asyncio.to_thread(lambda: client.call(verb, **arguments))
        assert caught.value.code == EXIT_USAGE
        assert daemon.calls == []
        assert not daemon.stopped.is_set()

    drive(place, test)


def test_a_body_that_is_too_large_is_refused(place: Path) -> None:
    error = refused(place, lambda client: client.call("share", path="/" + "a" * MAX_BODY))
    assert str(MAX_BODY) in error.message


def test_a_verb_that_this_daemon_lacks_says_so(place: Path) -> None:
    assert "no such command" in refused(place, lambda client: client.call("fly")).message
    assert "no such command" in refused(place, lambda client: client.ask("share")).message


def test_garbage_on_the_socket_does_not_end_the_server(place: Path) -> None:
    async def test(_: FakeDaemon, client: Client) -> None:
        def shout(data: bytes) -> bytes:
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(place))
                line.sendall(data)
                return line.recv(4096)

        assert b"400" in await asyncio.to_thread(shout, b"\0\xff garbage\r\n\r\n")
        assert b"400" in await asyncio.to_thread(shout, b"GET / HTTP/1.1\r\nX: " + b"a" * (64 << 10))
        assert await asyncio.to_thread(client.ping)

    drive(place, test)


def test_the_time_is_up_is_an_answer_and_no_error(place: Path) -> None:
    async def test(daemon: FakeDaemon, client: Client) -> None:
        daemon.waited = Waited(False, ("bob lacks 3 files",))
        answer = await asyncio.to_thread(lambda: client.call("wait", path="/d", timeout=0))
        assert answer == {"done": False, "missing": ["bob lacks 3 files"]}

    drive(place, test)


@pytest.mark.parametrize("verb", ["wait", "preview"])
def test_a_wait_and_a_preview_end_when_their_client_hangs_up(place: Path, verb: str) -> None:
    async def test(daemon: FakeDaemon, _: Client) -> None:
        def ask() -> socket.socket:
            line = socket.socket(socket.AF_UNIX)
            line.connect(str(place))
            body = json.dumps({"path": "/forever", **({"key": "k"} if verb == "preview" else {})})
            head = f"POST /v1/{verb} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
            line.sendall(f"{head}\r\n\r\n{body}".encode())
            return line

        line = await asyncio.to_thread(ask)
        await daemon.waiting.wait()
        assert not daemon.wait_cancelled.is_set()
        line.close()
        await daemon.wait_cancelled.wait()

    drive(place, test)


def test_who_waits_when_the_daemon_ends_is_told(place: Path) -> None:
    async def run() -> None:
        daemon = FakeDaemon()
        server = await serve(Api(daemon), place)
        call = asyncio.create_task(
            asyncio.to_thread(lambda: Client(place).call("wait", deadline=None, path="/forever"))
        )
        await daemon.waiting.wait()
        began = asyncio.get_running_loop().time()
        await server.close()
        assert asyncio.get_running_loop().time() - began < 2
        with pytest.raises(UserError, match="ending"):
            await call

    asyncio.run(run())


def test_the_socket_is_ours_alone_and_gone_at_the_end(place: Path) -> None:
    async def test(_: FakeDaemon, client: Client) -> None:
        mode = (await asyncio.to_thread(place.stat)).st_mode
        assert stat.S_IMODE(mode) == 0o600
        assert await asyncio.to_thread(client.ping)

    drive(place, test)
    assert not place.exists()
    with pytest.raises(NotRunning):
        Client(place).ping()


def test_a_dead_daemons_socket_is_replaced(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    with pytest.raises(NotRunning):
        Client(place).ping()

    async def test(_: FakeDaemon, client: Client) -> None:
        assert await asyncio.to_thread(client.ping)

    drive(place, test)


def test_a_file_in_the_sockets_place_is_not_thrown_away(place: Path) -> None:
    place.write_text("precious")
    with pytest.raises(UserError, match="in the way"):
        asyncio.run(_serve(place))
    assert place.read_text() == "precious"


async def _serve(place: Path) -> None:
    await serve(Api(FakeDaemon()), place)


def test_a_path_too_long_for_a_socket_is_the_users_to_mend(tmp_path: Path) -> None:
    place = tmp_path / ("a" * 120)
    with pytest.raises(UserError, match="control socket"):
        asyncio.run(_serve(place))
    with pytest.raises(UserError) as caught:
        Client(place).ping()
    assert not isinstance(caught.value, NotRunning)


def test_serving_leaves_signals_and_logging_alone(place: Path) -> None:
    handlers, level = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)), logging.getLogger().level
    seen: list[Any] = []

    async def test(_: FakeDaemon, client: Client) -> None:
        await asyncio.to_thread(client.ping)
        seen.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    expected: list[Any] = []

    async def plain() -> None:  # asyncio.run has a SIGINT handler of its own
        expected.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    asyncio.run(plain())
    drive(place, test)
    assert seen[0][1] == expected[0][1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert logging.getLogger().level == level


def test_an_idle_server_does_not_tick(place: Path) -> None:
    async def test(_: FakeDaemon, client: Client) -> None:
        await asyncio.to_thread(client.ping)
        loop = asyncio.get_running_loop()
        timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        soon = [timer for timer in timers if timer.when() - loop.time() < 1]
        assert soon == []

    drive(place, test)


@pytest.mark.parametrize(("uid", "allowed"), [(1000, True), (0, True), (1001, False), (65534, False)])
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="only Linux says who connects")
def test_other_users_may_not_command(monkeypatch: pytest.MonkeyPatch, uid: int, allowed: bool) -> None:
    class Peer:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
            return struct.pack("3i", 42, uid, uid)[:size]

    peer: Any = Peer()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert may_command(peer) is allowed


def test_who_may_not_command_is_cut_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.control.server.may_command", lambda _: False)
    assert "ended before it answered" in refused(place, Client.ping).message


def test_an_answer_that_is_not_ours_is_refused(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        async def answer(text: bytes) -> UserError:
            def serve_one() -> None:
                line, _ = listener.accept()
                with line:
                    line.recv(65536)
                    line.sendall(text)

            served = asyncio.create_task(asyncio.to_thread(serve_one))
            with pytest.raises(UserError) as caught:
                await asyncio.to_thread(Client(place).ping)
            await served
            return caught.value

        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        assert "proper answer" in asyncio.run(answer(head + b"<html>")).message
        assert "proper answer" in asyncio.run(answer(head + b"[1]")).message
        assert "ended before it answered" in asyncio.run(answer(b"")).message
        assert "ended before it answered" in asyncio.run(answer(b"nonsense\r\n\r\n")).message
        strange = asyncio.run(answer(b'HTTP/1.1 500 X\r\nConnection: close\r\n\r\n{"error": "e", "code": "7"}'))
        assert (strange.message, strange.code) == ("e", EXIT_FAILED)


def test_the_client_is_light() -> None:
    """The web framework must not slow the command line down."""
    heavy = ("starlette", "uvicorn", "asyncio", "nacl", "sqlite3", "tomllib", "subprocess")
    code = f"import sys, swarm.control.client, swarm.cli.main; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
