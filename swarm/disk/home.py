"""SWARM_HOME: what this device keeps for itself, outside every shared folder.

    device.key                  32 bytes, the seed of this device's identity
    config.toml                 the user's settings
    lock                        held while a daemon runs: its pid
    api.sock                    where the daemon listens; api.path says where it is instead, if that name is too long
    folders/<folder id>/key     the folder's printed key
    folders/<folder id>/path    the absolute path of its directory
    folders/<folder id>/paused  there while it is paused: until when, seconds since 1970; or inf
    folders/<folder id>/index.db

All of it is for its owner alone: permissions that have become wider are narrowed again without a word. A home must be
on a file system with working locks and write-ahead logs, in practice a local one.
"""

from __future__ import annotations

import fcntl
import math
import os
import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.disk.api_socket import choose_socket
from swarm.disk.durable import open_directory, read_small, sync_directory, write_durably
from swarm.disk.lock import FileLock, LockHeld
from swarm.errors import EXIT_NOT_FOUND, UserError
from swarm.ids import FOLDER_ID_BYTES, FolderId, short

if TYPE_CHECKING:
    from collections.abc import Mapping
    from tempfile import TemporaryDirectory

SEED_BYTES = 32
_KEY_LIMIT = 4_096  # bytes: a printed key with all its hints has less than 1,000
_PAUSED = "paused"
_PATH_LIMIT = 8_192  # bytes: PATH_MAX is 4,096

_KNOWN = frozenset({"device.key", "config.toml", "lock", "folders"})  # any of these makes a directory a home
_NEW = ".new-"  # a folder's directory on its way in
_GONE = ".gone-"  # and out
_YOUR_OWN = "Run swarm as the user whose home it is, or set SWARM_HOME to a directory of your own."
_LOCAL_DISK = "Set SWARM_HOME to a directory on a local disk."


@dataclass(frozen=True, slots=True)
class FolderHome:
    """What is kept for one folder."""

    directory: Path
    folder: FolderId

    @property
    def database(self) -> Path:
        return self.directory / "index.db"

    def key(self) -> str:
        """The printed key (a secret). Raises UserError when it cannot be read."""
        return self._read("key", _KEY_LIMIT).decode("ascii", "replace").strip()

    def root(self) -> str:
        """The absolute path of the shared directory. Raises UserError when it cannot be read."""
        return os.fsdecode(self._read("path", _PATH_LIMIT))  # to the byte: a directory's name may end in a newline

    def paused_until(self) -> float | None:
        """Seconds since 1970, infinite until it is resumed, None where it is not paused. What is damaged: infinite."""
        try:
            return float(self._read(_PAUSED, _KEY_LIMIT))
        except UserError:
            return None
        except ValueError:
            return math.inf

    def set_paused(self, until: float | None) -> None:
        """Durably. Raises OSError."""
        with open_directory(self.directory) as directory:
            if until is not None:
                write_durably(directory, _PAUSED, f"{until}\n".encode())
                return
            with suppress(FileNotFoundError):
                os.unlink(_PAUSED, dir_fd=directory)
            sync_directory(directory)

    def _read(self, name: str, limit: int) -> bytes:
        try:
            with open_directory(self.directory) as directory:
                return read_small(directory, name, limit)
        except OSError as error:
            raise UserError(
                f"{self.directory / name} cannot be read: {error.strerror}", "Share or join the folder again."
            ) from error


def folders_of(home: Path) -> list[FolderHome]:
    """Every folder of a home that may not be open, by id. Writes nothing. OSError where there is no home."""
    return [
        FolderHome(directory, FolderId(bytes.fromhex(directory.name)))
        for directory in sorted((home / "folders").iterdir())
        if _is_folder_name(directory.name)
    ]


