# SPDX-License-Identifier: Apache-2.0
"""image.py - the structures of a raw image (MBR, FAT16, ext4), found by their offsets, to be damaged in place.

It is for images that mkpiimg made: FAT16 in the first partition, ext4 with blocks of 4 KiB in the second. Nothing is
checked. Offsets are bytes from the beginning of the image.
"""

import mmap

SECTOR, BLOCK = 512, 4096


def make_crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = make_crc_table()


def crc32c(start, data):
    """CRC32c without the inversion at the end, as ext4 has it."""
    for byte in data:
        start = start >> 8 ^ CRC_TABLE[(start ^ byte) & 0xFF]
    return start


class Image:
    def __init__(self, path):
        self.path, self.before = path, []
        with open(path, "r+b") as file:
            self.data = mmap.mmap(file.fileno(), 0)
        self.fat = FAT(self, self.get(446 + 8, 4) * SECTOR)
        self.root = Ext4(self, self.get(446 + 16 + 8, 4) * SECTOR)

    def get(self, offset, size):
        return int.from_bytes(self.data[offset:offset + size], "little")

    def read(self, offset, size):
        return self.data[offset:offset + size]

    def put(self, offset, size, value):
        self.write(offset, (value % (1 << 8 * size)).to_bytes(size, "little"))

    def write(self, offset, content):
        """Writes, and keeps what was there."""
        self.before.append((offset, self.data[offset:offset + len(content)]))
        self.data[offset:offset + len(content)] = content

    def find(self, content, start, size):
        offset = self.data.find(content, start, start + size)
        assert offset >= 0, f"{content} is not there"
        return offset

    def close(self):
        self.data.flush()
        self.data.close()


class FAT:
    """A FAT16 filesystem. Changes of its table go to both copies."""

    def __init__(self, image, start):
        self.image, self.start = image, start
        self.cluster_size = image.get(start + 13, 1) * SECTOR
        self.table = start + image.get(start + 14, 2) * SECTOR
        self.table_size = image.get(start + 22, 2) * SECTOR
        self.folder = self.table + image.get(start + 16, 1) * self.table_size
        self.slots = image.get(start + 17, 2)
        self.clusters = self.folder + self.slots * 32

    def cluster(self, number):
        return self.clusters + (number - 2) * self.cluster_size

    def next(self, cluster):
        return self.image.get(self.table + 2 * cluster, 2)

    def link(self, cluster, value, copies=2):
        for copy in range(copies):
            self.image.put(self.table + copy * self.table_size + 2 * cluster, 2, value)

    def first(self, entry):
        """The first cluster of an entry's file."""
        return self.image.get(entry + 26, 2)

    def entry(self, name, folder=None):
        """The offset of the entry with a short name of 11 characters; the folder is one's cluster."""
        offset = self.folder if folder is None else self.cluster(folder)
        while self.image.data[offset:offset + 11] != name.encode():
            assert self.image.data[offset], f"{name} is not there"
            offset += 32
        return offset

    def end(self, folder=None):
        """The offset of the first slot that was never used."""
        offset = self.folder if folder is None else self.cluster(folder)
        while self.image.data[offset]:
            offset += 32
        return offset


