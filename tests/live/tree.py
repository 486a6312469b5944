"""Trees of files for the live tests: the shapes that sync tools stumble over, and what two trees have in common."""

from __future__ import annotations

import os
import random
import shutil
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = (Path("/usr/share/doc"), Path("/usr/share/perl"))  # what nearly every Linux machine has

ODD_NAMES = (
    "a\nnewline",
    "-leading dash",
    " blanks before and after ",
    "back\\slash",
    "quote\"and'quote",
    "star*query?",
    "tab\there",
    "emoji \U0001f41d\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "right \u05e9\u05dc\u05d5\u05dd left",
    "...",
    "~tilde",
    "$HOME",
    "%41",
    "x" * 250,
    "\u00fc" * 125,
    "nul.txt",
    "con",
    "trailing dot.",
    "Case",
    "case",
)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    name: str
    documents: int  # files of DOCUMENTS, at most
    big: int  # bytes of the one big file
    directories: int  # of small files
    per_directory: int
    flat: int  # files in one directory
    depth: int
    timeout: float  # seconds for the largest step


SIZES = {
    "small": Size("small", 150, 6 << 20, 5, 20, 200, 40, 60.0),
    "middle": Size("middle", 2_000, 64 << 20, 20, 100, 2_000, 40, 180.0),
    "full": Size("full", 1_000_000, 512 << 20, 100, 100, 5_000, 40, 900.0),
}


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def content(seed: int, size: int) -> bytes:
    """Bytes that no compression makes smaller; the same for the same seed."""
    return random.Random(seed).randbytes(size)


def big_file(path: Path, size: int, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    with path.open("wb") as stream:
        while size > 0:
            size -= stream.write(rng.randbytes(min(size, 8 << 20)))
    return path


def small_files(root: Path, directories: int, each: int, seed: int = 2) -> None:
    """1 to 4 kB each, no two alike."""
    rng = random.Random(seed)
    for number in range(directories):
        directory = root / f"d{number:03}"
        directory.mkdir(parents=True)
        for file in range(each):
            (directory / f"f{file:04}.dat").write_bytes(rng.randbytes(rng.randrange(1024, 4096)))


def documents(root: Path, limit: int) -> int:
    """Copies of what is on this machine, links, modes and times as they are; at most `limit` files. How many."""
    count = 0
    for source in DOCUMENTS:
        for directory, names, files in os.walk(source):
            names.sort()
            names[:] = [n for n in names if not os.path.islink(os.path.join(directory, n))] if limit else []
            target = root / source.name / os.path.relpath(directory, source)
            target.mkdir(parents=True, exist_ok=True)
            for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
                if not entry.is_symlink() and (entry.is_dir() or not entry.is_file() or entry.name not in files):
                    continue
                if count == limit:
                    return count
                shutil.copy2(entry.path, target / entry.name, follow_symlinks=False)
                count += 1
    return count


def odd_names(root: Path) -> None:
    """A file, a directory and a link to each of the names; NFC beside NFD."""
    for number, name in enumerate(ODD_NAMES):
        write(root / "files" / name, f"file {number}")
        write(root / "directories" / name / "inside", f"inside {number}")
    (root / "links").mkdir()
    for name in ODD_NAMES:
        (root / "links" / name).symlink_to(f"../files/{name}"[:200])
    for form in ("NFC", "NFD"):
        write(root / "forms" / unicodedata.normalize(form, "r\u00e9sum\u00e9.txt"), form)
    (root / "empty" / "more" / "nothing").mkdir(parents=True)
    (root / "dangling").symlink_to("nowhere/at/all")
    write(root / "empty.file", b"")


def deep(root: Path, levels: int) -> Path:
    for level in range(levels):
        root = root / f"level{level:02}"
    return write(root / "bottom.txt", "deep down")


def modes(root: Path) -> None:
    """Files that only some may run or write, with times from long ago and from the future."""
    for mode, moment in ((0o755, 1), (0o600, 1_000_000_000), (0o444, 4_000_000_000), (0o664, 1_700_000_000)):
        path = write(root / f"mode{mode:o}", f"{mode:o}")
        path.chmod(mode)
        os.utime(path, ns=(moment * 10**9 + 123_456_789,) * 2)


def everything(root: Path, size: Size) -> None:
    """All of the above under `root`."""
    documents(root / "documents", size.documents)
    big_file(root / "big.bin", size.big)
    small_files(root / "many", size.directories, size.per_directory)
    small_files(root / "flat", 1, size.flat, seed=3)
    odd_names(root / "odd")
    deep(root / "deep", size.depth)
    modes(root / "modes")


def particulars(root: Path) -> dict[str, tuple[object, ...]]:
    """Path -> what of it must be the same everywhere, beside the content: kind, mode, modification time, target."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, names, files in os.walk(root):
        if directory == str(root):
            names[:] = [name for name in names if name != ".swarm"]
        for name in names + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            mode = status.st_mode & 0o777
            if stat.S_ISLNK(status.st_mode):
                what: tuple[object, ...] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                what = ("directory", oct(mode))
            else:
                what = ("file", oct(mode), status.st_mtime_ns)
            found[os.path.relpath(path, root)] = what
    return found


def contents(root: Path) -> list[bytes]:
    """Every file's bytes, whatever its name: what a user may have lost or not."""
    return [
        path.read_bytes() for path in root.rglob("*") if path.is_file() and ".swarm" not in path.relative_to(root).parts
    ]
