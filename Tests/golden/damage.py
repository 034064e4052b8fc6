#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""damage.py - damage an image in one of the ways that have names, the same bytes each time.

    damage.py --list           name all cases, one a line
    damage.py --list-short     without most of those that differ only in a stale checksum
    damage.py IMAGE CASE       put back what the last case changed, and damage the image in place

IMAGE is the raw image that golden.sh builds; what a case changes is kept in IMAGE.before. Where a structure of ext4 has
a checksum, CASE-stale leaves it as it was; CASE corrects it, so that what comes after the checksum is checked too.
"""

import os
import pickle
import sys

from image import BLOCK, SECTOR, Image

STORE = "/nix/store/"
EDGE = STORE + "5fghjklzxcvbnm0987654321qwryipas-edge-cases-1.0"
GLIBC = STORE + "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-glibc-2.38"
CONFIG, UBOOT, OVERLAY = "CONFIG  TXT", "U-BOOT  BIN", "DISABL~1DTB"
MENU = "/boot/extlinux/extlinux.conf"
CASES = {}
# Of the cases with a stale checksum, those that the short list has: one for each structure.
STALE = {"ext4-super-free-blocks", "ext4-group-folders", "ext4-bitmap-blocks-leaked", "ext4-bitmap-inodes-leaked",
         "ext4-inode-links", "ext4-inode-resize", "ext4-extents-order", "ext4-entry-menu-name", "ext4-index-lines"}


def case(name, change, *, seals=False):
    """A way to damage an image. With `seals`, what `change` gives corrects the checksum."""
    CASES[name] = lambda image: change(image)() if seals else change(image)
    if seals:
        CASES[name + "-stale"] = change


def put(find, size, value):
    """A change that puts a number at the offset that `find` gives."""
    return lambda image: image.put(find(image), size, value)


# --- the partition table
for name, offset, size, value in [
        ("signature", 510, 2, 0), ("flag", 446, 1, 0x12), ("active-twice", 446, 1, 0x80), ("type-ntfs", 446 + 4, 1, 7),
        ("type-none", 446 + 16 + 4, 1, 0), ("start-unaligned", 446 + 8, 4, 2049), ("start-zero", 446 + 8, 4, 0),
        ("past-end", 446 + 16 + 12, 4, 10_000_000), ("overlap", 446 + 12, 4, 30_000),
        ("size-zero", 446 + 16 + 12, 4, 0),
        ("disk-id", 440, 4, 0), ("gpt-type", 446 + 4, 1, 0xEE), ("extended", 446 + 4, 1, 5)]:
    case("mbr-" + name, lambda image, offset=offset, size=size, value=value: image.put(offset, size, value))
case("mbr-empty", lambda image: image.write(0, bytes(SECTOR)))

# --- FAT: the boot sector
for name, offset, size, value in [
        ("jump", 0, 2, 0), ("sector-size", 11, 2, 513), ("sector-size-4096", 11, 2, 4096), ("cluster-size", 13, 1, 3),
        ("cluster-size-large", 13, 1, 128), ("reserved", 14, 2, 0), ("copies", 16, 1, 0), ("copies-three", 16, 1, 3),
        ("root-slots", 17, 2, 0), ("sectors", 19, 2, 0xFFFF), ("sectors-twice", 32, 4, 16_000), ("media", 21, 1, 0x12),
        ("table-size", 22, 2, 1), ("dirty", 37, 1, 1), ("disk-errors", 37, 1, 2), ("label", 43, 1, ord("X")),
        ("type", 58, 1, ord("3")), ("signature", 510, 2, 0)]:
    case("fat-boot-" + name, put(lambda image, offset=offset: image.fat.start + offset, size, value))
case("fat-boot-empty", lambda image: image.write(image.fat.start, bytes(SECTOR)))


# --- FAT: the table; a chain is that of u-boot.bin
def chain(change, step=3):
    """Changes the link of the cluster that is some steps into the chain."""
    def run(image):
        cluster = image.fat.first(image.fat.entry(UBOOT))
        for _ in range(step):
            cluster = image.fat.next(cluster)
        change(image.fat, cluster)
    return run


case("fat-table-media", lambda image: image.fat.link(0, 0x1234))
case("fat-table-dirty", lambda image: image.fat.link(1, 0x7FFF))
case("fat-table-errors", lambda image: image.fat.link(1, 0xBFFF))
case("fat-table-copy", lambda image: image.fat.link(4, 9, copies=1))
case("fat-table-lost", lambda image: [
    image.fat.link(4000, 4001), image.fat.link(4001, 0xFFFF), image.fat.link(5000, 0xFFFF)])
case("fat-table-bad", lambda image: image.fat.link(6000, 0xFFF7))
case("fat-chain-free", chain(lambda fat, cluster: fat.link(cluster, 0)))
case("fat-chain-bad", chain(lambda fat, cluster: fat.link(cluster, 0xFFF7)))
case("fat-chain-range", chain(lambda fat, cluster: fat.link(cluster, 0xEEEE)))
case("fat-chain-circle", chain(lambda fat, cluster: fat.link(cluster, cluster - 2)))
case("fat-chain-short", chain(lambda fat, cluster: fat.link(cluster, 0xFFFF)))
case("fat-chain-cross", chain(lambda fat, cluster: fat.link(cluster, fat.first(fat.entry(CONFIG)))))
case("fat-chain-long", lambda image: [
    image.fat.link(image.fat.first(image.fat.entry(CONFIG)), 4000), image.fat.link(4000, 0xFFFF)])

# --- FAT: folders

def folder(image):
    return image.fat.first(image.fat.entry("OVERLAYS   "))


def overlay(image, back=0):
    """The entry of the overlay, or a piece of its long name before that."""
    return image.fat.entry(OVERLAY, folder(image)) - 32 * back


for name, offset, size, value in [
        ("name-first", 0, 1, ord('"')), ("name-lower", 0, 1, ord("c")), ("deleted", 0, 1, 0xE5), ("case", 12, 1, 0x38),
        ("attribute-folder", 11, 1, 0x10), ("cluster-zero", 26, 2, 0), ("cluster-range", 26, 2, 0xEEEE),
        ("cluster-one", 26, 2, 1), ("size-large", 28, 4, 70_000), ("size-zero", 28, 4, 0), ("time", 24, 2, 0)]:
    case("fat-entry-" + name, put(lambda image, offset=offset: image.fat.entry(CONFIG) + offset, size, value))
case("fat-entry-size-less", put(lambda image: image.fat.entry(UBOOT) + 28, 4, 100))
case("fat-entry-twice", lambda image: image.write(image.fat.entry(UBOOT), CONFIG.encode()))
case("fat-entry-after-end", lambda image: image.write(image.fat.end() + 64, image.read(image.fat.entry(CONFIG), 32)))
case("fat-entry-label-twice", lambda image: image.write(image.fat.end(), b"ANOTHER    \x08" + bytes(20)))
case("fat-folder-size", put(lambda image: image.fat.entry("OVERLAYS   ") + 28, 4, 1024))
case("fat-folder-label", lambda image: image.write(image.fat.end(folder(image)), b"ANOTHER    \x08" + bytes(20)))
case("fat-folder-cluster", put(lambda image: image.fat.entry("OVERLAYS   ") + 26, 2, 0))
case("fat-dot", put(lambda image: image.fat.cluster(folder(image)) + 26, 2, 7))
case("fat-dot-missing", lambda image: image.write(image.fat.cluster(folder(image)), b"DOT"))
case("fat-dot-dot", put(lambda image: image.fat.cluster(folder(image)) + 32 + 26, 2, 7))
case("fat-long-sum", put(lambda image: overlay(image, 1) + 13, 1, 1))
case("fat-long-order", put(lambda image: overlay(image, 1), 1, 3))
case("fat-long-orphaned", put(overlay, 1, 0xE5))
case("fat-long-fields", put(lambda image: overlay(image, 1) + 26, 2, 5))
case("fat-long-name", put(lambda image: overlay(image, 1) + 1, 2, ord("*")))

# --- ext4: the superblock and its copy
for name, offset, size, value in [
        ("magic", 0x38, 2, 0), ("inodes", 0x00, 4, 99), ("blocks", 0x04, 4, 900_000), ("free-blocks", 0x0C, 4, 5),
        ("free-inodes", 0x10, 4, 6), ("first-block", 0x14, 4, 1), ("block-size", 0x18, 4, 9),
        ("block-size-1k", 0x18, 4, 0),
        ("blocks-per-group", 0x20, 4, 7), ("inodes-per-group", 0x28, 4, 3), ("state-errors", 0x3A, 2, 3),
        ("state", 0x3A, 2, 0),
        ("revision", 0x4C, 4, 9), ("first-inode", 0x54, 4, 3), ("inode-size", 0x58, 2, 100),
        ("incompatible", 0x60, 4, 0x102C2),
        ("journal-device", 0x60, 4, 0x2CA), ("recovery", 0x60, 4, 0x2C6), ("no-extents", 0x60, 4, 0x282),
        ("uuid", 0x68, 4, 1),
        ("no-index", 0x5C, 4, 0x1C), ("label", 0x78, 1, 0x1B), ("descriptor-blocks", 0xCE, 2, 0xFFFF),
        ("journal", 0xE0, 4, 9),
        ("orphan", 0xE8, 4, 12), ("hash-seed", 0xEC, 4, 1), ("hash-version", 0xFC, 1, 9),
        ("descriptor-size", 0xFE, 2, 20),
        ("checksum-type", 0x175, 1, 2), ("flags", 0x160, 4, 1), ("flex", 0x174, 1, 40)]:
    def change(image, offset=offset, size=size, value=value):
        image.put(image.root.superblock + offset, size, value)
        return image.root.seal_superblock
    case("ext4-super-" + name, change, seals=True)
for name, offset, size, value in [
        ("magic", 0x38, 2, 0), ("uuid", 0x68, 4, 1), ("blocks", 0x04, 4, 7), ("group", 0x5A, 2, 9),
        ("features", 0x5C, 4, 0)]:
    case("ext4-copy-" + name, put(lambda image, offset=offset: image.root.block(32_768) + offset, size, value))
case("ext4-copy-descriptor", put(lambda image: image.root.block(32_769) + 8, 4, 77))
case("ext4-super-empty", lambda image: image.write(image.root.superblock, bytes(1024)))

# --- ext4: groups
for name, offset, size, value in [
        ("block-bitmap", 0x00, 4, 900_000), ("block-bitmap-table", 0x00, 4, 70), ("inode-bitmap", 0x04, 4, 0),
        ("inode-table", 0x08, 4, 900_000), ("free-blocks", 0x0C, 2, 5), ("free-inodes", 0x0E, 2, 6),
        ("folders", 0x10, 2, 7),
        ("flags", 0x12, 2, 3), ("unused", 0x1C, 2, 8000), ("checksum", 0x1E, 2, 1)]:
    def change(image, offset=offset, size=size, value=value):
        image.put(image.root.group(0) + offset, size, value)
        return lambda: image.root.seal_group(0)
    case("ext4-group-" + name, change, seals=name != "checksum")
for name, kind, group, byte, value in [
        ("blocks-free", 0, 0, 600, 0), ("blocks-leaked", 0, 0, 4090, 0xF0), ("blocks-end", 0, 1, 4090, 0),
        ("inodes-free", 1, 0, 2, 0x0F), ("inodes-leaked", 1, 0, 200, 0x03), ("inodes-end", 1, 0, 1500, 0)]:
    def change(image, kind=kind, group=group, byte=byte, value=value):
        image.put(image.root.bitmap(group, kind) + byte, 1, value)
        return lambda: image.root.seal_bitmap(group, kind)
    case("ext4-bitmap-" + name, change, seals=True)

# --- ext4: inodes

def inode(name, path, *fields):
    """Fields of a path's (or a number's) inode: offset, size and value of each."""
    def change(image):
        number = image.root.find(path) if isinstance(path, str) else path
        for offset, size, value in fields:
            image.put(image.root.inode(number) + offset, size, value)
        return lambda: image.root.seal_inode(number)
    case("ext4-inode-" + name, change, seals=True)


FILE = EDGE + "/sizes/65536"
inode("size-large", MENU, (0x04, 4, 9000))
inode("size-less", FILE, (0x04, 4, 50_000))
inode("size-huge", MENU, (0x6C, 4, 0x7FFFFFFF))
inode("mode-none", MENU, (0x00, 2, 0))
inode("mode-fifo", EDGE + "/sizes/59", (0x00, 2, 0o010444))
inode("mode-device", EDGE + "/sizes/60", (0x00, 2, 0o020444))
inode("mode-kind", EDGE + "/sizes/1", (0x00, 2, 0o070444))
inode("mode-write", EDGE + "/sizes/1", (0x00, 2, 0o100644))
inode("mode-setuid", GLIBC + "/lib/libc.so.6", (0x00, 2, 0o104555))
inode("owner", EDGE + "/sizes/1", (0x02, 2, 1000))
inode("time", EDGE + "/sizes/1", (0x10, 4, 77))
inode("deleted", EDGE + "/sizes/1", (0x14, 4, 77))
inode("links", MENU, (0x1A, 2, 5))
inode("links-zero", MENU, (0x1A, 2, 0))
inode("links-folder", EDGE, (0x1A, 2, 3))
inode("sectors", MENU, (0x1C, 4, 800))
inode("flags-none", MENU, (0x20, 4, 0))
inode("flags-index", MENU, (0x20, 4, 0x81000))
inode("flags-encrypted", EDGE + "/sizes/1", (0x20, 4, 0x80800))
inode("flags-inline", EDGE + "/sizes/1", (0x20, 4, 0x10000000))
case("ext4-inode-checksum", put(lambda image: image.root.inode(image.root.find(MENU)) + 0x7C, 2, 1))
inode("extra-size", MENU, (0x80, 2, 300))
inode("attributes", MENU, (0x68, 4, 900_000))
inode("attributes-block", MENU, (0x68, 4, 3))
inode("attributes-inside", EDGE + "/sizes/1", (0xA0, 4, 0xEA020000), (0xA4, 4, 0x0101_0203))
inode("generation", MENU, (0x64, 4, 5))
inode("extents-magic", MENU, (0x28, 2, 0))
inode("extents-count", MENU, (0x2A, 2, 9))
inode("extents-depth", MENU, (0x2E, 2, 9))
inode("extent-outside", MENU, (0x3C, 4, 900_000))
inode("extent-table", MENU, (0x3C, 4, 70))
inode("extent-length", MENU, (0x38, 2, 0))
inode("extent-unwritten", FILE, (0x38, 2, 0x8010))
inode("link-short-end", EDGE + "/links/length-58", (0x04, 4, 20))
inode("link-size", EDGE + "/links/length-4000", (0x04, 4, 5000))
inode("link-empty", EDGE + "/links/length-1", (0x04, 4, 0))
inode("folder-size", EDGE + "/names", (0x04, 4, 8192))
inode("folder-is-file", EDGE + "/hard/sub", (0x00, 2, 0o100444))
inode("root-mode", 2, (0x00, 2, 0o100755))
inode("root-none", 2, (0x00, 2, 0), (0x28, 4, 0))
inode("resize", 7, (0x00, 2, 0))
inode("journal", 8, (0x00, 2, 0))
inode("journal-size", 8, (0x04, 4, 4096))


def share(image):
    """Two files have the same block."""
    one, other = image.root.find(EDGE + "/sizes/60"), image.root.find(EDGE + "/sizes/4095")
    image.put(image.root.inode(other) + 0x3C, 4, image.get(image.root.inode(one) + 0x3C, 4))
    return lambda: image.root.seal_inode(other)


case("ext4-inode-share", share, seals=True)
for name, offset, size, value in [
        ("magic", 0, 2, 0), ("count", 2, 2, 999), ("depth", 6, 2, 1), ("order", 12 + 12, 4, 0),
        ("outside", 12 + 8, 4, 900_000),
        ("checksum", 4092, 4, 1)]:
    def change(image, offset=offset, size=size, value=value):
        number = image.root.find("/holes")
        image.put(image.root.node(number) + offset, size, value)
        return lambda: image.root.seal_node(number)
    case("ext4-extents-" + name, change, seals=name != "checksum")

# --- ext4: folders

def entry(name, path, *fields, text=b""):
    """Fields of a path's entry, and a text in its name."""
    def change(image):
        offset = image.root.entry(path)
        for place, size, value in fields:
            image.put(offset + place, size, value)
        image.write(offset + 8, text)
        return lambda: image.root.seal_folder(image.root.find(path.rpartition("/")[0]), offset)
    case("ext4-entry-" + name, change, seals=True)


