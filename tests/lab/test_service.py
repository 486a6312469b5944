"""`swarm service` against a real systemd user manager, in a mount namespace with a /run of its own.

Only loginctl is ours: there is no logind here to ask for linger.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab

SYSTEMD = "/lib/systemd/systemd"
SESSION = """
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system   # what says that this machine was booted by systemd
mkdir -m 700 /run/user-manager
export XDG_RUNTIME_DIR=/run/user-manager
"$SYSTEMD" --user > "$BASE/systemd.log" 2>&1 &
manager=$!
trap 'kill $manager; wait $manager' EXIT
for _ in $(seq 100); do systemctl --user show-environment > /dev/null 2>&1 && break; sleep 0.1; done
systemctl --user show-environment > /dev/null || { cat "$BASE/systemd.log"; exit 77; }
swarm() { "$PYTHON" -P -m swarm "$@"; }
set +e
swarm share "$BASE/docs" > /dev/null 2>&1
swarm service status
swarm service install 2>&1
swarm service status --json
for _ in $(seq 100); do swarm status > /dev/null 2>&1 && break; sleep 0.1; done
swarm status
unit=$(basename "$UNITS"/swarm-*.service)
first=$(systemctl --user show -P MainPID "$unit")
kill -KILL "$first"
for _ in $(seq 100); do
  again=$(systemctl --user show -P MainPID "$unit")
  [ "$again" != 0 ] && [ "$again" != "$first" ] && break
  sleep 0.2
done
for _ in $(seq 100); do swarm status > /dev/null 2>&1 && break; sleep 0.1; done
echo "restarted: $(swarm status | head -1)"
swarm service uninstall 2>&1
swarm service status
swarm status 2>&1
swarm service uninstall 2>&1
echo "exit $?"
"""


def test_a_service_is_installed_runs_is_restarted_and_goes(tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() != 0 or not os.path.exists(SYSTEMD) or not shutil.which("unshare"):
        pytest.skip("needs root on Linux, systemd and unshare")
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('listen = "127.0.0.1:0"\nlan = false\ndht = false\n')
    (tmp_path / "bin").mkdir()
    loginctl = tmp_path / "bin" / "loginctl"
    loginctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    loginctl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "BASE": str(tmp_path),
        "UNITS": str(tmp_path / ".config/systemd/user"),
        "SWARM_HOME": str(home),
        "PYTHON": sys.executable,
        "SYSTEMD": SYSTEMD,
        "LC_ALL": "C.UTF-8",
    }
    result = subprocess.run(
        ["unshare", "--mount", "--", "bash", "-c", SESSION],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    if result.returncode == 77 or "unshare failed" in result.stderr:
        pytest.skip(f"no systemd user manager can be run here: {result.stdout}{result.stderr}")
    said = result.stdout
    assert said.startswith("not installed: nothing starts Swarm after a reboot\nSwarm runs, and starts with"), said
    assert '"installed": true,\n  "enabled": true,\n  "active": true' in said, said
    assert "\ndocs  ~/docs  0 files" in said, said
    assert "restarted: docs  ~/docs  0 files" in said, said + result.stderr
    assert (
        "Nothing starts Swarm by itself any more, and it is ended. Folders and files stay.\n"
        "not installed: nothing starts Swarm after a reboot\n"
        "swarm: error: not running\n"
    ) in said, said
    assert said.endswith("swarm: hint: swarm service install makes one\nexit 3\n"), said
    assert (tmp_path / "asked").read_text() == "enable-linger\n"
