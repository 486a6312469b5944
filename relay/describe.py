"""`python -m relay.describe OPTIONS`: says where a relay with these options is to be found, without starting it.

For the installer. Prints `relay HOST:PORT~KEY`, as the relay itself does, and makes the key if there is none.
"""

from __future__ import annotations

import sys

from relay.main import address_line, report
from swarm.errors import SwarmError

if __name__ == "__main__":
    try:
        print(address_line(sys.argv[1:]))
    except SwarmError as error:
        sys.exit(report(error))
