#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file is text: images and build products do not belong in the repository."""
import sys

import files

BEGINNING = 64 * 1024


def is_binary(path):
    """Whether a file has a zero byte near its beginning, as git decides it."""
    with open(path, "rb") as file:
        return b"\0" in file.read(BEGINNING)


def main():
    found = [str(path) for path in files.tracked() if is_binary(path)]
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
