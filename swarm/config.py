"""What a user may set: `$SWARM_HOME/config.toml`, overridden by the options of `swarm run`.

Pure: the caller reads the file. A key that is not known is an error that names the likely spelling, since a setting
that is silently ignored is worse than a daemon that does not start. Keys are those of the command line, with `-` or
`_`; a switch may be written as it is typed (`no-dht = true`) or plainly (`dht = false`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from swarm.errors import EXIT_USAGE, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT: Final = "default"  # where a setting may come from
FILE: Final = "config.toml"
OPTION: Final = "swarm run"  # its options
DEFAULT_PORT: Final = 47474  # UDP and TCP
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
SLOWEST_RATE: Final = 16_000  # bytes/s: the largest chunk of a usual file in 16 seconds
MAX_ADDRESSES: Final = 64  # in one list; more than anybody dials, and a typo in a generated file stays harmless

_KEYS: Final = (
    *("listen", "bootstrap", "relay", "peers", "dht", "lan", "no-dht", "no-lan"),
    *("port-mapping", "no-port-mapping", "up", "down", "log-level"),
)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?\]")
_RELAY_KEY: Final = re.compile(r"[A-Za-z0-9._=-]{1,128}")
_RATE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,3})?) ?([KMG]?)(?:B|B/s)?")
_RATE_EXAMPLE: Final = '"2.5 MB/s", or bytes a second'
_UNITS: Final = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
Given = TypeVar("Given")
Parsed = TypeVar("Parsed")


class HostPort(NamedTuple):
    """Where to listen or whom to dial. host: a name or an address, IPv6 without brackets; "" is every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class RelayAddress(NamedTuple):
    """A relay as `HOST:PORT~KEY`; key: text as the relay printed it, whose owner checks it when it dials."""

    address: HostPort
    key: str

    def __str__(self) -> str:
        return f"{self.address}~{self.key}"

    @property
    def public(self) -> str:
        """Without the token that may follow a dot: what others may see."""
        return f"{self.address}~{self.key.partition('.')[0]}"


