# SPDX-License-Identifier: Apache-2.0
"""Inventories of directories: every path with its metadata, content and hard links. Also compares inventories."""

import errno
import hashlib
import os
import stat
from typing import NamedTuple

BLOCK = 4096
UNIT = 1 << 20


class Entry(NamedTuple):
    kind: str  # "directory", "file" or "symlink", as `mkpiimg ls --json` calls them
    mode: int
    owner: int
    group: int
    modified: int
    size: int  # 0 for a directory, since its size depends on the filesystem
    content: bytes  # a digest of a file, or the target of a symbolic link
    file: object  # the same value for all names of one file
    units: int = 0  # number of units (1 MiB) that are not all zero
    stored: int = 0  # bytes that the filesystem stores for it
    inode: int = 0


def digest(descriptor, size):
    """Returns a digest of a file's non-zero blocks with their offsets, and the number of non-zero units."""
    hash = hashlib.blake2b(b"%d" % size, digest_size=16)
    zeros = bytes(BLOCK)
    units = set()
    offset = 0
    while offset < size:
        try:
            offset = os.lseek(descriptor, offset, os.SEEK_DATA) // BLOCK * BLOCK
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = min(size, (os.lseek(descriptor, offset, os.SEEK_HOLE) + BLOCK - 1) // BLOCK * BLOCK)
        while offset < end:
            data = os.pread(descriptor, min(UNIT, end - offset), offset)
            if not data:
                raise OSError(f"the file ends at {offset}, but should have {size} bytes")
            for start in range(0, len(data), BLOCK):
                block = data[start:start + BLOCK]
                if block != zeros[:len(block)]:
                    hash.update(b"%d:" % (offset + start))
                    hash.update(block)
                    units.add((offset + start) // UNIT)
            offset += len(data)
    return hash.digest(), len(units)


def entry(path, status, source):
    """Returns the entry of a path with this `lstat` result. For `source` see `inventory`."""
    kind, size, content, units = "directory", 0, b"", 0
    if stat.S_ISLNK(status.st_mode):
        kind, size, content = "symlink", status.st_size, os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        kind, size = "file", status.st_size
        descriptor = os.open(path, os.O_RDONLY)
        content, units = digest(descriptor, size)
        os.close(descriptor)
    file = (source, status.st_dev, status.st_ino)
    return Entry(
        kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns // 10**9, size, content,
        file, units, status.st_blocks * 512, status.st_ino)


def inventory(top, source=""):
    """Returns the entries of `top` and of all paths below it. The keys are relative paths; `b""` is `top` itself.
    `source` distinguishes files of several inventories that may have the same inode number."""
    found = {b"": entry(top, os.lstat(top), source)}
    directories = [b""] if found[b""].kind == "directory" else []
    while directories:
        directory = directories.pop()
        for item in os.scandir(top + b"/" + directory if directory else top):
            path = directory + b"/" + item.name if directory else item.name
            status = item.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                directories.append(path)
            found[path] = entry(item.path, status, source)
    return found


def in_order(paths):
    """Returns paths in the order of a walk through the tree: sorted by the bytes of each name."""
    return sorted(paths, key=lambda path: path.split(b"/"))


def links(entries):
    """Returns, for each path, the first path of the same file in order, and the file's number of paths."""
    first, counts = {}, {}
    for path in in_order(entries):
        first.setdefault(entries[path].file, path)
        counts[entries[path].file] = counts.get(entries[path].file, 0) + 1
    return {path: (first[entry.file], counts[entry.file]) for path, entry in entries.items()}


def short(path):
    """Returns a path for a message: of a long path only the end."""
    return repr(path) if len(path) < 80 else "…" + repr(path[-80:])


def differences(expected, found, fields=7, maximum=5):
    """Returns up to `maximum` differences between two inventories as sentences. Compares the first `fields` fields of
    each entry, and hard links."""
    lines = []
    for path in in_order(expected.keys() | found.keys()):
        if path not in found:
            lines.append(f"missing: {short(path)}")
        elif path not in expected:
            lines.append(f"not expected: {short(path)}")
        elif expected[path][:fields] != found[path][:fields]:
            lines.append(f"{short(path)}: expected {expected[path]}, found {found[path]}"[:1000])
        if len(lines) >= maximum:
            return lines
    if not lines:
        right, actual = links(expected), links(found)
        lines = [f"{expected[path].kind} {short(path)}: expected {right[path][1]} names, the first "
                 f"{short(right[path][0])}, found {actual[path][1]}, the first {short(actual[path][0])}"
                 for path in in_order(right) if expected[path].kind != "directory" and right[path] != actual[path]]
    return lines[:maximum]
