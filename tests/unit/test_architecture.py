"""The house: which room may import which, and that pure rooms do no I/O. Reads the imports and fails when an arrow
points up. The relay is a house of its own on the lower rooms of this one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import swarm

ROOT = Path(swarm.__file__).parent
RELAY = ROOT.parent / "relay"

# Lower rooms first; rooms on one shelf may not import each other, but for those named in SAME_SHELF.
SHELVES: list[set[str]] = [
    {"ids", "errors", "config", ""},
    {"interrupt"},
    {"keys"},
    {"index", "content"},
    {"wire"},
    {"gossip", "session"},
    {"sync"},
    {"disk", "net", "discovery"},
    {"control"},
    {"node"},
    {"cli"},
    {"__main__"},
]
# The command line uses of `disk` only the home (which it must find and lock before a daemon runs).
SAME_SHELF = {("ids", "errors"), ("errors", "ids"), ("config", "errors"), ("config", "ids")}
PURE = {"ids", "errors", "config", "keys", "index", "content", "wire", "gossip", "session", "sync"}
IMPURE = {
    "aioquic",
    "asyncio",
    "concurrent",
    "ctypes",
    "fcntl",
    "http",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "platform",
    "queue",
    "random",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "starlette",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "uvicorn",
    "watchdog",
    "zeroconf",
    "ifaddr",
}
MAX_LINES = 480  # a file that nears it is two

# Of the relay's files all are pure but these; its pure ones import only pure rooms.
RELAY_SHELLS = {
    "__main__.py",
    "bootstrap.py",
    "describe.py",
    "main.py",
    "measure.py",
    "serve.py",
    "state.py",
    "streams.py",
    "udp.py",
}
RELAY_USES = {"interrupt", "ids", "errors", "config", "keys", "wire", "net", "discovery", "disk", ""}
PURE_IN_NET = "swarm.net.admission."  # what counts as one address


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def relay_modules() -> list[Path]:
    return sorted(RELAY.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py") if parts != ("__init__.py",) else ""


def imports_of(path: Path) -> list[str]:
    """Every module that is imported, those for type checking too: an arrow is an arrow."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def shelf_of(room: str) -> int:
    for height, shelf in enumerate(SHELVES):
        if room in shelf:
            return height
    raise AssertionError(f"the room {room!r} stands on no shelf")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_down(path: Path) -> None:
    room = room_of(path)
    for name in imports_of(path):
        if name.split(".")[0] != "swarm":
            continue
        other = name.split(".")[1] if name.count(".") else ""
        if other.startswith("__version") or other == room:
            continue
        if (room, other) in SAME_SHELF:
            continue
        assert shelf_of(other) < shelf_of(room), f"{room} may not import {other} ({name})"


@pytest.mark.parametrize(
    "path", [path for path in modules() if room_of(path) in PURE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_pure_rooms_do_no_io(path: Path) -> None:
    found = {name.split(".")[0] for name in imports_of(path)} & IMPURE
    assert not found, f"{path.relative_to(ROOT)} imports {found}"


@pytest.mark.parametrize("path", relay_modules(), ids=lambda path: path.name)
def test_the_relay_stands_on_lower_rooms_and_its_pure_files_on_pure_ones(path: Path) -> None:
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top == "swarm" and rest != ["__version__"]:
            assert (rest[0] if rest else "") in RELAY_USES, f"the relay may not import {name}"
            pure = rest[0] in PURE or name.startswith(PURE_IN_NET)
            assert path.name in RELAY_SHELLS or pure, f"{path.name} is pure and imports {name}"
        elif top == "relay" and path.name not in RELAY_SHELLS:
            assert not rest or f"{rest[0]}.py" not in RELAY_SHELLS, f"{path.name} is pure and imports {name}"
        assert path.name in RELAY_SHELLS or top not in IMPURE, f"{path.name} is pure and imports {name}"


def test_nothing_of_swarm_imports_the_relay() -> None:
    for path in modules():
        assert not [name for name in imports_of(path) if name.split(".")[0] == "relay"], path


@pytest.mark.parametrize("path", [*modules(), *relay_modules()], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_every_module_says_what_it_is_for() -> None:
    for path in [*modules(), *relay_modules()]:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"
