"""Hints after a key: what is written, what is read, and what is ignored."""

from __future__ import annotations

import re
import string

import pytest

from swarm.errors import BadKey
from swarm.keys.chain import FolderKeys, Role
from swarm.keys.hints import (
    MAX_ADDRESSES,
    MAX_HINT_LENGTH,
    MAX_HINTS,
    MAX_NAME_BYTES,
    MAX_NODES,
    MAX_RELAYS,
    Hints,
    RelayHint,
    directory_name,
    format_invitation,
    parse_invitation,
)

KEY = FolderKeys.create(bytes(range(32))).printed(Role.WRITE)
EXAMPLE = "+192.0.2.7:47474+2001-db8--7:47474+r.example.net:47470~RELAYKEY+name=Docs"
HINTS = Hints((("192.0.2.7", 47474), ("2001:db8::7", 47474)), (RelayHint("r.example.net", 47470, "RELAYKEY"),), "Docs")


def test_an_invitation_is_written_and_read() -> None:
    text = format_invitation(KEY, HINTS)
    assert text == KEY.encode() + EXAMPLE
    assert parse_invitation(text) == (KEY, HINTS)


def test_a_key_alone_is_an_invitation_too() -> None:
    assert format_invitation(KEY, Hints()) == KEY.encode()
    assert parse_invitation(KEY.encode()) == (KEY, Hints())
    assert parse_invitation(KEY.encode() + "+") == (KEY, Hints())


def test_everything_after_the_first_plus_may_be_cut_off() -> None:
    text = format_invitation(KEY, HINTS)
    for length in range(len(KEY.encode()), len(text)):
        key, hints = parse_invitation(text[:length])
        assert key == KEY
        assert set(hints.relays) <= {RelayHint("r.example.net", 47470, "RELAYKEY"[:n]) for n in range(9)}


def test_a_line_broken_by_mail_is_read_and_dashes_in_hints_are_kept() -> None:
    text = format_invitation(KEY, HINTS)
    broken = "\n> ".join(text[i : i + 20] for i in range(0, len(text), 20)).replace(">", "")
    assert parse_invitation(f"  {broken}\r\n") == (KEY, HINTS)


def test_capitals_in_the_key_leave_the_hints_as_they_are() -> None:
    assert parse_invitation(KEY.encode().upper() + EXAMPLE) == (KEY, HINTS)


def test_hints_do_not_excuse_a_bad_key() -> None:
    with pytest.raises(BadKey):
        parse_invitation(EXAMPLE)
    with pytest.raises(BadKey):
        parse_invitation(KEY.encode()[:-1] + EXAMPLE)


@pytest.mark.parametrize(
    "hint",
    [
        "",
        "nonsense",
        "192.0.2.7",
        "192.0.2.7:",
        "192.0.2.7:0",
        "192.0.2.7:65536",
        "192.0.2.7:047",
        "192.0.2.7:999999",
        "192.0.2.256:1",
        "192.0.2.7:1:1",
        "2001:db8::7:47474",
        ":47474",
        "0.0.0.0:1",
        "--:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "ff02--1:1",
        "fe80--1:1",
        "fe80--1%eth0:1",
        "127.1:1",
        "2130706433:1",
        "0x7f000001:1",
        "host.0x7f:1",
        "-host:1",
        "a..b:1",
        "host.:1",
        "x" * 64 + ":1",
        ".".join(["x" * 60] * 5) + ":1",
        "h$st:1",
        "host/path:1",
        "hôst:1",
        "host:١",
        "r.example.net:1~",
        "r.example.net:1~key~key",
        "r.example.net:1~" + "k" * 129,
        "~key",
        "r.example.net~key",
        "colour=blue",
        "colour=blue:1",
        "name=",
        "name=..",
        "name=%2e%2e%2f",
        "name=%",
        "name=%zz",
        "name=%ff",
        "name=a/b",
        "name=" + "x" * MAX_HINT_LENGTH,
        "NAME=Docs",
        "\0",
        "&",
    ],
)
def test_a_hint_that_makes_no_sense_is_ignored_and_the_next_is_read(hint: str) -> None:
    assert Hints.parse(f"+{hint}+192.0.2.7:47474") == Hints((("192.0.2.7", 47474),))


