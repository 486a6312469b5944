"""`swarm logs`: the log of the background daemon, its last lines, or as it is written. No daemon is needed for it."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, BinaryIO, Final

from swarm.cli import launch, place
from swarm.errors import EXIT_NOT_FOUND, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from pathlib import Path

LINES: Final = 50
MOST: Final = 1_000_000  # lines; two logs of 4 MiB have fewer
LOOK: Final = 0.2  # seconds between two looks at a log that is followed
BLOCK: Final = 64 << 10  # bytes read at once


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it is written, until Ctrl-C")
    parser.add_argument("-n", metavar="N", dest="lines", type=_count, default=LINES, help=f"so many lines ({LINES})")
    parser.epilog = "swarm run in the foreground logs to stderr instead."


def run(options: Namespace) -> int:
    log = place.home() / launch.LOG
    try:
        stream = log.open("rb")
    except FileNotFoundError as error:
        raise UserError(
            f"there is no log at {log}", "the background daemon writes it; swarm run logs to stderr", EXIT_NOT_FOUND
        ) from error
    with stream:
        lines = last_lines(stream, options.lines)
        if len(lines) < options.lines:
            lines = _older(log, options.lines - len(lines)) + lines
        sys.stdout.buffer.write(b"".join(lines))
        sys.stdout.flush()
        if not options.follow:
            return 0
    from swarm.cli.live import end_with_reader

    end_with_reader(sys.stdout)
    for data in following(log, stream_end(log)):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        time.sleep(LOOK)
    return 0


def last_lines(stream: BinaryIO, count: int) -> list[bytes]:
    """The last `count` lines, each with its newline."""
    end = stream.seek(0, os.SEEK_END)
    data = b""
    while end > 0 and data.count(b"\n") <= count:
        size = min(BLOCK, end)
        end -= size
        stream.seek(end)
        data = stream.read(size) + data
    return data.splitlines(keepends=True)[-count:] if count else []


def stream_end(log: Path) -> tuple[int, int]:
    """(inode, size): from where to follow."""
    found = log.stat()
    return found.st_ino, found.st_size


def following(log: Path, start: tuple[int, int]) -> Iterator[bytes]:
    """What is written from `start` on, b"" where there is nothing new; over rotations, which begin a new file."""
    inode, at = start
    stream = log.open("rb")
    try:
        while True:
            stream.seek(at)
            data = stream.read(BLOCK)
            at += len(data)
            if not data:
                try:
                    now = log.stat()
                except FileNotFoundError:  # between two logs
                    now = None
                if now is not None and (now.st_ino != inode or now.st_size < at):
                    stream.close()
                    stream = log.open("rb")
                    inode, at = now.st_ino, 0
            yield data
    finally:
        stream.close()


def _older(log: Path, count: int) -> list[bytes]:
    try:
        with log.with_suffix(".log.1").open("rb") as stream:
            return last_lines(stream, count)
    except OSError:
        return []


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) <= MOST):
        raise ArgumentTypeError(f"{text[:80]!a} is not a number of lines up to {MOST:,}")
    return int(text)
