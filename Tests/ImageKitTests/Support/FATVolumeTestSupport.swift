import Foundation
import SystemPackage

@testable import ImageKit

/// A source of bytes in memory, which a test can damage.
struct FATBytes: ByteSource {
    var bytes: [UInt8]
    var size: UInt64 { UInt64(bytes.count) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        guard offset <= size, UInt64(buffer.count) <= size - offset else {
            throw ImageError(.corrupt, "cannot read \(buffer.count) bytes", offset: offset, reason: "past the end")
        }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + buffer.count]))
        }
    }

    /// A file of the host.
    static func file(_ path: String) throws -> FATBytes {
        FATBytes(bytes: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
    }

    static func map(_ map: SegmentMap) throws -> FATBytes {
        FATBytes(bytes: try map.read(Int(map.size), at: 0))
    }
}

/// A file of the host, read on demand: most of a large image is a hole.
final class FATImageFile: ByteSource {
    private let descriptor: FileDescriptor
    let size: UInt64

    init(_ path: String) throws {
        descriptor = try FileDescriptor.open(FilePath(path), .readOnly)
        size = UInt64(try descriptor.seek(offset: 0, from: .end))
    }

    deinit { try? descriptor.close() }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        let count = try? descriptor.read(fromAbsoluteOffset: Int64(offset), into: buffer)
        guard count == buffer.count else { throw ImageError(.inputOutput, "cannot read", offset: offset) }
    }
}

extension FileTree {
    /// Every path with its content; the content of a directory is `nil`.
    func everything() throws -> [String: [UInt8]?] {
        var found: [String: [UInt8]?] = [:]
        try walk(from: root) { path, node throws(ImageError) in
            guard !path.isEmpty else { return }
            let content: [UInt8]? =
                kind(of: node) == .file ? try read(node, atMost: Int(clamping: size(of: node))) : nil
            found[String(decoding: path, as: UTF8.self)] = .some(content)
        }
        return found
    }
}

/// A filesystem that mkfs.vfat has made and mtools has filled.
struct ForeignFAT: ~Copyable {
    let scratch: ScratchDirectory
    let image: String

    /// Makes it with `mkfs.vfat` and these options.
    init(_ options: [String], size: UInt64) throws {
        // A value that is not copyable must not throw after its first property is set.
        let scratch = try ScratchDirectory()
        let image = try scratch.empty("fat.img", size: size)
        try Self.must("mkfs.vfat", options + [image])
        self.image = image
        self.scratch = scratch
    }

    var volume: FATVolume {
        get throws { try FATVolume(try FATImageFile(image)) }
    }

    @discardableResult
    static func must(_ tool: String, _ arguments: [String]) throws -> String {
        let (status, said) = try Judge.run(tool, arguments, environment: ["MTOOLS_SKIP_CHECK": "1"])
        guard status == 0 else { throw ImageError(.internal, "\(tool) \(arguments)", reason: said) }
        return said
    }

    func directory(_ path: String) throws { try Self.must("mmd", ["-i", image, "::" + path]) }
    func delete(_ path: String) throws { try Self.must("mdel", ["-i", image, "::" + path]) }

    func put(_ content: [UInt8], _ path: String) throws {
        let file = scratch.path + "/content"
        try Data(content).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1_709_210_096)], ofItemAtPath: file)
        try Self.must("mcopy", ["-m", "-o", "-i", image, file, "::" + path])
    }

    /// All files and directories that mtools copies out of it.
    func everything() throws -> [String: [UInt8]?] {
        let copy = scratch.path + "/copy"
        try? FileManager.default.removeItem(atPath: copy)
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        try Self.must("mcopy", ["-s", "-n", "-i", image, "::/", copy])
        var found: [String: [UInt8]?] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: copy) {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: copy + "/" + path, isDirectory: &isDirectory)
            found[path] = .some(
                isDirectory.boolValue ? nil : Array(try Data(contentsOf: URL(fileURLWithPath: copy + "/" + path))))
        }
        return found
    }
}