entry("inode-zero", MENU, (0, 4, 0))
entry("inode-outside", MENU, (0, 4, 900_000))
entry("inode-unused", MENU, (0, 4, 8000))
entry("inode-journal", MENU, (0, 4, 8))
entry("inode-folder", EDGE + "/sizes/1", (0, 4, 2), (7, 1, 2))
entry("length", MENU, (4, 2, 6))
entry("length-long", EDGE + "/sizes/59", (4, 2, 5000))
entry("name-empty", EDGE + "/sizes/59", (6, 1, 0))
entry("name-long", EDGE + "/sizes/59", (6, 1, 200))
entry("name-slash", EDGE + "/sizes/4096", text=b"/")
entry("name-nul", EDGE + "/sizes/4096", text=b"\0")
entry("name-twice", EDGE + "/sizes/4096", text=b"4095")
entry("name-escape", EDGE + "/sizes/4096", text=b"\x1b[31")
entry("kind", MENU, (7, 1, 2))
entry("kind-unknown", MENU, (7, 1, 99))
entry("dot", EDGE + "/sizes/.", (0, 4, 2))
entry("dot-name", EDGE + "/sizes/.", text=b"x")
entry("dot-dot", EDGE + "/sizes/..", (0, 4, 2))
entry("dot-dot-name", EDGE + "/sizes/..", text=b".x")
entry("menu-name", MENU, text=b"extlinux.conX")
entry("store-name", GLIBC, text=b"!")
entry("unknown-path", GLIBC, text=b"1")
entry("device-tree", "/boot/nixos/*-dtbs", text=b"9")
entry("initrd", "/boot/nixos/*-initrd", text=b"9")
for name, offset, size in [("tail", 4084, 12), ("empty", 0, BLOCK)]:
    case("ext4-folder-" + name, lambda image, offset=offset, size=size: image.write(
        image.root.blocks(image.root.find(EDGE + "/sizes"))[0] + offset, bytes(size)))
