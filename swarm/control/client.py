"""Speaks to the daemon of a home: a request, an answer, a UserError. Made to be imported fast."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, Final

from swarm.errors import EXIT_FAILED, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_ANSWER: Final = 64 << 20  # bytes; the status of 100,000 folders
PING_TIMEOUT: Final = 5.0  # seconds; a daemon that does not answer for that long is stuck
SILENCE: Final = 45.0  # seconds without an event or a comment; the daemon lets a third of that pass
ANSWER_TIMEOUT: Final = 120.0  # seconds; joining asks members, one after the other


class NotRunning(UserError):
    """not running"""

    def __init__(self) -> None:
        super().__init__(
            "not running", "swarm run starts the daemon here; swarm share, join and resume, in the background"
        )


class Client:
    """One daemon, by its socket. Every call is a connection of its own, so a client may outlive its daemon."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path

    def ping(self) -> dict[str, Any]:
        """`{"version": text, "pid": number}`. Raises NotRunning."""
        return self._request("GET", "ping", None, PING_TIMEOUT)

    def ask(self, question: str) -> dict[str, Any]:
        """The answer of `GET /v1/QUESTION`. Raises UserError."""
        return self._request("GET", question, None, ANSWER_TIMEOUT)

    def call(self, verb: str, *, deadline: float | None = ANSWER_TIMEOUT, **arguments: Any) -> dict[str, Any]:
        """The answer of `POST /v1/VERB`. deadline: seconds for each silence, None for as long as it takes.

        Raises UserError: the daemon's own with its hint and exit code, or NotRunning.
        """
        return self._request("POST", verb, arguments, deadline)

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, data) of `GET /v1/events`, until the daemon ends. Raises UserError."""
        connection = _UnixConnection(self.socket_path, SILENCE)
        try:
            connection.request("GET", "/v1/events")
            with connection.getresponse() as response:
                if response.status != http.client.OK:
                    _read_answer(response.status, response.read(MAX_ANSWER))
                name = ""
                while line := response.readline(MAX_ANSWER):
                    if line.startswith(b"event: "):
                        name = line[7:].decode().strip()
                    elif line.startswith(b"data: "):
                        yield name, json.loads(line[6:])
        except TimeoutError as error:
            raise UserError("the daemon does not answer", "its log may say why; swarm stop ends it") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UserError("the daemon ended", "run the command again") from error
        finally:
            connection.close()

    def _request(self, method: str, verb: str, arguments: Any, deadline: float | None) -> dict[str, Any]:
        connection = _UnixConnection(self.socket_path, deadline)
        body = None if arguments is None else json.dumps(arguments).encode()
        try:
            connection.request(method, f"/v1/{verb}", body, {"Content-Type": "application/json", "Connection": "close"})
            with connection.getresponse() as response:
                text = response.read(MAX_ANSWER + 1)
        except TimeoutError as error:
            raise UserError("the daemon does not answer", "its log may say why; swarm stop ends it") from error
        except (OSError, http.client.HTTPException) as error:
            raise UserError("the daemon ended before it answered", "run the command again") from error
        finally:
            connection.close()
        return _read_answer(response.status, text)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket. "localhost" is only what the Host header says."""

    def __init__(self, socket_path: Path, deadline: float | None) -> None:
        super().__init__("localhost")
        self._socket_path = socket_path
        self._deadline = deadline

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._deadline)
            connection.connect(str(self._socket_path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            connection.close()
            raise NotRunning from error
        except PermissionError as error:
            connection.close()
            raise UserError(
                "the daemon belongs to another user", "set SWARM_HOME to a directory of your own"
            ) from error
        except OSError as error:  # too long a path has no errno, only a text
            connection.close()
            reason = error.strerror or str(error)
            raise UserError(f"cannot reach the daemon: {reason}", "set SWARM_HOME to a short path") from error
        self.sock = connection


def _read_answer(status: int, text: bytes) -> dict[str, Any]:
    """The answer, or the error that it says, raised. What is neither comes from something that is no daemon of ours."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise UserError(f"the daemon gave no proper answer (HTTP {status})", "swarm stop, then run the command again")
    if status == http.client.OK:
        return answer
    code = answer.get("code")
    exit_code = code if isinstance(code, int) and 0 < code < 256 else EXIT_FAILED
    raise UserError(str(answer.get("error", "")), str(answer.get("hint", "")), exit_code)
