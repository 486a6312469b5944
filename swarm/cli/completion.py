"""`swarm completion SHELL`: a script that makes bash, zsh or fish complete the commands, made from their own table.

eval "$(swarm completion bash)"        in ~/.bashrc, and likewise zsh in ~/.zshrc
swarm completion fish | source         in config.fish
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

FILES: Final = ("history", "restore", "deleted", "revert")  # verbs whose paths are files too
SHELLS: Final = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a verb."""

    names: tuple[str, ...]
    help: str
    choices: tuple[str, ...]  # of its value, where those are known
    takes_value: bool


@dataclass(frozen=True, slots=True)
class Verb:
    """One command."""

    name: str
    summary: str
    options: tuple[Option, ...]
    words: tuple[str, ...]  # that its first argument may be
    paths: bool  # whether arguments may be paths
    files: bool  # and those of files


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="|".join(SHELLS), help="the shell that the script is for")
    parser.epilog = 'eval "$(swarm completion bash)" in ~/.bashrc; zsh likewise; swarm completion fish | source'


def run(options: Namespace) -> int:
    from swarm.cli.main import VERBS

    verbs = [read(name, summary) for name, summary in VERBS.items()]
    print({"bash": bash, "zsh": zsh, "fish": fish}[options.shell](verbs), end="")
    return 0


def read(name: str, summary: str) -> Verb:
    """What argparse knows of a verb."""
    parser = argparse.ArgumentParser()
    import_module(f"swarm.cli.{name}").configure(parser)
    options: list[Option] = []
    words: tuple[str, ...] = ()
    paths = False
    for action in parser._actions:
        choices = tuple(map(str, action.choices or ()))
        if not action.option_strings:
            words = words or choices
            paths = paths or action.metavar in ("PATH", "OLD", "NEW")
        elif action.help != argparse.SUPPRESS:
            takes_value = action.nargs is None
            options.append(Option(tuple(action.option_strings), action.help or "", choices, takes_value))
    return Verb(name, summary, tuple(options), words, paths, name in FILES)


def bash(verbs: list[Verb]) -> str:
    cases = []
    for verb in verbs:
        words = [*(name for option in verb.options for name in option.names), *verb.words]
        values = "".join(
            f"        {'|'.join(option.names)}) COMPREPLY=({_compgen(option.choices)}); return ;;\n"
            for option in verb.options
            if option.choices
        )
        before = f'      case "$before" in\n{values}      esac\n' if values else ""
        kind = "-f" if verb.files else "-d"
        paths = f'      [[ "$word" == -* ]] || COMPREPLY+=($(compgen {kind} -- "$word"))\n' if verb.paths else ""
        cases.append(f"    {verb.name})\n{before}      COMPREPLY=({_compgen(words)})\n{paths}      ;;\n")
    names = " ".join(verb.name for verb in verbs)
    return (
        "_swarm() {\n"
        '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" IFS=$\' \\t\\n\'\n'
        "  COMPREPLY=()\n"
        '  if [ "$COMP_CWORD" -eq 1 ]; then\n'
        f'    COMPREPLY=($(compgen -W "{names} --help --version" -- "$word"))\n'
        "    return\n"
        "  fi\n"
        '  case "${COMP_WORDS[1]}" in\n' + "".join(cases) + "  esac\n}\n"
        "complete -o filenames -F _swarm swarm\n"
    )


def zsh(verbs: list[Verb]) -> str:
    table = "".join(f"    {_zsh(f'{verb.name}:{verb.summary}')}\n" for verb in verbs)
    cases = []
    for verb in verbs:
        specs = []
        for option in verb.options:
            value = ""
            if option.takes_value:
                value = f":value:({' '.join(option.choices)})" if option.choices else ":value:"
            text = option.help.replace("[", "(").replace("]", ")").replace(":", ",")
            specs += [_zsh(f"{name}[{text}]{value}") for name in option.names]
        if verb.words:
            specs.append(_zsh(f"1:what:({' '.join(verb.words)})"))
        elif verb.paths:
            specs.append("'*:path:_files'" if verb.files else "'*:directory:_files -/'")
        cases.append(f"    {verb.name}) _arguments {' '.join(specs)} ;;\n")
    return (
        "#compdef swarm\n"
        "_swarm() {\n"
        "  local -a commands\n"
        f"  commands=(\n{table}  )\n"
        "  if (( CURRENT == 2 )); then\n"
        "    if [[ $words[2] == -* ]]; then compadd -- --help --version; else _describe command commands; fi\n"
        "    return\n"
        "  fi\n"
        "  shift words\n"
        "  (( CURRENT-- ))\n"
        '  case "$words[1]" in\n' + "".join(cases) + "  esac\n}\n"
        "compdef _swarm swarm\n"
    )


def fish(verbs: list[Verb]) -> str:
    lines = [
        "complete -c swarm -f",
        "complete -c swarm -n __fish_use_subcommand -l help -d 'what there is'",
        "complete -c swarm -n __fish_use_subcommand -l version -d 'which version this is'",
    ]
    for verb in verbs:
        lines.append(f"complete -c swarm -n __fish_use_subcommand -a {verb.name} -d {_fish(verb.summary)}")
        within = f"complete -c swarm -n {_fish(f'__fish_seen_subcommand_from {verb.name}')}"
        for option in verb.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = (
                f" -x -a {_fish(' '.join(option.choices))}" if option.choices else " -x" if option.takes_value else ""
            )
            lines.append(f"{within} {names}{value} -d {_fish(option.help)}")
        if verb.words:
            lines.append(f"{within} -a {_fish(' '.join(verb.words))}")
        elif verb.paths:
            lines.append(f"{within} -F" if verb.files else f"{within} -a '(__fish_complete_directories)'")
    return "\n".join(lines) + "\n"


def _compgen(words: Iterable[str]) -> str:
    return f'$(compgen -W {shlex.quote(" ".join(words))} -- "$word")'


def _zsh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
