"""Which file system a directory is on, where that matters: changes that others make over a network raise no events."""

from __future__ import annotations

import os

_NETWORK = frozenset(
    (
        "9p", "afs", "beegfs", "ceph", "cifs", "fuse.cephfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs",
        "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    )
)  # fmt: skip


def network_kind(path: str, mountinfo: str = "/proc/self/mountinfo") -> str:
    """The type of the network file system that `path` is on; "" for a local one, and where nothing can be known."""
    try:
        device = os.stat(path).st_dev
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                mount, _, source = line.partition(
                    " - "
                )  # proc(5): ID, parent, major:minor, ... - type, source, options
                if mount.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                    kind = source.split()[0]
                    return kind if kind in _NETWORK else ""
    except (OSError, IndexError):
        return ""
    return ""
