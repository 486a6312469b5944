"""tests/vectors/handshake.txt, which another implementation can read too, against ours.

The file was computed with other libraries than ours (libsodium's BLAKE2b, OpenSSL's Ed25519, msgpack by hand), so that
it does not merely repeat what the code does.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.keys.certificate import Certificate
from swarm.keys.chain import FolderKeys
from swarm.keys.derive import digest
from swarm.keys.device import DeviceKey
from swarm.keys.membership import DIALLER, LISTENER
from swarm.keys.role import Role
from swarm.session import greeting, tags
from swarm.session.handshake import Handshake
from swarm.session.messages import SESSION_MESSAGES, Answer, Member, Offer, Withdraw

if TYPE_CHECKING:
    from collections.abc import Callable


def _read() -> dict[str, str]:
    text = (Path(__file__).parent.parent / "vectors" / "handshake.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    answers = dict(line.split(" = ", 1) for line in lines)
    assert len(answers) == len(lines), "a name occurs twice"
    return answers


ANSWERS = _read()


def known(name: str) -> bytes:
    return bytes.fromhex(ANSWERS[name])


WRITER = FolderKeys.create(known("owner_seed"))
READER = FolderKeys.from_printed(WRITER.printed(Role.READ))
DIALLING = DeviceKey.create(known("dialler_seed"))
LISTENING = DeviceKey.create(known("listener_seed"))
FOLDER = WRITER.folder_id


def numbered() -> Callable[[int], bytes]:
    """Random bytes as the file has them."""
    numbers = count(1)
    return lambda size: bytes([next(numbers)]) * size


def test_a_handshake_is_the_known_one() -> None:
    assert DIALLING.id == known("dialler")
    assert LISTENING.id == known("listener")
    dialler = Handshake(DIALLING, {FOLDER: WRITER}, known("binding"), True, numbered())
    listener = Handshake(LISTENING, {FOLDER: READER}, known("binding"), False, numbered())
    assert dialler.start() == known("tags")
    assert listener.receive(known("tags")) == known("answer")
    assert dialler.receive(known("answer")) == known("proof")
    assert listener.receive(known("proof")) == b""
    assert (dialler.peer, listener.peer) == (LISTENING.id, DIALLING.id)
    assert dialler.proved == listener.proved == {FOLDER: Role.READ}


def test_an_offer_and_its_answer_are_the_known_ones() -> None:
    nonce = known("offer_nonce")
    binding = digest(b"swarm1.offer", known("binding") + nonce, 32)
    assert binding == known("offer_binding")
    offer = Offer(nonce, tags.show([WRITER], DIALLER, binding, numbered()))
    assert SESSION_MESSAGES.pack(offer) == known("offer")
    proved = tags.match({FOLDER: READER}, offer.tags, DIALLER, binding)
    answer = Answer(nonce, tags.answer({FOLDER: READER}, proved, LISTENER, binding, numbered()))
    assert SESSION_MESSAGES.pack(answer) == known("offer_answer")


def test_the_sessions_messages_are_the_known_ones() -> None:
    addresses = (("192.0.2.7", 47474), ("2001:db8::7", 47474))
    hello = greeting.hello("laptop", "0.1.0", known("boot_nonce"), addresses, greeting.VERSIONS, 1_767_225_600_000)
    certificate = Certificate.issue(WRITER, DIALLING.id, Role.WRITE).raw
    for name, message in (
        ("hello", hello),
        ("member", Member(FOLDER, Role.WRITE, certificate)),
        ("withdraw", Withdraw(FOLDER)),
    ):
        assert SESSION_MESSAGES.pack(message) == known(name)
        assert SESSION_MESSAGES.unpack(known(name)) == message
    assert SESSION_MESSAGES.unpack(known("hello_without_clock")) == replace(hello, clock=0)
