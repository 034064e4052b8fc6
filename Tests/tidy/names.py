# SPDX-License-Identifier: Apache-2.0
"""The names that Swift files declare, and the lines where other files use them.

Types that are declared at file level are always recognised. Functions, constants, and the members that extensions add
are recognised only where one file alone declares the name: a name does not tell overloads apart. A value whose type is
inferred names no type, so a file may depend on more than is found here.
"""
import pathlib
import re
from collections import Counter, defaultdict
from typing import NamedTuple

from swiftsource import code_of

MODIFIERS = (r"(?:(?:@\w+(?:\([^)]*\))?|public|package|internal|private|fileprivate|final|indirect|static"
             r"|mutating|nonmutating|consuming|borrowing|override|required|nonisolated|lazy|convenience"
             r"|(?:private|package|internal)\(set\))\s+)*")
TYPE = re.compile(MODIFIERS + r"(struct|class|enum|actor|protocol|typealias|extension)\s+\[?(\w+)")
VALUE = re.compile(rf"({MODIFIERS})(?:func|var|let)\s+`?(\w+)")
ENUM_CASES = re.compile(r"(?:indirect )?case (`?\w[^:.]*)$")    # an enum's cases, not a switch's
WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*|\.[A-Za-z_]\w*")


class Source(NamedTuple):
    """A source file: where it stands, its code by lines, and the names that it declares."""
    path: pathlib.PurePath
    room: str
    directory: str
    lines: list
    exported: set       # names at file level, and ".name" for members that its extensions add
    inner: set          # names declared further in


class Use(NamedTuple):
    """A name of another file, used on a line."""
    path: pathlib.PurePath
    line: int
    name: str


def read(path, text, room, directory):
    """A Source made of a file's text."""
    lines = code_of(text).splitlines()
    exported, inner = declarations(lines)
    return Source(path, room, directory, lines, exported, inner)


def declarations(lines):
    """The names that a file exports, and those that it declares further in."""
    exported, inner = set(), set()
    scopes = []                         # the kind of declaration that each open brace belongs to, or None
    for line in map(str.strip, lines):
        declared, value = TYPE.match(line), VALUE.match(line)
        kind = declared and declared[1]
        visible = inner if scopes else exported
        if declared and kind != "extension":
            visible.add(declared[2])
        if value:
            visible.add(value[2])
            if scopes == ["extension"] and "private" not in value[1]:
                exported.add("." + value[2])
        if cases := ENUM_CASES.match(line):
            inner.update(re.findall(r"\w+", cases[1]))
        for brace in re.findall("[{}]", line):
            if brace == "}":
                scopes.pop()
            else:
                scopes.append(kind)
                kind = None
    return exported, inner


def declaring_files(sources):
    """For each name that can be recognised, the sources that declare it."""
    homes = defaultdict(list)
    for source in sources:
        for name in source.exported:
            homes[name].append(source)
    declared_inside = Counter(name for source in sources for name in source.inner)

    def is_recognised(name):
        # The member that an extension adds is counted once among the inner names itself.
        own = 1 if name.startswith(".") else 0
        return name[0].isupper() or len(homes[name]) == 1 and declared_inside[name.lstrip(".")] == own

    return {name: found for name, found in homes.items() if is_recognised(name)}


def uses(source, homes):
    """Yields (sources that may be meant, Use) for each name in a file that other files declare."""
    for number, line in enumerate(source.lines, 1):
        for word in WORD.findall(line):
            name = word.lstrip(".")
            found = homes.get(word) or homes.get("." + name)
            if found and name not in source.inner and source not in found:
                yield found, Use(source.path, number, name)
