"""Debts: nothing is listed that can be seen and may not last."""

from __future__ import annotations

import errno
import random

from swarm.disk import installer, scanner
from swarm.disk.debt import Debt
from swarm.ids import Kind
from swarm.sync.events import Run, ScanFailed, Scanned
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.operation import MakeDirectory, Outcome

KEY = b"k" * 32


def healthy() -> str:
    return ""


def test_what_an_earlier_run_left_is_made_durable_before_anything_is_listed() -> None:
    files = MemoryFileSystem(lambda: 0)
    files.write_file("a", b"first")
    debt = Debt()
    assert isinstance(scanner.scan(files, "", healthy, debt), Scanned)
    files.write_file("b", b"of a user, later")
    assert isinstance(scanner.scan(files, "", healthy, debt), Scanned)
    files.crash(random.Random(1))
    assert files.read_file("a") == b"first"


def test_nothing_is_listed_while_a_debt_cannot_be_paid() -> None:
    files = MemoryFileSystem(lambda: 0)
    debt = Debt()
    failing = True

    def before(operation: str, path: str) -> None:
        if failing and operation.startswith("sync"):
            raise OSError(errno.EIO, "EIO", path)

    files.before = before
    found = scanner.scan(files, "", healthy, debt)
    assert isinstance(found, ScanFailed)
    assert not found.gone
    failing = False
    assert isinstance(scanner.scan(files, "", healthy, debt), Scanned)


def test_an_installation_that_could_not_be_made_durable_is_owed() -> None:
    files = MemoryFileSystem(lambda: 0)
    debt = Debt()
    assert debt.pay(files) == ""
    failing = True

    def before(operation: str, path: str) -> None:
        if failing and operation.startswith("sync"):
            raise OSError(errno.EIO, "EIO", path)

    files.before = before
    [result] = installer.run(files, Run((MakeDirectory("d", 0o755),)), KEY, lambda: 0, debt=debt).results
    assert result.outcome is Outcome.FAILED
    assert files.node("d").kind is Kind.DIRECTORY
    assert debt.pay(files)
    failing = False
    assert debt.pay(files) == ""
    files.crash(random.Random(1))
    assert files.node("d").kind is Kind.DIRECTORY
