"""What the status says of a folder, for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from swarm.ids import DeviceId
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.node.address_book import Acquaintance
from swarm.node.report import FolderReport, differing, folder_object, has_member, missing_for
from swarm.sync.files import Traits
from swarm.sync.folder import Folder, FolderStatus, Identity, MemberStatus
from swarm.sync.memory_store import MemoryStore

NAS, LAPTOP = DeviceId(b"n" * 32), DeviceId(b"l" * 32)
FOLDER = "00ff"


def status(**changes: Any) -> FolderStatus:
    keys, device = FolderKeys.create(b"o" * 32), DeviceKey.create(b"d" * 32)
    identity = Identity(keys, device, "anna", 1, cloned=False, created=True)
    folder = Folder(identity, MemoryStore(), traits=Traits(), device_rules="", verify=lambda _: [])
    return replace(folder.status(), scanning=False, **changes)


def told(status: FolderStatus) -> dict[str, Any]:
    book = {peer.hex(): Acquaintance(name, [], {FOLDER: "write"}, 1_700_000_000.0) for peer, name in NAMES.items()}
    return folder_object(FolderReport(FOLDER, "Docs", "/d", "write", status, None, "", book, {}))


NAMES = {NAS: "nas", LAPTOP: "laptop"}


def test_who_is_away_is_behind_by_what_it_lacked_when_it_was_last_heard() -> None:
    nas = MemberStatus(NAS, "nas", Role.WRITE, identical=True, need_files=0, need_bytes=0)
    peers = {peer["name"]: peer for peer in told(status(members=(nas,), behind={NAS: 3, LAPTOP: 14}))["peers"]}
    assert (peers["nas"]["in_sync"], peers["nas"]["behind"]) == (True, 0)
    assert (peers["laptop"]["in_sync"], peers["laptop"]["behind"]) == (False, 14)


def test_a_reader_with_changes_of_its_own_is_named_and_keeps_nobody_waiting() -> None:
    nas = MemberStatus(NAS, "nas", Role.READ, identical=True, need_files=0, need_bytes=0, local_changes=2)
    report = FolderReport(FOLDER, "Docs", "/d", "write", status(members=(nas,)), None, "", {}, {})
    assert missing_for(report, device=None, peers=1, barrier=0) == []
    assert differing(report) == ["nas has 2 local changes, which its read-only key cannot share"]
    assert folder_object(report)["peers"][0]["local_changes"] == 2


def test_who_waits_is_told_why_a_file_does_not_come() -> None:
    stuck = status(need_files=2, troubles=(("b\udcff", "The disk is full."), ("c", "later")))
    report = FolderReport(FOLDER, "Docs", "/d", "write", stuck, None, "", {}, {})
    assert missing_for(report, device=None, peers=0, barrier=0) == [
        "this device needs 2 files (b\\xff: The disk is full.)"
    ]


def test_of_whom_nothing_was_heard_nothing_is_said() -> None:
    assert {peer["behind"] for peer in told(status())["peers"]} == {None}


def test_a_member_is_known_by_its_name_or_the_beginning_of_its_id() -> None:
    book = {LAPTOP.hex(): Acquaintance("laptop", [], {FOLDER: "write"}, 0.0)}
    nas = MemberStatus(NAS, "nas", Role.WRITE, identical=True, need_files=0, need_bytes=0)
    report = FolderReport(FOLDER, "Docs", "/d", "write", status(members=(nas,)), None, "", book, {})
    for known in ("nas", "laptop", LAPTOP.hex()[:6]):
        assert has_member(report, known)
    for unknown in ("lap", "nobody", LAPTOP.hex()[:3], ""):
        assert not has_member(report, unknown)


def test_a_disk_that_is_away_has_no_files_that_cannot_be_held() -> None:
    cannot = {"cannot": (("", "it has no marker"),), "cannot_count": 1}
    assert told(status(**cannot))["cannot"] == 1
    away = told(status(**cannot, health="it has no marker"))
    assert (away["state"], away["cannot"], away["cannot_paths"]) == ("waiting", 0, [])


def test_a_name_that_is_not_utf8_is_told_as_text() -> None:
    told_of = told(status(cannot=(("d/bad-\udcff\udcfe", "why"), ("é", "why")), cannot_count=2))["cannot_paths"]
    assert [row["path"] for row in told_of] == ["d/bad-\\xff\\xfe", "é"]
    json.dumps(told_of, ensure_ascii=False).encode()


def test_a_wait_for_a_database_that_never_rests_says_so() -> None:
    nas = MemberStatus(NAS, "nas", Role.WRITE, identical=True, need_files=0, need_bytes=0)
    busy = status(members=(nas,), put_off="mail.db", barrier=0)
    missing = missing_for(
        FolderReport(FOLDER, "Docs", "/d", "write", busy, None, "", {}, {}), device=None, peers=1, barrier=1
    )
    assert missing == ["mail.db is written to all the time, and this device is still looking at its files"]
