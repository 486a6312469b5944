"""The daemon's HTTP API: JSON in, JSON out, one address for each method of `Daemon`.

`POST /v1/VERB` with an object of the method's arguments; `GET` of `/v1/status`, `/v1/config`, `/v1/doctor` and
`/v1/ping` takes none. `GET /v1/events` is a stream of server-sent events (the HTML standard's text/event-stream), with
a comment where nothing happened for a while: the client knows by that that the daemon lives. Who reads too slowly gets
fewer. An error is `{"error": sentence, "hint": sentence, "code": exit code}` with a 4xx, or a 5xx where the fault is
not the user's. Only the user who runs the daemon can reach the socket, so there is no other authentication; arguments
are still checked, because programs other than our own command line may speak to it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from swarm import __version__
from swarm.control import past, relaying
from swarm.control.arguments import Arguments
from swarm.errors import EXIT_FAILED, EXIT_HELD, EXIT_NOT_FOUND, EXIT_USAGE, SwarmError, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response

    from swarm.control.daemon import Daemon
    from swarm.control.past import Past
    from swarm.control.relaying import Relaying

    Answer = Coroutine[Any, Any, dict[str, Any]]
    Verb = Callable[[Daemon, Arguments], Answer]

MAX_BODY: Final = 64 << 10  # bytes; the longest argument is a path of 4 KiB
MAX_MEMBERS: Final = 1_000_000  # to wait for; more is a mistake
HEARTBEAT: Final = 15.0  # seconds without an event before a comment says that the daemon lives
KINDS: Final = ("write", "read", "blind", "owner")
_HTTP_STATUS: Final = {EXIT_NOT_FOUND: 404, EXIT_HELD: 409}  # every other mistake of the user is a 400

log = logging.getLogger("swarm.control")


async def _share(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path, name = arguments.path("path"), arguments.optional_text("name")
    arguments.finish()
    return asdict(await daemon.share(path, name))


async def _join(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    invitation, path, merge = arguments.text("key"), arguments.optional_path("path"), arguments.flag("merge")
    arguments.finish()
    return asdict(await daemon.join(invitation, path, merge))


async def _preview(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    invitation, path = arguments.text("key"), arguments.path("path")
    arguments.finish()
    return asdict(await daemon.preview(invitation, path))


async def _wait(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path, device = arguments.path("path"), arguments.optional_text("on")
    peers, timeout = arguments.count("peers", 1, MAX_MEMBERS), arguments.optional_seconds("timeout")
    arguments.finish()
    return asdict(await daemon.wait(path, device, peers, timeout))


async def _key(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path, kind = arguments.path("path"), arguments.choice("kind", KINDS)
    arguments.finish()
    return {"key": await daemon.key(path, kind)}


async def _leave(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path = arguments.path("path")
    arguments.finish()
    return asdict(await daemon.leave(path))


async def _move(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    old, new = arguments.path("old"), arguments.path("new")
    arguments.finish()
    return asdict(await daemon.move(old, new))


async def _pause(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path, seconds = arguments.path("path"), arguments.optional_seconds("seconds")
    arguments.finish()
    return asdict(await daemon.pause(path, seconds))


async def _resume(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path = arguments.path("path")
    arguments.finish()
    return asdict(await daemon.resume(path))


async def _scan(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    path = arguments.path("path")
    arguments.finish()
    return asdict(await daemon.scan(path))


async def _config(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    arguments.finish()
    return await daemon.config()


async def _doctor(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    arguments.finish()
    return await daemon.doctor()


async def _stop(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    arguments.finish()
    await daemon.stop()
    return {"pid": os.getpid()}


async def _status(daemon: Daemon, arguments: Arguments) -> dict[str, Any]:
    arguments.finish()
    return await daemon.status()


async def _ping(_: Daemon, arguments: Arguments) -> dict[str, Any]:
    arguments.finish()
    return {"version": __version__, "pid": os.getpid()}


_CHANGES: Final[dict[str, Verb]] = {
    "share": _share,
    "join": _join,
    "preview": _preview,
    "leave": _leave,
    "move": _move,
    "pause": _pause,
    "resume": _resume,
    "scan": _scan,
    "wait": _wait,
    "key": _key,
    "stop": _stop,
}
_PAST: Final = past.VERBS
_RELAYING: Final = relaying.VERBS
_QUESTIONS: Final[dict[str, Verb]] = {"status": _status, "config": _config, "doctor": _doctor, "ping": _ping}
# The others go on: Ctrl-C in a join detaches, and must not leave half a join behind.
_DROPPED_WITH_CLIENT: Final = (_wait, _preview)


class Api:
    """The application over one daemon. Make it in the loop that serves it."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._ending = asyncio.Event()
        routes = [Route(f"/v1/{name}", self._endpoint(verb), methods=["POST"]) for name, verb in _CHANGES.items()]
        routes += [
            Route(f"/v1/{name}", self._endpoint(_of_past(verb)), methods=["POST"]) for name, verb in _PAST.items()
        ]
        routes += [
            Route(f"/v1/{name}", self._endpoint(_of_relaying(verb)), methods=["POST"])
            for name, verb in _RELAYING.items()
        ]
        routes += [Route(f"/v1/{name}", self._endpoint(verb), methods=["GET"]) for name, verb in _QUESTIONS.items()]
        routes.append(Route("/v1/events", self._events, methods=["GET"]))
        self.application = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_address})

    def end(self) -> None:
        """The daemon ends: whoever still waits for an answer is told so now."""
        self._ending.set()

    def _endpoint(self, verb: Verb) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                arguments = Arguments(await _read_body(request))
                return JSONResponse(await self._answer(request, verb, arguments))
            except UserError as error:
                return _problem(error, error.code, _HTTP_STATUS.get(error.code, 400))
            except SwarmError as error:
                log.warning("%s: %s", request.url.path, error.message)
                return _problem(error, EXIT_FAILED, 503)
            except Exception as error:
                log.exception("%s failed", request.url.path)
                unexpected = SwarmError(f"the daemon failed: {type(error).__name__}", "its log says where")
                return _problem(unexpected, EXIT_FAILED, 500)

        return endpoint

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        """Until the daemon ends, or the client hangs up, which cancels this."""
        events = self._daemon.events()
        ending: asyncio.Future[Any] = asyncio.ensure_future(self._ending.wait())
        upcoming: asyncio.Future[Any] = asyncio.ensure_future(anext(events))
        try:
            while not ending.done():
                waited: list[asyncio.Future[Any]] = [upcoming, ending]
                await asyncio.wait(waited, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    yield ": still here\n\n"
                    continue
                name, data = upcoming.result()
                yield f"event: {name}\ndata: {json.dumps(data)}\n\n"
                upcoming = asyncio.ensure_future(anext(events))
        finally:
            for task in (upcoming, ending):
                task.cancel()
            await asyncio.gather(upcoming, ending, return_exceptions=True)

    async def _answer(self, request: Request, verb: Verb, arguments: Arguments) -> dict[str, Any]:
        """What the daemon answers, unless it ends first, or nobody is left to hear it."""
        work = asyncio.ensure_future(verb(self._daemon, arguments))
        interruptions: list[asyncio.Task[Any]] = [asyncio.ensure_future(self._ending.wait())]
        if verb in _DROPPED_WITH_CLIENT:
            interruptions.append(asyncio.ensure_future(_hung_up(request)))
        try:
            await asyncio.wait([work, *interruptions], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise UserError("the daemon is ending", "run the command again, it starts a new one")
        finally:
            for task in (work, *interruptions):
                task.cancel()
            await asyncio.gather(work, *interruptions, return_exceptions=True)


def _of_past(verb: Callable[[Past, Arguments], Answer]) -> Verb:
    return lambda daemon, arguments: verb(daemon.past, arguments)


def _of_relaying(verb: Callable[[Relaying, Arguments], Answer]) -> Verb:
    return lambda daemon, arguments: verb(daemon.relaying, arguments)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise UserError(f"the request is larger than {MAX_BODY} bytes", code=EXIT_USAGE)
    return bytes(body)


async def _hung_up(request: Request) -> None:
    """Returns when the client is gone. The body has been read, so the next message can be nothing else."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _problem(error: SwarmError, code: int, status: int) -> Response:
    return JSONResponse({"error": error.message, "hint": error.hint, "code": code}, status_code=status)


async def _no_such_address(_: Request, error: Exception) -> Response:
    """404 and 405 of the router; a newer command line may ask for what this daemon does not have."""
    assert isinstance(error, HTTPException)
    problem = SwarmError(f"the daemon ({__version__}) has no such command", "swarm stop, then run the command again")
    return _problem(problem, EXIT_FAILED, error.status_code)
