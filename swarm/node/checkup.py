"""What the daemon knows of what `swarm doctor` tells: port mapping, relays, who is reached how, for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm.config import parse_relay
from swarm.net import upnp

if TYPE_CHECKING:
    from swarm.net.gateway import Gateway
    from swarm.node.node import Node


def checkup(node: Node) -> dict[str, Any]:
    """The object of `GET /v1/doctor`."""
    addresses = node.finder.addresses()
    return {
        "port": addresses[0][1] if addresses else node.config.listen.port,
        "own": [host for host, _ in addresses],
        "relays": [_relay(one) for one in node.relays.report()],
        "mapping": _mapping(node.finder.gateway),
        "peers": [
            {
                "name": peer.ready.name if peer.ready is not None else "",
                "route": peer.link.route,
                "via": peer.link.via or "",
                "rtt": peer.link.round_trip(),
                "skew": peer.skew,
            }
            for peer in node.peers.values()
        ],
        "folders": [{"name": folder.name, "path": folder.root} for folder in node.folders.known.values()],
    }


def _relay(one: dict[str, Any]) -> dict[str, Any]:
    host, port = parse_relay(one["relay"]).address
    return {"host": host, "port": port, "why": one["why"] or ""}


def _mapping(gateway: Gateway | None) -> dict[str, Any] | None:
    if gateway is None:
        return None
    mapper = gateway.mapper
    external = gateway.external
    return {
        "gateway": gateway.host,
        "spoken": "UPnP" if gateway.upnp is not None else mapper.spoken if mapper is not None else "",
        "external": list(external) if external is not None else None,
        "why": mapper.why if mapper is not None else "",
        "upnp": upnp.available(),
    }
