public import ArgumentParser
public import ImageKit
public import SystemPackage

/// A size on the command line: see ``ImageKit/ByteSize``.
struct SizeArgument: ExpressibleByArgument {
    let bytes: UInt64

    init?(argument: String) {
        guard let bytes = ByteSize.parse(argument) else { return nil }
        self.bytes = bytes
    }

    init(_ bytes: UInt64) { self.bytes = bytes }

    var defaultValueDescription: String {
        for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] as [(UInt64, String)] where bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }
}

/// A filesystem's UUID on the command line; `random` makes a random one.
struct UUIDArgument: ExpressibleByArgument {
    let guid: GUID

    init?(argument: String) {
        guard let guid = argument == "random" ? .random() : GUID(argument) else { return nil }
        self.guid = guid
    }
}

/// A disk's identifier on the command line, hexadecimal with `0x` or decimal; `random` makes a random one.
struct DiskIDArgument: ExpressibleByArgument {
    let value: UInt32

    init?(argument: String) {
        if argument == "random" {
            value = .random(in: 1 ... .max)
        } else {
            let isHex = argument.lowercased().hasPrefix("0x")
            // `UInt32` would accept a plus sign.
            guard argument.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }),
                let value = UInt32(isHex ? String(argument.dropFirst(2)) : argument, radix: isHex ? 16 : 10)
            else {
                return nil
            }
            self.value = value
        }
    }
}

extension FilePath: @retroactive ExpressibleByArgument {
    /// Any text is a path.
    public init?(argument: String) { self.init(argument) }
}

extension BootStyle: ExpressibleByArgument {}

/// A board, or all boards of an architecture, on the command line.
struct BoardArgument: ExpressibleByArgument {
    let boards: [Board]

    init?(argument: String) {
        guard let boards = Board.named(argument) else { return nil }
        self.boards = boards
    }

    static var allValueStrings: [String] { Board.all.map(\.name) + Board.combinations }
}

extension MenuTimeout: ExpressibleByArgument {
    /// Reads a number of seconds, up to a day, or `none`.
    public init?(argument: String) {
        if argument == "none" {
            self = .forever
        } else {
            guard let seconds = UInt32(argument), seconds <= 86_400 else { return nil }
            self = .seconds(seconds)
        }
    }

    /// The text that ``init(argument:)`` reads.
    public var defaultValueDescription: String {
        switch self {
        case .forever: "none"
        case .seconds(let seconds): "\(seconds)"
        }
    }
}

extension ImageAddress: ExpressibleByArgument {
    /// See ``ImageKit/ImageAddress/init(parsing:)``.
    public init?(argument: String) {
        guard let address = try? ImageAddress(parsing: argument) else { return nil }
        self = address
    }

    /// Only the path, because a default is on the root partition.
    public var defaultValueDescription: String { path }
}
