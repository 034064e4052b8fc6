import Glibc

/// Finds private keys in files: those of OpenSSH, PEM, PGP and age.
///
/// ```
///   -----BEGIN OPENSSH PRIVATE KEY-----      armour: OpenSSH, PEM (PKCS #1, PKCS #8, SEC 1) and PGP
///   AGE-SECRET-KEY-1…                        age: the rest of a Bech32 text; newer kinds have a name before the 1
/// ```
///
/// Sources: RFC 7468, "Textual Encoding Structures"; OpenSSH's PROTOCOL.key; the age specification
/// (age-encryption.org).
enum PrivateKey {
    private static let ageKey = Array("AGE-SECRET-KEY-".utf8)
    private static let armour = Array("-----BEGIN ".utf8)
    private static let label = Array("PRIVATE KEY".utf8)
    /// The bytes of a line of armour that are searched for the label, from the end of ``armour`` on.
    private static let maximumLineLength = 80
    /// The first bytes of an ELF file. Programs that read and write keys contain all these words, so ELF files are not
    /// searched.
    private static let program: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]

    /// Bytes of a file that are searched, from its beginning: a key may follow a long chain of certificates.
    private static let searchedLength: UInt64 = 1 << 20
    /// Bytes that are searched at a time.
    private static let windowLength: UInt64 = 1 << 17
    /// Bytes that two windows share, since a key may begin at the end of the first.
    private static let overlap = UInt64(armour.count + maximumLineLength)

    /// Whether there is a private key in the first MiB of a file that is not an ELF file.
    /// - Throws: when the file cannot be read.
    static func isIn(_ file: FileTree.NodeID, of tree: FileTree) throws(ImageError) -> Bool {
        let end = min(tree.size(of: file), searchedLength)
        var bytes = [UInt8](repeating: 0, count: Int(min(end, windowLength)))
        var offset: UInt64 = 0
        while true {
            let count = Int(min(end - offset, windowLength))
            try tree.read(file, count: count, at: offset, into: &bytes)
            if offset == 0, bytes.starts(with: program) { return false }
            if bytes.withUnsafeBytes({ isIn($0[..<count]) }) { return true }
            if offset + UInt64(count) >= end { return false }
            offset += windowLength - overlap
        }
    }

    /// Whether a text has a private key.
    static func isIn(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { isIn($0[...]) } }

    private static func isIn(_ window: Slice<UnsafeRawBufferPointer>) -> Bool {
        let bytes = UnsafeRawBufferPointer(rebasing: window)
        var start = 0
        while let end = self.end(of: ageKey, in: bytes, from: start) {
            if let next = bytes[end...].first, isUppercaseOrDigit(next) { return true }
            start = end
        }
        start = 0
        while let end = self.end(of: armour, in: bytes, from: start) {
            let line = bytes[end...].prefix(maximumLineLength).prefix { $0 != 0x0A && $0 != 0x0D }
            if self.end(of: label, in: UnsafeRawBufferPointer(rebasing: line), from: 0) != nil { return true }
            start = end
        }
        return false
    }

    private static func isUppercaseOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// The index after the first occurrence of a word from `start` on; `nil` if it does not occur.
    ///
    /// The search of Swift's collections would take seconds for large directories.
    private static func end(of word: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress, let first = word.first else { return nil }
        var start = start
        while bytes.count - start >= word.count,
            let found = memchr(base + start, Int32(first), bytes.count - start - word.count + 1)
        {
            if memcmp(found, word, word.count) == 0 { return UnsafeRawPointer(found) - base + word.count }
            start = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }
}
