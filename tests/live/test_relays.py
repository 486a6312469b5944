"""A real relay and real daemons on one machine: what a user types, and what is said of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from swarm.keys.relay import printed
from tests.lab.relay import Relay
from tests.live.daemon import settle, until
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.conftest import MakeDaemon
    from tests.live.daemon import Daemon

pytestmark = pytest.mark.live


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    made = Relay(tmp_path, "127.0.0.1", port=0)
    yield made
    with contextlib.suppress(Exception):
        made.kill()


def only_relays(key: str) -> str:
    """The key with its relays as hints, and not an address."""
    bare, *hints = key.split("+")
    return "+".join([bare, *(hint for hint in hints if "~" in hint)])


def relay_of(daemon: Daemon) -> dict[str, Any]:
    (one,) = daemon.status()["relays"]
    return dict(one)


def test_a_key_with_nothing_but_a_relay_is_enough_and_the_relay_is_soon_left(
    make_daemon: MakeDaemon, relay: Relay
) -> None:
    relay.start()
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    told = anna.run("relay", "add", relay.line)
    assert told == ""
    until(lambda: relay_of(anna)["state"] == "reserved", "anna is registered")
    key = only_relays(anna.share())
    assert relay.line in key
    (anna.folder / "file.txt").write_text("through and past a relay")
    bob.join(key)
    settle(anna, bob)
    until(lambda: bob.report()["peers"][0]["route"] == "direct", "they left the relay", 5)
    assert not relay_of(bob)["named"]
    until(lambda: relay_of(bob)["state"] == "reserved", "and bob can be reached there, too")
    assert relay.line in bob.run("key", str(bob.folder))
    anna.run("relay", "remove", relay.line.partition("~")[0])
    assert anna.status()["relays"] == [] or not relay_of(anna)["named"], "if bob tells of it, it is known by his word"


def test_relays_that_were_added_are_there_after_a_restart(make_daemon: MakeDaemon, relay: Relay) -> None:
    relay.start()
    anna = make_daemon("anna")
    anna.run("relay", "add", relay.line)
    anna.start()
    until(lambda: relay_of(anna)["state"] == "reserved", "it was taken up")
    anna.stop()
    anna.start()
    until(lambda: relay_of(anna)["state"] == "reserved", "and again")


def test_a_wrong_key_a_missing_token_and_a_relay_that_is_away_are_sentences(
    make_daemon: MakeDaemon, relay: Relay, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("let-me-in\n")
    relay.options += ["--token-file", str(tokens)]
    relay.start()
    anna = make_daemon("anna")
    address = relay.line.partition("~")[0]
    anna.options += [
        "--relay",
        f"{address}~{printed(TinyRelay().key)}",
        "--relay",
        "127.0.0.1:9~" + printed(TinyRelay(b"9" * 32).key),
    ]
    anna.start()
    anna.run("relay", "add", relay.line)
    anna.share()

    def whys() -> list[str]:
        return [one["why"] or "" for one in anna.status()["relays"]]

    for word in ("another key", "it wants a token", "no answer"):
        until(lambda word=word: any(word in why for why in whys()), f"{word}: {whys()}", 15)  # type: ignore[misc]
    assert "another key" in anna.run("status")
    token = tmp_path / "token"
    token.write_text("let-me-in")
    anna.run("relay", "add", relay.line, "--token-file", str(token))
    until(lambda: any(one["state"] == "reserved" for one in anna.status()["relays"]), "the token is good")
    assert "let-me-in" not in str(anna.status()) + anna.run("relay", "list", "--json") + anna.log.read_text()
    assert "let-me-in" not in anna.run("key", str(anna.folder)) + anna.run("config", "--json")


def test_a_relay_with_a_key_that_is_none_is_wrong_usage(make_daemon: MakeDaemon) -> None:
    anna = make_daemon("anna")
    assert "43 characters" in anna.run("run", "--relay", "r.example.net:47470~KEY", code=2)
    assert "HOST:PORT~KEY" in anna.run("run", "--relay", "r.example.net:47470", code=2)
    assert "43 characters" in anna.run("relay", "add", "r.example.net:47470~KEY", code=2)
