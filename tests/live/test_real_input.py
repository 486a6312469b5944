"""What is on real disks arrives as it is: contents, names, links, modes and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import settle
from tests.live.tree import Size, everything, particulars

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live


def test_a_folder_of_everything_arrives_equal(make_daemon: MakeDaemon, size: Size) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    everything(anna.folder, size)
    before = particulars(anna.folder)
    bob.join(anna.share())
    settle(anna, bob, timeout=size.timeout)
    assert particulars(bob.folder) == before
    assert particulars(anna.folder) == before
    assert bob.report()["cannot"] == 0
    assert anna.fetched() == 0


def test_a_folder_of_everything_made_while_sharing_arrives_equal(make_daemon: MakeDaemon, size: Size) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    bob.join(anna.share())
    everything(anna.folder, size)
    settle(anna, bob, timeout=size.timeout)
    assert particulars(bob.folder) == particulars(anna.folder)
