"""A relay that has no room for anybody."""

from __future__ import annotations

import sys
from functools import partial

from relay import main
from relay.limits import Limits

if __name__ == "__main__":
    main.Limits = partial(Limits, clients=0)  # type: ignore[assignment, attr-defined]
    sys.exit(main.main())
