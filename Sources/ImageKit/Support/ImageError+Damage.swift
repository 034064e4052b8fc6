extension ImageError {
    /// Whether it says that what was read is not as it should be, so that a check can name it and go on. All else is
    /// nothing that the image can do for: the disk it is on, somebody's wish to stop, a mistake in this library.
    var isDamage: Bool {
        switch code {
        case .corrupt, .invalidInput, .notFound, .doesNotFit: true
        case .inputOutput, .changed, .cancelled, .brokenPipe, .internal: false
        }
    }

    /// What was seen, for a finding: the reason without what to do.
    var seen: String { reason.map { "\(message): \($0)" } ?? message }
}
