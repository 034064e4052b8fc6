# SPDX-License-Identifier: Apache-2.0
"""Builds one image of random trees, then mounts, lists and extracts it, and compares each result with the trees."""

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
    """A difference between the expected and the actual result."""


def run(*words, status=0, **options):
    """Runs a program and returns its result. Every other exit status than `status` is a failure."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, **options)
    if done.returncode != status:
        raise Failure(f"{words[:2]}: exit status {done.returncode}\n{' '.join(map(str, words))[:2000]}\n"
                      + (done.stderr + done.stdout[-2000:]).decode(errors="backslashreplace"))
    return done


def can_mount(directory):
    """Whether loop mounts work here. Uses the directory for a test."""
    if os.geteuid() != 0:
        return False
    image, mount_point = os.path.join(directory, "probe"), os.path.join(directory, "probed")
    os.mkdir(mount_point)
    subprocess.run(["mke2fs", "-q", "-F", image, "2M"], check=True, capture_output=True)
    done = subprocess.run(["mount", "-o", "ro,loop", image, mount_point], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", mount_point], check=True)
    os.unlink(image), os.rmdir(mount_point)
    return done.returncode == 0


class Judge:
    """Judges images one after the other, in a directory of its own."""

    def __init__(self, mkpiimg, directory, mounts):
        self.mkpiimg = mkpiimg
        self.directory = directory
        self.mounts = mounts
        self.mounted = directory + b"/m"
        os.mkdir(self.mounted)
        # Independent of the caller's environment.
        self.environment = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C"}

    def judge(self, seed):
        """Judges the image of a seed. Returns counts of what was compared. Raises a Failure at the first difference."""
        top, image, copy = self.directory + b"/t", self.directory + b"/i", self.directory + b"/x"
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
            for name in os.listdir(self.directory):
                if name.startswith(b"i"):
                    os.unlink(self.directory + b"/" + name)

    def remove(self, path):
        if os.geteuid() != 0 and os.path.isdir(path):
            for directory, _, _ in os.walk(path):
                os.chmod(directory, 0o700)
        shutil.rmtree(path, ignore_errors=True)

    def make(self, forest, image):
        """Builds the image. Returns the path of a raw copy of it, and its summary."""
        words = [self.mkpiimg, "--store-root", forest.top + b"/store", "--scan-references", "--boot", "none", "--json",
                 "--progress", "none", *forest.options]
        for base in forest.store_paths:
            words += ["--closure", b"/nix/store/" + base]
        for directory in forest.root_files:
            words += ["--root-files", directory]
        for source, destination, mode, owner, group in forest.copies:
            metadata = b"" if mode is None else b":%o:%d:%d" % (mode, owner, group)
            words += ["--copy", source + b":" + destination + metadata]
        self.words = words
        self.image = image + (b".img" if forest.is_raw else b".img.zst")
        raw = image + b".img"
        try:
            done = run(*words, "--out", self.image, env=self.environment)
        except Failure as failure:
            # If the root partition is too small, the message gives a sufficient size.
            enough = re.search(r"raise --root-size to (\d+K)", str(failure))
            if not enough or os.path.exists(self.image):
                raise
            words += ["--root-size", enough[1]]
            done = run(*words, "--out", self.image, env=self.environment)
        if not forest.is_raw:
            run("zstd", "-dq", "--sparse", self.image, "-o", raw)
        return raw, json.loads(done.stdout)

    def make_again(self, forest, image, raw):
        """Checks that another number of threads gives the same bytes."""
        again = image + b"-again.img"
        run(*self.words, "--threads", "7", "--out", again, env=self.environment)
        run("cmp", raw, again)

    def compare(self, seed, forest, image, copy):
        raw, summary = self.make(forest, image)
        if os.stat(raw).st_size != summary["imageSize"]:
            raise Failure("the image has another size than its plan")
        root = summary["partitions"][1]
        # e2fsck exits with another status if there is an error, or anything that it would repair.
        run("e2fsck", "-fn", raw + b"?offset=%d" % root["start"], env=self.environment)
        expected = expectation(forest)
        if self.mounts:
            options = f"ro,noload,loop,offset={root['start']},sizelimit={root['size']}"
            run("mount", "-t", "ext4", "-o", options, raw, self.mounted)
            try:
                found = inventory(self.mounted)
                with open(self.mounted + b"/" + REGISTRATION, "rb") as file:
                    if file.read() != registration(forest):
                        raise Failure("the registration does not match the store's files")
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
            # Only root can give files to other owners, and set special mode bits.
            without_owner = lambda entries: {path: entry._replace(owner=0, group=0, mode=entry.mode & 0o777)
                                             for path, entry in entries.items()}
            expected, copied = without_owner(expected), without_owner(copied)
        # The mode of a symbolic link is always the one that Linux reports.
        self.check("mkpiimg extract", expected, copied)
        if seed % 8 == 1 and summary["imageSize"] < 1 << 30:
            self.make_again(forest, image, raw)
        if seed % 4 == 0:
            run(self.mkpiimg, "verify", "--progress", "none", self.image, env=self.environment)
        return {"images": 1, "trees": len(forest.store_paths) + len(forest.root_files) + len(forest.copies),
                "names": len(expected)} | {kind: 1 for kind in forest.kinds}

    def check(self, reader, expected, found):
        lines = differences(expected, found)
        if lines:
            raise Failure(f"{reader} finds something else:\n  " + "\n  ".join(lines))

    def check_space(self, forest, found, space, summary):
        """Checks that holes take no space, that other data are stored, and that users have the requested free space."""
        for path, entry in found.items():
            if entry.kind == "file":
                # Every unit is stored whole, except for the last one. An extent tree may need more blocks.
                data = min(entry.units * UNIT, (entry.size + BLOCK - 1) // BLOCK * BLOCK)
                if entry.size and entry.size < UNIT:
                    data = (entry.size + BLOCK - 1) // BLOCK * BLOCK
                tree = BLOCK * (1 + entry.units // 300 + (entry.units > 4))
                if not max(0, data - UNIT) <= entry.stored <= data + tree:
                    raise Failure(f"{path!r} has {entry.stored} bytes on the disk, of {data}: {entry}")
        if space.f_bavail * BLOCK < forest.slack and "--root-size" not in forest.options:
            raise Failure(f"{space.f_bavail} blocks are free for users, but {forest.slack} bytes were requested")

    def check_list(self, forest, found):
        """Checks that `ls --json` agrees with the kernel, also on inode numbers."""
        listed = run(self.mkpiimg, "ls", "-R", "--json", self.image, env=self.environment).stdout
        entries = {b"": found[b""]}
        for item in json.loads(listed)["entries"]:
            path = bytes.fromhex(item["pathBytes"]) if "pathBytes" in item else item["path"].encode()
            path = path.strip(b"/") if path == b"/" else path[1:]
            before = found.get(path)
            target = item.get("target", "").encode()
            # JSON cannot hold a target that is not UTF-8, so it is compared with replacement characters. (The targets
            # that the kernel and `mkpiimg extract` find are compared byte by byte.)
            if before and before.kind == "symlink" and target == before.content.decode(errors="replace").encode():
                target = before.content
            size = 0 if item["kind"] == "directory" else item["size"]
            content = target if item["kind"] == "symlink" else before.content if before else b""
            entries[path] = Entry(item["kind"], int(item["mode"], 8), item["owner"], item["group"], item["modified"],
                                  size, content, item["inode"], inode=item["inode"])
            if self.mounts and before and before.inode != item["inode"]:
                raise Failure(f"mkpiimg ls: {path!r} is inode {item['inode']}, to the kernel {before.inode}")
        self.check("mkpiimg ls", found, entries)

    def dump(self, raw, start, expected):
        """Compares a copy by debugfs, if nothing can be mounted: names, kinds, links and content."""
        copy = self.directory + b"/d"
        os.mkdir(copy)
        try:
            if any(entry.size > 64 * UNIT for entry in expected.values()):
                return  # debugfs writes holes as zeros
            run("debugfs", "-R", b"rdump / " + copy, raw + b"?offset=%d" % start, env=self.environment)
            found = inventory(copy)
            found.pop(b"lost+found", None)
            for path, entry in expected.items():
                if path in (b"", b"lost+found", REGISTRATION):
                    continue
                copied = found.get(path)
                fields = (entry.kind, entry.size, entry.content)
                if not copied or (copied.kind, copied.size, copied.content) != fields:
                    raise Failure(f"debugfs: {path!r}: expected {entry}, found {copied}")
        finally:
            self.remove(copy)
