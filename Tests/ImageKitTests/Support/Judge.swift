import Foundation

/// External tools that check the images of ImageKit.
enum Judge {
    static let fatReason = "needs dosfstools, mtools, fdisk and faketime"
    static let hasFATTools = has(
        "mkfs.vfat", "fsck.fat", "mcopy", "mmd", "minfo", "mlabel", "sfdisk", "faketime")
    static let ext4Reason = "needs e2fsprogs"
    static let hasExt4Tools = has("e2fsck", "dumpe2fs", "debugfs", "resize2fs")

    /// Whether all of these tools are installed.
    static func has(_ tools: String...) -> Bool { tools.allSatisfy { path($0) != nil } }

    private static func path(_ tool: String) -> String? {
        ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"].map { $0 + tool }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The options that Tests/sanitize.sh gives a sanitizer, which the program gets, too.
    private static let sanitizerOptions = ProcessInfo.processInfo.environment.filter {
        $0.key == "ASAN_OPTIONS" || $0.key == "TSAN_OPTIONS"
    }

    /// Runs a tool in UTC and UTF-8.
    /// - Returns: the exit status, and all output.
    @discardableResult
    static func run(
        _ tool: String, _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) throws -> (status: Int32, said: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path(tool) ?? tool)
        process.arguments = arguments
        process.environment = [
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "MTOOLSRC": "/dev/null",
            // Nix warns about a missing group if it was only installed, and the tests read its output.
            "NIX_CONFIG": "build-users-group =",
        ].merging(sanitizerOptions) { $1 }.merging(environment) { $1 }
        let output = Pipe(), feed = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = feed
        try process.run()
        try feed.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try feed.fileHandleForWriting.close()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: said, as: UTF8.self))
    }
}
