import CExt2FS

extension ImageError {
    /// An error of libext2fs.
    static func ext2(_ code: errcode_t, _ message: String) -> ImageError {
        // Without its table registered, the library's own codes come out as "Unknown code".
        initialize_ext2_error_table()
        return ImageError(.internal, message, reason: error_message(code).map { String(cString: $0) })
    }
}
