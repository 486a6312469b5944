"""How much is done for strangers: a token bucket for each network, and one for everybody together. Pure.

The source of a datagram is anybody's word, so that the buckets of networks alone could be walked around; the common one
bounds what a flood costs, the others keep one loud network from taking all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_NETWORKS: Final = 4096  # remembered; about 1 MB. Of more, the one that was quiet for longest is forgotten


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Allowance:
    """`take` says whether one more is allowed."""

    def __init__(self, *, rate: float, burst: float, total_rate: float, total_burst: float) -> None:
        """`rate` a second and `burst` at once for a network; the others for all together."""
        self._rate, self._burst = rate, burst
        self._total_rate, self._total_burst = total_rate, total_burst
        self._total = _Bucket(total_burst, 0.0)
        self._networks: OrderedDict[bytes, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._networks)

    def take(self, network: bytes, now: float) -> bool:
        bucket = self._networks.get(network)
        if bucket is None:
            bucket = self._networks[network] = _Bucket(self._burst, now)
            if len(self._networks) > MAX_NETWORKS:
                self._networks.popitem(last=False)
        else:
            self._networks.move_to_end(network)
        _fill(bucket, self._rate, self._burst, now)
        _fill(self._total, self._total_rate, self._total_burst, now)
        if bucket.left < 1 or self._total.left < 1:
            return False
        bucket.left -= 1
        self._total.left -= 1
        return True


def _fill(bucket: _Bucket, rate: float, burst: float, now: float) -> None:
    bucket.left = min(burst, bucket.left + max(0.0, now - bucket.at) * rate)
    bucket.at = now
