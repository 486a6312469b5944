"""The documents say what the code does: messages, limits, verbs, exit codes, rooms, links.

A document that is wrong is worse than none. What can be compared is compared here; the rest is for the reader.
"""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

import swarm
from swarm import errors
from swarm.cli.main import VERBS
from swarm.keys.bech32m import encoded_length
from swarm.keys.certificate import CERTIFICATE_BYTES, INTRODUCTION_BYTES
from swarm.keys.role import Role
from swarm.session.greeting import VERSIONS
from swarm.session.messages import LAST_NUMBER, SESSION_MESSAGES
from swarm.wire.messages import FOLDER_MESSAGES
from swarm.wire.schema import AtMost, Between, Exactly, UpTo
from tests.unit.test_architecture import PURE, SHELVES

ROOT = Path(swarm.__file__).parent.parent
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/decisions").glob("*.md")]
)
SOURCES = sorted(path for room in ("swarm", "relay", "tests") for path in (ROOT / room).rglob("*.py"))
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs/ARCHITECTURE.md"
PROTOCOL = ROOT / "docs/PROTOCOL.md"

_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_SECTION = re.compile(r"^### (\d+) (\w+)$", re.MULTILINE)
_MACHINE_PATH = re.compile(r"(?<![\w.~$/\]})>*])/[a-z][a-z0-9_-]*/")
_FILE_NAME = re.compile(r"(?<![\w/.-])((?:[\w.-]+/)*[\w-]+\.md)\b")
_TICKET = re.compile(r"(?i)\b(?:issue|ticket|pull request|bug) ?#?\d|(?<![\w&`])#\d")
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://|\b(?:[a-z0-9-]+\.)+(?:com|org|io|dev)\b")

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def prose(document: Path) -> str:
    """The text without blocks of code."""
    return _FENCE.sub("", read(document))


def links(document: Path) -> list[str]:
    return _LINK.findall(_CODE.sub("", prose(document)))


@cache
def rows(document: Path, heading: str) -> list[list[str]]:
    """The cells of the table whose first column is called `heading`, of each such table in turn."""
    found: list[list[str]] = []
    inside = False
    for line in read(document).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside and not set(cells[0]) <= set("-:"):
            found.append(cells)
    return found


def slugs(document: Path) -> set[str]:
    """What links within a document may lead to."""
    titles = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


# -- links and names


@every_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in slugs(target), f"{link}: no such heading"


@every_document
def test_every_file_that_is_named_is_there(document: Path) -> None:
    for code in _CODE.findall(read(document)):
        if re.fullmatch(r"(swarm|relay|tests|scripts|docs)/([a-z_][\w./-]*)?", code):
            assert (ROOT / code).exists(), f"{code} is not there"


@every_document
def test_documents_stand_alone(document: Path) -> None:
    """No address, no path of somebody's machine, no number of a ticket: none of them means anything to a stranger."""
    text = prose(document)
    addresses = [found[0] for found in _ADDRESS.finditer(text)]
    assert not addresses, addresses
    paths = [text[found.start() : found.end() + 20] for found in _MACHINE_PATH.finditer(text)]
    assert not paths, paths
    assert not _TICKET.search(text), _TICKET.search(text)


