import Foundation
import ImageKit
import SystemPackage

/// `walk-image IMAGE [PLACE [FILE]]` lists the partitions of an image, sums up the files below a path in it, and prints
/// one of these files.
@main
struct WalkImage {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first, arguments.count <= 3 else {
            print("usage: walk-image IMAGE [PLACE [FILE]], such as: walk-image pi.img.zst firmware:/ config.txt")
            exit(64)
        }
        do throws(ImageError) {
            let image = try list(FilePath(path))
            guard let address = arguments.dropFirst().first else { return }
            try walk(image, address)
            if arguments.count == 3, let name = arguments.last { try show(image, address, name) }
        } catch {
            FileHandle.standardError.write(Data("walk-image: \(error)\n".utf8))
            exit(1)
        }
    }

    static func list(_ path: FilePath) throws(ImageError) -> DiskImage {
        let image = try DiskImage.open(path)
        print("\(ByteSize.format(image.source.size)), partition table: \(image.table.scheme)")
        for partition in image.table.partitions {
            let content = try image.content(of: partition)
            print("partition \(partition.number): \(ByteSize.format(partition.size)), \(content)")
        }
        return image
    }

    static func walk(_ image: DiskImage, _ text: String) throws(ImageError) {
        let address = try ImageAddress(parsing: text)
        let volume = try image.volume(address.partition)
        guard let top = try volume.node(at: address.path, followingLinks: true) else {
            throw ImageError(.notFound, "there is nothing at", path: text)
        }
        var files = 0
        var bytes: UInt64 = 0
        var largest: (size: UInt64, path: String) = (0, "")
        try top.walk { (path, _, children) throws(ImageError) in
            for (name, node) in children where node.kind == .file {
                files += 1
                bytes += node.size
                if node.size > largest.size {
                    largest = (node.size, String(decoding: path + [0x2F] + name, as: UTF8.self))
                }
            }
        }
        print("\(address): \(files) files, \(ByteSize.format(bytes))")
        print("the largest: \(ImageError.printable(largest.path)), \(ByteSize.format(largest.size))")
    }

    static func show(_ image: DiskImage, _ text: String, _ name: String) throws(ImageError) {
        let address = try ImageAddress(parsing: text)
        let volume = try image.volume(address.partition)
        guard let file = try volume.node(at: "\(address.path)/\(name)", followingLinks: true) else { return }
        let content = try file.content()
        var offset: UInt64 = 0
        while offset < content.size {
            let chunk = try content.read(Int(min(1 << 20, content.size - offset)), at: offset)
            print(String(decoding: chunk, as: UTF8.self), terminator: "")
            offset += UInt64(chunk.count)
        }
    }
}
