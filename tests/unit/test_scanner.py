import errno

import pytest

from swarm.disk.scanner import MAX_RULES_BYTES, scan
from swarm.ids import Kind
from swarm.sync.events import ScanFailed, Scanned
from swarm.sync.ignore import MAX_TEXT
from swarm.sync.memory_files import MemoryFileSystem


def well() -> str:
    return ""


@pytest.fixture
def files() -> MemoryFileSystem:
    files = MemoryFileSystem(lambda: 1_700_000_000_000_000_000)
    files.write_file("a.txt", b"a")
    files.write_file("docs/b.txt", b"bb")
    files.symlink("a.txt", "link")
    return files


def test_a_listing_has_every_name_with_its_stat(files: MemoryFileSystem) -> None:
    found = scan(files, "", well)
    assert isinstance(found, Scanned)
    assert {name: stat.kind for name, stat in found.entries.items()} == {
        "a.txt": Kind.FILE,
        "docs": Kind.DIRECTORY,
        "link": Kind.SYMLINK,
    }
    assert found.entries["a.txt"] == files.stat("a.txt")
    assert found.rules is None


@pytest.mark.parametrize("name", [".swarm", ".SWARM", ".swarm.", "SWARM~1", ".sw\u200barm"])
@pytest.mark.parametrize("directory", ["", "docs"])
def test_our_own_directory_is_left_out_in_every_spelling_at_any_depth(
    files: MemoryFileSystem, name: str, directory: str
) -> None:
    files.write_file(f"{directory}/{name}/folder-id".lstrip("/"), b"x")
    found = scan(files, directory, well)
    assert isinstance(found, Scanned)
    assert name not in found.entries


def test_rules_come_with_the_listing(files: MemoryFileSystem) -> None:
    files.write_file("docs/.swarmignore", "*.tmp\nä\n".encode())
    found = scan(files, "docs", well)
    assert isinstance(found, Scanned)
    assert found.rules == "*.tmp\nä\n"
    assert ".swarmignore" in found.entries


def test_a_huge_rules_file_is_read_only_so_far_that_it_is_seen_to_be_too_long(files: MemoryFileSystem) -> None:
    files.write_file(".swarmignore", b"x" * (MAX_RULES_BYTES + 100))
    found = scan(files, "", well)
    assert isinstance(found, Scanned)
    assert found.rules is not None
    assert MAX_TEXT < len(found.rules) <= MAX_RULES_BYTES


def test_rules_that_are_no_text_or_cannot_be_read_or_are_a_symlink_do_not_stop_the_scan(
    files: MemoryFileSystem,
) -> None:
    files.write_file(".swarmignore", b"\xff\xfe*.o\n")
    found = scan(files, "", well)
    assert isinstance(found, Scanned)
    assert found.rules is not None
    assert "*.o" in found.rules
    files.set_mode(".swarmignore", 0o000)
    assert scan(files, "", well).rules is None  # type: ignore[union-attr]
    files.symlink("../a.txt", "docs/.swarmignore")
    assert scan(files, "docs", well).rules is None  # type: ignore[union-attr]


def test_rules_on_a_failing_disk_are_unknown_and_so_is_the_directory(files: MemoryFileSystem) -> None:
    files.write_file(".swarmignore", b"*.o")

    def fail(operation: str, path: str) -> None:
        if operation == "read_at":
            raise OSError(errno.EIO, "EIO", path)

    files.before = fail
    found = scan(files, "", well)
    assert isinstance(found, ScanFailed)
    assert not found.gone


def test_a_sick_folder_is_not_listed(files: MemoryFileSystem) -> None:
    assert scan(files, "", lambda: "the disk is not there") == ScanFailed("", False, "the disk is not there")


def test_a_folder_that_falls_sick_while_it_is_listed_does_not_look_empty(files: MemoryFileSystem) -> None:
    files.before = lambda operation, path: files.unmount("empty")

    def healthy() -> str:
        return "the disk is not there" if files.tree() == {} else ""

    assert scan(files, "", healthy) == ScanFailed("", False, "the disk is not there")


def test_a_directory_missing_from_a_folder_that_went_away_is_not_gone(files: MemoryFileSystem) -> None:
    answers = iter(["", "unplugged"])
    files.unmount("missing")
    assert scan(files, "docs", lambda: next(answers)) == ScanFailed("docs", False, "unplugged")


def test_an_unreadable_directory_is_unknown(files: MemoryFileSystem) -> None:
    files.set_mode("docs", 0o000)
    found = scan(files, "docs", well)
    assert isinstance(found, ScanFailed)
    assert not found.gone
    assert "permission" in found.why


@pytest.mark.parametrize("path", ["nowhere", "a.txt", "link", "link/below", "a.txt/below"])
def test_what_is_no_directory_is_gone(files: MemoryFileSystem, path: str) -> None:
    found = scan(files, path, well)
    assert isinstance(found, ScanFailed)
    assert found.gone


def test_a_mount_point_is_unknown_and_not_gone(files: MemoryFileSystem) -> None:
    files.mount_below("docs")
    found = scan(files, "docs", well)
    assert isinstance(found, ScanFailed)
    assert not found.gone
    above = scan(files, "", well)
    assert isinstance(above, Scanned)
    assert above.entries["docs"].kind is None
