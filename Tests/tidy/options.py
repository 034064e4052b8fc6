#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The library's texts name no option and no command of the program.

    options.py [--lower]

A program that uses the library has other options, or none. Options of other programs may be named: only those count
that the sources of mkpiimg declare.
"""
import pathlib
import re
import sys

import limits
from swiftsource import numbered

COUNTS = "Tests/tidy/counts"
KEY = "options of mkpiimg in the library's texts"
DECLARATION = re.compile(r"@(Option|Flag)\b(.*?)\bvar\s+(\w+)", re.DOTALL)
LONG_NAME = re.compile(r'\.customLong\("([\w-]+)"')
COMMAND = re.compile(r"\bstruct (\w+)\s*:\s*(?:Async)?ParsableCommand\b")
COMMAND_NAME = re.compile(r'\bcommandName:\s*"(\w+)"')


def with_hyphens(name):
    """storeRoot is declared, store-root is given."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()


def declared_options(text):
    """The long names of the options that a file declares, and of those, the ones that take no value."""
    names, flags = set(), set()
    for kind, attribute, variable in DECLARATION.findall(text):
        found = set(LONG_NAME.findall(attribute)) or {with_hyphens(variable)}
        if ".prefixedNo" in attribute:
            found |= {"no-" + name for name in found}
        names |= found
        flags |= found if kind == "Flag" else set()
    return names, flags


def named(text, options, flags, commands):
    """Yields (line, name) of each option and command that the string literals of a file name."""
    for line, literal in numbered(text, "string"):
        for found in re.finditer(r"(?<![\w-])--([a-z][a-z-]*)(=?)", literal):
            # A flag takes no value, so with one it is another program's option.
            if found[1] in options and not (found[2] and found[1] in flags):
                yield line, found[0]
        for found in re.finditer(r"\bmkpiimg (\w+)", literal):
            if found[1] in commands:
                yield line, found[0]


def main():
    options, flags, commands = set(), set(), set()
    for path in sorted(pathlib.Path("Sources/mkpiimg").rglob("*.swift")):
        text = path.read_text()
        names, without_value = declared_options(text)
        options |= names
        flags |= without_value
        commands |= {name.lower() for name in COMMAND.findall(text)} | set(COMMAND_NAME.findall(text))
    if "out" not in options or "build" not in commands:
        raise SystemExit("the options or commands of mkpiimg are not found where its sources declare them")
    found = [f"{path}:{line} {name}" for path in sorted(pathlib.Path("Sources/ImageKit").rglob("*.swift"))
             for line, name in named(path.read_text(), options, flags, commands)]
    complaints = limits.judge(COUNTS, {KEY: found}, "--lower" in sys.argv)
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
