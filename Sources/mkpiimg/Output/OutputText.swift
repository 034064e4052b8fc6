import ImageKit
import SystemPackage

/// A text that appears as a file whole or not at all.
enum OutputText {
    /// Writes a text into a file beside it and gives that its name; what was there before is replaced at that moment.
    ///
    /// - Throws: ``ImageError/Code/notFound`` where the directory is missing, ``ImageError/Code/invalidInput`` where the path is
    ///   a directory or a device, ``ImageError/Code/inputOutput`` where it cannot be written.
    static func write(_ text: String, to path: FilePath) throws(ImageError) {
        var file = try OutputFile(path)
        do {
            _ = try FileDescriptor(rawValue: file.descriptor).writeAll(Array(text.utf8))
        } catch {
            throw .system(error as? Errno ?? .ioError, "cannot write", path: path)
        }
        try file.commit()
    }
}
