import FoundationEssentials
import ImageKit

/// Results as JSON.
enum JSON {
    /// Prints one value and a line feed.
    static func write(_ value: some Encodable, isPretty: Bool = false) throws(ImageError) {
        try StandardOutput.write(bytes: try bytes(value, isPretty: isPretty) + [0x0A])
    }

    /// A value as JSON, with its keys in alphabetical order.
    static func bytes(_ value: some Encodable, isPretty: Bool = false) throws(ImageError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw ImageError(.internal, "cannot write JSON", reason: "\(error)")
        }
    }
}
