"""What `swarm doctor` makes of what it found: facts in, findings out. Pure.

A finding is a line for people: what is so, whether that is well, and what to do about it. Facts come from the daemon
where one runs, and from the machine (`swarm.cli.doctor`); those that could not be found out are None, or not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = tuple[str, int]
Level = Literal["ok", "note", "problem"]
Nat = Literal["none", "full cone", "cone", "symmetric", "blocked", "unknown"]

SKEW: Final = 60.0  # seconds between two clocks: files of the two would be dated strangely from there on
SLOW_RELAY: Final = 0.25  # seconds of round trip from which another relay is worth a look
WATCHES_WANTED: Final = 524_288  # what most distributions set by now; the kernel's own value depends on the memory
HEADROOM: Final = 2  # times the directories there are: other programs watch too
NOTHING: Final = "nothing to do"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    topic: str
    level: Level
    text: str
    advice: str = NOTHING


@dataclass(frozen=True, slots=True)
class RelaySeen:
    """What one relay answered to a socket of ours, whose port is anyone."""

    name: str  # HOST:PORT
    observed: Address | None = None  # where it saw us; None: no answer over UDP
    observed_by_other_port: Address | None = None
    unasked: bool = False  # its other port, to which we had sent nothing, got through to us
    rtt: float | None = None  # seconds
    over_tcp: bool | None = None  # it answered over TCP; None: not tried
    session: str = ""  # what the daemon says of its registration: "" for nothing


@dataclass(frozen=True, slots=True)
class MappingSeen:
    """What the router said."""

    gateway: str | None = None
    spoken: str = ""  # the protocol
    external: Address | None = None
    why: str = ""  # there is no mapping
    upnp: bool = True  # the library for UPnP is installed


@dataclass(frozen=True, slots=True)
class PeerSeen:
    """A member that is connected."""

    name: str
    route: str
    via: str = ""  # of a relayed one: over what
    rtt: float | None = None  # seconds
    skew: float | None = None  # seconds that its clock is ahead of ours


@dataclass(frozen=True, slots=True)
class FolderSeen:
    """A folder's file system."""

    name: str
    path: str
    kind: str = ""  # of a network file system
    folds_case: bool = False
    folds_unicode: bool = False
    symlinks: bool = True
    exchange: bool = True
    granularity: float = 1e-9  # seconds of a file's time
    trouble: str = ""  # it could not be looked at
    directories: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was found out."""

    running: bool  # whether a daemon of this home does
    port: int  # that it listens on, or would
    own: tuple[str, ...] = ()  # addresses of this machine
    relays: tuple[RelaySeen, ...] = ()
    mapping: MappingSeen | None = None  # None: no daemon runs, or it does not ask for one
    peers: tuple[PeerSeen, ...] = ()
    folders: tuple[FolderSeen, ...] = ()
    watch_limit: int | None = None  # of inotify; None: another system
    clock_synchronised: bool | None = None


def nat_kind(relays: Iterable[RelaySeen], own: Iterable[str]) -> Nat:
    """What is between this device and the internet, in RFC 4787's terms where it matters: who can punch through."""
    known = list(relays)
    answered = [relay for relay in known if relay.observed is not None]
    if not answered:
        return "blocked" if any(relay.over_tcp for relay in known) else "unknown"
    seen = {address for relay in answered for address in (relay.observed, relay.observed_by_other_port) if address}
    if any(address[0] in set(own) for address in seen):
        return "none"
    if len(seen) > 1:
        return "symmetric"
    if any(relay.unasked for relay in answered):
        return "full cone"
    several = len(answered) > 1 or any(relay.observed_by_other_port for relay in answered)
    return "cone" if several else "unknown"


def findings(facts: Facts) -> list[Finding]:
    """Every line, in the order in which one would look."""
    kind = nat_kind(facts.relays, facts.own)
    return [
        *_daemon(facts),
        *_nat(kind, facts),
        *_mapping(kind, facts),
        *(_relay(relay) for relay in facts.relays),
        *(_peer(peer, kind, facts) for peer in facts.peers),
        *_clocks(facts),
        *_watches(facts),
        *(line for folder in facts.folders for line in _folder(folder)),
    ]


