"""`swarm VERB …`: finds the verb, runs it, and turns every failure into an exit code and at most two lines.

Start-up counts, since people and scripts call this often: only the module of the verb that was asked for is imported,
and each imports what it needs when it needs it. Only argparse: typer and rich would cost 120 ms before the first line.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from importlib import import_module
from itertools import islice
from typing import Any, Final, NoReturn

from swarm import __version__
from swarm.cli import terminal
from swarm.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, SwarmError, UserError

# verb -> what `swarm --help` says of it. The module swarm.cli.VERB has configure(parser) and run(options) -> exit code.
VERBS: Final = {
    "share": "share a directory and print its key",
    "join": "join a shared folder with a key",
    "leave": "stop sharing a folder here",
    "status": "what is shared, with whom, how far along",
    "wait": "return when everybody connected is identical",
    "peers": "the members of each folder",
    "key": "print a key of a folder",
    "history": "the versions of a file that this device has kept",
    "restore": "bring a version back from history",
    "deleted": "what is in history and not in the folder any more",
    "revert": "undo local changes where the folder is read-only",
    "relay": "the relays that this device uses",
    "pause": "let a folder rest",
    "resume": "let a paused folder go on",
    "scan": "look through a folder now",
    "move": "say that a folder lives elsewhere",
    "logs": "what the background daemon says",
    "doctor": "what keeps devices apart or slow, and what to do",
    "config": "the settings that hold, and where they are from",
    "service": "start the daemon with this machine",
    "completion": "print what makes a shell complete these commands",
    "run": "run the daemon in the foreground",
    "stop": "end the daemon of this home",
}

_AFTER: Final = """\
exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such folder or peer, 4 timed out, 5 bad key,
6 held: needs a decision, 130 interrupted. State lives in $SWARM_HOME."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. arguments: without the program's name; None takes the process's. Returns the exit code."""
    _make_streams_tolerant()
    try:
        code = _dispatch(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except SwarmError as error:
        terminal.report(error)
        return error.code if isinstance(error, UserError) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader has what it wants, as in `swarm status | head -1`
        _give_up_stdout()
        return EXIT_FAILED
    except Exception as error:
        _report_unexpected(error)
        return EXIT_FAILED
    return code


def _dispatch(arguments: list[str]) -> int:
    verb = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = _Parser("swarm", description="One key, and your folder is on all your machines.", epilog=_AFTER)
    parser.add_argument("--version", action="version", version=f"swarm {__version__}")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser, title="commands")
    child_of: dict[str, _Parser] = {}
    for name, summary in VERBS.items():
        child_of[name] = child = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == verb:
            module = import_module(f"swarm.cli.{name}")
            module.configure(child)
            child.set_defaults(run=module.run)
            if not {"-h", "--help"}.isdisjoint(arguments):
                from swarm.cli.examples import below

                child.epilog = below(name, child.epilog)
    if verb is not None and verb not in VERBS:
        raise _unknown(verb)
    if verb is not None:
        arguments = _options_first(child_of[verb], arguments, arguments.index(verb) + 1)
    try:
        options, unknown = parser.parse_known_args(arguments)
        if unknown:  # of the verb, whose help tells what there is; parse_args would name swarm's
            (parser if verb is None else child_of[verb]).error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as end:  # --help and --version; what they print is flushed where a broken pipe is caught
        return int(end.code or 0)
    return int(options.run(options))


def _options_first(parser: argparse.ArgumentParser, arguments: list[str], start: int) -> list[str]:
    """The same, with the options of a verb before what is no option.

    argparse takes `KEY --yes PATH` for one argument and one too many, as soon as both may be left out.
    """
    takes_value = {text for action in parser._actions if action.nargs is None for text in action.option_strings}
    options: list[str] = []
    others: list[str] = []
    rest = iter(arguments[start:])
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument.startswith("-") and argument != "-":
            options.append(argument)
            if argument in takes_value:
                options += islice(rest, 1)
        else:
            others.append(argument)
    return [*arguments[:start], *options, *others]


def _unknown(verb: str) -> UserError:
    from difflib import get_close_matches

    likely = get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean swarm {likely[0]}?" if likely else f"commands: {', '.join(VERBS)}"
    return UserError(f"there is no command {verb[:80]!a}", hint, EXIT_USAGE)


class _Parser(argparse.ArgumentParser):
    """argparse, but its errors read like ours and options are never guessed from their beginnings."""

    def __init__(self, prog: str, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog=prog, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"see {self.prog} --help", EXIT_USAGE)


def _report_unexpected(error: Exception) -> None:
    """What no command foresaw: the system's refusal (a full disk), or our bug."""
    if os.environ.get("SWARM_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        terminal.report(SwarmError(f"{where}{error.strerror or error}", "SWARM_DEBUG=1 shows what swarm was doing"))
        if error.errno == errno.ENOSPC:
            _give_up_stdout()
        return
    what = f"{type(error).__name__}: {error}"
    terminal.report(SwarmError(f"this is a bug in swarm: {what}", "SWARM_DEBUG=1 shows where; please report it"))


def _give_up_stdout() -> None:
    """What could not be written is dropped, or Python would try again at exit, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _make_streams_tolerant() -> None:
    """A name that the terminal's encoding cannot show is shown with backslashes; a closed stream (`2>&-`) swallows."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:  # print to None would go to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
