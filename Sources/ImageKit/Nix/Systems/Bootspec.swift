import FoundationEssentials
import SystemPackage

/// The bootspec of a system, `boot.json` in its toplevel: how to boot the system, for generators of boot menus.
///
/// ```
///   {
///     "org.nixos.bootspec.v1": {
///       "system": "aarch64-linux", "label": "NixOS … (Linux 6.6.30)", "toplevel": "/nix/store/…",
///       "init": "/nix/store/…/init", "kernel": "/nix/store/…/Image", "initrd": "/nix/store/…/initrd",
///       "kernelParams": ["console=tty0", …]
///     },
///     "org.nixos.specialisation.v1": { "<name>": { "org.nixos.bootspec.v1": { … } }, … }
///   }
/// ```
///
/// Source: NixOS RFC 125 and the file that nixpkgs' bootspec module writes. Other keys are extensions and are ignored.
/// Device trees are not in it.
struct Bootspec: Decodable {
    /// A system.
    struct Entry: Decodable {
        var system: String?
        var `init`: String?
        var kernel: String?
        var initrd: String?
        var kernelParams: [String]?
        var label: String?
        var toplevel: String?
    }

    var entry: Entry?
    var specialisations: [String: Bootspec]?

    private enum CodingKeys: String, CodingKey {
        case entry = "org.nixos.bootspec.v1"
        case specialisations = "org.nixos.specialisation.v1"
    }

    /// The longest file that is read, in bytes. Systems have a few dozen specialisations at most, each of a few KiB.
    private static let maximumSize = 4 << 20

    /// Reads `boot.json`; `nil` if it is of another version.
    static func read(_ file: FilePath) throws(ImageError) -> Bootspec? {
        let bytes = try WholeFile.read(file, atMost: maximumSize)
        do {
            let spec = try JSONDecoder().decode(Bootspec.self, from: Data(bytes))
            return spec.entry == nil ? nil : spec
        } catch {
            throw ImageError(
                .invalidInput, "cannot boot with", path: file.string, reason: "it is no bootspec (\(reason(error)))",
                remedy: "build the system again, or remove the file from it")
        }
    }

    /// The decoder's error, without the names of its types.
    private static func reason(_ error: any Error) -> String {
        func location(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "" : " at '\(path.map(\.stringValue).joined(separator: "."))'"
        }
        return switch error {
        case DecodingError.typeMismatch(_, let context): "a value of the wrong type\(location(context.codingPath))"
        case DecodingError.valueNotFound(_, let context): "a missing value\(location(context.codingPath))"
        default: "not JSON"
        }
    }
}
