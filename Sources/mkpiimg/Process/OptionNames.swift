import ImageKit

extension Advice.Setting {
    /// The option that chooses this setting, and the advised value, as they are typed.
    func option(_ value: String?) -> String {
        if self == .listing { return "'mkpiimg ls'" }
        let option = Self.options[self] ?? name
        return value.map { "\(option) \($0)" } ?? option
    }

    private static let options: [Self: String] = [
        .closure: "--closure", .registration: "--registration", .scanReferences: "--scan-references",
        .storeRoot: "--store-root", .firmware: "--firmware", .rootFiles: "--root-files", .copy: "--copy",
        .profile: "--profile", .registrationPath: "--registration-path", .boot: "--boot",
        .board: "--board", .kernelParameter: "--kernel-param", .deviceTree: "--device-tree", .gap: "--gap",
        .fatSize: "--firmware-size", .firmwareLabel: "--firmware-label",
        .rootSize: "--root-size", .rootSlack: "--root-slack", .rootLabel: "--root-label", .rootUUID: "--root-uuid",
        .diskID: "--disk-id", .threads: "--threads", .frameSize: "--frame-size", .output: "--out",
    ]
}

extension Advice {
    /// The sentence as the program prints it, with options for settings. Control characters are escaped.
    var sentence: String { ImageError.printable(text { $0.option($1) }) }
}

extension ImageError {
    /// The error as the program prints it, with options for settings.
    var sentence: String { description { $0.option($1) } }
}
