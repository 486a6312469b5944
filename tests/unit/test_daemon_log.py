"""The background daemon's log: turned while it is written, bounded, and followed over the turn."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from swarm.cli.logs import following, last_lines, stream_end

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import logging, os, sys
from pathlib import Path
from swarm.node.log import RotatingStderr, write_to
log = Path(sys.argv[1])
write_to(log, 1000)
logging.basicConfig(handlers=[RotatingStderr(log, 1000)], format="%(message)s", level="INFO")
for number in range(200):
    logging.info("line %d", number)
print("from a library", flush=True)
os.write(2, b"from Python at its end\\n")
"""


def test_a_log_that_is_full_is_begun_anew_with_all_that_leads_to_it(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("x" * 2000)
    subprocess.run([sys.executable, "-c", WRITER, str(log)], check=True, timeout=60)
    assert log.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daemon.log", "daemon.log.1"]
    assert log.stat().st_size <= 1100
    assert log.with_suffix(".log.1").stat().st_size <= 1100
    lines = (log.with_suffix(".log.1").read_text() + log.read_text()).splitlines()
    assert lines[-3:] == ["line 199", "from a library", "from Python at its end"]
    numbers = [int(line.split()[1]) for line in lines[:-2]]
    assert numbers == list(range(numbers[0], 200)), "no line is lost at the turn"


def test_the_last_lines_are_found_from_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d %s\n" % (number, b"x" * 1000) for number in range(500)))
    with log.open("rb") as stream:
        assert [line.split()[0] for line in last_lines(stream, 3)] == [b"497", b"498", b"499"]
        assert len(last_lines(stream, 10_000)) == 500
        assert last_lines(stream, 0) == []
    log.write_bytes(b"one\ntwo")
    with log.open("rb") as stream:
        assert last_lines(stream, 1) == [b"two"]


def test_a_log_is_followed_over_its_turn(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_bytes(b"old\n")
    news = following(log, stream_end(log))
    assert next(news) == b""
    with log.open("ab") as stream:
        stream.write(b"new\n")
    assert next(news) == b"new\n"
    log.rename(tmp_path / "daemon.log.1")
    assert next(news) == b""
    log.write_bytes(b"turned\n")
    assert next(news) == b""
    assert next(news) == b"turned\n"
    news.close()  # type: ignore[attr-defined]
