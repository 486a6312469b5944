"""What the relay's owner may type, and what is said when it cannot be."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import ifaddr
import pytest

from relay.main import address_line, main
from relay.options import Options, is_private, parse, printed_address
from relay.state import KEY_FILE, default_directory, load_seed, read_list
from swarm.config import HostPort
from swarm.errors import EXIT_USAGE, UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_said_is_every_address_the_default_port_and_the_dht() -> None:
    assert parse([]) == Options(HostPort("", 47470), dht=True)


def test_everything_can_be_said() -> None:
    said = parse(
        [
            "--listen",
            "[2001:db8::7]:443",
            "--state",
            "s",
            "--token-file",
            "t",
            "--allow",
            "a",
            "--public-address",
            "R.Example.net",
            "--metrics",
            "127.0.0.1:9",
            "--bootstrap",
            "192.0.2.1:1",
            "--bootstrap",
            "b.example.net:2",
            "--no-dht",
        ]
    )
    assert said == Options(
        listen=HostPort("2001:db8::7", 443),
        state="s",
        token_file="t",
        allow="a",
        public_address="r.example.net",
        metrics=HostPort("127.0.0.1", 9),
        bootstrap=(HostPort("192.0.2.1", 1), HostPort("b.example.net", 2)),
        dht=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        "--listen x",
        "--listen 1.2.3.4:99999",
        "--listen",
        "--state=",
        "--token-file=",
        "--allow=",
        "--public-address 192.0.2.7:47470",
        "--public-address ::",
        "--public-address 224.0.0.1",
        "--public-address fe80::1%eth0",
        "--public-address=",
        "--public-address 1.2.3",
        "--public-address a_b",
        "--metrics :9",
        "--metrics 127.0.0.1:0",
        "--bootstrap 192.0.2.1",
        "--bootstrap :5",
        "--lis 1.2.3.4:5",
        "--nonsense",
        "stray",
    ],
)
def test_what_makes_no_sense_is_one_error_and_one_hint(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == EXIT_USAGE
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 2
    assert lines[0].startswith("relay: error: ")
    assert lines[1].startswith("relay: hint: ")


def test_addresses_are_printed_as_they_are_typed_elsewhere() -> None:
    assert printed_address("2001:db8::7", 5) == "[2001:db8::7]:5"
    assert parse(["--public-address", "[2001:DB8::7]"]).public_address == "2001:db8::7"
    assert parse(["--public-address", "::ffff:192.0.2.7"]).public_address == "192.0.2.7"
    assert [is_private(host) for host in ("10.1.2.3", "127.0.0.1", "fd00::1", "8.8.8.8", "r.example.net")] == [
        True,
        True,
        True,
        False,
        False,
    ]


# -- the key


def test_the_key_is_drawn_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    seed = load_seed(tmp_path / "new/state")
    assert load_seed(tmp_path / "new/state") == seed
    assert len(seed) == 32
    assert stat.S_IMODE((tmp_path / "new/state" / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new/state").stat().st_mode) == 0o700


def test_a_key_that_others_can_read_or_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    load_seed(tmp_path)
    key = tmp_path / KEY_FILE
    key.chmod(0o640)
    with pytest.raises(UserError, match="read by others"):
        load_seed(tmp_path)
    key.chmod(0o600)
    for content in (b"", b"00" * 31, b"zz" * 32, b"00" * 33, b"\xff" * 64):
        key.write_bytes(content)
        with pytest.raises(UserError, match="holds no key"):
            load_seed(tmp_path)
        assert key.read_bytes() == content


def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        load_seed(tmp_path / "file")
    with pytest.raises(UserError, match="file"):
        load_seed(tmp_path / "file" / "below")
    os.symlink("/dev/null", tmp_path / KEY_FILE)
    with pytest.raises(UserError):
        load_seed(tmp_path)


def test_the_state_is_where_the_service_manager_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/elsewhere")
    assert default_directory() == tmp_path
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "swarm-relay"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_directory().is_absolute()


# -- lists


def test_lists_that_cannot_be_read_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge, binary, empty = tmp_path / "huge", tmp_path / "binary", tmp_path / "empty"
    huge.write_bytes(b"a" * ((1 << 20) + 1))
    binary.write_bytes(b"\xff\xfe")
    empty.write_text("# nothing yet\n")
    for file in (huge, binary, empty, tmp_path, tmp_path / "absent"):
        for option in ("--token-file", "--allow"):
            assert main(["--state", str(tmp_path / "state"), option, str(file)]) == 1
            err = capsys.readouterr().err.splitlines()
            assert len(err) == 2
            assert err[0].startswith(f"relay: error: {option} {file}: ")
    assert read_list(empty, "--allow") == "# nothing yet\n"


def test_the_line_can_be_had_without_starting_the_relay(tmp_path: Path) -> None:
    words = ["--state", str(tmp_path), "--public-address", "r.example.net", "--listen", ":4747"]
    line = address_line(words)
    assert line.startswith("relay r.example.net:4747~")
    assert address_line(words) == line


@pytest.mark.parametrize(
    ("addresses", "printed"),
    [(["127.0.0.1", ("fd00::7", 0, 0), "198.18.0.7"], "198.18.0.7"), (["127.0.0.1", ("fe80::1", 0, 2)], "127.0.0.1")],
    ids=["its own network", "no network"],
)
def test_without_a_way_to_the_internet_the_address_of_its_own_network_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, addresses: list[Any], printed: str
) -> None:
    adapter = ifaddr.Adapter("eth0", "eth0", [ifaddr.IP(address, 24, "eth0") for address in addresses])
    monkeypatch.setattr("relay.main.SOMEWHERE", {})
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [adapter])
    assert address_line(["--state", str(tmp_path)]).startswith(f"relay {printed}:47470~")