class Home:
    """An open home. No other daemon runs with it until `close`."""

    def __init__(self, path: Path, seed: bytes, socket: Path, lock: FileLock) -> None:
        self.path = path
        self.seed = seed  # 32 bytes, a secret
        self.socket = socket  # where to listen; in a directory that is ours alone
        self._lock = lock

    @staticmethod
    def locate(environ: Mapping[str, str], platform: str) -> Path:
        """Where the home is, absolute, whether or not it exists.

        environ: of the process; platform: sys.platform.
        """
        if chosen := environ.get("SWARM_HOME"):
            return Path(os.path.abspath(chosen))
        user = Path(environ.get("HOME") or os.path.expanduser("~"))
        if platform == "darwin":
            return user / "Library" / "Application Support" / "Swarm"
        state = environ.get("XDG_STATE_HOME", "")  # the specification: a relative path is to be ignored
        return (Path(state) if os.path.isabs(state) else user / ".local" / "state") / "swarm"

    @classmethod
    def open(cls, path: Path, environ: Mapping[str, str] = os.environ) -> Home:
        """Makes what is missing, and takes the lock.

        Raises UserError when a daemon runs already, when the directory is something else's, or when its file system
        will not do.
        """
        try:
            _make_home(path)
            lock = _take_lock(path)
            try:
                _try_database(path)
                _make_private_directory(path / "folders")
                _finish_removals(path / "folders")
                return cls(path, _device_seed(path), choose_socket(path, environ), lock)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            hint = _YOUR_OWN if isinstance(error, PermissionError) else _LOCAL_DISK
            raise UserError(f"the home {path} cannot be used: {error.strerror}", hint) from error

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    def folders(self) -> list[FolderHome]:
        """Every folder of this device, by id."""
        return folders_of(self.path)

    def folder(self, folder: FolderId) -> FolderHome | None:
        directory = self._directory(folder)
        return FolderHome(directory, folder) if directory.is_dir() else None

    def add_folder(self, folder: FolderId, key: str, root: str) -> FolderHome:
        """Remembers a folder, durably and as a whole. Adding it again at the same root replaces its key, for one that
        allows more or is of a later epoch.

        root: absolute. Raises UserError where the folder has another root, the root another folder, or one of root and
        home is inside the other.
        """
        real = os.path.realpath(root)
        home = os.path.realpath(self.path)
        if os.path.commonpath((real, home)) in (real, home):
            raise UserError(f"{root} and Swarm's own {self.path} overlap", "Choose another directory.")
        for other in self.folders():
            try:
                same_root = os.path.realpath(other.root()) == real
            except UserError:  # damaged; if it is this folder, it is mended below
                continue
            if other.folder == folder and not same_root:
                raise UserError(f"this folder is on this device already, at {other.root()}")
            if other.folder != folder and same_root:
                raise UserError(f"{root} is shared already, as folder {short(other.folder)}")
        if known := self.folder(folder):
            _write_folder(known.directory, key, root)
            return known
        directory = self._directory(folder)
        new = directory.with_name(_NEW + directory.name)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(0o700)
        _write_folder(new, key, root)
        new.rename(directory)
        self._sync_folders()
        return FolderHome(directory, folder)

    def move_folder(self, folder: FolderId, root: str) -> None:
        """The folder's directory is another now, absolute. Its store and key stay."""
        with open_directory(self._directory(folder)) as directory:
            write_durably(directory, "path", os.fsencode(root))

    def remove_folder(self, folder: FolderId, *, keep_key: bool = False) -> Path | None:
        """Forgets a folder with its key and index; its files stay. Close its store first. Raises UserError.

        keep_key: puts its key, which is nowhere else, among the keys of folders that were left. Returns where.
        """
        directory = self._directory(folder)
        kept = self._keep_key(folder) if keep_key else None
        gone = directory.with_name(_GONE + directory.name)
        shutil.rmtree(gone, ignore_errors=True)
        try:
            directory.rename(gone)
        except FileNotFoundError as error:
            raise UserError("this folder is not on this device", code=EXIT_NOT_FOUND) from error
        self._sync_folders()
        shutil.rmtree(gone, ignore_errors=True)
        return kept

    def _keep_key(self, folder: FolderId) -> Path | None:
        known = self.folder(folder)
        if known is None:
            return None
        left = self.path / "left"
        _make_private_directory(left)
        with open_directory(left) as directory:
            write_durably(directory, f"{folder.hex()}.key", f"{known.key()}\n".encode())
        return left / f"{folder.hex()}.key"

    def scratch(self) -> TemporaryDirectory[str]:
        """A directory that goes when its context ends, or with the next start. Raises OSError."""
        from tempfile import TemporaryDirectory

        return TemporaryDirectory(prefix=f"{_NEW}scratch-", dir=self.path / "folders")

    def close(self) -> None:
        self._lock.release()

    def _directory(self, folder: FolderId) -> Path:
        return self.path / "folders" / folder.hex()

    def _sync_folders(self) -> None:
        with open_directory(self.path / "folders") as fd:
            sync_directory(fd)


