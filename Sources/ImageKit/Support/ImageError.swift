/// What went wrong, where, why, and what to do about it.
///
/// Every throwing function of ImageKit throws this type. Its ``description`` is one sentence for a person (plus the
/// remedy); ``code`` is for programs.
public struct ImageError: Error, Sendable, Hashable {
    /// The kind of failure, for programs that react to it.
    public enum Code: Sendable, Hashable {
        /// A file or directory could not be opened, read, written or renamed.
        case inputOutput
        /// A path that was named is not there.
        case notFound
        /// The input is there, but not of the form that is asked for.
        case invalidInput
        /// A source file changed between planning and reading.
        case changed
        /// What is asked for does not fit (a fixed size, a format's limit, the target disk).
        case doesNotFit
        /// An image or one of its structures is damaged.
        case corrupt
        /// The work was stopped on request.
        case cancelled
        /// The reader of a pipe went away.
        case brokenPipe
        /// A library below refused something that should have worked.
        case `internal`
    }

    /// The kind of failure.
    public let code: Code
    /// What failed, as the beginning of a sentence: "cannot read", "the firmware does not fit".
    public let message: String
    /// The path it failed on, if it was one.
    public let path: String?
    /// The byte offset it failed at, if that matters.
    public let offset: UInt64?
    /// Why it failed.
    public let reason: String?
    /// What the person can do about it.
    public let remedy: String?
    /// What kind of damage it is, where a check may name it and read on.
    var damage: Finding.Kind?

    /// Makes an error from its parts; see the properties of the same names.
    public init(
        _ code: Code, _ message: String, path: String? = nil, offset: UInt64? = nil, reason: String? = nil,
        remedy: String? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.reason = reason
        self.remedy = remedy
    }

    /// The same, about a path, unless it names one already.
    func on(_ place: String) -> ImageError {
        var error = ImageError(
            code, message, path: path ?? place, offset: offset, reason: reason, remedy: remedy)
        error.damage = damage
        return error
    }
}

extension ImageError: CustomStringConvertible {
    /// One line: message, path in quotes, offset, reason, remedy. Control characters are shown escaped.
    public var description: String {
        var text = message
        if let path { text += " '\(path)'" }
        if let offset { text += " at byte \(offset)" }
        if let reason { text += ": \(reason)" }
        if let remedy { text += "; \(remedy)" }
        return Self.printable(text)
    }

    /// A text as it can be shown on a terminal: control characters never reach it.
    public static func printable(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
                shown += "\\x" + scalar.value.digits(width: 2)
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}
