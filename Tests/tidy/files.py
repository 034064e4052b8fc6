# SPDX-License-Identifier: Apache-2.0
"""The files that the gates look at: those that git tracks or would, below the current directory."""
import functools
import pathlib
import re
import subprocess

SUFFIXES = {".swift", ".sh", ".py", ".nix", ".md"}
SHELL = re.compile(rb"#!.*\b(ba)?sh\b")


@functools.cache
def tracked():
    """The paths of all files, relative to the current directory."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            check=True, capture_output=True, text=True).stdout
    paths = map(pathlib.Path, sorted(set(listed.split("\0")) - {""}))
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def texts(*suffixes):
    """The paths of code, scripts and pages, or of those with some of the suffixes."""
    return [path for path in tracked() if path.suffix in (suffixes or SUFFIXES)]


def scripts():
    """The paths of shell scripts: those whose first line says so."""
    found = []
    for path in tracked():
        with open(path, "rb") as file:
            if SHELL.match(file.readline(100)):
                found.append(path)
    return found
