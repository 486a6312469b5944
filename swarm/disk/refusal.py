"""What the system's "no" means: the sentence that the user reads, and whether trying again can help."""

from __future__ import annotations

import errno
import os

# Nothing changes these but another name, another file or another disk.
_PERMANENT = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EFBIG))  # not EXDEV: a mount goes

# On the way to a name: it is not there (any more), or not what it was.
_ELSEWHERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))

NAME = "This disk cannot hold such a name. Rename it on another device."
_FULL = "The disk is full. Free some space, and it goes on by itself."
_FORBIDDEN = "Swarm may not do this here. Give the user that runs it permission to read and write there."
_SENTENCES = {
    errno.ENAMETOOLONG: "The name is too long for this disk. Shorten it on another device.",
    errno.EINVAL: NAME,
    errno.EILSEQ: NAME,
    errno.EXDEV: "Another file system is mounted there, and Swarm does not cross mount points. Share it on its own.",
    errno.EFBIG: "The file is too large for this disk. Move the folder to a disk that takes large files.",
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "Your quota on this disk is used up. Free some space, and it goes on by itself.",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: "The disk is read-only. Mount it for writing, and it goes on by itself.",
    errno.EIO: "The disk reports an error. Check its health, and save what is on it.",
    errno.EMFILE: "Too many files are open. Raise the limit of open files (ulimit -n).",
    errno.ENFILE: "Too many files are open on this machine. Close some programs.",
    errno.EBUSY: "It is in use by the system. It is tried again.",
    errno.ETXTBSY: "It is a program that runs. It is tried again.",
}


def sentence(error: OSError) -> str:
    """What to tell the user."""
    known = _SENTENCES.get(error.errno or 0)
    return known or f"The system says: {os.strerror(error.errno) if error.errno else error}. It is tried again."


def is_permanent(error: OSError) -> bool:
    """Whether trying the same again is pointless."""
    return error.errno in _PERMANENT


def is_elsewhere(error: OSError) -> bool:
    """Whether it says that there is nothing at that name, or that a directory on the way is none (any more)."""
    return error.errno in _ELSEWHERE
