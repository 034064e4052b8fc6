import Glibc
import SystemPackage

/// A destination of bytes, which are written in order.
protocol ByteSink: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws(ImageError)
}

extension ByteSink {
    func write(_ bytes: [UInt8]) throws(ImageError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(ImageError) in try write(UnsafeRawBufferPointer(buffer)) }
    }
}

/// Appends bytes to an open file: standard output, or a file with a name.
final class DescriptorSink: ByteSink {
    private let descriptor: Int32
    private let path: FilePath

    /// - Parameter path: the path for errors.
    init(_ descriptor: Int32, path: FilePath) {
        self.descriptor = descriptor
        self.path = path
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if count == 0 || errno != EINTR {
                // A device that writes nothing and reports no error would otherwise be tried for ever.
                throw .system(count == 0 ? .ioError : .current, "cannot write", path: path)
            }
        }
    }
}
