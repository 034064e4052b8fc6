#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file is text, and no merge is left half done: build products and conflicts do not belong in the repository."""
import re
import sys

import files

BEGINNING = 64 * 1024
CONFLICT = re.compile(rb"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE)


def is_binary(path):
    """Whether a file has a zero byte near its beginning, as git decides it."""
    with open(path, "rb") as file:
        return b"\0" in file.read(BEGINNING)


def has_conflict(path):
    """Whether a file has the marks that git puts around the two sides of a conflict."""
    return CONFLICT.search(path.read_bytes()) is not None


def main():
    found = [f"{path} is not text" for path in files.tracked() if is_binary(path)]
    found += [f"{path} has a conflict" for path in files.tracked() if has_conflict(path)]
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
