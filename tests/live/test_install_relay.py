"""The installer, below a directory of its own and with this environment: nothing of the machine is changed."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="the installer is for Debian and its kin"),
]
ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts/install-relay"


def install(below: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "--root", below, "--venv", sys.prefix, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_prints_what_to_type_and_a_second_call_keeps_key_and_options(tmp_path: Path) -> None:
    first = install(tmp_path, "--public-address", "r.example.net", "--listen", "0.0.0.0:4747")
    assert re.fullmatch(r"relay r\.example\.net:4747~[\w-]{43}\n", first.stdout), first
    assert f"swarm relay add {first.stdout.removeprefix('relay ').strip()}" in first.stderr
    assert "4747, UDP and TCP, and UDP 4748" in first.stderr
    key = tmp_path / "var/lib/swarm-relay/relay.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again = install(tmp_path)
    assert again.stdout == first.stdout
    other = install(tmp_path, "--public-address", "192.0.2.7")
    assert other.stdout == first.stdout.replace("r.example.net:4747", "192.0.2.7:47470")


@pytest.mark.parametrize(
    "option", ["--nonsense", "--listen=x", "--public-address=a b", "--metrics=$(id):1", "--state=/x"]
)
def test_an_option_that_is_none_is_said_and_changes_nothing(tmp_path: Path, option: str) -> None:
    assert install(tmp_path, "--public-address", "r.example.net").returncode == 0
    kept = (tmp_path / "etc/swarm-relay/options").read_text()
    wrong = install(tmp_path, option)
    assert wrong.returncode != 0
    assert wrong.stdout == ""
    assert wrong.stderr.startswith("relay: error: ")
    assert (tmp_path / "etc/swarm-relay/options").read_text() == kept


def test_a_port_below_1024_brings_the_one_capability_that_it_needs(tmp_path: Path) -> None:
    install(tmp_path, "--listen", "0.0.0.0:443")
    unit = (tmp_path / "etc/systemd/system/swarm-relay.service").read_text()
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in unit
    install(tmp_path, "--listen", "0.0.0.0:4443")
    unit = (tmp_path / "etc/systemd/system/swarm-relay.service").read_text()
    assert "CapabilityBoundingSet=\n" in unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_takes_the_unit_and_finds_little_to_object_to(tmp_path: Path) -> None:
    install(tmp_path, "--public-address", "r.example.net")
    unit = tmp_path / "etc/systemd/system/swarm-relay.service"
    text = unit.read_text()
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    complaints = [line for line in verified.stderr.splitlines() if "swarm-relay" in line]
    assert not complaints
    assert "RELAY_OPTIONS" in text
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"exposure level for swarm-relay\.service: ([\d.]+)", judged.stdout)
    assert found, judged
    assert float(found[1]) <= 2.0
