import SystemPackage

extension FilePath {
    /// A path of these bytes, up to the first zero.
    init(bytes: some Sequence<UInt8>) {
        self.init(platformString: bytes.map { CChar(bitPattern: $0) } + [0])
    }

    /// The path's bytes, without a final zero.
    var bytes: [UInt8] { withPlatformString { Array(UnsafeRawBufferPointer(start: $0, count: length)) } }
}
