import CExt2FS

extension ImageError {
    /// libext2fs's messages, behind a lock. Neither registering its table nor the text of an unknown code is safe in
    /// several threads at once. Without the table, the library's own codes come out as "Unknown code".
    private static let ext2Messages = Monitor(initialize_ext2_error_table())

    /// An error of libext2fs.
    static func ext2(_ code: errcode_t, _ message: String) -> ImageError {
        ImageError(
            .internal, message, reason: ext2Messages.change { _ in error_message(code).map { String(cString: $0) } })
    }
}
