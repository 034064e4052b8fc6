import SystemPackage

extension ImageError {
    /// The error of a system call on a path. The code, and the remedy unless one is given, follow from `errno`.
    static func system(
        _ errno: Errno, _ message: String, path: FilePath, offset: UInt64? = nil, remedy: Advice? = nil
    ) -> ImageError {
        ImageError(
            Code(errno), message, path: path.string, offset: offset, reason: errno.description,
            remedy: remedy ?? Self.remedy(for: errno))
    }

    private static func remedy(for errno: Errno) -> Advice? {
        switch errno {
        case .permissionDenied, .notPermitted: "run as a user who may, or change its permissions"
        case .noSpace, .diskQuotaExceeded: "free some space, or write to another disk"
        case .fileTooLarge: "write to a filesystem that takes files so large, or raise the limit with 'ulimit -f'"
        case .noMemory: "use fewer threads, or raise the limit with 'ulimit -v'"
        case .noSuchFileOrDirectory: "check the path"
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem: "raise the limit with 'ulimit -n'"
        case .readOnlyFileSystem: "write to a folder that is not read-only"
        case .ioError: "the disk may be failing: check the kernel's log"
        default: nil
        }
    }
}

extension ImageError.Code {
    init(_ errno: Errno) {
        switch errno {
        case .noSuchFileOrDirectory, .notDirectory: self = .notFound
        case .noSpace, .diskQuotaExceeded, .fileTooLarge: self = .doesNotFit
        case .brokenPipe: self = .brokenPipe
        default: self = .inputOutput
        }
    }
}