EVERYWHERE: Final = HostPort("", DEFAULT_PORT)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one daemon."""

    listen: HostPort = EVERYWHERE
    listen_given: bool = False  # False: the next free port may be taken instead, and is then kept
    bootstrap: tuple[HostPort, ...] = ()  # nodes of the DHT
    relay: tuple[RelayAddress, ...] = ()
    peers: tuple[HostPort, ...] = ()  # further addresses to dial, whichever member is there
    dht: bool = True
    lan: bool = True
    port_mapping: bool = True  # the router is asked to let others in
    up: int | None = None  # bytes/s; None: no limit
    down: int | None = None  # bytes/s
    log_level: str = "info"  # one of LOG_LEVELS
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)  # key -> where its value is from

    def overridden(
        self,
        *,
        listen: HostPort | None = None,
        bootstrap: tuple[HostPort, ...] = (),
        log_level: str | None = None,
        relay: tuple[RelayAddress, ...] = (),
        no_dht: bool = False,
        no_lan: bool = False,
        no_port_mapping: bool = False,
        up: int | None = None,
        down: int | None = None,
    ) -> Config:
        """These settings with what the command line says on top; None and False say nothing."""
        given: dict[str, object] = {"listen": listen, "log-level": log_level, "dht": no_dht, "lan": no_lan}
        given |= {"port-mapping": no_port_mapping, "up": up, "down": down, "relay": relay, "bootstrap": bootstrap}
        return replace(
            self,
            listen=listen or self.listen,
            listen_given=self.listen_given or listen is not None,
            bootstrap=bootstrap or self.bootstrap,
            log_level=log_level or self.log_level,
            relay=relay or self.relay,
            dht=self.dht and not no_dht,
            lan=self.lan and not no_lan,
            port_mapping=self.port_mapping and not no_port_mapping,
            up=up or self.up,
            down=down or self.down,
            sources={**self.sources, **dict.fromkeys((key for key, value in given.items() if value), OPTION)},
        )


def described(config: Config, home: str, name: str) -> dict[str, Any]:
    """The object of `swarm config --json`. name: of the device."""
    values = {
        "listen": str(config.listen),
        "peers": [str(peer) for peer in config.peers],
        "bootstrap": [str(node) for node in config.bootstrap],
        "relay": [relay.public for relay in config.relay],
        "dht": config.dht,
        "lan": config.lan,
        "port-mapping": config.port_mapping,
        "up": config.up,
        "down": config.down,
        "log-level": config.log_level,
    }
    settings = [{"key": key, "value": value, "from": config.sources.get(key, DEFAULT)} for key, value in values.items()]
    return {"home": home, "name": name, "file": f"{home}/config.toml", "settings": settings}


def parse_config(text: str) -> Config:
    """The settings in the text of a config.toml. Raises UserError, which names the key or the line."""
    import tomllib  # only the daemon reads the file; the other commands should not pay for a parser

    try:
        table = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and the plain one of a number or a date that is none
        raise UserError(f"config.toml: {error}", 'a line looks like this: listen = "0.0.0.0:47474"') from error
    except RecursionError as error:
        raise UserError("config.toml: nested too deeply") from error
    settings: dict[str, Any] = {}
    for written, value in table.items():
        key = written.replace("_", "-")
        if key not in _KEYS:
            raise _unknown(written)
        if key in settings:
            raise UserError(f"config.toml: {written} is set twice")
        settings[key] = value
    return _config(settings)


def parse_listen(text: str) -> HostPort:
    """`HOST:PORT` to bind: the host may be left out (every interface), and port 0 lets the system choose."""
    return _host_port(text, "HOST:PORT", lowest_port=0, host_optional=True)


def parse_rate(text: str) -> int:
    """Bytes a second: `2.5M`, `300 KB/s`, or a plain number. Raises UserError."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise UserError(f"{_quoted(text)} is no rate", f"it looks like this: {_RATE_EXAMPLE}", EXIT_USAGE)
    return _fast_enough(int(float(match[1]) * _UNITS[match[2]]))


def _fast_enough(rate: int) -> int:
    if rate < SLOWEST_RATE:
        raise UserError(
            f"{rate} bytes a second are too few",
            f"{SLOWEST_RATE // 1000}K at least, or others take this device for stuck; swarm pause stops all of it",
            EXIT_USAGE,
        )
    return rate


def parse_relay(text: str) -> RelayAddress:
    """`HOST:PORT~KEY`. Raises UserError; what KEY is, its owner knows (`swarm.keys.relay`)."""
    address, tilde, key = text.removeprefix("relay ").partition("~")  # the line that a relay prints, or its second word
    if not tilde or not _RELAY_KEY.fullmatch(key):
        raise UserError(
            f"{_quoted(address)}{'~…' if tilde else ''} is no HOST:PORT~KEY",  # a token may stand behind the key
            "copy the line that the relay prints when it starts",
            EXIT_USAGE,
        )
    return RelayAddress(_host_port(address, "HOST:PORT~KEY", lowest_port=1, host_optional=False), key)


def parse_node(text: str) -> HostPort:
    """`HOST:PORT` of somebody to speak to."""
    return _dialled(text)


def _config(settings: dict[str, Any]) -> Config:
    listen = _typed(settings, "listen", str, f'listen = "0.0.0.0:{DEFAULT_PORT}"')
    level = _typed(settings, "log-level", str, 'log-level = "info"')
    if level is not None and level not in LOG_LEVELS:
        raise UserError(f"config.toml: log-level {_quoted(level)} is none", f"one of {', '.join(LOG_LEVELS)}")
    return Config(
        listen=EVERYWHERE if listen is None else _in_file("listen", parse_listen, listen),
        listen_given=listen is not None,
        bootstrap=_addresses(settings, "bootstrap"),
        relay=tuple(
            _in_file("relay", parse_relay, item) for item in _texts(settings, "relay", "r.example.net:47470~KEY")
        ),
        peers=_addresses(settings, "peers"),
        dht=_switch(settings, "dht"),
        lan=_switch(settings, "lan"),
        port_mapping=_switch(settings, "port-mapping"),
        up=_rate(settings, "up"),
        down=_rate(settings, "down"),
        log_level=level or Config().log_level,
        sources={key.removeprefix("no-"): FILE for key in settings},
    )


