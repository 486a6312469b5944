"""tests/vectors/dht.txt, which another implementation can read too, against ours."""

from __future__ import annotations

from pathlib import Path

from swarm.discovery.dht import messages
from swarm.discovery.dht.contact import make_id
from swarm.discovery.dht.messages import Ping, Pong
from swarm.discovery.dht.place import Place, pack_places, parse_places
from swarm.discovery.dht.provider import PLACES_BYTES, DayKeys, check
from swarm.ids import DeviceId

TEXT = (Path(__file__).parent.parent / "vectors" / "dht.txt").read_text("utf-8")
ANSWERS = dict(line.split(" = ", 1) for line in TEXT.splitlines() if line and not line.startswith("#"))
KEYS = DayKeys.derive(bytes.fromhex(ANSWERS["discovery_key"]), int(ANSWERS["day"]))
PLACES = (
    Place("192.0.2.7", 47474),
    Place("2001:db8::7", 47474),
    Place("198.51.100.9", 47470, bytes.fromhex(ANSWERS["relay_key"])),
)


def answer(name: str) -> bytes:
    return bytes.fromhex(ANSWERS[name])


def test_a_day_has_the_known_keys_and_topic() -> None:
    assert KEYS.public_key == answer("public_key")
    assert KEYS.seal_key == answer("seal_key")
    assert KEYS.topic == answer("topic")


def test_a_device_has_the_known_slot_and_record() -> None:
    device = DeviceId(answer("device"))
    assert KEYS.slot(device) == answer("slot")
    assert pack_places(PLACES, PLACES_BYTES) == answer("places").ljust(PLACES_BYTES, b"\0")
    assert KEYS.issue(device, PLACES, int(ANSWERS["issued"])) == answer("record")


def test_the_known_record_says_where_the_device_is() -> None:
    record = check(answer("public_key"), answer("record"), float(ANSWERS["issued"]))
    assert (record.topic, record.slot) == (answer("topic"), answer("slot"))
    assert KEYS.open(record) == PLACES == parse_places(answer("places"))


def test_ids_begin_as_their_addresses_demand() -> None:
    for number in (1, 2):
        assert make_id(ANSWERS[f"address_{number}"], bytes(20))[:4] == answer(f"bound_{number}")


def test_datagrams_look_as_they_should() -> None:
    sender, message_id = bytes(range(1, 21)), bytes(range(0xA0, 0xB4))
    assert messages.pack_question(message_id, Ping(sender, False)) == answer("ping")
    pong = Pong(sender, True, bytes([192, 0, 2, 7]) + (47474).to_bytes(2, "big"), bytes(range(8)))
    assert messages.pack_answer(message_id, pong) == answer("pong")
