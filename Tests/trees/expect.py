# SPDX-License-Identifier: Apache-2.0
"""The expected content of an image of random trees, computed from the host's directories. It follows the documentation,
independently of mkpiimg's code."""

import hashlib
import os

from choices import HASHES
from inventory import UNIT, Entry, in_order, inventory

FIRST_TIME, LAST_TIME = -(1 << 31), (1 << 34) - (1 << 31) - 1
MAXIMUM_LINKS = 65_000
REGISTRATION = b"nix-path-registration"


def expectation(forest):
    """Returns an inventory of the root filesystem, without the registration's content."""
    generated = Entry("directory", 0o755, 0, 0, 1, 0, b"", None)
    tree = {b"": generated, b"nix": generated, b"nix/store": generated,
            b"lost+found": generated._replace(mode=0o700),
            REGISTRATION: Entry("file", 0o444, 0, 0, 1, 0, b"", "registration")}
    fixed = set(tree)
    tree.update(store(forest))
    for directory in forest.root_files:
        add(tree, inventory(directory, directory), b"", fixed)
    for source, destination, mode, owner, group in forest.copies:
        copied = {path: changed(entry, mode, owner, group) for path, entry in inventory(source, source).items()}
        destination = destination.strip(b"/")
        parents = destination.split(b"/")[:-1]
        for depth in range(len(parents)):
            tree.setdefault(b"/".join(parents[:depth + 1]), generated)
        add(tree, copied, destination, fixed)
    return tree


def store(forest):
    """Returns the store paths with the metadata that Nix gives them. Files with the same content are hard links."""
    found = {}
    for base in forest.store_paths:
        for path, entry in inventory(forest.top + b"/store/nix/store/" + base, "store").items():
            mode = {"directory": 0o555, "symlink": 0o777}.get(entry.kind, 0o555 if entry.mode & 0o100 else 0o444)
            path = b"nix/store/" + base + (b"/" + path if path else b"")
            found[path] = entry._replace(mode=mode, owner=0, group=0, modified=1)
    counts = {}
    for path in in_order(found):
        entry = found[path]
        file = entry.file
        if forest.deduplicates and entry.kind == "file":
            file = ("content", entry.content, entry.size, entry.mode)
        elif forest.deduplicates:
            file = ("path", path)
        count = counts[file] = counts.get(file, 0) + 1
        found[path] = entry._replace(file=(file, (count - 1) // MAXIMUM_LINKS))
    return found


def changed(entry, mode, owner, group):
    """Returns the entry with the mode and owner that a --copy option gives it."""
    if mode is not None and entry.kind != "symlink":
        entry = entry._replace(mode=mode | (mode & 0o444) >> 2 if entry.kind == "directory" else mode)
    return entry._replace(owner=owner, group=group)


def add(tree, entries, destination, fixed):
    """Adds entries to the tree below a destination. Directories are merged, everything else is replaced. The metadata
    of `fixed` paths does not change."""
    counts = {}
    for path in in_order(entries):
        entry = entries[path]
        mode = 0o777 if entry.kind == "symlink" else entry.mode
        # The owner on the host does not count; only a copy can have another owner than root.
        owner, group = (entry.owner, entry.group) if destination else (0, 0)
        count = counts[entry.file] = counts.get(entry.file, 0) + 1
        entry = entry._replace(
            mode=mode, owner=owner, group=group, modified=min(max(entry.modified, FIRST_TIME), LAST_TIME),
            file=(entry.file, (count - 1) // MAXIMUM_LINKS))
        path = destination + b"/" + path if destination and path else destination + path
        before = tree.get(path)
        if before and (before.kind == "directory") != (entry.kind == "directory"):
            for below in [existing for existing in tree if existing.startswith(path + b"/")]:
                del tree[below]
        elif path in fixed:
            # lost+found takes the metadata of a directory of this name; the other fixed paths keep their own.
            if path != b"lost+found" or entry.kind != "directory":
                continue
        tree[path] = entry


def registration(forest):
    """Returns the content of the registration, with hashes, in the format of `nix-store --load-db`."""
    text = b""
    for base in sorted(forest.store_paths):
        path = forest.top + b"/store/nix/store/" + base
        nar = NAR()
        nar.add(path)
        references = sorted(forest.store_paths[base])
        lines = [b"/nix/store/" + base, b"sha256:" + base32(nar.hash.digest()), b"%d" % nar.size, b"",
                 b"%d" % len(references), *(b"/nix/store/" + reference for reference in references)]
        text += b"".join(line + b"\n" for line in lines)
    return text


def base32(digest):
    """Returns a digest in Nix's base 32: five bits for each character, beginning with the highest bits."""
    number = int.from_bytes(digest, "little")
    return bytes(HASHES[number >> 5 * index & 31] for index in reversed(range((8 * len(digest) + 4) // 5)))


class NAR:
    """Computes the hash and size of the archive that Nix makes from a path."""

    def __init__(self):
        self.hash = hashlib.sha256()
        self.size = 0
        self.put(b"nix-archive-1")

    def put(self, *texts):
        for text in texts:
            data = len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)
            self.hash.update(data)
            self.size += len(data)

    def add(self, path):
        self.put(b"(", b"type")
        if os.path.islink(path):
            self.put(b"symlink", b"target", os.readlink(path))
        elif os.path.isdir(path):
            self.put(b"directory")
            for name in sorted(os.listdir(path)):
                self.put(b"entry", b"(", b"name", name, b"node")
                self.add(path + b"/" + name)
                self.put(b")")
        else:
            self.put(b"regular")
            if os.stat(path).st_mode & 0o100:
                self.put(b"executable", b"")
            self.put(b"contents")
            size = os.stat(path).st_size
            self.hash.update(size.to_bytes(8, "little"))
            with open(path, "rb") as file:
                while data := file.read(UNIT):
                    self.hash.update(data)
            self.hash.update(bytes(-size % 8))
            self.size += 8 + size + -size % 8
        self.put(b")")
