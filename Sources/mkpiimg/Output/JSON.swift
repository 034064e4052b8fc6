import FoundationEssentials
import ImageKit

/// Results for scripts.
enum JSON {
    /// Prints one value.
    static func write(_ value: some Encodable, isPretty: Bool = false) throws(ImageError) {
        try StandardOutput.write(bytes: try bytes(value, isPretty: isPretty) + [0x0A])
    }

    /// One value, its keys in alphabetical order.
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
