"""A router that maps ports when it is asked to, by NAT-PMP and PCP: the fake of the unit tests, with real rules."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.lab import inside
from tests.lab.internet import nft
from tests.unit.fake_gateway import FakeGateway

if TYPE_CHECKING:
    from tests.lab.internet import Site

PORT = 5351
NAMES = {6: "tcp", 17: "udp"}
RULES = """
table ip mapped
delete table ip mapped
table ip mapped {
  chain incoming { type nat hook prerouting priority dstnat - 1; %s }
}
"""


class MappingRouter:
    """Serves at the inner address of a site's router, as long as it is entered."""

    def __init__(self, site: Site, *, speaks_pcp: bool = True) -> None:
        assert site.router is not None
        self._router = site.router
        self._host = f"{site.inner}2"
        self.fake = FakeGateway(host=site.public, speaks_pcp=speaks_pcp)
        self._socket = inside.udp(site.router.namespace, site.inner, PORT)
        self._thread = threading.Thread(target=self._serve, name="mapping router")

    def __enter__(self) -> MappingRouter:
        nft(self._router, 'insert rule ip gate through iifname "eth0" ct status dnat accept')
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._thread.join(2)

    def _serve(self) -> None:
        self._socket.settimeout(0.2)
        while self._socket.fileno() >= 0:
            try:
                data, address = self._socket.recvfrom(1100)
            except TimeoutError:
                continue
            except OSError:
                return
            for answer in self.fake.answer(data, time.monotonic()):
                self._apply()
                self._socket.sendto(answer, address)

    def _apply(self) -> None:
        lines = [
            f'iifname "eth0" {NAMES[protocol]} dport {outer} dnat to {self._host}:{inner};'
            for (protocol, inner), outer in self.fake.mapped.items()
        ]
        nft(self._router, RULES % " ".join(lines))