def _daemon(facts: Facts) -> list[Finding]:
    if facts.running:
        return [Finding("daemon", "ok", f"runs, on port {facts.port}")]
    return [Finding("daemon", "note", "does not run: less can be said", "swarm run starts it")]


def _nat(kind: Nat, facts: Facts) -> list[Finding]:
    if not facts.relays:
        advice = "swarm relay add HOST:PORT~KEY names a relay, which tells; any member's relay or your own does"
        return [Finding("public address", "note", "nobody to ask for it: no relay is known", advice)]
    hosts = sorted({relay.observed[0] for relay in facts.relays if relay.observed is not None})
    lines = [Finding("public address", "ok", ", ".join(hosts))] if hosts else []
    forward = f"or forward UDP port {facts.port} in the router, and TCP for speed"
    match kind:
        case "none":
            advice = f"keep UDP port {facts.port} open in the firewall, and TCP for speed"
            lines.append(Finding("NAT", "ok", "none: this device has a public address", advice))
        case "full cone":
            lines.append(Finding("NAT", "ok", "whoever knows the address can come in"))
        case "cone":
            lines.append(Finding("NAT", "ok", "one port for everybody: direct links can be punched through it"))
        case "symmetric":
            text = "another port for each destination: only devices that are open to everybody can be reached directly"
            lines.append(
                Finding("NAT", "problem", text, f"switch port mapping (UPnP, NAT-PMP) on in the router, {forward}")
            )
        case "blocked":
            text = "no UDP gets through this network: everything goes through a relay, over TCP"
            lines.append(Finding("NAT", "problem", text, f"let UDP out in the firewall, from port {facts.port}"))
        case "unknown" if hosts:
            lines.append(Finding("NAT", "note", "of a kind that one relay alone cannot tell", "name a second relay"))
        case "unknown":
            text = "unknown: no relay answers"
            lines.append(Finding("NAT", "problem", text, "is there a network? else the firewall may let nothing out"))
    return lines


def _mapping(kind: Nat, facts: Facts) -> list[Finding]:
    mapping = facts.mapping
    if mapping is None or kind == "none":
        return []
    if mapping.external is not None:
        place = f"{mapping.external[0]}:{mapping.external[1]}"
        how = f"{mapping.spoken} of {mapping.gateway}" if mapping.gateway else mapping.spoken
        return [Finding("port mapping", "ok", f"{place} leads here, by {how}")]
    lacking = "" if mapping.upnp else " (UPnP was not tried: pip install 'swarm-sync[upnp]')"
    text = f"none: {mapping.gateway}: {mapping.why or 'it was not asked yet'}" if mapping.gateway else "none: no router"
    needed = kind in ("symmetric", "unknown")
    advice = f"switch UPnP or NAT-PMP on in the router, or forward UDP and TCP port {facts.port} by hand{lacking}"
    return [
        Finding(
            "port mapping",
            "problem" if kind == "symmetric" else "note",
            text,
            advice if needed else f"only needed where punching fails{lacking}",
        )
    ]


def _relay(relay: RelaySeen) -> Finding:
    topic = f"relay {relay.name}"
    if relay.observed is None and not relay.over_tcp:
        text = f"does not answer{f': {relay.session}' if relay.session else ''}"
        return Finding(topic, "problem", text, "does it run? swarm relay list shows what is configured here")
    trip = _trip(relay.rtt)
    way = "over UDP" if relay.observed is not None else "over TCP alone"
    if relay.session:
        return Finding(topic, "problem", f"answers {way}{trip}, but: {relay.session}", "ask whoever runs it")
    if relay.rtt is not None and relay.rtt > SLOW_RELAY:
        return Finding(topic, "note", f"answers {way}{trip}", "a relay that is nearer would be faster")
    return Finding(topic, "ok", f"answers {way}{trip}")


def _peer(peer: PeerSeen, kind: Nat, facts: Facts) -> Finding:
    topic = f"device {peer.name}"
    trip = _trip(peer.rtt)
    if peer.route != "relayed":
        return Finding(topic, "ok", f"{peer.route}{trip}")
    text = f"relayed{f' ({peer.via})' if peer.via else ''}{trip}: {_why_relayed(kind, facts)}"
    open_port = f"open or forward UDP port {facts.port} here, or the other device's port there"
    return Finding(topic, "note", text, open_port)


