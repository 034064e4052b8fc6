extension ImageError {
    /// The kind of failure, for programs that react to it. There may be more kinds in a later version.
    public struct Code: Sendable, Hashable {
        private enum Value: Sendable, Hashable {
            case inputOutput, notFound, invalidInput, changed, doesNotFit, corrupt, cancelled, brokenPipe, `internal`
        }

        private let value: Value

        private init(_ value: Value) { self.value = value }

        /// A file or directory could not be opened, read, written or renamed.
        public static let inputOutput = Self(.inputOutput)
        /// A path that the caller gave does not exist.
        public static let notFound = Self(.notFound)
        /// The input exists, but has the wrong form.
        public static let invalidInput = Self(.invalidInput)
        /// A source file changed between planning and reading.
        public static let changed = Self(.changed)
        /// The input exceeds a fixed size, a limit of a format, or the space on the target disk.
        public static let doesNotFit = Self(.doesNotFit)
        /// An image or one of its structures is damaged.
        public static let corrupt = Self(.corrupt)
        /// The work was stopped on request.
        public static let cancelled = Self(.cancelled)
        /// The reader of a pipe closed it.
        public static let brokenPipe = Self(.brokenPipe)
        /// An underlying library refused a request that should have worked.
        public static let `internal` = Self(.internal)

        /// See ``ImageError/Blame``. The switch is exhaustive, so that each new kind forces a decision.
        fileprivate var blame: Blame {
            switch value {
            case .corrupt: .image
            case .notFound, .invalidInput, .doesNotFit: .caller
            case .inputOutput, .changed, .cancelled, .brokenPipe: .environment
            case .internal: .program
            }
        }
    }

    /// Who has to change something before the same call can succeed.
    public enum Blame: Sendable, Hashable {
        /// The image is damaged.
        case image
        /// The caller gave an input that is missing, has the wrong form or does not fit.
        case caller
        /// The machine: its disk, its limits, another program, or a request to stop.
        case environment
        /// This library has a bug.
        case program

        /// Whether the input is at fault. A check reports such an error and continues; it throws every other error.
        public var isInput: Bool {
            switch self {
            case .image, .caller: true
            case .environment, .program: false
            }
        }
    }

    /// See ``Blame``.
    public var blame: Blame { damage == nil ? code.blame : .image }
}

extension ImageError.Code: CustomStringConvertible {
    /// The name of the kind, as in the source.
    public var description: String { "\(value)" }
}