def _unknown(written: str) -> UserError:
    from difflib import get_close_matches

    key = written.replace("_", "-")
    likely = get_close_matches(key, _KEYS, n=1)
    hint = f"did you mean {likely[0]}?" if likely else f"known keys: {', '.join(_KEYS)}"
    return UserError(f"config.toml: there is no setting {_quoted(written)}", hint)


def _typed(settings: dict[str, Any], key: str, kind: type, example: str) -> Any:
    """The value, None where it is not set. TOML's booleans are ints to Python, hence `type is`."""
    value = settings.get(key)
    if value is not None and type(value) is not kind:
        raise UserError(f"config.toml: {key} has the wrong type", f"it looks like this: {example}")
    return value


def _switch(settings: dict[str, Any], key: str) -> bool:
    plain = _typed(settings, key, bool, f"{key} = false")
    negated = _typed(settings, f"no-{key}", bool, f"no-{key} = true")
    if plain is not None and negated is not None and plain == negated:
        raise UserError(f"config.toml: {key} and no-{key} contradict each other", "keep one of them")
    if plain is not None:
        return bool(plain)
    return not negated


def _texts(settings: dict[str, Any], key: str, example: str) -> list[str]:
    """A list of texts; a single text is a list of one."""
    value = settings.get(key, [])
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise UserError(f"config.toml: {key} has the wrong type", f'it looks like this: {key} = ["{example}"]')
    if len(items) > MAX_ADDRESSES:
        raise UserError(f"config.toml: {key} has more than {MAX_ADDRESSES} entries")
    return items


def _addresses(settings: dict[str, Any], key: str) -> tuple[HostPort, ...]:
    return tuple(_in_file(key, _dialled, item) for item in _texts(settings, key, "192.0.2.7:47474"))


def _in_file(key: str, parse: Callable[[Given], Parsed], value: Given) -> Parsed:
    try:
        return parse(value)
    except UserError as error:
        raise UserError(f"config.toml: {key}: {error.message}", error.hint) from error


def _rate(settings: dict[str, Any], key: str) -> int | None:
    value = settings.get(key)
    if value is None:
        return None
    if type(value) is int and value > 0:
        return _in_file(key, _fast_enough, value)
    if not isinstance(value, str):
        raise UserError(f"config.toml: {key} is no rate", f"it looks like this: {key} = {_RATE_EXAMPLE}")
    return _in_file(key, parse_rate, value)


def _dialled(text: str) -> HostPort:
    return _host_port(text, "HOST:PORT", lowest_port=1, host_optional=False)


def _host_port(text: str, shape: str, *, lowest_port: int, host_optional: bool) -> HostPort:
    host, colon, port = text.rpartition(":")
    known_host = bool(_HOST.fullmatch(host)) or (host_optional and not host)
    if not colon or not known_host or not (port.isascii() and port.isdigit() and len(port) <= 5):
        example = "[2001:db8::7]:47474" if text.count(":") > 1 else "192.0.2.7:47474"
        raise UserError(f"{_quoted(text)} is no {shape}", f"an address looks like this: {example}", EXIT_USAGE)
    if not lowest_port <= int(port) <= 65535:
        raise UserError(f"{port} is no port", f"a port is between {lowest_port} and 65535", EXIT_USAGE)
    return HostPort(host.strip("[]"), int(port))


def _quoted(text: str) -> str:
    """For a message of one line: what was written, short and harmless on a terminal."""
    return ascii(text if len(text) <= 80 else text[:79] + "…")
