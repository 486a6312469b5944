"""How much is answered to those who have proved nothing: by address and in all, in bounded memory. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from relay.allowance import Allowance

if TYPE_CHECKING:
    from relay.limits import Limits


class Strangers:
    """Counts packets that prove nothing."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._total = Allowance(limits.unproved_total, limits.unproved_total, now)
        self._of: OrderedDict[str, Allowance] = OrderedDict()  # who was heard last is last

    def __len__(self) -> int:
        return len(self._of)

    def admit(self, host: str, now: float) -> bool:
        """May one more packet of this address be looked at? `host`: see `swarm.net.admission.allowance_key`."""
        allowance = self._of.get(host)
        if allowance is None:
            if len(self._of) >= self._limits.addresses:
                self._of.popitem(last=False)  # forged senders can make it forget; then all of them share the total
            allowance = Allowance(self._limits.unproved_per_second, self._limits.unproved_at_once, now)
            self._of[host] = allowance
        else:
            self._of.move_to_end(host)
        return allowance.take(1, now) and self._total.take(1, now)
