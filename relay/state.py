"""What a relay keeps on disk: its key, 32 bytes of which are the seed, in a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from swarm.disk.durable import open_directory, read_small, write_durably
from swarm.errors import UserError

KEY_FILE: Final = "relay.key"
SEED_BYTES: Final = 32
MAX_LIST: Final = 1 << 20  # bytes of a token file or a list of devices: 16,000 devices


def default_directory() -> Path:
    """Where a service manager says, else in the user's own state."""
    if given := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local/state") / "swarm-relay"


def load_seed(directory: Path) -> bytes:
    """The seed of the relay's key, drawn and kept at the first start. Raises UserError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open_directory(directory) as fd:
            try:
                return _read(fd, directory / KEY_FILE)
            except FileNotFoundError:
                seed = os.urandom(SEED_BYTES)
                write_durably(fd, KEY_FILE, seed.hex().encode("ascii") + b"\n")
                return seed
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else ""
        place = directory if where in ("", KEY_FILE) or where.startswith(".") else where
        raise UserError(
            f"{place}: {error.strerror or error}", "name a directory that you may write to: --state DIR"
        ) from error


def _read(fd: int, path: Path) -> bytes:
    mode = stat.S_IMODE(os.stat(KEY_FILE, dir_fd=fd, follow_symlinks=False).st_mode)
    if mode & 0o077:
        raise UserError(f"{path} can be read by others", f"chmod 600 {path}")
    text = read_small(fd, KEY_FILE, 2 * SEED_BYTES + 2).strip()
    try:
        seed = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise UserError(
            f"{path} holds no key of a relay",
            "bring it back from a backup; if you remove it, the relay has another key, which every device must be told",
        )
    return seed


def read_list(path: Path, option: str) -> str:
    """The text of a token file or a list of devices. Raises UserError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST + 1)
    except OSError as error:
        raise UserError(f"{option} {path}: {error.strerror or error}", "name a file that the relay can read") from error
    if len(data) > MAX_LIST:
        raise UserError(f"{option} {path}: larger than {MAX_LIST} bytes", "is it the right file?")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{option} {path}: not a text", "is it the right file?") from None
