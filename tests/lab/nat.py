"""Kinds of NAT, as rules for a machine between a site and the internet: `eth0` is outside, `lan` is inside.

None of them lets in what nobody inside has asked for, the router itself included. A router that answers (or refuses)
an early packet of a punch keeps a connection of its own for it, and the mapping behind it gets another port.

Names of RFC 4787: a mapping is endpoint-independent when a port inside has one port outside for everybody; filtering
is what may come in through it.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What is between a site's host and the internet."""

    NONE = "none"  # nothing: the host has a public address
    CONE = "cone"  # the common home router: the port is kept, only who was sent to may answer (port-restricted)
    INDEPENDENT = "eim"  # endpoint-independent mapping by a table of its own, port-restricted filtering
    FULL_CONE = "fullcone"  # endpoint-independent mapping, everybody may come in through it
    SYMMETRIC = "symmetric"  # another port for each destination, near the one inside or not
    RANDOM = "random"  # another port for each destination, fully random
    BLOCKED = "blocked"  # a network that lets no UDP through, TCP behind a NAT


_MASQUERADE = {
    Kind.CONE: "masquerade",
    Kind.SYMMETRIC: "meta l4proto udp masquerade random",
    Kind.RANDOM: "meta l4proto udp masquerade fully-random",
    Kind.BLOCKED: "masquerade",
}

_BY_TABLE = """
table ip nat {
  map mapped {
    type inet_service : ipv4_addr . inet_service
    flags dynamic,timeout
    timeout 300s
    size 65536
  }
  chain incoming {
    type nat hook prerouting priority dstnat
    iifname "eth0" fib daddr type local meta l4proto udp dnat to udp dport map @mapped
  }
  chain outgoing {
    type nat hook postrouting priority srcnat
    oifname "eth0" meta l4proto udp update @mapped { udp sport timeout 300s : ip saddr . udp sport }
    oifname "eth0" masquerade
  }
}
"""

_BY_CONNECTION = """
table ip nat {
  chain outgoing {
    type nat hook postrouting priority srcnat
    %s
    oifname "eth0" masquerade
  }
}
"""

_GATE = """
table ip gate {
  chain to_the_router {
    type filter hook input priority filter
    iifname "eth0" ct state new drop
  }
  chain through {
    type filter hook forward priority filter; policy drop
    %s
    iifname "lan" oifname "eth0" accept
    iifname "eth0" ct state established,related accept
  }
}
"""

_FILTER = {
    Kind.FULL_CONE: 'iifname "eth0" meta l4proto udp accept',
    Kind.BLOCKED: "meta l4proto udp drop",
}


def rules(kind: Kind) -> str:
    """For `nft -f -`. Kind.NONE has no router."""
    if kind in (Kind.INDEPENDENT, Kind.FULL_CONE):
        mapping = _BY_TABLE
    else:
        mapping = _BY_CONNECTION % f'oifname "eth0" {_MASQUERADE[kind]}'
    return mapping + _GATE % _FILTER.get(kind, "")


def can_punch(one: Kind, other: Kind) -> bool:
    """Whether two such hosts can reach each other over UDP once a third party has told each where the other is.

    A symmetric NAT's port towards the peer is not the one that the third party saw: then the other side must let in
    what comes from a port that it has never sent to.
    """
    if Kind.BLOCKED in (one, other):
        return False
    symmetric = {Kind.SYMMETRIC, Kind.RANDOM}
    open_to_any = {Kind.NONE, Kind.FULL_CONE}
    return not ((one in symmetric and other not in open_to_any) or (other in symmetric and one not in open_to_any))
