"""Which names may come from the network, and what a conflict copy is called."""

from __future__ import annotations

import unicodedata

import pytest

from swarm.errors import BadPeer
from swarm.index.paths import (
    CUT_DIGITS,
    MAX_COMPONENTS,
    MAX_DIRECTORY,
    MAX_NAME,
    MAX_PATH,
    below_git,
    check_path,
    conflict_name,
    fold,
    is_ours,
)

HASH = "0123456789abcdef" * 4
DEEP = "/".join(["d" * 239] * 16)  # a directory of 3,839 bytes


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a b/c.txt",
        "...",
        ".git/config",
        "swarm",
        ".swarmignore",
        "my.swarm",
        "x" * MAX_NAME,
        "é" * 127,
        "日本語/\U0001f600",
        "back\\slash",
        "new\nline",
        "a/" * (MAX_COMPONENTS - 1) + "a",
        f"{DEEP}/{'x' * MAX_NAME}",
    ],
)
def test_a_safe_path_is_let_in(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "a/./b",
        "a/../b",
        "../a",
        "a\0b",
        "a\udc80b",
        "x" * (MAX_NAME + 1),
        "é" * 128,
        "a/" * MAX_COMPONENTS + "a",
        f"{DEEP}/dd/x",
        "x/" * 2047 + "xxx",
        "x" * (MAX_PATH + 1),
        ".swarm",
        "a/.swarm/tmp",
    ],
)
def test_an_unsafe_path_is_the_peers_fault(path: str) -> None:
    with pytest.raises(BadPeer):
        check_path(path)


def test_beside_every_path_let_in_there_is_room_for_its_conflict_copy() -> None:
    path = f"{DEEP}/d/{'x' * MAX_NAME}"
    with pytest.raises(BadPeer):
        check_path(path)
    for name in ("x", "x" * MAX_NAME, "é" * 120 + ".text"):
        check_path(conflict_name(f"{DEEP}/{name}", "device", HASH, 6))
    assert len(DEEP) <= MAX_DIRECTORY < len(DEEP) + 2


@pytest.mark.parametrize(
    "name",
    [
        ".swarm",
        ".SWARM",
        ".Swarm",
        ".swarm.",
        ".swarm ",
        ".swarm. .",
        ".\u017fwarm",  # a long s folds to s
        "\uff0eswarm",  # a full-width dot
        "\u2024swarm",  # a one-dot leader
        ".s\u200cwarm",  # HFS+ drops the zero-width non-joiner
        "\ufeff.swarm",
        ".swa\u00adrm",
        ".swarm\ufe0f",
        ".ｓｗａｒｍ",
        ".swarm:stream",
        "SWARM~1",
    ],
)
def test_every_alias_of_our_own_directory_is_ours(name: str) -> None:
    assert is_ours(name)


@pytest.mark.parametrize(
    "name", ["swarm", ".swarmignore", "swarm.", ".swarm2", "..swarm", ".śwarm", "swarm~", "é.swarm"]
)
def test_a_name_that_only_resembles_is_the_users(name: str) -> None:
    assert not is_ours(name)


def test_a_disk_that_folds_takes_these_names_for_one() -> None:
    assert fold("README.md") == fold("readme.MD")
    assert fold("Straße") == fold("STRASSE")
    assert fold("café") == fold(unicodedata.normalize("NFD", "CAFÉ"))
    assert fold("Å") == fold("\u212b") == fold("a\u030a")
    assert fold("a") != fold("b")


def test_a_disk_may_fold_only_case_or_only_unicode() -> None:
    assert fold("A", case=False) != fold("a", case=False)
    assert fold("é", case=False) == fold("e\u0301", case=False)
    assert fold("É", unicode=False) == fold("é", unicode=False)
    assert fold("é", unicode=False) != fold("e\u0301", unicode=False)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("report.txt", "report (conflict Ada 012345).txt"),
        ("a/b/report.txt", "a/b/report (conflict Ada 012345).txt"),
        ("a.d/report", "a.d/report (conflict Ada 012345)"),
        (".bashrc", ".bashrc (conflict Ada 012345)"),
        ("..x", "..x (conflict Ada 012345)"),
        (".config.toml", ".config (conflict Ada 012345).toml"),
        ("archive.tar.gz", "archive.tar (conflict Ada 012345).gz"),
        ("end.", "end. (conflict Ada 012345)"),
        ("Dr. No (1962)", "Dr. No (1962) (conflict Ada 012345)"),
        ("x." + "e" * 31, "x (conflict Ada 012345)." + "e" * 31),
        ("x." + "e" * 32, "x." + "e" * 32 + " (conflict Ada 012345)"),
    ],
)
def test_a_conflict_copy_says_who_and_keeps_the_type_of_file(path: str, expected: str) -> None:
    assert conflict_name(path, "Ada", HASH, 6) == expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("Ada's Mac", "Ada's Mac"),
        ("  a \t\n b  ", "a b"),
        ("../../x", ".. .. x"),
        ("a(b)c", "a b c"),
        ("a\0\x1b\u202eb", "ab"),
        ("", "unknown"),
        ("()", "unknown"),
        ("n" * 64, "n" * 40),
        ("é" * 30, "é" * 20),
        ("日" * 30, "日" * 13),
    ],
)
def test_a_devices_name_is_made_fit_for_a_file_name(device: str, expected: str) -> None:
    assert conflict_name("x", device, HASH, 6) == f"x (conflict {expected} 012345)"


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125, "日" * 83, "\U0001f600" * 62, "x" + "日" * 83])
def test_a_long_name_is_cut_between_characters_and_shows_more_of_the_hash(stem: str) -> None:
    name = conflict_name(f"d/{stem}.txt", "Ada", HASH, 6)
    assert MAX_NAME - 3 <= len(name.removeprefix("d/").encode()) <= MAX_NAME
    assert name.endswith(f" (conflict Ada {HASH[:CUT_DIGITS]}).txt")
    assert stem.startswith(name.removeprefix("d/").partition(" (")[0])
    assert len(conflict_name(f"d/{stem}.txt", "é" * 99, HASH, 64).removeprefix("d/").encode()) <= MAX_NAME


def test_copies_of_different_files_never_share_a_name() -> None:
    stems = ["a", "a.b", "a (conflict X 012345)", "a (conflict X 012345).b", "a.b (conflict X 012345)", "a (conflict"]
    extensions = ["", ".b", ".b (conflict X 012345)", ".)", ".b)", ".X 012345)", ". "]
    devices = ["X", "X 012345", "", "X) (conflict X"]
    made: dict[str, tuple[str, str]] = {}
    for path in {stem + extension for stem in stems for extension in extensions}:
        for device in devices:
            name = conflict_name(path, device, HASH, 6)
            assert made.setdefault(name, (path, device))[0] == path


def test_below_a_repositorys_own_directory() -> None:
    assert below_git(".git/config")
    assert below_git("a/.git/refs/heads/main")
    assert below_git("a/.GIT/x")
    assert not below_git(".git")
    assert not below_git("a/.github/x")
    assert not below_git(".gitignore")
