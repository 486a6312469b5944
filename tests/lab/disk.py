"""Real file systems, each in an image of its own: made by its own tools, mounted through a loop device or by FUSE."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTES = 320  # of an image: XFS takes no less than 300; nothing of it is written before it is used

_MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "vfat": ["mkfs.vfat"],
    "exfat": ["mkfs.exfat"],
    "ntfs": ["mkfs.ntfs", "-q", "-F", "-f"],
}
_FUSE = {"exfat": "mount.exfat-fuse", "ntfs": "ntfs-3g"}  # where the kernel has no such file system
KINDS = (*_MAKE, "tmpfs")


class NoDisk(Exception):
    """This machine cannot have such a disk. The argument says why."""


class Disk:
    """One file system, and the directory where it is mounted."""

    def __init__(self, base: Path, kind: str) -> None:
        """Raises NoDisk."""
        self.kind = kind
        self.place = base / f"disk-{kind}"
        self.place.mkdir()
        self._loop = ""
        if os.name != "posix" or os.geteuid() != 0:
            raise NoDisk("file systems are mounted by root on Linux")
        if kind != "tmpfs":
            image = base / f"{kind}.img"
            with image.open("wb") as file:
                file.truncate(MEGABYTES << 20)
            _run(*_MAKE[kind], str(image))
            self._loop = _run("losetup", "--find", "--show", str(image)).strip()
        try:
            self.mount()
        except NoDisk:
            self.remove()
            raise

    @property
    def mounted(self) -> bool:
        return self.place.is_mount()

    def mount(self) -> None:
        if self.kind == "tmpfs":
            _run("mount", "-t", "tmpfs", "swarm-test", str(self.place))
            return
        try:
            _run("mount", "-t", self.kind, self._loop, str(self.place))
        except NoDisk:
            if self.kind not in _FUSE:
                raise
            _run(_FUSE[self.kind], self._loop, str(self.place))

    def unmount(self, *, lazily: bool = False) -> None:
        """Fails while it is in use; `lazily`: goes out of sight at once, whoever uses it."""
        _run("umount", *(["-l"] if lazily else []), str(self.place))

    def remove(self) -> None:
        if self.mounted:
            self.unmount(lazily=True)
        if self._loop:
            _run("losetup", "--detach", self._loop)


def _run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise NoDisk(f"there is no {command[0]} here")
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if result.returncode:
        raise NoDisk(f"{' '.join(command)}: {result.stderr.strip() or result.returncode}")
    return result.stdout
