#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The findings of swift-format and shellcheck.

    tools.py (format | scripts) [--lower]

Exit status 77: the tool is not installed.
"""
import pathlib
import re
import shutil
import subprocess
import sys

import files
import limits

COUNTS = "Tests/tidy/counts"
FORMATTED = ["Sources", "Tests", "Examples", "Package.swift"]
FINDING = re.compile(r"[^ ]+:\d+:\d+: .*")


def format_findings():
    """The findings of `swift format`."""
    paths = [path for path in FORMATTED if pathlib.Path(path).exists()]
    return findings(["swift", "format", "lint", "--strict", "--parallel", "--recursive", *paths])


def script_findings():
    """The findings of shellcheck in all shell scripts."""
    shellcheck = ["shellcheck", "--format=gcc", "--external-sources", "--source-path=SCRIPTDIR"]
    return findings([*shellcheck, *map(str, files.scripts())])


def findings(command):
    """The lines of a tool's output that name a file. It must print some if it fails."""
    if shutil.which(command[0]) is None:
        print(f"SKIPPED: {command[0]} (it is not installed)")
        sys.exit(77)
    run = subprocess.run(command, capture_output=True, text=True)
    here = str(pathlib.Path.cwd()) + "/"
    found = [line.removeprefix(here) for line in (run.stdout + run.stderr).splitlines() if FINDING.fullmatch(line)]
    if run.returncode and not found:
        sys.exit(f"{command[0]} failed: {run.stderr}")
    return found


def main():
    if sys.argv[1] == "format":
        found = {"findings of swift format": format_findings()}
    else:
        found = {"findings of shellcheck": script_findings()}
    complaints = limits.judge(COUNTS, found, "--lower" in sys.argv)
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