def _why_relayed(kind: Nat, facts: Facts) -> str:
    if kind == "blocked":
        return "this network lets no UDP through"
    if kind == "symmetric" and (facts.mapping is None or facts.mapping.external is None):
        return "this side's NAT has another port for each destination, and the other side lets in only who was called"
    return (
        "punching did not get through: the other side's NAT or firewall lets nothing in (swarm doctor there says more)"
    )


def _clocks(facts: Facts) -> list[Finding]:
    lines = []
    if facts.clock_synchronised is False:
        lines.append(Finding("clock", "note", "nobody sets it: it may drift", "timedatectl set-ntp true"))
    for peer in facts.peers:
        if peer.skew is not None and abs(peer.skew) >= SKEW:
            where = "ahead of" if peer.skew > 0 else "behind"
            text = f"{peer.name}'s is {_duration(abs(peer.skew))} {where} this one"
            advice = "set the one that is wrong: the later edit wins, and late is what a clock says"
            lines.append(Finding("clock", "problem", text, advice))
    if not lines and any(peer.skew is not None for peer in facts.peers):
        lines.append(Finding("clock", "ok", "agrees with everybody's who is connected"))
    return lines


def _watches(facts: Facts) -> list[Finding]:
    limit = facts.watch_limit
    if limit is None:
        return [Finding("watching", "note", "no inotify on this system: folders are scanned at intervals")]
    directories = sum(folder.directories for folder in facts.folders)
    wanted = wanted_watches(directories)
    text = f"{directories} directories of {limit} that inotify may watch"
    if directories * HEADROOM <= limit:
        return [Finding("watching", "ok", text)]
    line = f"fs.inotify.max_user_watches={wanted}"
    advice = f"sudo sysctl {line} (and write it to a file in sysctl.d, to keep it), then restart swarm"
    return [Finding("watching", "problem" if directories > limit else "note", text, advice)]


def wanted_watches(directories: int) -> int:
    """A limit with which so many can be watched, and other programs have their share: a power of two."""
    wanted = WATCHES_WANTED
    while wanted < directories * HEADROOM:
        wanted *= 2
    return wanted


def _folder(folder: FolderSeen) -> list[Finding]:
    topic = f"folder {folder.name}"
    if folder.trouble:
        return [
            Finding(topic, "problem", f"{folder.path}: {folder.trouble}", "is the disk mounted, and yours to write?")
        ]
    lines = []
    if folder.kind:
        text = f"is on {folder.kind}, which does not tell of changes: it is scanned at intervals"
        lines.append(Finding(topic, "note", text, "swarm scan looks at once; better, share it from where the disk is"))
    if folder.folds_case or folder.folds_unicode:
        what = " and ".join(
            word for word, folds in (("capitals", folder.folds_case), ("accents", folder.folds_unicode)) if folds
        )
        text = f"its disk does not tell names apart that differ in {what} only"
        lines.append(Finding(topic, "note", text, "of two such names one is shown as a conflict copy here; rename one"))
    if not folder.symlinks:
        text = "its disk has no symbolic links"
        lines.append(Finding(topic, "note", text, "links count as what this device cannot hold; nothing else suffers"))
    if folder.granularity > 0.01:
        text = f"its disk keeps a file's time to {folder.granularity:g} seconds"
        lines.append(Finding(topic, "note", text, "nothing to do: files are read once more to be sure"))
    if not folder.exchange:
        text = "its disk cannot exchange two files in one step"
        advice = "nothing to do; do not save a file in the very moment in which it is replaced"
        lines.append(Finding(topic, "note", text, advice))
    return lines or [Finding(topic, "ok", f"{folder.path}: its disk does all that is needed")]


def _trip(rtt: float | None) -> str:
    if rtt is None:
        return ""
    return f", {rtt * 1000:.1f} ms" if rtt < 0.01 else f", {rtt * 1000:.0f} ms"


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
