"""Names: which paths may come from the network, what a conflict copy is called, and which names a disk takes for one.

A path is relative, "/" between components, valid UTF-8. What the network sends is checked here before anything else
looks at it; safefs holds on its own below, so a mistake here is not yet an escape.

A conflict copy's name can be read back: NAME and the extension hold no parentheses, the hash no blank. So two
registers never get copies of the same name, as long as the stem is whole. Where it had to be cut, two stems may have
become alike, and the hash has 128 bits from the start instead.
"""

from __future__ import annotations

import re
import unicodedata

from swarm.errors import BadPeer
from swarm.ids import join_path, name_of, parent_of

MAX_NAME = 255  # bytes of one component: NAME_MAX of every file system in use
MAX_PATH = 4096  # bytes: PATH_MAX of Linux
MAX_DIRECTORY = MAX_PATH - 1 - MAX_NAME  # bytes of a path's directory, so that a conflict copy beside it always fits
MAX_COMPONENTS = 128  # a tree of real files has 20; every component costs a view lookup and an open directory
MAX_DEVICE_NAME = 40  # bytes of a device's name inside a conflict copy's
MAX_EXTENSION = 32  # bytes, dot included: more is part of the name, not a type of file

DIGITS = 6  # of the record's hash, while the stem is whole
CUT_DIGITS = 32  # of it, when the stem had to be cut
ALL_DIGITS = 64

_OURS = ".swarm"
_GIT = ".git"
# What file systems leave out when they compare names (HFS+, ext4 and APFS with case folding): Unicode's
# Default_Ignorable_Code_Point.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SHORT_NAME = re.compile(r"swarm~[0-9]+\Z")  # how FAT and NTFS call `.swarm` in 8.3


def check_path(path: str) -> None:
    """Raises BadPeer unless `path` is safe to give to a file system, and leaves room for conflict copies beside it."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError as error:
        raise BadPeer("a path is not Unicode text") from error
    if size > MAX_PATH:
        raise BadPeer("a path is too long")
    if "\0" in path:
        raise BadPeer("a path contains a NUL")
    components = path.split("/")
    if len(components) > MAX_COMPONENTS:
        raise BadPeer("a path is too deep")
    for name in components:
        if name in ("", ".", ".."):
            raise BadPeer(f"a path has the component {name!r}")
        if len(name) * 4 > MAX_NAME and len(name.encode()) > MAX_NAME:
            raise BadPeer("a name is too long")
        if is_ours(name):
            raise BadPeer("a path leads into Swarm's own directory")
    if size > MAX_DIRECTORY and len(parent_of(path).encode()) > MAX_DIRECTORY:
        raise BadPeer("a path's directory is too long")


def is_ours(name: str) -> bool:
    """Whether some file system takes this component for `.swarm`: case, Unicode forms, invisible code points, dots and
    blanks at the end, the suffix of a stream, the short name."""
    if name.isascii():
        folded = name.lower()
        if "swarm" not in folded:
            return False
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _IGNORABLE.sub("", name)).casefold())
        folded = _IGNORABLE.sub("", folded)
    folded = folded.partition(":")[0].rstrip(". ")
    return folded == _OURS or _SHORT_NAME.match(folded) is not None


def compose(name: str) -> str:
    """Form C of Unicode, in which most systems and people write names."""
    return unicodedata.normalize("NFC", name)


def fold(name: str, *, case: bool = True, unicode: bool = True) -> str:
    """Names with equal folds are one name on a file system that folds so (Traits.folds_case, Traits.folds_unicode)."""
    if name.isascii():
        return name.lower() if case else name
    if unicode:
        name = unicodedata.normalize("NFD", _IGNORABLE.sub("", name))
    if case:
        name = name.casefold()
    return unicodedata.normalize("NFD", name) if unicode else name


def below_git(path: str) -> bool:
    """Whether `path` is inside a repository's `.git`, where a file more breaks the repository."""
    return _GIT in path.casefold().split("/")[:-1]


def conflict_name(path: str, device_name: str, digest_hex: str, digits: int) -> str:
    """The path of a conflict copy beside `path`: "stem (conflict NAME hash).ext", of at most 255 bytes in its name.

    `digits` of `digest_hex` (64 digits) are shown; CUT_DIGITS at least where the stem has to be cut.
    """
    stem, extension = _split(name_of(path))
    label = _sanitised(device_name)
    name = f"{stem} (conflict {label} {digest_hex[:digits]}){extension}"
    if len(name.encode()) > MAX_NAME:
        tail = f" (conflict {label} {digest_hex[: max(digits, CUT_DIGITS)]}){extension}"
        name = _cut(stem, MAX_NAME - len(tail.encode())) + tail
    return join_path(parent_of(path), name)


def _split(name: str) -> tuple[str, str]:
    """Stem and extension; a leading dot starts none, and neither does a dot before blanks or parentheses."""
    stem, dot, extension = name.rpartition(".")
    plain = extension and not any(c.isspace() or c in "()" for c in extension)
    if not stem.strip(".") or not plain or len(extension.encode()) + 1 > MAX_EXTENSION:
        return name, ""
    return stem, dot + extension


def _sanitised(device_name: str) -> str:
    """A device's name as part of a file's: one line, no slash, no parentheses, no blanks at the ends."""
    kept = "".join(" " if c.isspace() or c in '/\\()<>:"|?*' else c for c in device_name if not _unprintable(c))
    return _cut(" ".join(kept.split()), MAX_DEVICE_NAME).strip() or "unknown"


def _unprintable(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character).startswith("C")


def _cut(text: str, size: int) -> str:
    """The longest beginning of `text` that has at most `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
