"""What config.toml may say, and what `swarm run` says on top."""

from __future__ import annotations

import pytest

from swarm.config import MAX_ADDRESSES, Config, HostPort, RelayAddress, parse_config, parse_listen
from swarm.errors import EXIT_USAGE, UserError


def refusal(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse_config(text)
    return caught.value


def test_an_empty_file_means_the_defaults() -> None:
    assert parse_config("") == Config()
    assert parse_config("# nothing\n").listen == HostPort("", 47474)
    assert not parse_config("").listen_given


def test_every_setting_is_read() -> None:
    config = parse_config(
        """
        listen = "[2001:db8::7]:1234"
        bootstrap = ["a.example.net:1", "192.0.2.1:2"]
        relay = "r.example.net:47470~AbC_-0="
        peers = ["192.0.2.7:47474"]
        dht = false
        lan = false
        up = "2.5 MB/s"
        down = 100000
        log_level = "debug"
        """
    )
    assert config == Config(
        listen=HostPort("2001:db8::7", 1234),
        listen_given=True,
        bootstrap=(HostPort("a.example.net", 1), HostPort("192.0.2.1", 2)),
        relay=(RelayAddress(HostPort("r.example.net", 47470), "AbC_-0="),),
        peers=(HostPort("192.0.2.7", 47474),),
        dht=False,
        lan=False,
        up=2_500_000,
        down=100_000,
        log_level="debug",
    )


def test_a_misspelt_key_names_the_likely_spelling() -> None:
    error = refusal('lisen = "0.0.0.0:1"')
    assert "'lisen'" in error.message
    assert error.hint == "did you mean listen?"


def test_an_unlikely_key_names_those_there_are() -> None:
    assert "bootstrap" in refusal("zzz = 1").hint


def test_bad_toml_names_the_line() -> None:
    assert "line 2" in refusal("dht = true\nlisten = x").message
    assert "Unterminated" in refusal('listen = "').message


def test_nesting_beyond_reason_is_refused_and_not_a_traceback() -> None:
    refusal("peers = " + "[" * 100_000)


def test_a_number_beyond_reason_is_refused_and_not_a_traceback() -> None:
    refusal("up = " + "9" * 10_000)


def test_a_key_with_hyphen_and_underscore_is_one_key() -> None:
    assert parse_config('log-level = "error"').log_level == "error"
    assert "twice" in refusal('log-level = "error"\nlog_level = "info"').message


@pytest.mark.parametrize("key", ["dht", "lan", "port-mapping"])
def test_a_switch_may_be_written_as_it_is_typed(key: str) -> None:
    name = key.replace("-", "_")
    assert getattr(parse_config(f"no-{key} = true"), name) is False
    assert getattr(parse_config(f"no_{key} = false"), name) is True
    assert getattr(parse_config(f"{key} = true\nno-{key} = false"), name) is True
    assert "contradict" in refusal(f"{key} = true\nno-{key} = true").message


@pytest.mark.parametrize(
    "line",
    [
        "listen = 47474",
        'dht = "no"',
        "dht = 0",
        "peers = [1]",
        "peers = {a = 1}",
        "log_level = true",
        'log_level = "loud"',
        'up = "fast"',
        "up = 0",
        'up = "0"',
        'up = "15.9K"',
        "down = 15999",
        "up = -1",
        "up = true",
        "up = 1.5",
        'relay = "r.example.net:47470"',
        'relay = "r.example.net:47470~"',
        'relay = "r.example.net:47470~a b"',
        'peers = "192.0.2.7"',
        'peers = "192.0.2.7:0"',
        'bootstrap = ":5"',
    ],
)
def test_a_wrong_value_names_its_key(line: str) -> None:
    assert line.split(" ")[0].replace("_", "-") in refusal(line).message


def test_a_list_is_bounded() -> None:
    addresses = ["192.0.2.7:1"] * MAX_ADDRESSES
    assert len(parse_config(f"peers = {addresses}").peers) == MAX_ADDRESSES
    assert str(MAX_ADDRESSES) in refusal(f"peers = {[*addresses, '192.0.2.7:1']}").message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:47474", HostPort("0.0.0.0", 47474)),
        (":1", HostPort("", 1)),
        ("127.0.0.1:0", HostPort("127.0.0.1", 0)),
        ("[::]:65535", HostPort("::", 65535)),
        ("[fe80::1%eth0]:5", HostPort("fe80::1%eth0", 5)),
        ("my_host-1.example:5", HostPort("my_host-1.example", 5)),
    ],
)
def test_an_address_to_listen_on(text: str, expected: HostPort) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "47474",
        "a:",
        "a:x",
        "a:-1",
        "a:65536",
        "a:000001",
        "a:٣",
        "::1:5",
        "[::1]",
        "a b:1",
        "a\n:1",
        "[x]:1",
        "a/b:1",
    ],
)
def test_a_bad_address_is_wrong_usage(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_listen(text)
    assert caught.value.code == EXIT_USAGE
    assert "\n" not in caught.value.message


def test_addresses_are_written_as_they_are_read() -> None:
    assert str(HostPort("::1", 5)) == "[::1]:5"
    assert str(RelayAddress(HostPort("r.example", 5), "K")) == "r.example:5~K"


def test_the_command_line_is_stronger_than_the_file() -> None:
    config = parse_config('listen = "127.0.0.1:1"\nlog-level = "error"\nlan = false')
    assert config.overridden() == config
    assert config.overridden(bootstrap=(HostPort("a.example", 5),)).bootstrap == (HostPort("a.example", 5),)
    assert parse_config('bootstrap = ["b.example:5"]').overridden().bootstrap == (HostPort("b.example", 5),)
    changed = config.overridden(listen=HostPort("", 2), log_level="debug", no_dht=True)
    assert (changed.listen, changed.listen_given) == (HostPort("", 2), True)
    assert (changed.log_level, changed.dht, changed.lan) == ("debug", False, False)
    assert Config().overridden(listen=HostPort("", 47474)).listen_given
