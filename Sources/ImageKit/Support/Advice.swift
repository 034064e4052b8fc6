/// A sentence about a problem and its remedy. Its words do not name the options of any program.
///
/// A sentence may name settings of this library. A program has its own names for them, which ``text(naming:)`` inserts.
///
/// ```swift
/// let advice: Advice = "use a larger \(.frameSize)"
/// print(advice)                                       // use a larger frame size
/// print(advice.text { setting, value in "--frame" })  // use a larger --frame
/// ```
public struct Advice: Sendable, Hashable {
    /// A choice that a program leaves to its user, such as a property of ``ImageRecipe``.
    public struct Setting: Sendable, Hashable {
        /// The library's words for the setting.
        public let name: String

        init(_ name: String) { self.name = name }
    }

    fileprivate enum Part: Sendable, Hashable {
        case text(String)
        case setting(Setting, value: String?)
    }

    fileprivate var parts: [Part]

    /// The sentence, with a program's names for settings.
    /// - Parameter naming: returns the words for a setting, including the advised value if there is one.
    public func text(naming: (_ setting: Setting, _ value: String?) -> String) -> String {
        parts.reduce(into: "") { text, part in
            switch part {
            case .text(let words): text += words
            case .setting(let setting, let value): text += naming(setting, value)
            }
        }
    }

    /// Joins two sentences.
    static func + (left: Advice, right: Advice) -> Advice {
        var joined = left
        joined.parts += right.parts
        return joined
    }
}

extension Advice: CustomStringConvertible {
    /// The sentence, with the library's own words for settings, each followed by the advised value if there is one.
    public var description: String {
        text { setting, value in value.map { "\(setting.name) \($0)" } ?? setting.name }
    }
}

extension Advice: ExpressibleByStringInterpolation {
    /// Collects the words and settings of a sentence.
    public struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var parts: [Part] = []

        /// An empty sentence.
        public init(literalCapacity: Int, interpolationCount: Int) {}

        /// Appends words.
        public mutating func appendLiteral(_ literal: String) {
            if !literal.isEmpty { parts.append(.text(literal)) }
        }

        /// Appends a value as text.
        public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            appendLiteral(value.description)
        }

        /// Appends another sentence, with the settings that it names.
        public mutating func appendInterpolation(_ advice: Advice) { parts += advice.parts }

        /// Appends a setting, with the advised value.
        public mutating func appendInterpolation(_ setting: Setting, _ value: String? = nil) {
            parts.append(.setting(setting, value: value))
        }
    }

    /// A sentence that names no setting.
    public init(stringLiteral text: String) { parts = [.text(text)] }

    /// A sentence with values and settings.
    public init(stringInterpolation: StringInterpolation) { parts = stringInterpolation.parts }

    /// A sentence that names no setting.
    public init(_ text: String) { parts = [.text(text)] }
}

extension Advice.Setting {
    // MARK: The input

    /// See ``ImageRecipe/closures``.
    public static let closure = Self("closure")
    /// A file with a closure's registration: see ``ClosureSource``.
    public static let registration = Self("registration")
    /// A search for references instead of a registration: see ``ClosureSource``.
    public static let scanReferences = Self("reference scan")
    /// See ``ImageRecipe/store``.
    public static let storeRoot = Self("store root")
    /// See ``ImageRecipe/firmware``.
    public static let firmware = Self("firmware directory")
    /// Directories whose files are added to the root filesystem: see ``ImageRecipe/additions``.
    public static let rootFiles = Self("root directory")
    /// Single files copied to the root filesystem: see ``ImageRecipe/additions``.
    public static let copy = Self("copy")
    /// See ``ImageRecipe/hasProfile``.
    public static let profile = Self("profile")
    /// See ``ImageRecipe/registrationPath``.
    public static let registrationPath = Self("registration path")

    // MARK: Booting

    /// See ``ImageRecipe/boot``.
    public static let boot = Self("boot style")
    /// See ``ImageRecipe/boards``.
    public static let board = Self("board")
    /// See ``ImageRecipe/kernelParameters``.
    public static let kernelParameter = Self("kernel parameter")
    /// See ``ImageRecipe/deviceTree``.
    public static let deviceTree = Self("device tree")

    // MARK: Sizes and identities

    /// See ``ImageRecipe/gap``.
    public static let gap = Self("gap")
    /// See ``FATOptions/size``.
    public static let fatSize = Self("partition size")
    /// See ``ImageRecipe/firmwareLabel``.
    public static let firmwareLabel = Self("firmware label")
    /// See ``ImageRecipe/rootSize``.
    public static let rootSize = Self("root size")
    /// See ``ImageRecipe/rootSlack``.
    public static let rootSlack = Self("root slack")
    /// See ``ImageRecipe/rootLabel``.
    public static let rootLabel = Self("root label")
    /// See ``ImageRecipe/rootUUID``.
    public static let rootUUID = Self("root UUID")
    /// See ``ImageRecipe/diskID``.
    public static let diskID = Self("disk identifier")

    // MARK: Work

    /// See ``ImageRecipe/threads``.
    public static let threads = Self("threads")
    /// The intended size of a frame, in uncompressed bytes.
    public static let frameSize = Self("frame size")
    /// The file or device that the image is written to.
    public static let output = Self("output")
    /// A listing of an image's files.
    public static let listing = Self("a listing")
}
