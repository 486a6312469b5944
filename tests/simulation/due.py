"""What is owed for a byte string that a user committed."""

from __future__ import annotations

from enum import Enum


class Due(Enum):
    """Where a content must be in the end."""

    CURRENT = "current"  # in the folder itself
    SOMEWHERE = "in the folder or in a history"