@pytest.mark.parametrize("source", [*DOCUMENTS, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_is_named_that_there_is_not(source: Path) -> None:
    here = [ROOT, ROOT / "docs", source.parent]
    for name in _FILE_NAME.findall(read(source)):
        in_tests_only = source.is_relative_to(ROOT / "tests") and "docs" not in name and not name.isupper()
        assert in_tests_only or any((place / name).exists() for place in here), f"{name} is named in {source.name}"


def test_decisions_are_numbered_and_say_what_was_rejected() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [int(decision.name[:4]) for decision in decisions]
    assert numbers == sorted(set(numbers))
    for decision in decisions:
        text = read(decision)
        assert text.startswith(f"# {int(decision.name[:4])} · "), decision.name
        for part in ("**Decided.**", "**Why", "**Rejected.**"):
            assert part in text, f"{decision.name} lacks {part}"


# -- README


def test_the_readme_has_every_verb_and_no_other() -> None:
    named = [row[0].strip("`").split()[1] for row in rows(README, "command")]
    assert named == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_options_in_the_readme_are_options_of_the_verb(verb: str) -> None:
    row = next(row for row in rows(README, "command") if row[0].startswith(f"`swarm {verb}"))
    parser = argparse.ArgumentParser()
    import_module(f"swarm.cli.{verb}").configure(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    for option in re.findall(r"--[a-z-]+", " ".join(row)):
        assert option in known, f"swarm {verb} has no {option}"


def test_commands_in_the_readme_can_be_typed() -> None:
    typed = [
        shlex.split(line.removeprefix("$ "))
        for block in _FENCE.findall(read(README))
        for line in block.splitlines()
        if line.removeprefix("$ ").startswith("scripts/")
    ]
    assert [words[:2] for words in typed[:2]] == [["scripts/swarm", "share"], ["scripts/swarm", "join"]]
    for program, *arguments in typed:
        assert (ROOT / program).exists(), program
        if program == "scripts/swarm":
            parser = argparse.ArgumentParser(exit_on_error=False)
            import_module(f"swarm.cli.{arguments[0]}").configure(parser)
            parser.parse_args(arguments[1:])


def test_commands_in_the_guide_can_be_typed() -> None:
    guide = ROOT / "docs/GUIDE.md"
    lines = [line for block in _FENCE.findall(read(guide)) for line in block.splitlines()]
    typed = [shlex.split(line) for line in lines if line.startswith("swarm ")]
    typed += [shlex.split(line.split(" swarm ", 1)[1]) for line in lines if line.startswith("podman exec")]
    assert len(typed) > 12
    for program, verb, *arguments in typed:
        assert program == "swarm"
        assert verb in VERBS
        parser = argparse.ArgumentParser(exit_on_error=False)
        import_module(f"swarm.cli.{verb}").configure(parser)
        parser.parse_args(arguments)


def test_the_guide_has_every_state() -> None:
    states = {row[0].strip("`") for row in rows(ROOT / "docs/GUIDE.md", "state")} | {"in-sync"}
    source = read(ROOT / "swarm/node/report.py")
    assert states == set(re.findall(r'"(in-sync|syncing|scanning|waiting|paused|held|error)"', source))


def test_the_readme_has_every_exit_code() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert {int(row[0]) for row in rows(README, "code")} == codes | {0}


def test_the_changelog_has_this_version() -> None:
    assert re.search(rf"^## .*\b{re.escape(swarm.__version__)}\b", read(ROOT / "CHANGELOG.md"), re.MULTILINE)


# -- ARCHITECTURE


def test_the_rooms_are_those_of_the_house_in_their_order() -> None:
    listed = [(set(_CODE.findall(row[0])), row[1]) for row in rows(ARCHITECTURE, "room")]
    assert [rooms for rooms, _ in listed] == [shelf - {""} for shelf in SHELVES]
    for rooms, pure in listed:
        assert (pure == "yes") == bool(rooms & PURE), rooms
        assert not rooms & PURE or rooms <= PURE


def test_every_room_is_in_the_table() -> None:
    packages = {path.parent.name for path in (ROOT / "swarm").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "swarm").glob("*.py")} - {"__init__"}
    listed = {room for row in rows(ARCHITECTURE, "room") for room in _CODE.findall(row[0])}
    assert listed == packages | modules


def test_every_room_of_the_tests_is_in_the_table() -> None:
    rooms = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "_."}
    assert {row[0].strip("`") for row in rows(ARCHITECTURE, "directory")} == rooms


# -- PROTOCOL


def spelled(hint: Any, bound: object = None) -> str:
    """The type of a field, as the document writes it."""
    inner = get_args(hint)
    if get_origin(hint) is Annotated:
        return spelled(inner[0], inner[1])
    if get_origin(hint) is tuple and inner[-1] is Ellipsis:
        return f"{_count(bound)} × {spelled(inner[0])}"
    if get_origin(hint) is tuple:
        return f"({', '.join(map(spelled, inner))})"
    if hint is int:
        assert isinstance(bound, UpTo | Between)
        return f"{bound.low if isinstance(bound, Between) else 0}…{_number(bound.high)}"
    if hint is bool:
        return "bool"
    return {bytes: "", str: "text "}[hint] + f"{_count(bound)} bytes"


def _count(bound: object) -> str:
    assert isinstance(bound, Exactly | AtMost)
    return f"{'≤ ' if isinstance(bound, AtMost) else ''}{bound.length}"


def _number(value: int) -> str:
    return next((f"2^{bits}-1" for bits in (32, 63) if value == 2**bits - 1), str(value))


def forms() -> dict[int, type]:
    known = {**SESSION_MESSAGES._forms, **FOLDER_MESSAGES._forms}
    return {number: form.kind for number, form in sorted(known.items())}  # type: ignore[misc]


def test_the_protocol_has_every_message_and_no_other() -> None:
    assert {int(number): name for number, name in _SECTION.findall(read(PROTOCOL))} == {
        number: kind.__name__ for number, kind in forms().items()
    }
    assert max(SESSION_MESSAGES._forms) <= LAST_NUMBER < min(FOLDER_MESSAGES._forms)


@pytest.mark.parametrize(("number", "kind"), forms().items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_protocol_has_every_field_with_its_type_and_in_its_order(number: int, kind: type) -> None:
    section = read(PROTOCOL).split(f"### {number} {kind.__name__}\n")[1].split("\n### ")[0].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.MULTILINE)
    hints = get_type_hints(kind, include_extras=True)
    assert listed == [(field.name, spelled(hints[field.name])) for field in fields(kind)]


@pytest.mark.parametrize("row", rows(PROTOCOL, "constant"), ids=lambda row: row[0].strip("`"))
def test_the_limits_are_those_of_the_code(row: list[str]) -> None:
    module, _, name = row[0].strip("`").rpartition(".")
    if module.endswith(".Limits"):
        value = getattr(import_module(module.removesuffix(".Limits")).Limits(), name)
    else:
        value = getattr(import_module(module), name)
    assert row[1] == str(value)


def test_sizes_that_the_protocol_states_are_those_of_the_code() -> None:
    text = read(PROTOCOL)
    assert f"{CERTIFICATE_BYTES} bytes: that a device may write" in text
    assert f"{INTRODUCTION_BYTES} bytes: that an origin" in text
    assert VERSIONS == (1, 1)
    assert text.startswith("# Protocol\n\nVersion 1.")
    for role, size in ((Role.OWNER, 53), (Role.WRITE, 53), (Role.READ, 85), (Role.BLIND, 85)):
        prefix = f"swarm{role.word[0]}"
        row = next(row for row in rows(PROTOCOL, "prefix") if row[0] == f"`{prefix}`")
        assert row[2] == str(encoded_length(prefix, size))


def test_every_context_of_a_key_or_a_signature_is_in_the_protocol() -> None:
    told = set(re.findall(r'"(swarm1[.-][a-z]+)"', read(PROTOCOL)))
    never_sent = {"swarm1.clock", "swarm1.database", "swarm1.socket"}  # of what no peer ever sees
    code = "".join(read(source) for source in SOURCES if not source.is_relative_to(ROOT / "tests"))
    used = set(re.findall(r'b"(swarm1[.-][a-z]+)"', code))
    assert told == used - never_sent


def test_every_file_of_vectors_is_in_the_protocol() -> None:
    linked = {Path(link).name for link in links(PROTOCOL) if "vectors" in link}
    assert linked == {path.name for path in (ROOT / "tests/vectors").glob("*.txt")}
