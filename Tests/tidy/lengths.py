#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines have up to 120 columns, files up to 400 lines, functions up to 70.

    lengths.py [--lower]

Functions that are longer today are listed in long-functions, which may only become shorter.
"""
import pathlib
import re
import sys
from collections import defaultdict

import files
import limits
from functions import python_functions, swift_functions

HERE = pathlib.Path(__file__).parent
COLUMNS, LINES, BODY = 120, 400, 70
LINK = re.compile(r"\W*(\[[^\]]*\]\()?https?://\S+\W*")
COUNTS = "Tests/tidy/counts"
LONG_FUNCTIONS = "Tests/tidy/long-functions"


def may_be_long(path, line):
    """Rows of Markdown tables, and lines that are one link."""
    return path.suffix == ".md" and line.lstrip().startswith("|") or LINK.fullmatch(line) is not None


def long_lines(paths):
    """The lines with too many columns, by the directory at the top that they are in."""
    found = defaultdict(list)
    for path in paths:
        top = path.parts[0] + "/" if len(path.parts) > 1 else "the top directory"
        key = f"lines of more than {COLUMNS} columns in {top}"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > COLUMNS and not may_be_long(path, line):
                found[key].append(f"{path}:{number} has {len(line)}")
    return found


def long_files(paths):
    """The files with too many lines."""
    counts = {path: len(path.read_text().splitlines()) for path in paths}
    return [f"{path} has {count}" for path, count in counts.items() if count > LINES]


def long_functions(paths):
    """The functions with too many lines: {"File.swift name": length}."""
    found = {}
    for path in paths:
        functions = python_functions if path.suffix == ".py" else swift_functions
        for name, line, length in functions(path.read_text()):
            if length > BODY:
                found[f"{path.name} {name}"] = f"{path}:{line} {name} has {length} lines"
    return found


def judge_functions(found, lower):
    """Complaints about long functions that are not listed, and about listed ones that are not long."""
    path = pathlib.Path(LONG_FUNCTIONS)
    lines = path.read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    complaints = [text for name, text in found.items() if name not in listed]
    superfluous = sorted(listed - found.keys())
    if lower and superfluous:
        path.write_text("".join(line + "\n" for line in lines if line not in superfluous))
    else:
        complaints += [f"{LONG_FUNCTIONS}: remove '{name}', it is no longer needed" for name in superfluous]
    return complaints


def main():
    lower = "--lower" in sys.argv
    code = files.texts(".swift", ".py", ".sh")
    counted = {key: [] for key in limits.entries(COUNTS) if key.startswith("lines of more")}
    counted |= long_lines(files.texts())
    counted[f"files of more than {LINES} lines"] = long_files(code)
    complaints = limits.judge(COUNTS, counted, lower)
    complaints += judge_functions(long_functions(files.texts(".swift", ".py")), lower)
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
