/// A failure: what failed, where, why, and what to do about it.
///
/// Every throwing function of ImageKit throws this type. Its ``description`` is one sentence for a person, which
/// includes the remedy. ``code`` and ``blame`` are for programs.
public struct ImageError: Error, Sendable, Hashable {
    /// The kind of failure.
    public let code: Code
    /// What failed, as the start of a sentence: "cannot read", "the firmware does not fit".
    public let message: String
    /// The path of the file or directory, on the host or in an image.
    public let path: String?
    /// The byte offset in the file or image.
    public let offset: UInt64?
    /// The cause.
    public let reason: String?
    /// What a person can do about it.
    public let remedy: Advice?
    /// The user's choice that brought the path ("root directory ./files"); it follows ``message`` in parentheses.
    var origin: Advice?
    /// The kind of damage, if a check may report it and continue.
    var damage: Finding.Kind?
    /// The damaged structure ("inode 12"), which replaces ``message`` in ``fault``.
    var subject: String?

    /// Makes an error; see the properties of the same names.
    public init(
        _ code: Code, _ message: String, path: String? = nil, offset: UInt64? = nil, reason: String? = nil,
        remedy: Advice? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.reason = reason
        self.remedy = remedy
    }

    /// The same error with this path, unless it has one already.
    func on(_ newPath: String) -> ImageError {
        var error = ImageError(
            code, message, path: path ?? newPath, offset: offset, reason: reason, remedy: remedy)
        (error.origin, error.damage, error.subject) = (origin, damage, subject)
        return error
    }

    /// The text for a ``Finding``: the damaged structure (or else the message) and the reason, without path and remedy.
    var fault: String {
        let start = subject ?? message
        return reason.map { "\(start): \($0)" } ?? start
    }
}

extension ImageError: CustomStringConvertible {
    /// One line: message, origin in parentheses, path in quotes, offset, reason, remedy; control characters escaped.
    public var description: String { description(origin: origin?.description, remedy: remedy?.description) }

    /// The same line, with a program's own names for settings.
    /// - Parameter naming: see ``Advice/text(naming:)``.
    public func description(naming: (_ setting: Advice.Setting, _ value: String?) -> String) -> String {
        description(origin: origin?.text(naming: naming), remedy: remedy?.text(naming: naming))
    }

    private func description(origin: String?, remedy: String?) -> String {
        var text = message
        if let origin { text += " (\(origin))" }
        if let path { text += " '\(path)'" }
        if let offset { text += " at byte \(offset)" }
        if let reason { text += ": \(reason)" }
        if let remedy { text += "; \(remedy)" }
        return Self.printable(text)
    }

    /// Escapes the control characters of a text (C0, C1, DEL) as in `\x1b`, so that it cannot control a terminal.
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
