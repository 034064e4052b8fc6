# SPDX-License-Identifier: Apache-2.0
"""One image of random trees: made, mounted, listed, copied out, and compared each time."""

import ctypes
import json
import os
import re
import shutil
import subprocess

from expect import REGISTRATION, expectation, registration
from forest import Forest
from inventory import UNIT, Entry, differences, inventory

LIBC = ctypes.CDLL(None, use_errno=True)
BLOCK = 4096


class Failure(Exception):
    """What is not as it should be."""


def run(*words, status=0, **options):
    """A program's output; anything but this exit status is a failure."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, **options)
    if done.returncode != status:
        raise Failure(f"{words[:2]}: exit status {done.returncode}\n{' '.join(map(str, words))[:2000]}\n"
                      + (done.stderr + done.stdout[-2000:]).decode(errors="backslashreplace"))
    return done


def can_mount(folder):
    if os.geteuid() != 0:
        return False
    image, place = os.path.join(folder, "probe"), os.path.join(folder, "probed")
    os.mkdir(place)
    subprocess.run(["mke2fs", "-q", "-F", image, "2M"], check=True, capture_output=True)
    done = subprocess.run(["mount", "-o", "ro,loop", image, place], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", place], check=True)
    os.unlink(image), os.rmdir(place)
    return done.returncode == 0


class Judge:
    """Judges images in a folder of its own, one after the other."""

    def __init__(self, mkpiimg, place, mounts):
        self.mkpiimg = mkpiimg
        self.place = place
        self.mounts = mounts
        self.mounted = place + b"/m"
        os.mkdir(self.mounted)
        # What a shell has set must not matter.
        self.environment = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C"}

    def judge(self, seed):
        """What was looked at, in numbers. Throws a failure where something is not as it should be."""
        top, image, copy = self.place + b"/t", self.place + b"/i", self.place + b"/x"
        forest = Forest(seed, top, os.geteuid() == 0)
        try:
            return self.compare(seed, forest, image, copy)
        except Failure as failure:
            keep = os.environ.get("TREES_KEEP")
            if keep:
                shutil.move(top, os.path.join(os.fsencode(keep), b"%d" % seed))
            raise Failure(f"seed {seed} ({', '.join(sorted(forest.kinds))}): {failure}") from None
        finally:
            for path in (top, copy):
                self.remove(path)
            for name in os.listdir(self.place):
                if name.startswith(b"i"):
                    os.unlink(self.place + b"/" + name)

    def remove(self, path):
        if os.geteuid() != 0 and os.path.isdir(path):
            for folder, _, _ in os.walk(path):
                os.chmod(folder, 0o700)
        shutil.rmtree(path, ignore_errors=True)

    def make(self, forest, image):
        """The image, raw at the path that is returned, and its summary."""
        words = [self.mkpiimg, "--store-root", forest.top + b"/store", "--scan-references", "--boot", "none", "--json",
                 "--progress", "none", *forest.options]
        for base in forest.store_paths:
            words += ["--closure", b"/nix/store/" + base]
        for folder in forest.folders:
            words += ["--root-files", folder]
        for source, place, mode, owner, group in forest.copies:
            words += ["--copy", source + b":" + place + (b"" if mode is None else b":%o:%d:%d" % (mode, owner, group))]
        self.words = words
        self.image = image + (b".img" if forest.is_raw else b".img.zst")
        raw = image + b".img"
        try:
            done = run(*words, "--out", self.image, env=self.environment)
        except Failure as failure:
            # A root partition that is too small says which size is enough.
            enough = re.search(r"raise --root-size to (\d+K)", str(failure))
            if not enough or os.path.exists(self.image):
                raise
            words += ["--root-size", enough[1]]
            done = run(*words, "--out", self.image, env=self.environment)
        if not forest.is_raw:
            run("zstd", "-dq", "--sparse", self.image, "-o", raw)
        return raw, json.loads(done.stdout)

    def make_again(self, forest, image, raw):
        """Another number of threads gives the same bytes."""
        again = image + b"-again.img"
        run(*self.words, "--threads", "7", "--out", again, env=self.environment)
        run("cmp", raw, again)

    def compare(self, seed, forest, image, copy):
        raw, summary = self.make(forest, image)
        if os.stat(raw).st_size != summary["imageSize"]:
            raise Failure("the image has another size than its plan")
        root = summary["partitions"][1]
        # Errors end with another status; anything that it would mend too.
        run("e2fsck", "-fn", raw + b"?offset=%d" % root["start"], env=self.environment)
        expected = expectation(forest)
        if self.mounts:
            options = f"ro,noload,loop,offset={root['start']},sizelimit={root['size']}"
            run("mount", "-t", "ext4", "-o", options, raw, self.mounted)
            try:
                found = inventory(self.mounted)
                with open(self.mounted + b"/" + REGISTRATION, "rb") as file:
                    if file.read() != registration(forest):
                        raise Failure("the registration says something else than the store's files")
                space = os.statvfs(self.mounted)
            finally:
                if LIBC.umount2(self.mounted, 0) != 0:
                    raise Failure(f"umount: error {ctypes.get_errno()}")
            expected[REGISTRATION] = expected[REGISTRATION]._replace(
                size=found[REGISTRATION].size, content=found[REGISTRATION].content)
            self.check("the kernel's mount", expected, found)
            self.check_space(forest, found, space, summary)
        else:
            found = expected
            self.dump(raw, root["start"], expected)
        self.check_list(forest, found)
        run(self.mkpiimg, "extract", "--progress", "none", self.image, "/", copy, env=self.environment)
        copied = inventory(copy)
        if not self.mounts:
            expected[REGISTRATION] = expected[REGISTRATION]._replace(
                size=copied[REGISTRATION].size, content=copied[REGISTRATION].content)
        if os.geteuid() != 0:
            mine = lambda entries: {path: entry._replace(owner=0, group=0, mode=entry.mode & 0o777)
                                    for path, entry in entries.items()}
            expected, copied = mine(expected), mine(copied)
        # A link's mode is no more than Linux says.
        self.check("mkpiimg extract", expected, copied)
        if seed % 8 == 1 and summary["imageSize"] < 1 << 30:
            self.make_again(forest, image, raw)
        if seed % 4 == 0:
            run(self.mkpiimg, "verify", "--progress", "none", self.image, env=self.environment)
        return {"images": 1, "trees": len(forest.store_paths) + len(forest.folders) + len(forest.copies),
                "names": len(expected)} | {kind: 1 for kind in forest.kinds}

    def check(self, who, expected, found):
        said = differences(expected, found)
        if said:
            raise Failure(f"{who} finds something else:\n  " + "\n  ".join(said))

    def check_space(self, forest, found, space, summary):
        """Holes are holes, nothing is stored that is none, and what a user can write is what was asked for."""
        for path, entry in found.items():
            if entry.kind == "file":
                # A unit is stored whole, but for the last one; beyond lie blocks of the extent tree.
                most = min(entry.units * UNIT, (entry.size + BLOCK - 1) // BLOCK * BLOCK)
                if entry.size and entry.size < UNIT:
                    most = (entry.size + BLOCK - 1) // BLOCK * BLOCK
                if not max(0, most - UNIT) <= entry.stored <= most + BLOCK * (1 + entry.units // 300 + (entry.units > 4)):
                    raise Failure(f"{path!r} has {entry.stored} bytes on the disk, of {most}: {entry}")
        if space.f_bavail * BLOCK < forest.slack and "--root-size" not in forest.options:
            raise Failure(f"{space.f_bavail} blocks are free for users, and {forest.slack} bytes were asked for")

    def check_list(self, forest, found):
        """`ls --json` says what the kernel says, and the numbers of the inodes too."""
        listed = run(self.mkpiimg, "ls", "-R", "--json", self.image, env=self.environment).stdout
        entries = {b"": found[b""]}
        for item in json.loads(listed)["entries"]:
            path = bytes.fromhex(item["pathBytes"]) if "pathBytes" in item else item["path"].encode()
            path = path.strip(b"/") if path == b"/" else path[1:]
            before = found.get(path)
            target = item.get("target", "").encode()
            # JSON has no bytes of a target that is not UTF-8: it is compared as far as it can be told. (What the kernel and
            # `mkpiimg extract` find is compared byte by byte.)
            if before and before.kind == "symlink" and target == before.content.decode(errors="replace").encode():
                target = before.content
            size = 0 if item["kind"] == "directory" else item["size"]
            content = target if item["kind"] == "symlink" else before.content if before else b""
            entries[path] = Entry(item["kind"], int(item["mode"], 8), item["owner"], item["group"], item["modified"], size,
                                  content, item["inode"], inode=item["inode"])
            if self.mounts and before and before.inode != item["inode"]:
                raise Failure(f"mkpiimg ls: {path!r} is inode {item['inode']}, to the kernel {before.inode}")
        self.check("mkpiimg ls", found, entries)

    def dump(self, raw, start, expected):
        """debugfs' copy of everything, where nothing can be mounted: names, kinds, links and content."""
        copy = self.place + b"/d"
        os.mkdir(copy)
        try:
            if any(entry.size > 64 * UNIT for entry in expected.values()):
                return  # it writes holes out
            run("debugfs", "-R", b"rdump / " + copy, raw + b"?offset=%d" % start, env=self.environment)
            found = inventory(copy)
            found.pop(b"lost+found", None)
            for path, entry in expected.items():
                other = found.get(path)
                if path not in (b"", b"lost+found", REGISTRATION) and (
                        not other or (other.kind, other.size, other.content) != (entry.kind, entry.size, entry.content)):
                    raise Failure(f"debugfs: {path!r}: expected {entry}, found {other}")
        finally:
            self.remove(copy)
