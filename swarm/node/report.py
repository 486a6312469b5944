"""What the daemon says of its folders: the truth about each, in the words of `swarm status --json`. Pure.

"in-sync" is said only when this device needs nothing and every connected member has reported this very root and that
it needs nothing for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from swarm.errors import Unavailable

if TYPE_CHECKING:
    from swarm.errors import SwarmError
    from swarm.node.address_book import Acquaintance
    from swarm.sync.folder import FolderStatus


@dataclass(frozen=True, slots=True)
class Connection:
    """How a connected member is reached."""

    route: str
    address: tuple[str, int]
    rtt: float | None  # seconds
    bulk: str  # what carries content: "tcp" or "quic"
    via: str | None = None  # how the relay in use is reached: "udp" or "tcp"
    relay: str | None = None  # that relay, HOST:PORT
    found: str | None = None  # whose word led to it, as Finder.found has it; None: it has found us


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What is known of one folder."""

    folder: str  # id, hex
    name: str
    path: str
    role: str
    status: FolderStatus | None  # None: the engine has not begun
    failure: SwarmError | None
    watch: str  # "" or why changes are noticed late
    members: dict[str, Acquaintance]  # all that were ever met, by device id in hex
    connections: dict[str, Connection]  # those connected now
    at: str = ""  # the file that was last begun to be read
    paused_until: float | None = None  # seconds since 1970, infinite until it is resumed; None: it is not paused
    trouble: str = ""  # why members may not be found


def state_of(report: FolderReport) -> tuple[str, str | None]:
    """The state, and a sentence where there is something to say."""
    status = report.status
    trouble = f"; {report.trouble}" if report.trouble else ""
    if report.paused_until is not None:
        later = isfinite(report.paused_until)
        return "paused", f"until {_moment(report.paused_until)}" if later else "until swarm resume"
    if report.failure is not None:
        state = "waiting" if isinstance(report.failure, Unavailable) else "error"
        return state, report.failure.message
    if status is None:
        return "scanning", None
    if status.health:
        return "waiting", status.health
    if status.outdated:
        return "held", "a member writes a newer format: update swarm on this device"
    if status.scanning:
        return "scanning", None
    if status.holding:
        alone = f"joined; waits for a member to be online{trouble}"
        return "waiting", "looks at what is here first" if status.members else alone
    if status.need_files:
        path, why = status.troubles[0] if status.troubles else ("", "")
        return "syncing", f"{path}: {why}" if why else None
    if not status.settled:
        return "scanning", None
    if not status.members:
        return "waiting", f"no other device is online{trouble}"
    behind = [member.name for member in status.members if not member.identical]
    if behind:
        return "syncing", f"{', '.join(behind[:3])} {'is' if len(behind) == 1 else 'are'} not up to date yet"
    if status.local_changes:
        return "held", f"{held_back(status.local_changes)}; swarm revert undoes them"
    if status.put_off:
        return "in-sync", f"{status.put_off} is written to all the time, and is sent when it rests, or now and then"
    return "in-sync", report.watch or None


def missing_for(report: FolderReport, *, device: str | None, peers: int, barrier: int) -> list[str]:
    """What keeps a `wait` from returning, one sentence each; [] when everybody is identical."""
    status = report.status
    if report.paused_until is not None:
        return [f"{report.name} is paused"]
    if report.failure is not None or status is None:
        return [f"{report.name}: {report.failure.message if report.failure else 'is being opened'}"]
    missing = []
    if status.health:
        missing.append(status.health)
    if status.holding:
        missing.append("this device has not heard any member yet")
    elif status.barrier < barrier or status.scanning:
        busy = f"{status.put_off} is written to all the time, and " if status.put_off else ""
        missing.append(f"{busy}this device is still looking at its files")
    if status.need_files:
        path, why = status.troubles[0] if status.troubles else ("", "")
        missing.append(f"this device needs {_files(status.need_files)}{f' ({_shown(path)}: {why})' if why else ''}")
    for member in status.members:
        if not member.identical:
            needs = f"needs {_files(member.need_files)}" if member.need_files else "has not confirmed the latest"
            missing.append(f"{member.name} {needs}")
    names = {member.peer.hex(): member.name for member in status.members}
    if device is not None and not any(_is_named(device, peer, name) for peer, name in names.items()):
        missing.append(f"{device} is not connected")
    if len(names) < peers:
        missing.append(f"{len(names)} of {peers} members are connected")
    return missing


