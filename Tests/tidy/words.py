#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Words and phrases that the project does not use, or uses less and less.

    words.py [--lower]

The file words lists them as regular expressions, each with the number of times that it occurs today, and its scope:
`text` is all text of code, scripts and pages, `prose` is their comments and the pages.
"""
import re
import sys
from collections import defaultdict

import files
import limits
from swiftsource import numbered

WORDS = "Tests/tidy/words"
SCRIPT_COMMENT = re.compile(r"(?:^|\s)#(.*)")
# The gates themselves name what they look for.
EXCEPTED = "Tests/tidy/"


def lines_of(path):
    """All lines of a file, with their numbers."""
    return list(enumerate(path.read_text().splitlines(), 1))


def prose_of(path):
    """The comments of a file by lines, or all lines of a page, with their numbers."""
    if path.suffix == ".md":
        return lines_of(path)
    if path.suffix == ".swift":
        return list(numbered(path.read_text(), "comment"))
    return [(number, found[1]) for number, line in lines_of(path) if (found := SCRIPT_COMMENT.search(line))]


def occurrences(patterns):
    """For each "scope: pattern", where it occurs."""
    expressions = {}
    for key in patterns:
        scope, _, pattern = key.partition(": ")
        if scope not in ("text", "prose"):
            raise SystemExit(f"{WORDS}: neither text nor prose: {key}")
        expressions[key] = scope, re.compile(pattern)
    found = defaultdict(list, {key: [] for key in patterns})
    for path in files.texts():
        if str(path).startswith(EXCEPTED):
            continue
        texts = {"text": lines_of(path), "prose": prose_of(path)}
        for key, (scope, expression) in expressions.items():
            for number, line in texts[scope]:
                found[key] += [f"{path}:{number} {line.strip()}" for _ in expression.finditer(line)]
    return found


def main():
    complaints = limits.judge(WORDS, occurrences(limits.entries(WORDS)), "--lower" in sys.argv)
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
