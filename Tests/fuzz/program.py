#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""program.py MKPIIMG CLOSURE ROUNDS [SEED] - test the program with invalid command lines, closures and images.

CLOSURE is a directory that fixtures/small/make.sh filled. A third of the rounds each:

  - command lines with random sizes, offsets, labels and paths;
  - the closure with some files changed at random: registration, bootspec, fstab, kernel, device trees, config.txt,
    U-Boot;
  - its image with changed bytes in tables, filesystems and the files in them, or, compressed, in its frames and its
    seek table, which inspect, ls, cat, extract, verify and diff then read.

Each run may use a gigabyte of address space and a minute. It must end with a documented exit status (never by a
signal), name the problem in one line on standard error, and leave no files. (This script does not repair checksums: the
tests of Tests/fuzz.sh do that.)
"""

import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

MEMORY = 1 << 30
SECONDS = 60
SIZES = ["0", "1", "511", "4095", "4096", "4097", "64K", "1M", "8M", "30M", "31M", "100M", "128M", "1G", "2047G", "2T",
         "2097153M", "8388607T", "9223372036854775807", "9223372036854775808", "18446744073709551615",
         "99999999999999999999999999", "-1", "+1", "", "M", "1e9", "0x10", "１M", "1.5G", " 1M", "1M ", "1MM", "1GiB",
         "nan"]
WORDS = ["", " ", "-", "--", "/", "//", "..", ":", "a:b", "a" * 300, "é", "\u202e", "line\nbreak", "\x1b[31m", "none",
         "random", "all", "aarch64", "0", "-1", "*", "%s%n", "/nix/store", "/nix/store/x", "/proc/self/mem",
         "/dev/null", "/dev/zero", "ROOT", "sixteen-bytes-is", "seventeen-bytes-i", "0777:1:2", "4294967296"]
TEXT = [b"\n", b"\r", b"\0", b" ", b"=", b"[", b"]", b"{", b"}", b"\"", b"..", b"/", b"\\040", b"-1", b"4294967296",
        b"99999999999999999999", b"\xff", b"\xed\xa0\x80", "é".encode(), b"include config.txt\n", b"LABEL ",
        b"[all]\n", b"/nix/store/", b"sha256:", b"null", b"[" * 3000]


class Fuzz:
    def __init__(self, mkpiimg, closure, top, seed):
        self.mkpiimg, self.closure, self.top = mkpiimg, closure, top
        self.random = random.Random(seed)
        self.build = ["--closure", "result", "--store-root", "root", "--scan-references", "--firmware", "firmware",
                      "--progress", "none", "--gap", "1M", "--root-slack", "0"]
        self.runs, self.statuses, self.faults = 0, {}, []

    def pick(self, values):
        return values[self.random.randrange(len(values))]

    def run(self, label, directory, words, allowed):
        """Runs the program, and records a fault if it does not end as it must. Returns its exit status."""
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        words = [word.replace("\0", "") if isinstance(word, str) else word for word in words]
        self.runs += 1
        try:
            done = subprocess.run([self.mkpiimg, *words], cwd=directory, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=SECONDS, preexec_fn=limit)
            status, message = done.returncode, done.stderr
        except subprocess.TimeoutExpired:
            status, message = "timeout", b""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        fault = None
        if status not in allowed:
            fault = f"exit status {status}"
        elif status == 1 and not re.search(rb"^mkpiimg: .", message, re.M):
            fault = "no message"
        elif status != 64 and re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", message):  # usage errors repeat the arguments
            fault = "control characters in the message"
        elif b"internal" in message or len(message) > 100_000:
            fault = "an internal error or a very long message"
        if fault:
            self.faults.append(fault)
            text = message[-1500:].decode(errors='backslashreplace')
            print(f"FAILED: {label}: {fault}\n  mkpiimg {words}\n  {text}", flush=True)
        return status

    # --- command lines

    def command_line(self, label):
        options = list(self.build)
        for _ in range(self.random.randrange(1, 4)):
            size = lambda: self.pick(SIZES)
            word = lambda: self.pick(WORDS)
            options += self.pick([
                lambda: [self.pick(["--gap", "--root-slack", "--root-size", "--firmware-size", "--frame-size"]),
                         size()],
                lambda: [self.pick(["--threads", "--level", "--reserved-percent", "--menu-timeout"]), size()],
                lambda: [self.pick(["--root-label", "--firmware-label", "--root-uuid", "--disk-id", "--board", "--boot",
                                    "--device-tree", "--config-txt", "--kernel-param", "--registration-path"]), word()],
                lambda: [self.pick(["--closure", "--store-root", "--firmware", "--root-files", "--copy", "--raw"]),
                         self.pick([word(), "result", f"options:{word()}", f"options:/{word()}:{word()}",
                                    f"options@{size()}", "result:/x:7777:1:4294967295"])],
                lambda: [self.pick(["--profile", "--check", "--single-frame", "--json", "--no-deduplicate",
                                    "--nonsense"])],
            ])()
        return self.run(label, self.closure, options + ["--plan"], (0, 1, 64))

    def path(self, label):
        words = [self.pick(["ls", "cat", "inspect", "verify", "extract", "diff"]), self.pick(["image", *WORDS])]
        words += [self.pick(["root:", "firmware:", "1:", "2:", "3:", ""]) + self.pick(WORDS)
                  for _ in range(self.random.randrange(3))]
        if words[0] == "extract":  # to a directory where it is harmless
            words = words[:3] + ["out"]
        status = self.run(label, self.top, words, (0, 1, 3, 64))
        shutil.rmtree(self.top + "/out", ignore_errors=True)
        if os.path.lexists(self.top + "/out"):
            os.unlink(self.top + "/out")
        return status

    # --- closures

    def changed(self, data):
        data = bytearray(data)
        for _ in range(self.random.randrange(1, 4)):
            start = self.random.randrange(min(len(data), self.pick([64, 4096, 1 << 30])) + 1)
            end = min(len(data), start + self.random.randrange(self.pick([2, 20, 3000])))
            kind = self.random.randrange(5)
            if kind == 0:
                del data[start:end]
            elif kind == 1:
                data[start:start] = self.pick(TEXT)
            elif kind == 2:
                data[start:end] = self.random.randbytes(end - start)
            elif kind == 3:
                data[start:start] = data[start:end] * self.random.randrange(1, 5)
            elif start < len(data):
                data[start] ^= 1 << self.random.randrange(8)
        return bytes(data)

    def make_closure(self, small):
        """Copies the closure, adds a registration and a bootspec, and lists the files to change in `self.files`."""
        shutil.copytree(self.closure, small, symlinks=True)
        for directory, _, _ in os.walk(small):
            os.chmod(directory, 0o755)
        words = [self.mkpiimg, *self.build, "--out", self.top + "/registered.img"]
        subprocess.run(words, cwd=self.closure, check=True, capture_output=True)
        with open(small + "/registration", "wb") as file:
            file.write(subprocess.run([self.mkpiimg, "cat", self.top + "/registered.img", "/nix-path-registration"],
                                      check=True, capture_output=True).stdout)
        os.unlink(self.top + "/registered.img")
        names = os.listdir(small + "/root/nix/store")
        [system] = [name for name in names if name.endswith("nixos-system-small-24.05")]
        path = "/nix/store/" + system
        with open(f"{small}/root{path}/boot.json", "w") as file:
            file.write('{"org.nixos.bootspec.v1":{"system":"aarch64-linux","label":"NixOS","toplevel":"%s",'
                       '"init":"%s/init","kernel":"%s/kernel","initrd":"%s/initrd","kernelParams":["a=b"]},'
                       '"org.nixos.specialisation.v1":{}}'
                       % (path, path, path, path))
        files = []
        for directory, _, names in os.walk(small):
            files += [os.path.join(directory, name) for name in names]
        self.files = sorted(
            file for file in files if not os.path.islink(file) and re.search(
                r"/(registration|boot\.json|fstab|Image|initrd|kernel-params|nixos-version|system|init|.*\.dtbo?"
                r"|config\.txt|u-boot\.bin|extra-dependencies)$", file))

    def closures(self, label):
        """Changes files of the closure, plans an image of it, and restores the files."""
        small = self.top + "/small"
        if not os.path.exists(small):
            self.make_closure(small)
        originals = {}
        for _ in range(self.random.randrange(1, 3)):
            file = self.pick(self.files)
            with open(file, "rb") as old:
                originals.setdefault(file, old.read())
            os.chmod(file, 0o644)
            with open(file, "wb") as new:
                new.write(self.changed(originals[file]))
        words = list(self.build)
        if self.uses_registration(originals):
            words[words.index("--scan-references")] = "--registration=registration"
        if self.random.random() < 0.3:
            words += self.pick([["--boot", "kernel"], ["--profile"], ["--board", "pi3"], ["--boot", "none"]])
        status = self.run(label, small, words + ["--plan", "--json"], (0, 1))
        for file, data in originals.items():
            with open(file, "wb") as old:
                old.write(data)
        return status

    def uses_registration(self, changed):
        return any(file.endswith("/registration") for file in changed) or self.random.random() < 0.3

    # --- images

    def images(self, label):
        """Changes a copy of the sound image, raw (and sparse) or compressed, runs a command on it, and restores it."""
        form = self.pick(["", "", ".zst"])
        image = self.top + "/image" + form
        size = os.stat(image).st_size
        originals = {}
        with open(image, "r+b") as file:
            for _ in range(self.random.randrange(1, 12)):
                area = self.pick(self.areas[form])
                offset = self.random.randrange(*area)
                data = self.pick([
                    lambda: self.random.randbytes(self.random.randrange(1, 9)), lambda: self.pick(TEXT[:24]),
                    lambda: self.pick([0, 1, 2, 0xFFFF, 1 << 31, (1 << 32) - 1]).to_bytes(4, "little")
                ])()[:size - offset]
                file.seek(offset)
                originals.setdefault(offset, file.read(len(data)))
                file.seek(offset)
                file.write(data)
        words = self.pick([["inspect", "--json", "image"], ["ls", "-R", "--json", "image"],
                           ["ls", "-lR", "image", "firmware:"], ["verify", "--json", "--threads", "2", "image"],
                           ["verify", "--threads", "2", "image"], ["extract", "image", "/", "out"],
                           ["diff", "image", "sound"], ["diff", "--content", "sound", "image"],
                           ["inspect", "--html", "out", "image"], ["cat", "image", "/boot/extlinux/extlinux.conf"]])
        words = [word + form if word in ("image", "sound") else word for word in words]
        status = self.run(label, self.top, words, (0, 1, 3))
        with open(image, "r+b") as file:
            for offset, data in reversed(originals.items()):
                file.seek(offset)
                file.write(data)
        path = self.top + "/out"
        if os.path.isdir(path):
            for directory, _, _ in os.walk(path):
                os.chmod(directory, 0o700)
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        expected = ("image", "image.zst", "sound", "sound.zst", "small")
        left = [name for name in os.listdir(self.top) if name not in expected]
        if left:
            self.faults.append("files remain")
            print(f"FAILED: {label}: {words} left {left}")
        return status

    def make_form(self, form, *options):
        """Makes the sound image in a form (a suffix), and the copy that is changed. Returns its bytes."""
        words = [self.mkpiimg, *self.build, *options, "--out", f"{self.top}/sound.img{form}"]
        subprocess.run(words, cwd=self.closure, check=True, capture_output=True)
        os.rename(f"{self.top}/sound.img{form}", f"{self.top}/sound{form}")
        subprocess.run(["cp", "--sparse=always", "sound" + form, "image" + form], cwd=self.top, check=True)
        with open(f"{self.top}/sound{form}", "rb") as file:
            return file.read()

    def make_image(self):
        data = self.make_form("")
        # The areas to change: every block that is not zero, and the tables several times.
        areas = [(0, 512), (1 << 20, (1 << 20) + 512)] * 4
        root = 31 << 20
        areas += [(root + 1024, root + 2048)] * 4
        for offset in range(0, len(data), 4096):
            if data.count(0, offset, offset + 4096) != 4096:
                areas.append((offset, min(len(data), offset + 4096)))
        texts = [b"LABEL nixos", b"kernel=u-boot", b"sha256:", b"NIXOS_SD", b"boot.json", b"console="]
        for text in texts:
            offset = data.find(text)
            if offset >= 0:
                areas += [(offset, min(len(data), offset + 300))] * max(4, len(areas) // 40)
        self.areas = {"": areas, ".zst": self.make_frames()}

    def make_frames(self):
        """Makes the compressed image. Returns the areas to change: headers of frames and the seek table several times.

        The last 9 bytes of the seek table are the number of frames, a descriptor and a magic number. Before them, each
        frame has its compressed and its decompressed size, and a checksum if the descriptor's highest bit is set."""
        data = self.make_form(".zst", "--frame-size", "64K")
        count, entry = int.from_bytes(data[-9:-5], "little"), 12 if data[-5] & 0x80 else 8
        table = len(data) - 9 - count * entry
        areas, offset = [(table - 8, len(data)), (len(data) - 9, len(data))] * count, 0
        for index in range(count):
            size = int.from_bytes(data[table + index * entry:][:4], "little")
            areas += [(offset, offset + min(size, 18))] * 2 + [(offset, offset + size)]
            offset += size
        return areas


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    mkpiimg, closure = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    seed = int(sys.argv[4]) if len(sys.argv) == 5 else int.from_bytes(os.urandom(4), "little")
    rounds = int(sys.argv[3])
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    top = tempfile.mkdtemp(prefix="mkpiimg-fuzz-", dir=memory)
    fuzz = Fuzz(mkpiimg, closure, top, seed)
    print(f"seed {seed}", flush=True)
    try:
        fuzz.make_image()
        for round in range(rounds):
            # A seed of its own for each round: a round can be repeated without the earlier ones.
            fuzz.random = random.Random(seed * 1_000_003 + round)
            kind = [fuzz.command_line, fuzz.closures, fuzz.images, fuzz.images, fuzz.closures, fuzz.path][round % 6]
            kind(f"seed {seed}, round {round}")
            if len(fuzz.faults) >= 20:
                break
    finally:
        for directory, _, _ in os.walk(top):
            os.chmod(directory, 0o700)
        shutil.rmtree(top, ignore_errors=True)
    print(f"{fuzz.runs} runs: " + ", ".join(f"{count} with status {status}" for status, count in sorted(
        fuzz.statuses.items(), key=str)) + f"; {len(fuzz.faults)} faults")
    sys.exit(1 if fuzz.faults else 0)


if __name__ == "__main__":
    main()