def held_back(count: int, whose: str = "this device's") -> str:
    """What local changes are."""
    return f"{count} local change{'' if count == 1 else 's'}, which {whose} read-only key cannot share"


def differing(report: FolderReport) -> list[str]:
    """Where all that is shared has arrived, of this device and of members: whose files differ all the same, a sentence
    each."""
    status = report.status
    if status is None:
        return []
    own = [f"{report.name} has {held_back(status.local_changes)}"] if status.local_changes else []
    members = [member for member in status.members if member.local_changes]
    return own + [f"{member.name} has {held_back(member.local_changes, 'its')}" for member in members]


def has_member(report: FolderReport, wanted: str) -> bool:
    """Whether anybody was ever met whom a user may mean by `wanted`: a name, or the beginning of an id."""
    connected = report.status.members if report.status else ()
    names = {device: known.name for device, known in report.members.items()}
    names.update({member.peer.hex(): member.name for member in connected})
    return any(_is_named(wanted, peer, name) for peer, name in names.items())


def _is_named(wanted: str, peer: str, name: str) -> bool:
    return wanted == name or (len(wanted) >= 4 and peer.startswith(wanted.lower()))


def folder_object(report: FolderReport) -> dict[str, Any]:
    """One folder of `swarm status --json`."""
    state, why = state_of(report)
    status = report.status
    cannot = status.cannot if status and not status.health else ()  # of a disk that is away, nothing can be said
    return {
        "id": report.folder,
        "name": report.name,
        "path": report.path,
        "role": report.role,
        "state": state,
        "why": why,
        "at": report.at or None if state == "scanning" else None,
        "root": status.root.hex() if status else "",
        "files": status.files if status else 0,
        "bytes": status.bytes if status else 0,
        "need_files": status.need_files if status else 0,
        "need_bytes": status.need_bytes if status else 0,
        "cannot": status.cannot_count if status and cannot else 0,
        "cannot_paths": [{"path": _shown(path), "why": why} for path, why in cannot],
        "conflicts": status.conflicts if status else 0,
        "local_changes": status.local_changes if status else 0,
        "changed_paths": list(status.changed_paths) if status else [],
        "fetched_bytes": status.fetched_bytes if status else 0,
        "peers": _peer_objects(report),
    }


def _peer_objects(report: FolderReport) -> list[dict[str, Any]]:
    connected = {member.peer.hex(): member for member in report.status.members} if report.status else {}
    behind = {peer.hex(): count for peer, count in report.status.behind.items()} if report.status else {}
    rows = []
    for device in dict.fromkeys([*connected, *report.members]):
        member, known = connected.get(device), report.members.get(device)
        connection = report.connections.get(device) if member is not None else None
        last_seen = known.last_seen if known is not None else 0.0
        rows.append(
            {
                "device": device,
                "name": member.name if member else known.name if known else "",
                "role": member.role.word if member else known.folders.get(report.folder, "") if known else "",
                "connected": member is not None,
                "in_sync": member is not None and member.identical,
                "need_files": member.need_files if member else 0,
                "need_bytes": member.need_bytes if member else 0,
                "local_changes": member.local_changes if member else 0,
                "behind": 0 if member is not None and member.identical else behind.get(device),
                "route": connection.route if connection else None,
                "via": connection.via if connection else None,
                "relay": connection.relay if connection else None,
                "bulk": connection.bulk if connection else None,
                "found": connection.found if connection else None,
                "address": _address(connection.address) if connection else None,
                "rtt_ms": round(connection.rtt * 1000, 2) if connection and connection.rtt is not None else None,
                "last_seen": _moment(last_seen) if last_seen else None,
            }
        )
    return rows


def _shown(path: str) -> str:
    """A path as text: a name that is not UTF-8 with its strange bytes as \\xNN, for JSON has no word for them."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _address(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
