"""Prometheus metrics: what the hub counts, read when somebody asks. Nothing in them names a device or an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from swarm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from wsgiref.simple_server import WSGIServer

    from prometheus_client.metrics_core import Metric

    from relay.hub import Hub
    from swarm.config import HostPort


class HubCollector(Collector):
    """Reads the hub's numbers; a scrape runs in a thread of its own, and a number that is one packet old is fine."""

    def __init__(self, hub: Hub, not_sent: Callable[[], int], streams: Callable[[], int]) -> None:
        self._hub = hub
        self._not_sent = not_sent
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        hub, counts, switch = self._hub, self._hub.counts, self._hub.switch
        guests = hub.clients.guests
        clients = {"reserve": len(hub.clients) - guests, "guest": guests}
        yield _gauges("clients", "Devices that are registered", "mode", clients)
        yield _gauge("addresses", "Different addresses that they have", hub.clients.addresses)
        yield _gauge("channels", "Channels, open or asked for", len(hub.channels))
        yield _gauge("topics", "Topics under which devices can be found", hub.clients.topics)
        yield _gauge("streams", "TCP connections", self._streams())
        yield _gauge("draining", "1 while the relay is about to end", int(hub.draining))
        yield _counter("forwarded_packets", "Packets that were passed on", switch.packets)
        yield _counter("forwarded_bytes", "Their bytes", switch.bytes)
        dropped = {"rate": switch.over_rate, "no_room": self._not_sent()}
        yield _counters("dropped_packets", "Packets that were not passed on", "reason", dropped)
        yield _counters("registrations", "Registrations, by outcome", "outcome", counts.registrations)
        yield _counters("questions", "Messages of registered devices", "message", counts.questions)
        yield _counters("refused", "Questions that were refused", "reason", counts.refused)
        yield _counters("unproved_packets", "Packets of nobody in particular", "kind", counts.unproved)
        ignored = {
            "too_many": counts.too_many,
            "malformed": counts.malformed,
            "undecipherable": counts.undecipherable,
        }
        yield _counters("ignored_packets", "Packets that were not looked at, or were of no use", "reason", ignored)
        yield _counter("expired", "Devices that went silent", counts.expired)
        yield _counter("moved", "Devices whose address changed while they were registered", counts.moved)
        streams = {"limit": counts.streams_refused, "stranger": counts.streams_failed}
        yield _counters("streams_refused", "TCP connections that were ended", "reason", streams)


def serve_metrics(place: HostPort, collector: Collector) -> WSGIServer:
    """Until `shutdown()` of what it returns. Raises UserError when it cannot listen."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, _ = start_http_server(place.port, place.host, registry)
    except OSError as error:
        raise UserError(
            f"cannot serve metrics at {place}: {error.strerror or error}", "name another: --metrics"
        ) from error
    return server


def _gauge(name: str, what: str, value: int) -> Metric:
    return GaugeMetricFamily(f"swarm_relay_{name}", what, value)


def _counter(name: str, what: str, value: int) -> Metric:
    return CounterMetricFamily(f"swarm_relay_{name}", what, value)


def _gauges(name: str, what: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"swarm_relay_{name}", what, labels=[label])
    for key, value in list(values.items()):
        family.add_metric([key], value)
    return family


def _counters(name: str, what: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"swarm_relay_{name}", what, labels=[label])
    for key, value in list(values.items()):
        family.add_metric([key], value)
    return family