@pytest.mark.parametrize(
    ("hint", "place"),
    [
        ("[2001-db8--7]:1", None),
        ("2001-DB8-0-0-0-0-0-7:1", ("2001:db8::7", 1)),
        ("--1:65535", ("::1", 65535)),
        ("--ffff-192.0.2.7:1", ("192.0.2.7", 1)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("NAS.local:22", ("nas.local", 22)),
        ("my_box-2:22", ("my_box-2", 22)),
        ("xn--mnchen-3ya.example:1", ("xn--mnchen-3ya.example", 1)),
        ("3com.example:1", ("3com.example", 1)),
        ("x" * 63 + ":1", ("x" * 63, 1)),
    ],
)
def test_an_address_is_read_in_its_one_usual_spelling(hint: str, place: tuple[str, int] | None) -> None:
    assert Hints.parse(hint) == Hints((place,) if place else ())


@pytest.mark.parametrize(
    "address",
    [
        ("fe80::1%eth0", 1),
        ("::", 1),
        ("192.0.2.7", 0),
        ("192.0.2.7", 70000),
        ("not a host", 1),
        ("dead-beef-0-0-0-0-0-1", 1),  # a host name that would be read as IPv6
        ("a+b", 1),
        ("", 1),
    ],
)
def test_an_address_that_would_not_be_read_back_is_not_written(address: tuple[str, int]) -> None:
    assert Hints((address,), (RelayHint(*address, "key"),)).encode() == ""


def test_a_relay_with_a_key_of_odd_characters_is_not_written() -> None:
    assert Hints((), (RelayHint("r.example.net", 1, "a+b"), RelayHint("r.example.net", 1, ""))).encode() == ""


def test_an_address_of_a_dual_stack_socket_is_written_as_ipv4() -> None:
    assert Hints((("::ffff:192.0.2.7", 1), ("192.0.2.7", 1))).encode() == "+192.0.2.7:1"


def test_no_more_addresses_and_relays_than_the_limit_are_written_or_read() -> None:
    many = Hints(
        tuple((f"192.0.2.{i}", 1) for i in range(9)), tuple(RelayHint(f"r{i}.example.net", 1, "key") for i in range(9))
    )
    few = Hints(many.addresses[:MAX_ADDRESSES], many.relays[:MAX_RELAYS])
    assert Hints.parse(many.encode()) == few
    text = "".join(f"+{host}:{port}" for host, port in many.addresses)
    assert Hints.parse(text).addresses == few.addresses
    text = "".join(f"+{relay.host}:{relay.port}~key" for relay in many.relays)
    assert Hints.parse(text).relays == few.relays


def test_nodes_of_the_dht_are_written_and_read() -> None:
    hints = Hints(nodes=(("192.0.2.7", 47470), ("2001:db8::7", 47470)))
    assert hints.encode() == "+dht=192.0.2.7:47470+dht=2001-db8--7:47470"
    assert Hints.parse(hints.encode()) == hints
    assert Hints.parse("+dht=nonsense+dht=0.0.0.0:1+dht=a.example:5~KEY") == Hints()
    many = tuple((f"192.0.2.{number}", 5) for number in range(1, 9))
    assert Hints.parse(Hints(nodes=many).encode()).nodes == many[:MAX_NODES]
    assert Hints.parse("".join(f"+dht={host}:{port}" for host, port in many)).nodes == many[:MAX_NODES]


def test_the_same_address_twice_takes_one_place() -> None:
    assert Hints.parse("+a:1" * 9 + "+b:2").addresses == (("a", 1), ("b", 2))


def test_hints_beyond_the_limit_are_not_looked_at() -> None:
    assert Hints.parse("+x" * (MAX_HINTS - 1) + "+a:1").addresses == (("a", 1),)
    assert Hints.parse("+x" * MAX_HINTS + "+a:1").addresses == ()


def test_of_two_names_the_first_counts() -> None:
    assert Hints.parse("+name=Docs+name=Other").name == "Docs"


def test_whatever_the_name_the_line_can_be_pasted_unquoted() -> None:
    for name in [string.printable, "日本語 & <x>; `rm -rf ~`", "a+b=c?*[x]", "\u202e\u0000\U0001f600"]:
        text = Hints(name=name).encode()
        assert re.fullmatch(r"[A-Za-z0-9._~:+=%-]*", text)
        assert Hints.parse(text).name == directory_name(name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Docs", "Docs"),
        ("Zürich 2024 (final)", "Zürich 2024 (final)"),
        ("Zu\u0308rich", "Zürich"),
        ("../../etc/passwd", "etc-passwd"),
        ("/", None),
        ("..", None),
        (".ssh", "ssh"),
        (".swarm", "swarm"),
        ("C:\\Windows", "C--Windows"),
        ("-rf", "rf"),
        ("~root", "root"),
        (" a \n\t b ", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("a\0b", "ab"),
        ("\udcff", None),
        ("Docs. .", "Docs"),
        ("", None),
        ("猫" * 99, "猫" * 33),
        ("x" * 500, "x" * MAX_NAME_BYTES),
        ("x" * 99 + " y", "x" * 99),
    ],
)
def test_a_directory_name_is_one_visible_harmless_name(name: str, safe: str | None) -> None:
    assert directory_name(name) == safe
    if safe is not None:
        assert directory_name(safe) == safe
