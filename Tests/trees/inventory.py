# SPDX-License-Identifier: Apache-2.0
"""What is in a folder: every name with its metadata, content and hard links; and how two of those differ."""

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
    size: int  # of a folder 0: that is its filesystem's affair
    content: bytes  # a digest; of a link, where it leads
    file: object  # the same for all names of one file
    units: int = 0  # how many of its MiB are not all zero
    stored: int = 0  # bytes that the filesystem has of it
    inode: int = 0


def digest(descriptor, size):
    """Of a file's bytes: of the blocks that are not all zero, and where they are; and how many such units it has."""
    hash = hashlib.blake2b(b"%d" % size, digest_size=16)
    zeros = bytes(BLOCK)
    units = set()
    place = 0
    while place < size:
        try:
            place = os.lseek(descriptor, place, os.SEEK_DATA) // BLOCK * BLOCK
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = min(size, (os.lseek(descriptor, place, os.SEEK_HOLE) + BLOCK - 1) // BLOCK * BLOCK)
        while place < end:
            data = os.pread(descriptor, min(UNIT, end - place), place)
            if not data:
                raise OSError(f"ends at {place}, and should have {size} bytes")
            for start in range(0, len(data), BLOCK):
                block = data[start:start + BLOCK]
                if block != zeros[:len(block)]:
                    hash.update(b"%d:" % (place + start))
                    hash.update(block)
                    units.add((place + start) // UNIT)
            place += len(data)
    return hash.digest(), len(units)


def entry(path, status, source):
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
    """Everything at a path (`b""` is that itself), by the names from there on. `source` tells files of several
    inventories apart that may have the same number."""
    found = {b"": entry(top, os.lstat(top), source)}
    folders = [b""] if found[b""].kind == "directory" else []
    while folders:
        folder = folders.pop()
        for item in os.scandir(top + b"/" + folder if folder else top):
            path = folder + b"/" + item.name if folder else item.name
            status = item.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
            found[path] = entry(item.path, status, source)
    return found


def in_order(paths):
    """In the order in which a tree is walked: by the bytes of each name."""
    return sorted(paths, key=lambda path: path.split(b"/"))


def links(entries):
    """The paths of each file that has several, as the first of them in order."""
    first, counts = {}, {}
    for path in in_order(entries):
        first.setdefault(entries[path].file, path)
        counts[entries[path].file] = counts.get(entries[path].file, 0) + 1
    return {path: (first[entry.file], counts[entry.file]) for path, entry in entries.items()}


def short(path):
    """A path for people: the end of a long one."""
    return repr(path) if len(path) < 80 else "…" + repr(path[-80:])


def differences(expected, found, fields=7, most=5):
    """What two inventories differ in, in words; nothing where they are the same. `fields` are the first ones of an entry
    that are compared; hard links always are."""
    said = []
    for path in in_order(expected.keys() | found.keys()):
        if path not in found:
            said.append(f"missing: {short(path)}")
        elif path not in expected:
            said.append(f"not expected: {short(path)}")
        elif expected[path][:fields] != found[path][:fields]:
            said.append(f"{short(path)}: expected {expected[path]}, found {found[path]}"[:1000])
        if len(said) >= most:
            return said
    if not said:
        one, other = links(expected), links(found)
        said = [f"{expected[path].kind} {short(path)}: expected {one[path][1]} names, the first {short(one[path][0])}, "
                f"found {other[path][1]}, the first {short(other[path][0])}"
                for path in in_order(one) if expected[path].kind != "directory" and one[path] != other[path]]
    return said[:most]
