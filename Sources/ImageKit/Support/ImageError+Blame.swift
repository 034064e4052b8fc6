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
        /// A path that was named does not exist.
        public static let notFound = Self(.notFound)
        /// The input exists, but has the wrong form.
        public static let invalidInput = Self(.invalidInput)
        /// A source file changed between planning and reading.
        public static let changed = Self(.changed)
        /// The input does not fit: into a fixed size, a format's limit, the target disk.
        public static let doesNotFit = Self(.doesNotFit)
        /// An image or one of its structures is damaged.
        public static let corrupt = Self(.corrupt)
        /// The work was stopped on request.
        public static let cancelled = Self(.cancelled)
        /// The reader of a pipe went away.
        public static let brokenPipe = Self(.brokenPipe)
        /// A library below refused something that should have worked.
        public static let `internal` = Self(.internal)

        /// Who has to change something. Exhaustive, so that each new kind forces a decision.
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
        /// An image that is damaged.
        case image
        /// Whoever named the input: it is missing, has the wrong form or does not fit.
        case caller
        /// The machine: its disk, its limits, another program, somebody who stopped the work.
        case environment
        /// This library: a bug.
        case program

        /// Whether the input is at fault. A check reports such an error and reads on; it throws every other one.
        public var isInput: Bool {
            switch self {
            case .image, .caller: true
            case .environment, .program: false
            }
        }
    }

    /// Who has to change something.
    public var blame: Blame { damage == nil ? code.blame : .image }
}

extension ImageError.Code: CustomStringConvertible {
    /// The name of the kind, as in the source.
    public var description: String { "\(value)" }
}
