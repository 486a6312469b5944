"""Ignore rules: gitignore's meaning, `.swarm` by every name, and patterns that a hostile peer may write."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from swarm.index.paths import is_ours
from swarm.sync import ignore
from swarm.sync.ignore import IgnoreRules

if TYPE_CHECKING:
    from pathlib import Path


def rules(root: str = "", device: str = "", builtin: bool = False, **below: str) -> IgnoreRules:
    sets = {name.replace("__", "/"): text for name, text in below.items()}
    return IgnoreRules(builtin, {"": root, **sets}, device)


@pytest.mark.parametrize(
    "name",
    [
        ".swarm",
        ".SWARM",
        ".Swarm",
        ".\u017fwarm",  # long s
        "\uff0e\uff53\uff57\uff41\uff52\uff4d",  # full width
        "\u2024swarm",  # one dot leader
        ".sw\u200carm",
        ".swarm\u200d",
        "\ufeff.swarm",
        ".\u034fswarm",
        ".swa\u00adrm",
        ".swarm.",
        ".swarm ",
        ".swarm. .",
        ".swarm::$INDEX_ALLOCATION",
        "SWARM~1",
        "swarm~23",
    ],
)
def test_our_own_directory_is_known_by_every_name(name: str) -> None:
    assert is_ours(name)
    for path in (name, f"a/{name}", f"a/{name}/b", f"{name}/a/b"):
        assert rules().ignores(path, False)
        assert rules("!.swarm\n!*", device="!*").ignores(path, True)  # and nobody takes it back


@pytest.mark.parametrize(
    "name",
    ["swarm", "swarm~", "swarm~x", ".swarms", ".swarmignore", "x.swarm", ". swarm", "..swarm", ".swärm", "\udcff", "é"],
)
def test_names_like_ours_are_the_users(name: str) -> None:
    assert not is_ours(name)
    assert not rules().ignores(name, False)


def test_litter_is_ignored_unless_switched_off() -> None:
    litter = (
        ".DS_Store",
        "Thumbs.db",
        "thumbs.db",
        "desktop.ini",
        "~$report.docx",
        ".~lock.a.odt#",
        ".a.swp",
        "x.part",
    )
    for name in (*litter, "big.iso.crdownload"):
        assert rules(builtin=True).ignores(name, False)
        assert rules(builtin=True).ignores(f"a/{name}", False)
        assert not rules(builtin=False).ignores(name, False)
    for name in ("DS_Store", "Thumbs.dbx", "~a", "part", "x.parts", "a.swpx", ".~lock.a"):
        assert not rules(builtin=True).ignores(name, False)


def test_what_git_has_only_while_it_works_stays_where_it_is() -> None:
    rules = IgnoreRules(True, {})
    for name in (
        ".git/index.lock",
        "a/.git/refs/heads/main.lock",
        ".git/gc.pid",
        ".git/objects/ab/tmp_obj_x1",
        ".git/objects/pack/tmp_pack_x1",
        ".git/objects/pack/.tmp-1-pack-2.idx",
    ):
        assert rules.ignores(name, False), name
        assert not IgnoreRules(False, {}).ignores(name, False)
    for name in ("yarn.lock", "a/tmp_obj_x", ".git/refs/heads/main", ".git/index", "gc.pid"):
        assert not rules.ignores(name, False), name


def test_the_shared_memory_of_databases_stays_and_their_logs_go() -> None:
    rules = IgnoreRules(True, {})
    assert rules.ignores("mail.db-shm", False)
    assert rules.ignores("a/places.sqlite-shm", False)
    assert not rules.ignores("mail.db-wal", False)
    assert not rules.ignores("mail.db-journal", False)
    assert not rules.ignores("photo-shm", False)


def test_a_built_in_rule_can_be_taken_back() -> None:
    taken = rules("!*.part", builtin=True)
    assert not taken.ignores("a/x.part", False)
    assert taken.ignores("a/x.swp", False)


def test_the_last_rule_that_matches_decides() -> None:
    assert rules("*.log\n!keep.log").ignores("a/x.log", False)
    assert not rules("*.log\n!keep.log").ignores("a/keep.log", False)
    assert rules("!keep.log\n*.log").ignores("a/keep.log", False)


def test_a_deeper_file_overrules_a_higher_one() -> None:
    deep = rules("*.log\n", a="!*.log\n", a__b="x.log\n")
    assert deep.ignores("x.log", False)
    assert not deep.ignores("a/x.log", False)
    assert deep.ignores("a/b/x.log", False)
    assert not deep.ignores("a/b/y.log", False)
    assert deep.ignores("ab/x.log", False)


def test_the_rules_of_this_device_overrule_all() -> None:
    mine = rules("*.log\n", device="!x.log\nvideo/\n")
    assert not mine.ignores("a/x.log", False)
    assert mine.ignores("a/y.log", False)
    assert mine.ignores("video/a.mp4", False)


def test_nothing_below_an_ignored_directory_can_be_taken_back() -> None:
    shut = rules("build/\n!build/keep\n", build="!*\n")
    assert shut.ignores("build", True)
    assert shut.ignores("build/keep", False)
    assert shut.ignores("build/a/b/c", False)
    assert not shut.ignores("build", False)  # a file of that name is another matter
    assert not rules("build/*\n!build/keep\n").ignores("build/keep", False)
    assert not rules("build/**\n!build/keep\n").ignores("build/keep", False)
    assert not rules("build/**\n").ignores("build", True)


def test_blank_lines_comments_and_a_byte_order_mark_are_no_rules() -> None:
    found = rules("\ufeffx\r\n\r\n# y\n   \n\\#z\nw   \n")
    assert found.problems == ()
    assert [name for name in ("x", "y", "# y", "#z", "w") if found.ignores(name, False)] == ["x", "#z", "w"]


# What git says is the truth; these are the patterns that people and documentation use.
PATTERNS = [
    "*.log", "/top", "dir/", "/dir/", "a/b", "a/*", "a/**", "**/b", "a/**/c", "**/a/**", "!a", "!a/b", "!*.log", "b?",
    "[ab]", "[!a]", "[a-c]x", "\\!x", "\\*", "*", "/*", "!/a", "!dir/", "x ", "x\\ ", "*b*", "a/b/", "**/dir/", "ä*",
]  # fmt: skip
PATHS = [
    "a/b/c",
    "a/c",
    "a/b/dir/x",
    "b/a/c",
    "bx",
    "ax",
    "dir/x",
    "b/dir/a.log",
    "top",
    "b/top",
    "!x",
    "*",
    "x ",
    "äöü",
]


@pytest.mark.parametrize("seed", range(4))
def test_git_agrees(tmp_path: Path, seed: int) -> None:
    """Every path against pairs of patterns at two levels, with `git check-ignore` as the judge."""
    for path in PATHS:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    if subprocess.run(["git", "init", "-q", str(tmp_path)], check=False).returncode:
        pytest.skip("needs git")
    for turn in range(6):
        step = seed * 6 + turn
        root = "\n".join(PATTERNS[(step * 7 + place * (step + 1)) % len(PATTERNS)] for place in range(3)) + "\n"
        below = "\n".join(PATTERNS[(step * 5 + place * 11) % len(PATTERNS)] for place in range(2)) + "\n"
        (tmp_path / ".gitignore").write_text(root)
        (tmp_path / "a/.gitignore").write_text(below)
        asked = subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(PATHS),
            capture_output=True,
            text=True,
            check=False,
        )
        ours = IgnoreRules(False, {"": root, "a": below}, "")
        assert {path for path in PATHS if ours.ignores(path, False)} == set(asked.stdout.split("\0")) - {""}, (
            root + below
        )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("*a*a*a*b", "*"),
        ("**/a/**/a/**/b", "**"),
        ("x" * (ignore.MAX_LINE + 1), "longer"),
        ("[[:alpha:]]", "set"),
        ("[a--b]", "set"),
        ("[z-a]", "not a pattern"),
        ("a\\", "not a pattern"),
        ("!", "not a pattern"),
    ],
)
def test_a_rule_beyond_the_limits_is_left_out_and_named(line: str, why: str) -> None:
    found = rules(f"before\n{line}\nafter\n")
    assert found.ignores("before", False)
    assert found.ignores("after", False)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(".swarmignore, line 2: ")
    assert why in found.problems[0]


def test_too_much_text_is_left_out_and_named() -> None:
    found = rules(a="x\n" * ignore.MAX_TEXT)
    assert not found.ignores("a/x", False)
    assert found.problems == (f"a/.swarmignore: longer than {ignore.MAX_TEXT} characters; the whole file is left out",)


def test_too_many_rules_are_left_out_and_named() -> None:
    many = "".join(f"x{number}\n" for number in range(ignore.MAX_RULES - 1))
    found = rules(many, device="mine\n", z="y\n")
    assert found.ignores("mine", False)
    assert found.ignores(f"x{ignore.MAX_RULES - 2}", False)
    assert not found.ignores("z/y", False)
    assert len(found.problems) == 1
    assert "line 1" in found.problems[0]


def test_problems_do_not_grow_without_end() -> None:
    assert len(rules("!\n" * 1000).problems) == 100


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("*a*a*b", "a" * 255),
        ("**/*a*a*b/**/c", ("a" * 254 + "/") * 15 + "a"),
        ("**/a/**/b", "a/" * 2000 + "a"),
    ],
)
def test_the_worst_rule_within_the_limits_is_soon_done(line: str, path: str) -> None:
    found = rules(line)
    assert found.problems == ()
    assert found._root.sets
    began = time.process_time()
    found._root.sets[0][1][0].matches(path, True)
    assert time.process_time() - began < 1


def test_a_path_of_thousands_of_names_is_no_recursion() -> None:
    assert rules("a/b").ignores("a/b/" + "d/" * 3000 + "f", False)
    assert not rules("a/b").ignores("d/" * 3000 + "f", False)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignore, "MAX_REMEMBERED", 10)
    found = rules("x7\n")
    for number in range(100):
        assert found.ignores(f"x{number}/deep/f", False) == (number == 7)
        assert len(found._places) <= 10


def test_without_rules_a_hundred_thousand_files_take_a_moment() -> None:
    found = rules(builtin=True)
    paths = [f"d{number % 100}/sub/file {number}.txt" for number in range(100_000)]
    began = time.process_time()
    assert not any(found.ignores(path, False) for path in paths)
    assert time.process_time() - began < 1.5
