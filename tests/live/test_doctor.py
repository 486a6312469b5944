"""`swarm doctor` beside a real daemon, with a member connected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import settle

if TYPE_CHECKING:
    from tests.live.daemon import Daemon

pytestmark = pytest.mark.live


def test_the_doctor_tells_of_daemon_members_clocks_and_disks(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    settle(anna, bob)
    told = json.loads(bob.run("doctor", "--json"))
    facts = told["facts"]
    assert facts["running"]
    assert facts["port"] == int(bob.address.rpartition(":")[2])
    (peer,) = facts["peers"]
    assert (peer["name"], peer["route"]) == ("anna", "direct")
    assert abs(peer["skew"]) < 30  # one machine has one clock; the rest is the machine's load
    (folder,) = [folder for folder in facts["folders"] if folder["path"] == str(bob.folder)]
    assert folder["trouble"] == ""
    assert folder["directories"] >= 1
    topics = {finding["topic"] for finding in told["findings"]}
    assert {"daemon", "public address", "device anna", "watching"} <= topics
    assert not list((bob.folder / ".swarm/tmp").glob("probe-*")), "it leaves something behind"
