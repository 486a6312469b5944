"""What is wrong with a relay or a DHT node is a sentence in `status`; devices go on in step by other ways."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nacl.signing import SigningKey

from swarm.keys.relay import printed
from tests.lab.relay import Relay
from tests.live.daemon import settle, until
from tests.live.tree import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import MakeDaemon
    from tests.live.daemon import Daemon

pytestmark = pytest.mark.live

SOMEBODY = bytes(SigningKey(b"the relay of somebody or other !").verify_key)
FULL = Path(__file__).with_name("full_relay.py")


@contextlib.contextmanager
def trouble(kind: str, base: Path) -> Iterator[tuple[str, str]]:
    """A relay that is no use, as its line for `--relay`; and words of what is to be said of it."""
    relay = Relay(base, "127.0.0.1", port=0)
    try:
        match kind:
            case "unreachable":
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
                    closed.bind(("127.0.0.1", 0))
                    port = closed.getsockname()[1]
                yield f"127.0.0.1:{port}~{printed(SOMEBODY)}", "no answer"
            case "another key":
                yield f"{relay.start().line.partition('~')[0]}~{printed(SOMEBODY)}", "another key"
            case "bad token":
                tokens = base / "tokens"
                tokens.write_text("the-right-one\n")
                relay.options += ["--token-file", str(tokens)]
                yield f"{relay.start().line}.the-wrong-one", "another token"
            case _:
                relay.program = (relay.program[0], "-P", str(FULL))
                yield relay.start().line, "it is full"
    finally:
        relay.kill()


def whys(daemon: Daemon) -> str:
    return " | ".join(relay["why"] or "" for relay in daemon.status()["relays"])


@pytest.mark.parametrize("kind", ["unreachable", "another key", "bad token", "full"])
def test_a_relay_that_is_no_use_is_named_and_in_nobodys_way(make_daemon: MakeDaemon, tmp_path: Path, kind: str) -> None:
    anna, bob = make_daemon("anna"), make_daemon("bob")
    with trouble(kind, tmp_path) as (line, words):
        anna.options += ["--relay", line]
        anna.start()
        bob.start()
        bob.join(anna.share())
        write(anna.folder / "hello", "by another way")
        settle(anna, bob)
        assert bob.report()["peers"][0]["route"] == "direct"
        until(lambda: words in whys(anna), f"{words!r} in the status", 15)
        place = line.partition("~")[0]
        assert place in whys(anna)
        assert "wrong-one" not in anna.run("status", "--json"), "a token is a secret"
        shown = anna.run("status")
        assert place in shown
        assert words in shown


def test_a_dht_node_that_is_down_is_named_and_in_nobodys_way(make_daemon: MakeDaemon) -> None:
    anna, bob = make_daemon("anna"), make_daemon("bob")
    for daemon in (anna, bob):
        daemon.dht = True
        daemon.options += ["--bootstrap", "127.0.0.1:9"]
        daemon.start()
    key = anna.share()
    until(lambda: "127.0.0.1:9" in str(anna.report()["why"]), "the node is named", 15)
    bob.join(key)
    write(anna.folder / "hello", "by another way")
    settle(anna, bob)
