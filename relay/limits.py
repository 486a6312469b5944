"""Every number that bounds what anybody may cost a relay, in one place, so that a test can trip each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one relay. Times are seconds, sizes bytes."""

    clients: int = 4096  # registered at once; at some 4 kB each the smallest VPS has room for them
    clients_per_address: int = (
        64  # of those, from one IPv4 address or IPv6 /64: a household, or part of a carrier's NAT
    )
    guests: int = 1024  # of those, without a reservation
    channels: int = 16_384  # open or asked for, in all
    channels_per_client: int = 64  # a folder with more members connects to some of them
    channels_per_guest: int = 4  # to the devices of the folder that is joined
    guest_channels_per_client: int = 32  # of those of one client, with guests, who may be strangers: half
    topics: int = 65_536  # in all; 16 for each client
    client_rate: int = 32_000_000  # bytes a second that are passed on for one client: a quarter of a gigabit
    guest_rate: int = 4_000_000  # for one guest: questions and acknowledgements of what he gets
    total_rate: int = 250_000_000  # for all of them: two gigabits, about what one core passes on
    burst_seconds: float = 0.5  # of each of these rates at once: a send buffer that is flushed is not lost
    questions_per_second: float = 10.0  # Lookup, Open and SetTopics of one client
    questions_at_once: int = 64  # and so many in a burst: a device that starts has as many folders and members
    talk_per_second: float = 50.0  # frames under seal of one client; each costs 30 µs with its answer
    talk_at_once: int = 200
    unproved_per_second: float = 50.0  # packets that prove nothing, from one address
    unproved_at_once: int = 200  # a restart makes 64 clients behind one NAT say two each, and some twice
    unproved_total: int = 5_000  # of those per second, from everybody: 10 % of a core
    addresses: int = 4_096  # of whom the count of such packets is kept
    streams: int = 1_024  # TCP connections; each costs 20 kB and a descriptor
    streams_per_address: int = 64  # of those, from one IPv4 address or IPv6 /64
    stream_seconds: float = 5.0  # for TLS, and again for the registration
    stream_buffer: int = 256 << 10  # bytes that wait for one slow reader; what comes then is dropped, as in any router
    idle_seconds: float = 60.0  # without a word under seal from a client; it says one every 15
    alive_seconds: int = 15  # how often that is; mappings of some NATs last 30
    channel_idle_seconds: float = 120.0  # without anything passed on
    incoming_seconds: float = 4.0  # that a device has to accept a channel; its opener waits 5
    incoming_pause: float = 0.25  # between two Incomings, doubling