for name, offset, size, value in [
        ("hash", 0x1C, 1, 9), ("root", 0x1D, 1, 7), ("levels", 0x1E, 1, 3), ("limit", 0x20, 2, 100),
        ("count", 0x22, 2, 0),
        ("block", 0x24, 4, 99), ("twice", 0x2C, 4, 1), ("order", 0x28, 4, 0xFFFFFFF0), ("lines", 0x22, 2, 2),
        ("level", 0x1E, 1, 1)]:
    def change(image, offset=offset, size=size, value=value):
        number = image.root.find(EDGE + "/many")
        block = image.root.blocks(number)[0]
        limit = image.get(block + 0x20, 2)
        image.put(block + offset, size, value)
        return lambda: image.root.seal_index(number, limit)
    case("ext4-index-" + name, change, seals=True)

# --- files: nothing but what they say is changed

def text(name, path, old, new):
    def change(image):
        block = image.root.blocks(image.root.find(path))[0]
        image.write(image.find(old, block, BLOCK), new.ljust(len(old)))
    case("file-" + name, change)


text("byte", EDGE + "/sizes/1", b"", b"\xff")
text("menu-kernel", MENU, b"LINUX ../nixos/2", b"LINUX ../nixos/9")
text("menu-no-kernel", MENU, b"LINUX", b"XINUX")
text("menu-initrd", MENU, b"INITRD ../nixos/3", b"INITRD ../nixos/9")
text("menu-tree", MENU, b"FDTDIR ../nixos/2", b"FDTDIR ../nixos/9")
text("menu-init", MENU, b"init=/nix/store/6", b"init=/nix/store/9")
text("menu-no-init", MENU, b"init=", b"xnit=")
text("menu-root", MENU, b"console=ttyS1,115200n8", b"root=LABEL=OTHER_DISK")
text("menu-default", MENU, b"DEFAULT nixos-default", b"DEFAULT other")
text("menu-label", MENU, b"LABEL nixos-default", b"LABEL another")
text("menu-timeout", MENU, b"TIMEOUT 50", b"TIMEOUT x")
text("menu-empty", MENU, b"# Generated", b"\0" * 4000)
text("fstab-label", STORE + "4qwryipasdfghjklzxcvbnm123456789-etc/etc/fstab", b"NIXOS_SD", b"OTHER_SD")
text("registration-hash", "/nix-path-registration", b"sha256:19i1", b"sha256:09i1")
text("registration-short", "/nix-path-registration", b"sha256:19i1", b"sha256:19i\n")
text("registration-size", "/nix-path-registration", b"1401560", b"1401561")
text("registration-path", "/nix-path-registration", b"/nix/store/2", b"/nix/store/3")
text("registration-reference", "/nix-path-registration", b"\n1\n/nix/store/0", b"\n1\n/nix/store/9")
text("registration-count", "/nix-path-registration", b"\n1\n", b"\n7\n")
text("registration-empty", "/nix-path-registration", b"/nix", b"\0" * 1468)
text("kernel", "/boot/nixos/*-Image", b"", b"\xff" * BLOCK)
text("tree", "/boot/nixos/2mnbvcxzlkjhgfdsapiqyrwq01234567-linux-6.6.30-dtbs/broadcom/bcm2711-rpi-4-b.dtb", b"",
     b"\xff" * 40)


