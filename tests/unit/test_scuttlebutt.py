"""How much goes to a member ahead of what it has confirmed."""

from __future__ import annotations

import pytest

from swarm.gossip.scuttlebutt import MAX_UNCONFIRMED, MAX_UNCONFIRMED_BYTES, Missing, Scuttlebutt
from swarm.ids import DeviceId, Origin
from swarm.index.record_layout import MAX_RECORD
from swarm.node.peer import UNSENT_LIMIT
from swarm.sync.exchange import DELTA_BYTES

MEMBER = DeviceId(b"\x01" * 32)
OWN, OTHER = Origin(b"\x02" * 16), Origin(b"\x03" * 16)
CLOCK = {OWN: 100_000, OTHER: 100_000}


@pytest.mark.parametrize(("records", "size"), [(MAX_UNCONFIRMED, 1), (1, MAX_UNCONFIRMED_BYTES)])
def test_a_member_that_confirms_nothing_is_sent_no_more(records: int, size: int) -> None:
    gossip = Scuttlebutt()
    gossip.up(MEMBER)
    gossip.heard(MEMBER, {}, resend=False)
    assert gossip.missing(MEMBER, CLOCK, OWN, 1.0) == [Missing(OWN, 0), Missing(OTHER, 0)]
    gossip.sent(MEMBER, OWN, 50, records - 1, size - 1)
    assert gossip.has_room(MEMBER)
    gossip.sent(MEMBER, OTHER, 50, 1, 1)
    assert not gossip.has_room(MEMBER)
    assert gossip.missing(MEMBER, CLOCK, OWN, 1.0) == []
    gossip.heard(MEMBER, {OWN: 50}, resend=False)
    assert gossip.missing(MEMBER, CLOCK, OWN, 1.0) == [Missing(OWN, 50), Missing(OTHER, 50)]


def test_all_that_is_sent_ahead_fits_into_what_may_wait_for_a_link() -> None:
    """Or a member that is only slow would have its link closed, and be sent the same again on the next."""
    assert 2 * (MAX_UNCONFIRMED_BYTES + DELTA_BYTES + MAX_RECORD) < UNSENT_LIMIT
