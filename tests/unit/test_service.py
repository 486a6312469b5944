"""What starts the daemon with the machine: the unit is one that systemd takes, and no home is another's."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.disk import service
from swarm.disk.home import Home

COMMAND = [sys.executable, "-P", "-m", "swarm", "run", "--detached"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("name", ["home", 'a home with 100% "$quotes" \\ and blanks'])
def test_systemd_takes_the_unit(tmp_path: Path, name: str) -> None:
    file = tmp_path / "swarm.service"
    file.write_text(service.unit([*COMMAND, name], tmp_path / name))
    (tmp_path / "run").mkdir(mode=0o700)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "Failed to initialize manager" in result.stderr:
        pytest.skip(f"systemd-analyze does not work here: {result.stderr.strip()}")
    assert "swarm.service" not in result.stderr, result.stderr
    assert result.returncode == 0, result.stderr


def test_the_unit_runs_this_installation_for_this_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_DEVICE_NAME", "anna")
    lines = service.unit(["/x/python", "-m", "swarm", "100%", "$HOME"], Path("/home/anna/swarm")).splitlines()
    assert 'ExecStart="/x/python" "-m" "swarm" "100%%" "$$HOME"' in lines
    assert 'Environment="SWARM_HOME=/home/anna/swarm"' in lines
    assert 'Environment="SWARM_DEVICE_NAME=anna"' in lines
    assert "WantedBy=default.target" in lines


def test_a_newline_in_a_home_is_no_second_line(tmp_path: Path) -> None:
    assert "ExecStartPre=evil" not in service.unit(COMMAND, tmp_path / "a\nExecStartPre=evil").splitlines()


def test_the_agent_is_a_property_list(tmp_path: Path) -> None:
    told = plistlib.loads(service.agent(COMMAND, tmp_path))
    assert told["ProgramArguments"] == COMMAND
    assert told["EnvironmentVariables"] == {"SWARM_HOME": str(tmp_path)}


def test_two_homes_have_two_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    usual = Home.locate({"HOME": str(tmp_path)}, "linux")
    assert service.name_of(usual) == "swarm"
    one, other = service.file_of(tmp_path / "one"), service.file_of(tmp_path / "other")
    assert len({one, other, service.file_of(usual)}) == 3
    assert not service.installed(tmp_path / "one")
    assert service.write(COMMAND, tmp_path / "one") == one
    assert service.installed(tmp_path / "one")
    assert not service.installed(tmp_path / "other")


def test_who_is_not_there_to_ask_is_an_answer() -> None:
    assert service._call("no-such-program-of-ours") == (127, "there is no no-such-program-of-ours")


def test_on_a_mac_launchd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """launchctl is a stand-in that writes down what it is told."""
    launchctl = tmp_path / "launchctl"
    launchctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n')
    launchctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SWARM_DEVICE_NAME", "anna")
    monkeypatch.setattr(sys, "platform", "darwin")
    home = tmp_path / "Library" / "Application Support" / "Swarm"
    file = service.write(COMMAND, home)
    assert file == tmp_path / "Library" / "LaunchAgents" / "swarm.plist"
    told = plistlib.loads(file.read_bytes())
    assert (told["Label"], told["RunAtLoad"], told["KeepAlive"]) == ("swarm", True, {"SuccessfulExit": False})
    assert told["EnvironmentVariables"] == {"SWARM_HOME": str(home), "SWARM_DEVICE_NAME": "anna"}
    assert service.answers()
    assert service.enable(home) == []
    assert service.state(home) == (True, True)
    service.disable(home)
    assert not file.exists()
    domain = f"gui/{os.getuid()}"
    assert (tmp_path / "told").read_text().splitlines() == [
        f"bootout {domain}/swarm",
        f"bootstrap {domain} {file}",
        f"print {domain}/swarm",
        f"bootout {domain}/swarm",
    ]
