# SPDX-License-Identifier: Apache-2.0
"""What an image of random trees must hold, worked out from the host's folders by what is documented, and not as mkpiimg
does it."""

import hashlib
import os

from forest import HASHES
from inventory import UNIT, Entry, in_order, inventory

FIRST_TIME, LAST_TIME = -(1 << 31), (1 << 34) - (1 << 31) - 1
MOST_LINKS = 65_000
REGISTRATION = b"nix-path-registration"


def expectation(forest):
    """An inventory of the root filesystem, without the registration's content."""
    generated = Entry("directory", 0o755, 0, 0, 1, 0, b"", None)
    made = {b"": generated, b"nix": generated, b"nix/store": generated,
            b"lost+found": generated._replace(mode=0o700),
            REGISTRATION: Entry("file", 0o444, 0, 0, 1, 0, b"", "registration")}
    always = set(made)
    made.update(store(forest))
    for folder in forest.folders:
        lay(made, inventory(folder, folder), b"", always)
    for source, place, mode, owner, group in forest.copies:
        copied = {path: changed(entry, mode, owner, group) for path, entry in inventory(source, source).items()}
        place = place.strip(b"/")
        parents = place.split(b"/")[:-1]
        for depth in range(len(parents)):
            made.setdefault(b"/".join(parents[:depth + 1]), generated)
        lay(made, copied, place, always)
    return made


def store(forest):
    """The store's paths as Nix keeps them, files of the same content being one."""
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
        found[path] = entry._replace(file=(file, (count - 1) // MOST_LINKS))
    return found


def changed(entry, mode, owner, group):
    if mode is not None and entry.kind != "symlink":
        entry = entry._replace(mode=mode | (mode & 0o444) >> 2 if entry.kind == "directory" else mode)
    return entry._replace(owner=owner, group=group)


def lay(made, entries, place, always):
    """One tree over another: folders are merged, anything else is replaced."""
    counts = {}
    for path in in_order(entries):
        entry = entries[path]
        mode = 0o777 if entry.kind == "symlink" else entry.mode
        # Whose owner it is on the host does not matter; only a copy has another.
        owner, group = (entry.owner, entry.group) if place else (0, 0)
        count = counts[entry.file] = counts.get(entry.file, 0) + 1
        entry = entry._replace(
            mode=mode, owner=owner, group=group, modified=min(max(entry.modified, FIRST_TIME), LAST_TIME),
            file=(entry.file, (count - 1) // MOST_LINKS))
        path = place + b"/" + path if place and path else place + path
        before = made.get(path)
        if before and (before.kind == "directory") != (entry.kind == "directory"):
            for below in [other for other in made if other.startswith(path + b"/")]:
                del made[below]
        elif path in always:
            # Only lost+found is not there before; the others stay as open as they are made.
            if path != b"lost+found" or entry.kind != "directory":
                continue
        made[path] = entry


def registration(forest):
    """The registration's content, hashes and all: what `nix-store --load-db` reads."""
    text = b""
    for base in sorted(forest.store_paths):
        path = forest.top + b"/store/nix/store/" + base
        nar = NAR()
        nar.add(path)
        refers = sorted(forest.store_paths[base])
        text += b"".join(
            line + b"\n" for line in [b"/nix/store/" + base, b"sha256:" + base32(nar.hash.digest()), b"%d" % nar.size, b"",
                                      b"%d" % len(refers)] + [b"/nix/store/" + other for other in refers])
    return text


def base32(digest):
    """As Nix writes hashes: five bits at a time, from the end."""
    number = int.from_bytes(digest, "little")
    return bytes(HASHES[number >> 5 * place & 31] for place in reversed(range((8 * len(digest) + 4) // 5)))


class NAR:
    """The archive that Nix makes of a path, as its hash and size."""

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
