# SPDX-License-Identifier: Apache-2.0
"""Counts of findings that may only fall.

A file of counts has lines `COUNT KEY`, and comments that begin with `#`. More findings than the count are an error, and
so are fewer, until the count is lowered: `Tests/tidy.sh --lower` does it, and never raises one.
"""
import pathlib
import re

ENTRY = re.compile(r"(\d+) +(\S.*)")
SHOWN = 40      # findings of one key


def entries(file):
    """The count of each key of a file."""
    found = {}
    for line in pathlib.Path(file).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        entry = ENTRY.fullmatch(line)
        if entry is None or entry[2] in found:
            raise SystemExit(f"{file}: not a count and a new key: {line}")
        found[entry[2]] = int(entry[1])
    return found


def judge(file, found, lower=False):
    """Returns complaints about the findings of each key in `found`, compared with a file of counts."""
    allowed = entries(file)
    complaints, fewer = [], {}
    for key, findings in found.items():
        count = len(findings)
        if count > allowed.get(key, 0):
            complaints.append(f"{file} allows {allowed.get(key, 0)} of '{key}', and there are {count}:")
            complaints += [f"    {finding}" for finding in findings[:SHOWN]]
            complaints += [f"    and {count - SHOWN} more"] if count > SHOWN else []
        elif count < allowed.get(key, 0):
            fewer[key] = count
    if lower and fewer:
        rewrite(file, fewer)
    elif fewer:
        complaints += [f"{file}: lower the count of '{key}' from {allowed[key]} to {count}"
                       for key, count in fewer.items()]
        complaints.append("`Tests/tidy.sh --lower` lowers all counts")
    return complaints


def rewrite(file, counts):
    """Replaces the counts of some keys in a file."""
    def line_with(line):
        entry = ENTRY.fullmatch(line)
        return f"{counts[entry[2]]:<4} {entry[2]}" if entry and entry[2] in counts else line

    path = pathlib.Path(file)
    path.write_text("".join(line_with(line) + "\n" for line in path.read_text().splitlines()))
