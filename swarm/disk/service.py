"""What starts the daemon at boot or login: a systemd user unit with linger on Linux, a launchd agent on macOS.

Each home has a service of its own, so that two homes never disturb each other. The unit runs the very program that
wrote it, with the daemon's log where `swarm logs` looks.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Final

from swarm.disk.home import Home
from swarm.errors import UserError

TIMEOUT: Final = 30.0  # seconds for systemctl, loginctl or launchctl
NAME_DIGITS: Final = 8  # hex digits of the hash of a home that is not the default one
_MAC: Final = "darwin"


def name_of(home: Path) -> str:
    """`swarm`, or `swarm-XXXXXXXX` for a home that is not the platform's."""
    usual = Home.locate({**os.environ, "SWARM_HOME": ""}, sys.platform)
    if os.path.realpath(usual) == os.path.realpath(home):
        return "swarm"
    return f"swarm-{blake2b(os.fsencode(os.path.realpath(home)), digest_size=NAME_DIGITS // 2).hexdigest()}"


def file_of(home: Path) -> Path:
    """Where the unit or the agent of this home is, or would be."""
    if sys.platform == _MAC:
        return Path.home() / "Library/LaunchAgents" / f"{name_of(home)}.plist"
    settings = os.environ.get("XDG_CONFIG_HOME") or ""
    base = Path(settings) if os.path.isabs(settings) else Path.home() / ".config"
    return base / "systemd/user" / f"{name_of(home)}.service"


def installed(home: Path) -> bool:
    return file_of(home).exists()


def unit(command: list[str], home: Path) -> str:
    """The text of a systemd user unit. command: the absolute program and its arguments."""
    environment = "".join(f"Environment={_quoted(f'{key}={value}')}\n" for key, value in _environment(home).items())
    return f"""\
[Unit]
Description=Swarm keeps folders in step
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={" ".join([_quoted(command[0]), *(_quoted(word, dollar=True) for word in command[1:])])}
{environment}WorkingDirectory=/
Restart=on-failure
RestartSec=5
TimeoutStopSec=10

[Install]
WantedBy=default.target
"""


def _environment(home: Path) -> dict[str, str]:
    device = os.environ.get("SWARM_DEVICE_NAME")
    return {"SWARM_HOME": str(home), **({"SWARM_DEVICE_NAME": device} if device else {})}


def agent(command: list[str], home: Path) -> bytes:
    """The text of a launchd agent."""
    return plistlib.dumps(
        {
            "Label": name_of(home),
            "ProgramArguments": command,
            "EnvironmentVariables": _environment(home),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "WorkingDirectory": "/",
            "ProcessType": "Background",
        }
    )


def write(command: list[str], home: Path) -> Path:
    """Writes the unit or the agent, for its owner to read. Raises OSError."""
    file = file_of(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(agent(command, home) if sys.platform == _MAC else unit(command, home).encode())
    new.replace(file)
    return file


def answers() -> bool:
    """Whether there is somebody to start services for this user: containers often have none."""
    if sys.platform == _MAC:
        return True
    return _call("systemctl", "--user", "show-environment")[0] == 0


def enable(home: Path) -> list[str]:
    """Starts it now and from now on. Sentences about what could not be had. Raises UserError."""
    name = name_of(home)
    if sys.platform == _MAC:
        _call("launchctl", "bootout", f"gui/{os.getuid()}/{name}")  # an older one, or launchd takes no second
        _need("launchctl", "bootstrap", f"gui/{os.getuid()}", str(file_of(home)))
        return []
    _need("systemctl", "--user", "daemon-reload")
    _need("systemctl", "--user", "enable", "--now", f"{name}.service")
    code, said = _call("loginctl", "enable-linger")
    if code == 0:
        return []
    return [f"It starts when you log in, not before: loginctl enable-linger was refused ({said or code})."]


def disable(home: Path) -> None:
    """Ends it, and starts it no more. Linger stays: other services may rely on it. Raises UserError."""
    name = name_of(home)
    if sys.platform == _MAC:
        _call("launchctl", "bootout", f"gui/{os.getuid()}/{name}")
    elif answers():
        _need("systemctl", "--user", "disable", "--now", f"{name}.service")
    file_of(home).unlink(missing_ok=True)
    if sys.platform != _MAC:
        _call("systemctl", "--user", "daemon-reload")


def state(home: Path) -> tuple[bool, bool]:
    """Whether it is begun at boot or login, and whether it runs."""
    name = name_of(home)
    if sys.platform == _MAC:
        return installed(home), _call("launchctl", "print", f"gui/{os.getuid()}/{name}")[0] == 0
    enabled = _call("systemctl", "--user", "is-enabled", f"{name}.service")[0] == 0
    return enabled, _call("systemctl", "--user", "is-active", f"{name}.service")[0] == 0


def _quoted(word: str, dollar: bool = False) -> str:
    """One word of a unit file: systemd expands % everywhere, and $ in arguments."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{word.replace("$", "$$") if dollar else word}"'


def _need(*command: str) -> None:
    code, said = _call(*command)
    if code:
        raise UserError(f"{' '.join(command)} failed: {said or code}", "swarm run starts the daemon without it")


def _call(*command: str) -> tuple[int, str]:
    """Exit code, and the last line that was said on stderr."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except FileNotFoundError:
        return 127, f"there is no {command[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {TIMEOUT:.0f} seconds"
    lines = result.stderr.strip().splitlines()
    return result.returncode, lines[-1] if lines else ""
