"""What happens to one machine beside its users: markers and mounts that go, writes that end early, a disk that forgets.

Every fault does what it can on the machine as it is then, and ends by itself, before the world is healed.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from swarm.disk.marker import marker_text
from swarm.ids import FolderId, Kind
from swarm.sync.memory_disk import Disk
from swarm.sync.memory_open_file import CutShort, Unsynced
from tests.simulation.witness import ours_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.device import Device
    from tests.simulation.schedule import Step

MARKER = ".swarm/folder-id"
FOREIGN = b"of another folder"


def refuse(device: Device, step: Step) -> None:
    """The database says no."""
    device.refusals.begin(step.path, step.size, step.number / 1000)


def unmark(device: Device, step: Step) -> None:
    """Somebody removes the marker, and puts it back."""
    files = device.files
    if files._away is not None or not ours_of(files)[1]:
        return
    with device.user():
        files.unlink(MARKER)

    def mark() -> None:
        if files._away is not None:
            device.world.after(1.0, mark)
            return
        with device.user():
            files.write_file(MARKER, marker_text(device.keys.folder_id))
            files.sync_all()

    device.world.after(step.number / 1000, mark)


def aside(device: Device, step: Step) -> None:
    """Something else stands in the folder's place: another folder, or an empty directory. What is open stays open."""
    files = device.files
    if files._away is not None:
        return
    files._bare = Disk(files.now(), device=files._disk.device)
    files._bare.root.inode = files._disk.root.inode + 1
    if step.what == "foreign":
        files.unmount("empty")
        with files.as_user():
            files.mkdir(".swarm", 0o700)
            files.write_file(MARKER, marker_text(FolderId(b"f" * 16)))
            files.write_file("a.txt", FOREIGN)
    files.unmount("aside")
    _come_back(device, step)


def _come_back(device: Device, step: Step) -> None:
    oracle = device.world.oracle
    bare = device.files.tree_of_bare()

    def back() -> None:
        if oracle is not None and device.files.tree_of_bare() != bare:
            oracle.convict(f"{device.name}: what stood in the folder's place was touched")
        device.files.mount()
        device.overflow()
        if device.wants_to_run and not device.runs:
            device.start()

    device.world.after(step.number / 1000, back)


def replaced(device: Device, step: Step) -> None:
    """As `cp -a` beside it, and two renames: the same folder in other inodes."""
    files = device.files
    if files._away is not None or device.pools.working:
        return
    with device.user():
        files.sync_all()
        files._disk = deepcopy(files._disk)
        files._disk.renumber(inodes=1_000_000, now_ns=files.now())
        files.crashes += 1  # what somebody has open is of the one that was put aside
        device.roots += 1
    device.overflow()


def remount(device: Device, step: Step) -> None:
    """The disk goes, and comes back under another number."""
    files = device.files
    if files._away is not None:
        return
    if device.world.oracle is not None:
        device.world.oracle.look(device)
    device.write_back()
    files.unmount("broken")

    def back() -> None:
        files._disk.renumber(device=files._disk.device + 10)
        files.crashes += 1
        device.roots += 1
        files.mount()
        device.overflow()
        if device.wants_to_run and not device.runs:
            device.start()

    device.world.after(step.number / 1000, back)


def cover(device: Device, step: Step) -> None:
    """Something else is mounted on a directory in the folder."""
    files = device.files
    try:
        node = files.node(step.path)
    except OSError:
        return
    if files._away is not None or node.kind is not Kind.DIRECTORY or node.device != files._disk.device:
        return
    files.mount_below(step.path)
    device.tell(step.path)

    def uncover() -> None:
        node.device = files._disk.device
        device.overflow()

    device.world.after(step.number / 1000, uncover)


def short(device: Device, step: Step) -> None:
    """The write that is about to be made ends early."""
    raise CutShort(step.number, step.size / 100)


def unsynced(device: Device, step: Step) -> None:
    """The sync that is about to be made fails, and the next one would say that all is well."""
    raise Unsynced(step.number)


ACTIONS: dict[str, Callable[[Device, Step], None]] = {
    "refuse": refuse,
    "unmark": unmark,
    "aside": aside,
    "foreign": aside,
    "replaced": replaced,
    "remount": remount,
    "cover": cover,
    "short": short,
    "unsynced": unsynced,
    "step": lambda device, step: device.step_now(),
    "elsewhere": lambda device, step: device.pools.work_elsewhere(step.path),
}