def empty(name, path):
    """A file without any content, all else as it should be but for its blocks, which are lost."""
    def change(image):
        number = image.root.find(path)
        for offset, size, value in [(0x04, 4, 0), (0x1C, 4, 0), (0x2A, 2, 0)]:
            image.put(image.root.inode(number) + offset, size, value)
        image.root.seal_inode(number)
    case("file-" + name, change)


empty("kernel-empty", "/boot/nixos/*-Image")
empty("initrd-empty", "/boot/nixos/*-initrd")
empty("menu-no-bytes", MENU)
empty("registration-no-bytes", "/nix-path-registration")


def config(name, old, new):
    def change(image):
        offset = image.fat.cluster(image.fat.first(image.fat.entry(CONFIG)))
        image.write(image.find(old, offset, SECTOR), new.ljust(len(old)))
    case("config-" + name, change)


config("kernel", b"u-boot.bin", b"u-other.bi")
config("32-bit", b"arm_64bit=1", b"arm_64bit=0")
config("include", b"avoid_warnings=1", b"include x.txt")
config("overlay", b"avoid_warnings=1", b"dtoverlay=none")
config("section", b"enable_uart=1", b"[nonsense")
config("nul", b"kernel", b"\0\0\0\0\0\0")

# --- the file as a whole: its end is missing, or there is more of it (the next case needs a new copy)
for name, size in [("nothing", 0), ("byte", 1), ("sector", 512), ("odd", 1000), ("fat-head", (1 << 20) + 512),
                   ("fat", 5 << 20), ("root-head", (9 << 20) + 3000), ("root", 40 << 20), ("last", -1), ("longer", -2)]:
    def change(image, size=size):
        image.close()
        os.truncate(image.path, size if size >= 0 else os.path.getsize(image.path) + (size if size == -1 else 4096))
    case("cut-" + name, change)


def repair(path, kept):
    with open(kept, "rb") as before, open(path, "r+b") as file:
        for offset, content in reversed(pickle.load(before)):
            file.seek(offset)
            file.write(content)


def main():
    words = sys.argv[1:]
    if words == ["--list"]:
        print("\n".join(CASES))
    elif words == ["--list-short"]:
        print("\n".join(name for name in CASES if not name.endswith("-stale") or name[:-6] in STALE))
    elif len(words) == 2 and words[1] in CASES:
        kept = words[0] + ".before"
        if os.path.exists(kept):
            repair(words[0], kept)
        image = Image(words[0])
        CASES[words[1]](image)
        with open(kept, "wb") as file:
            pickle.dump(image.before, file)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
