import FoundationEssentials
import ImageKit

/// The output of `mkpiimg ls`: text like that of `ls`, or JSON.
struct Listing {
    private let isLong: Bool
    private let isJSON: Bool
    private let partition: Int
    private let top: String
    private var output = BufferedOutput()
    private var isFirst = true
    /// The number of symbolic links that could not be read.
    private(set) var damages = 0

    init(isLong: Bool, isJSON: Bool, partition: Int, top: String) {
        self.isLong = isLong
        self.isJSON = isJSON
        self.partition = partition
        self.top = top
    }

    /// Writes one name per line.
    mutating func show(names: [[UInt8]]) throws(ImageError) {
        for name in names { try output.write(StandardOutput.shown(name) + [0x0A]) }
    }

    /// Writes a directory's entries, below its path unless it is the only directory.
    mutating func show(
        _ path: [UInt8], _ children: [(name: [UInt8], node: ImageNode)], isTop: Bool
    ) throws(ImageError) {
        if isJSON {
            for (name, node) in children { try showJSON(path, name, node) }
            return
        }
        if !isTop {
            let heading = path.isEmpty ? Array(top.utf8) : Self.joined(Array(top.utf8), path)
            try output.write((isFirst ? [] : [0x0A]) + StandardOutput.shown(heading) + Array(":\n".utf8))
            isFirst = false
        }
        guard isLong else {
            try show(names: children.map(\.name))
            return
        }
        let rows = children.map { Row($0.node) }
        let widths = rows.reduce(into: [0, 0, 0, 0]) { widths, row in
            for (index, field) in row.fields.enumerated() { widths[index] = max(widths[index], field.utf8.count) }
        }
        for ((name, node), row) in zip(children, rows) {
            var line = Array(row.text(widths).utf8) + StandardOutput.shown(name)
            if node.kind == .symlink {
                line += Array(" -> ".utf8) + StandardOutput.shown(target(of: node) ?? [UInt8(ascii: "?")])
            }
            try output.write(line + [0x0A])
        }
    }

    /// Ends the output, and writes the rest of it.
    mutating func end() throws(ImageError) {
        if isJSON { try output.write(Array((isFirst ? header + "]}\n" : "\n]}\n").utf8)) }
        try output.flush()
    }

    /// The target of a symbolic link; `nil` if it is damaged, which is reported.
    private mutating func target(of link: ImageNode) -> [UInt8]? {
        do throws(ImageError) {
            return try link.target()
        } catch {
            damages += 1
            StandardError.write("mkpiimg: \(error.sentence)\n")
            return nil
        }
    }

    /// A path below another one.
    private static func joined(_ directory: [UInt8], _ path: [UInt8]) -> [UInt8] {
        directory.last == 0x2F ? directory + path : directory + [0x2F] + path
    }

    // MARK: JSON

    /// One entry of the JSON output.
    private struct Entry: Encodable {
        var path: String
        /// The bytes of the path in hexadecimal, if they are not UTF-8 and `path` is therefore inexact.
        var pathBytes: String?
        var kind: String
        var size: UInt64
        var mode: String
        var owner: UInt32
        var group: UInt32
        var modified: Int64
        var links: Int
        var inode: UInt32?
        var target: String?
    }

    private var header: String { "{\"version\":1,\"partition\":\(partition),\"entries\":[" }

    private mutating func showJSON(_ path: [UInt8], _ name: [UInt8], _ node: ImageNode) throws(ImageError) {
        let isPath = name.first == 0x2F
        let full = isPath ? name : Self.joined(Self.joined(Array(top.utf8), path), name)
        let text = String(decoding: full, as: UTF8.self)
        let attributes = node.attributes
        let entry = Entry(
            path: text,
            pathBytes: Array(text.utf8) == full ? nil : full.map { $0.digits(width: 2) }.joined(),
            kind: Row.kind(node.kind).name, size: node.size,
            mode: "0" + attributes.permissions.digits(radix: 8, width: 3), owner: attributes.owner,
            group: attributes.group, modified: attributes.modified, links: node.links, inode: node.inode,
            target: node.kind == .symlink ? target(of: node).map { String(decoding: $0, as: UTF8.self) } : nil)
        try output.write(Array((isFirst ? header + "\n" : ",\n").utf8) + (try JSON.bytes(entry)))
        isFirst = false
    }
}

/// A line of `ls -l`, without the name.
private struct Row {
    let mode: String
    /// Links, owner, group, size.
    let fields: [String]
    let time: String

    init(_ node: ImageNode) {
        let attributes = node.attributes
        mode = Self.mode(node.kind, attributes.permissions)
        var size = "\(node.size)"
        switch node.kind {
        case .characterDevice(let major, let minor), .blockDevice(let major, let minor): size = "\(major), \(minor)"
        default: break
        }
        fields = ["\(node.links)", "\(attributes.owner)", "\(attributes.group)", size]
        time = CalendarTime(attributes.modified).text
    }

    func text(_ widths: [Int]) -> String {
        var text = mode
        for (field, width) in zip(fields, widths) { text += " " + field.right(in: width) }
        return text + " \(time) "
    }

    static func kind(_ kind: FileKind) -> (name: String, letter: String) {
        switch kind {
        case .directory: ("directory", "d")
        case .file: ("file", "-")
        case .symlink: ("symlink", "l")
        case .characterDevice: ("characterDevice", "c")
        case .blockDevice: ("blockDevice", "b")
        case .fifo: ("fifo", "p")
        case .socket: ("socket", "s")
        }
    }

    private static func mode(_ kind: FileKind, _ permissions: UInt16) -> String {
        var text = Self.kind(kind).letter
        for (shift, special, mark) in [(6, 0o4000, "s"), (3, 0o2000, "s"), (0, 0o1000, "t")]
            as [(UInt16, UInt16, String)]
        {
            let bits = permissions >> shift
            let isSpecial = permissions & special != 0, isExecutable = bits & 1 != 0
            text += bits & 4 != 0 ? "r" : "-"
            text += bits & 2 != 0 ? "w" : "-"
            text += isSpecial ? (isExecutable ? mark : mark.uppercased()) : isExecutable ? "x" : "-"
        }
        return text
    }
}
