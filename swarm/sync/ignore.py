"""What is never synced: our own directory, litter of desktops and editors, and what `.swarmignore` files say.

Rules have the syntax and meaning of gitignore(5), but that `?` is a character and not a byte: the last rule that
matches decides, a deeper file overrides a higher one, `!` takes back, and nothing below an ignored directory can be
taken back. The built-in rules come first and the rules of this device last, so that each can overrule what comes
before it. `.swarm` cannot be taken back by anybody.

`.swarmignore` files are synced, so a peer writes them, and a glob is a regular expression in disguise that can run
for years. Hence the limits on a line: a rule beyond them is left out and named in `problems`. Left out means
synced, which is the side that loses no data.

Patterns are translated by `pathspec`; the walk is ours, because it answers for a file below an ignored directory,
and is remembered per directory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from swarm.index.paths import below_git, is_ours
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping

IGNORE_FILE = ".swarmignore"

MAX_TEXT = 64 * 1024  # characters of one ignore file; people write a few hundred
MAX_RULES = 2000  # rules in all sets of a folder; each is tried on every name
MAX_LINE = 1024  # characters of one rule; a name has at most 255 bytes
MAX_STARS = 3  # "*" in one component: three cost 3 ms on the worst name, four 200 ms, and so on
MAX_DEEP = 2  # "**" in one rule: two cost 40 ms on the worst path, three 26 s
MAX_REMEMBERED = 50_000  # directories whose rules are kept; beyond it they are worked out again

_BUILT_IN = re.compile(
    r"\.DS_Store\Z|[Tt]humbs\.db\Z|[Dd]esktop\.ini\Z|~\$|\.~lock\..*#\Z|.*\.(?:swp|part|crdownload)\Z"
    r"|.*\.(?:db|db3|sqlite|sqlite3)-shm\Z",  # memory that programs on one machine share; SQLite makes it anew
    re.DOTALL,
)
# What git has only while it works: a lock on another machine keeps everybody out there, and half an object is none.
_GIT_AT_WORK = re.compile(r".*\.lock\Z|gc\.pid\Z|tmp_|\.tmp-|incoming-", re.DOTALL)

# Python warns of these in a set, and pathspec knows no POSIX classes: better refused than misread.
_ODD_SET = re.compile(r"\[.*(?:\[|--|&&|\|\||~~)", re.DOTALL)


class _Rule:
    """One line of an ignore file."""

    __slots__ = ("ignore", "regex")

    def __init__(self, regex: re.Pattern[str], ignore: bool) -> None:
        self.regex = regex
        self.ignore = ignore

    def matches(self, path: str, is_directory: bool) -> bool:
        """Whether the rule names `path` itself. pathspec's expression also matches what is below, and marks that by a
        group at the slash; our walk has been there already, so only a match of the whole counts."""
        found = self.regex.match(path)
        if found is not None and found.groupdict().get("ps_d") is None:
            return True
        if not is_directory:
            return False
        found = self.regex.match(path + "/")
        return found is not None and "ps_d" in found.groupdict() and found.end("ps_d") == len(path) + 1


class _Place:
    """What is known of one directory: whether it is ignored, and which sets speak about the names in it."""

    __slots__ = ("ignored", "sets")

    def __init__(self, ignored: bool, sets: tuple[tuple[int, tuple[_Rule, ...]], ...]) -> None:
        self.ignored = ignored
        self.sets = sets  # (length of the prefix that its patterns do not see, rules), weakest first


class IgnoreRules:
    """All rules of one folder on this device.

    `sets` maps a directory's path ("" is the root) to the text of its `.swarmignore`. `device_rules` is the text of
    `.swarm/ignore`, relative to the root, and overrules them all. `problems` holds a sentence for every rule left out.
    Not thread-safe: it remembers directories.
    """

    def __init__(self, builtin: bool, sets: Mapping[str, str], device_rules: str = "") -> None:
        self.problems: tuple[str, ...] = ()
        self._builtin = builtin
        self._texts = dict(sets)
        self._device_text = device_rules
        self._room = MAX_RULES
        self._device = self._compile(device_rules, f"{OURS}/ignore")
        self._sets = {
            directory: self._compile(text, f"{directory}/{IGNORE_FILE}" if directory else IGNORE_FILE)
            for directory, text in sorted(sets.items())
        }
        self._root = _Place(False, self._sets_of("", ()))
        self._places: dict[str, _Place] = {}

    def changed(self, directory: str, text: str | None) -> IgnoreRules | None:
        """These rules with another text (None: no text) for a directory; None where it is the text that they have."""
        if self._texts.get(directory) == text:
            return None
        others = {path: known for path, known in self._texts.items() if path != directory}
        return IgnoreRules(self._builtin, others if text is None else {**others, directory: text}, self._device_text)

    def ignores(self, path: str, is_directory: bool) -> bool:
        """Whether `path` stays out of the index, be it by itself or because a directory above it does."""
        parent, _, name = path.rpartition("/")
        place = self._place(parent) if parent else self._root
        return place.ignored or self._decide(place, path, name, is_directory)

    def _place(self, directory: str) -> _Place:
        if (known := self._places.get(directory)) is not None:
            return known
        place = self._root
        end = 0
        while end < len(directory):  # from the top, without recursion: a hostile path may be thousands of names deep
            begin = end + 1 if end else 0
            end = directory.find("/", begin)
            end = len(directory) if end < 0 else end
            path = directory[:end]
            if (known := self._places.get(path)) is not None:
                place = known
                continue
            if place.ignored or self._decide(place, path, path[begin:], is_directory=True):
                place = _Place(True, ())
            else:
                place = _Place(False, self._sets_of(path, place.sets))
            if len(self._places) >= MAX_REMEMBERED:
                self._places.clear()
            self._places[path] = place
        return place

    def _sets_of(
        self, directory: str, above: tuple[tuple[int, tuple[_Rule, ...]], ...]
    ) -> tuple[tuple[int, tuple[_Rule, ...]], ...]:
        rules = self._sets.get(directory)
        return (*above, (len(directory) + 1 if directory else 0, rules)) if rules else above

    def _decide(self, place: _Place, path: str, name: str, is_directory: bool) -> bool:
        if is_ours(name):
            return True
        if self._device and (verdict := _verdict(self._device, path, is_directory)) is not None:
            return verdict
        for prefix, rules in reversed(place.sets):
            if (verdict := _verdict(rules, path[prefix:], is_directory)) is not None:
                return verdict
        if not self._builtin:
            return False
        return bool(_BUILT_IN.match(name) or (_GIT_AT_WORK.match(name) and below_git(path)))

    def _compile(self, text: str, source: str) -> tuple[_Rule, ...]:
        if len(text) > MAX_TEXT:
            self._complain(source, 0, f"longer than {MAX_TEXT} characters; the whole file is left out")
            return ()
        rules = []
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if self._room == 0:
                self._complain(source, number, f"more than {MAX_RULES} rules; this one and the rest are left out")
                break
            if why := _too_much(line):
                self._complain(source, number, why)
                continue
            try:
                pattern = GitIgnoreSpecPattern(line)
            except (ValueError, re.error):
                pattern = None
            if pattern is None or pattern.regex is None or pattern.include is None:
                self._complain(source, number, "not a pattern")
                continue
            self._room -= 1
            rules.append(_Rule(pattern.regex, pattern.include))
        return tuple(rules)

    def _complain(self, source: str, line: int, why: str) -> None:
        where = f"{source}, line {line}" if line else source
        if len(self.problems) < 100:  # enough for a person to see what is wrong
            self.problems = (*self.problems, f"{where}: {why}")


def _verdict(rules: tuple[_Rule, ...], path: str, is_directory: bool) -> bool | None:
    for rule in reversed(rules):
        if rule.matches(path, is_directory):
            return rule.ignore
    return None


def _too_much(line: str) -> str:
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE} characters"
    components = line.split("/")
    deep = sum(component == "**" for component in components)
    if deep > MAX_DEEP:
        return f"more than {MAX_DEEP} times **"
    if any(component.count("*") > MAX_STARS for component in components):
        return f"more than {MAX_STARS} times * in one name"
    if _ODD_SET.search(line):
        return "a set that is not plain characters and ranges"
    return ""
