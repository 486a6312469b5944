"""What the doctor says: facts in, lines out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from swarm.cli import doctor
from swarm.control.diagnosis import (
    Facts,
    Finding,
    FolderSeen,
    MappingSeen,
    PeerSeen,
    RelaySeen,
    findings,
    nat_kind,
    wanted_watches,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = ("192.168.1.5",)
CONE = RelaySeen("r:1", ("203.0.113.9", 5000), ("203.0.113.9", 5000), rtt=0.02)
SYMMETRIC = replace(CONE, observed_by_other_port=("203.0.113.9", 6000))
BLOCKED = RelaySeen("r:1", over_tcp=True)
WELL = Facts(running=True, port=47474, own=HOME, relays=(CONE,), watch_limit=524_288)


def line(facts: Facts, topic: str) -> Finding:
    (found,) = [finding for finding in findings(facts) if finding.topic == topic]
    return found


@pytest.mark.parametrize(
    ("relays", "own", "kind"),
    [
        ([CONE], HOME, "cone"),
        ([CONE], ("203.0.113.9",), "none"),
        ([replace(CONE, unasked=True)], HOME, "full cone"),
        ([SYMMETRIC], HOME, "symmetric"),
        ([replace(SYMMETRIC, unasked=True)], HOME, "symmetric"),
        ([replace(CONE, observed_by_other_port=None)], HOME, "unknown"),
        ([replace(CONE, observed_by_other_port=None)] * 2, HOME, "cone"),
        ([BLOCKED], HOME, "blocked"),
        ([RelaySeen("r:1", over_tcp=False)], HOME, "unknown"),
        ([], HOME, "unknown"),
    ],
)
def test_the_kind_of_nat_is_told_by_what_relays_saw(relays: list[RelaySeen], own: tuple[str, ...], kind: str) -> None:
    assert nat_kind(relays, own) == kind


def test_where_all_is_well_nothing_is_to_do() -> None:
    facts = replace(WELL, peers=(PeerSeen("bob", "punched", rtt=0.01, skew=0.5),), folders=(FolderSeen("Docs", "/d"),))
    assert {finding.level for finding in findings(facts)} == {"ok"}


def test_every_line_says_what_to_do_where_something_is_wrong() -> None:
    facts = Facts(
        running=False,
        port=47474,
        relays=(RelaySeen("gone:1", over_tcp=False), replace(CONE, session="it wants another token")),
        mapping=MappingSeen("192.168.1.1", why="it does not answer", upnp=False),
        peers=(PeerSeen("bob", "relayed", "tcp", 0.2, -7200.0),),
        folders=(
            FolderSeen("Docs", "/d", kind="nfs", folds_case=True, symlinks=False, exchange=False, granularity=2.0),
            FolderSeen("Away", "/a", trouble="No such file or directory"),
        ),
        watch_limit=8192,
        clock_synchronised=False,
    )
    wrong = [finding for finding in findings(facts) if finding.level != "ok"]
    assert len(wrong) >= 10
    assert all(finding.advice and finding.text for finding in wrong)
    assert all(finding.advice != "nothing to do" for finding in wrong)


def test_a_symmetric_nat_is_a_problem_until_a_port_is_mapped() -> None:
    facts = replace(WELL, relays=(SYMMETRIC,), mapping=MappingSeen("192.168.1.1", why="it does not answer"))
    assert line(facts, "port mapping").level == "problem"
    mapped = replace(facts, mapping=MappingSeen("192.168.1.1", "PCP", ("203.0.113.9", 47474)))
    assert line(mapped, "port mapping").level == "ok"


def test_a_missing_library_is_named_where_the_router_does_not_speak_the_other_protocols() -> None:
    facts = replace(WELL, mapping=MappingSeen("192.168.1.1", why="it does not answer", upnp=False))
    assert "swarm-sync[upnp]" in line(facts, "port mapping").advice


@pytest.mark.parametrize(
    ("relay", "words"),
    [(BLOCKED, "no UDP"), (SYMMETRIC, "another port for each destination"), (CONE, "the other side's")],
)
def test_why_a_peer_is_relayed_is_said(relay: RelaySeen, words: str) -> None:
    facts = replace(WELL, relays=(relay,), peers=(PeerSeen("bob", "relayed", "udp", 0.03),))
    found = line(facts, "device bob")
    assert words in found.text
    assert "47474" in found.advice


def test_clocks_that_differ_by_more_than_a_minute_are_told_apart() -> None:
    near = replace(WELL, peers=(PeerSeen("bob", "direct", skew=59.0),))
    assert line(near, "clock").level == "ok"
    far = replace(WELL, peers=(PeerSeen("bob", "direct", skew=-7200.0),))
    assert line(far, "clock").text == "bob's is 2 hours behind this one"


@pytest.mark.parametrize(
    ("directories", "limit", "level"), [(4000, 8192, "ok"), (5000, 8192, "note"), (9000, 8192, "problem")]
)
def test_the_limit_of_inotify_is_told_with_the_value_to_set(directories: int, limit: int, level: str) -> None:
    facts = replace(WELL, watch_limit=limit, folders=(FolderSeen("Docs", "/d", directories=directories),))
    found = line(facts, "watching")
    assert found.level == level
    assert ("fs.inotify.max_user_watches=524288" in found.advice) == (level != "ok")


def test_the_value_to_set_has_room_for_others() -> None:
    assert wanted_watches(1) == 524_288
    assert wanted_watches(1_000_000) == 2_097_152


def test_names_from_elsewhere_cannot_paint_on_the_terminal() -> None:
    (shown,) = doctor.table([Finding("device \x1b[2J", "ok", "a\nb")])
    assert "\x1b[2J" not in shown
    assert "\n" not in shown


def test_the_doctor_comes_without_a_daemon_and_without_a_home(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWARM_HOME", str(tmp_path / "none"))
    run: Callable[[Any], int] = doctor.run
    assert run(type("Options", (), {"json": False})) == 0
    said = capsys.readouterr().out
    assert "does not run" in said
    assert not (tmp_path / "none").exists()