class Ext4:
    """An ext4 filesystem with metadata_csum and 64bit. The seal_ methods correct a structure's checksum."""

    def __init__(self, image, start):
        self.image, self.start, self.superblock = image, start, start + 1024
        self.per_group = image.get(self.superblock + 0x28, 4)
        self.blocks_per_group = image.get(self.superblock + 0x20, 4)
        self.seed = crc32c(0xFFFFFFFF, image.read(self.superblock + 0x68, 16))

    def block(self, number):
        return self.start + number * BLOCK

    def group(self, number):
        """The offset of a group's descriptor."""
        return self.block(1) + 64 * number

    def bitmap(self, group, kind):
        """The offset of a group's bitmap of blocks (0) or inodes (1)."""
        return self.block(self.image.get(self.group(group) + 4 * kind, 4))

    def inode(self, number):
        group, index = divmod(number - 1, self.per_group)
        return self.block(self.image.get(self.group(group) + 8, 4)) + 256 * index

    def node(self, number):
        """The offset of the block of a file's extent tree."""
        area = self.inode(number) + 0x28
        assert self.image.get(area + 6, 2) == 1, "its extents are all in the inode"
        return self.block(self.image.get(area + 12 + 4, 4))

    def blocks(self, number):
        """The offsets of a file's blocks, in order, without its holes."""
        area, found = self.inode(number) + 0x28, []
        if self.image.get(area + 6, 2) == 1:
            area = self.node(number)
        for index in range(self.image.get(area + 2, 2)):
            entry = area + 12 + 12 * index
            first = self.image.get(entry + 8, 4)
            found += [self.block(first + count) for count in range(self.image.get(entry + 4, 2))]
        return found

    def entries(self, folder):
        """The entries of a folder: offset, inode and name of each."""
        for block in self.blocks(folder):
            offset = block
            while offset < block + BLOCK - 12:
                length = self.image.get(offset + 6, 1)
                yield offset, self.image.get(offset, 4), self.image.data[offset + 8:offset + 8 + length]
                offset += self.image.get(offset + 4, 2)

    def entry(self, path):
        """The offset of a path's entry in its folder; a '*' at its beginning stands for the rest of a name."""
        folder, _, name = path.rpartition("/")
        for offset, inode, found in self.entries(self.find(folder)):
            if inode and (found == name.encode() or name[:1] == "*" and found.endswith(name[1:].encode())):
                return offset
        raise AssertionError(f"{path} is not there")

    def find(self, path):
        """The inode of a path."""
        return self.image.get(self.entry(path), 4) if path else 2

    # --- checksums

    def sum_of(self, number):
        """Where the checksums begin of what belongs to an inode."""
        generation = self.image.read(self.inode(number) + 0x64, 4)
        return crc32c(crc32c(self.seed, number.to_bytes(4, "little")), generation)

    def seal_superblock(self):
        self.image.put(self.superblock + 0x3FC, 4, crc32c(0xFFFFFFFF, self.image.read(self.superblock, 0x3FC)))

    def seal_group(self, number):
        data = bytearray(self.image.read(self.group(number), 64))
        data[0x1E:0x20] = bytes(2)
        self.image.put(self.group(number) + 0x1E, 2, crc32c(crc32c(self.seed, number.to_bytes(4, "little")), data))

    def seal_bitmap(self, group, kind):
        size = (self.per_group if kind else self.blocks_per_group) // 8
        value = crc32c(self.seed, self.image.read(self.bitmap(group, kind), size))
        low, high = [(0x18, 0x38), (0x1A, 0x3A)][kind]
        self.image.put(self.group(group) + low, 2, value)
        self.image.put(self.group(group) + high, 2, value >> 16)
        self.seal_group(group)

    def seal_inode(self, number):
        offset = self.inode(number)
        data = bytearray(self.image.data[offset:offset + 256])
        data[0x7C:0x7E] = data[0x82:0x84] = bytes(2)
        value = crc32c(self.sum_of(number), data)
        self.image.put(offset + 0x7C, 2, value)
        self.image.put(offset + 0x82, 2, value >> 16)

    def seal_node(self, number):
        block = self.node(number)
        self.image.put(block + 4092, 4, crc32c(self.sum_of(number), self.image.data[block:block + 4092]))

    def seal_folder(self, number, block):
        """A block of entries; its offset is that of any byte in it."""
        block -= (block - self.start) % BLOCK
        self.image.put(block + 4092, 4, crc32c(self.sum_of(number), self.image.data[block:block + 4084]))

    def seal_index(self, number, limit=None):
        """The root of a folder's index."""
        block = self.blocks(number)[0]
        limit = limit or self.image.get(block + 32, 2)
        data = self.image.data[block:block + 32 + 8 * self.image.get(block + 34, 2)]
        tail = block + 32 + 8 * limit
        data += self.image.data[tail:tail + 4] + bytes(4)
        self.image.put(tail + 4, 4, crc32c(self.sum_of(number), data))
