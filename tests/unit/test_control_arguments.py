"""Arguments of requests: whatever is not exactly right is refused with a sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from swarm.control.arguments import MAX_SECONDS, MAX_TEXT, Arguments
from swarm.errors import EXIT_USAGE, UserError

if TYPE_CHECKING:
    from collections.abc import Callable


def given(**members: Any) -> Arguments:
    return Arguments(json.dumps(members).encode())


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_only_an_object_is_a_request(body: bytes) -> None:
    with pytest.raises(UserError):
        Arguments(body)


def test_no_body_is_no_arguments() -> None:
    Arguments(b"").finish()


def test_arguments_come_out_as_they_were_given() -> None:
    arguments = given(path="/a b", name=None, merge=True, peers=3, timeout=2, kind="read")
    assert arguments.path("path") == "/a b"
    assert arguments.optional_text("name") is None
    assert arguments.flag("merge") is True
    assert arguments.count("peers", 1, 10) == 3
    assert arguments.optional_seconds("timeout") == 2.0
    assert arguments.choice("kind", ("write", "read")) == "read"
    arguments.finish()


def test_what_is_left_out_takes_its_default() -> None:
    arguments = Arguments(b"{}")
    assert arguments.optional_path("path") is None
    assert arguments.flag("merge") is False
    assert arguments.count("peers", 1, 10) == 1
    assert arguments.optional_seconds("timeout") is None


@pytest.mark.parametrize(
    ("value", "take"),
    [
        (None, lambda a: a.text("x")),
        (None, lambda a: a.path("x")),
        (1, lambda a: a.text("x")),
        ("y" * (MAX_TEXT + 1), lambda a: a.text("x")),
        ("\udcff", lambda a: a.text("x")),
        ("relative", lambda a: a.path("x")),
        ("", lambda a: a.path("x")),
        ("/a\0b", lambda a: a.path("x")),
        ("other", lambda a: a.choice("x", ("one", "two"))),
        (1, lambda a: a.flag("x")),
        (True, lambda a: a.count("x", 1, 10)),
        (-1, lambda a: a.count("x", 1, 10)),
        (11, lambda a: a.count("x", 1, 10)),
        (1.5, lambda a: a.count("x", 1, 10)),
        (-0.5, lambda a: a.optional_seconds("x")),
        (True, lambda a: a.optional_seconds("x")),
        ("5", lambda a: a.optional_seconds("x")),
        (MAX_SECONDS * 1.01, lambda a: a.optional_seconds("x")),
        (float("nan"), lambda a: a.optional_seconds("x")),
        (float("inf"), lambda a: a.optional_seconds("x")),
        (10**400, lambda a: a.optional_seconds("x")),
    ],
)
def test_a_wrong_argument_is_named(value: Any, take: Callable[[Arguments], object]) -> None:
    with pytest.raises(UserError, match=r"^x is ") as caught:
        take(given(x=value))
    assert caught.value.code == EXIT_USAGE


def test_an_argument_that_nobody_reads_is_an_error() -> None:
    arguments = given(path="/a", mrege=True)
    arguments.path("path")
    with pytest.raises(UserError, match="'mrege'"):
        arguments.finish()