def _make_home(path: Path) -> None:
    path.mkdir(0o700, parents=True, exist_ok=True)
    _refuse_anothers(path)
    names = set(os.listdir(path))
    if names and not names & _KNOWN:
        # Narrowing its permissions could lock others out of it: of /tmp, or of somebody's documents.
        raise UserError(f"{path} is not a Swarm home, and not empty", "Set SWARM_HOME to a new directory.")
    _make_private_directory(path)


def _refuse_anothers(path: Path) -> None:
    """A daemon that root runs in a user's home leaves files there that the user's own daemon cannot open."""
    try:
        owner = (path / "device.key").stat().st_uid
    except FileNotFoundError:
        return
    if owner != os.geteuid():
        raise UserError(
            f"the home {path} belongs to another user ({owner}, and you are {os.geteuid()})",
            "Run swarm as that user, without sudo; or set SWARM_HOME to a directory of your own.",
        )


def _make_private_directory(path: Path) -> None:
    path.mkdir(0o700, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
        if path.stat().st_mode & 0o077:  # FAT and its kin
            raise UserError(f"the disk of {path} has no permissions: other users could read your keys", _LOCAL_DISK)


def _take_lock(path: Path) -> FileLock:
    """The home's lock, on a file system where a lock keeps others out."""
    try:
        lock = FileLock(path / "lock", f"{os.getpid()}\n")
    except LockHeld as error:
        pid = error.note.strip() or "unknown"
        raise UserError(f"swarm is already running for {path} (process {pid})", "`swarm stop` ends it.") from error
    except OSError as error:
        raise UserError(f"files in {path} cannot be locked: {error.strerror}", _LOCAL_DISK) from error
    try:
        with open(path / "lock", "rb") as second:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return lock
    except BaseException:
        lock.release()
        raise
    lock.release()
    raise UserError(f"locks in {path} keep nobody out", _LOCAL_DISK)


def _try_database(path: Path) -> None:
    """Writes and reads a scratch database as the real ones are: a log, and memory shared by two connections."""
    import sqlite3  # only daemons need it: every command imports this module to learn where the home is

    scratch = path / "scratch.db"
    names = [scratch, path / "scratch.db-wal", path / "scratch.db-shm"]
    for name in names:
        name.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(scratch)) as one, closing(sqlite3.connect(scratch)) as other:
            mode = one.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            one.execute("PRAGMA synchronous = OFF")  # it is thrown away
            with one:
                one.execute("CREATE TABLE scratch AS SELECT 47474 AS number")
            works = mode == "wal" and other.execute("SELECT number FROM scratch").fetchone() == (47474,)
    except sqlite3.Error as error:
        raise UserError(f"no database can be kept in {path}: {error}", _LOCAL_DISK) from error
    finally:
        for name in names:
            name.unlink(missing_ok=True)
    if not works:
        raise UserError(f"the file system of {path} cannot hold a write-ahead log", _LOCAL_DISK)


def _device_seed(path: Path) -> bytes:
    file = path / "device.key"
    with open_directory(path) as directory:
        if not file.exists():
            seed = os.urandom(SEED_BYTES)
            write_durably(directory, file.name, seed)
            return seed
        seed = read_small(directory, file.name, SEED_BYTES + 1)
    if len(seed) != SEED_BYTES:
        raise UserError(
            f"{file} is damaged", "Restore it from a backup; or remove it, and this becomes a new device to the others."
        )
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return seed


def _finish_removals(folders: Path) -> None:
    """What a crash left half in or half out. Keys and indexes that are kept get their permissions back."""
    for directory in folders.iterdir():
        if directory.name.startswith((_NEW, _GONE)):
            shutil.rmtree(directory, ignore_errors=True)
        elif _is_folder_name(directory.name):
            _make_private_directory(directory)
            key = directory / "key"
            if key.exists() and key.stat().st_mode & 0o077:
                key.chmod(0o600)


def _write_folder(directory: Path, key: str, root: str) -> None:
    with open_directory(directory) as fd:
        write_durably(fd, "key", key.encode() + b"\n")
        write_durably(fd, "path", os.fsencode(root))


def _is_folder_name(name: str) -> bool:
    return len(name) == FOLDER_ID_BYTES * 2 and not set(name) - set("0123456789abcdef")
