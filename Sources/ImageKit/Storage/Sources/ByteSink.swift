import Glibc
import SystemPackage

/// Where finished bytes go, in order.
protocol ByteSink: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws(ImageError)
}

extension ByteSink {
    func write(_ bytes: [UInt8]) throws(ImageError) {
        var failure: ImageError?
        bytes.withUnsafeBytes { buffer in
            do throws(ImageError) { try write(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// An open file that bytes are appended to: standard output, or a file with a name of its own.
final class DescriptorSink: ByteSink {
    private let descriptor: Int32
    private let path: FilePath

    /// - Parameter path: how errors call it.
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
                // A device that takes nothing, and does not say why, would be asked for ever.
                throw .system(count == 0 ? .ioError : Errno.current, "cannot write", path: path)
            }
        }
    }
}
