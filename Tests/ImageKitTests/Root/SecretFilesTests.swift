import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Secrets that are added to the root filesystem are not readable by accident.
@Suite struct SecretFilesTests: AddsToRoot {
    @Test func aPrivateKeyIsNotReadableByAccident() throws {
        let scratch = try ScratchDirectory()
        let directory = try make(
            "mkdir -p etc/ssh; echo '-----BEGIN OPENSSH PRIVATE KEY-----' >etc/ssh/key; echo age >other", in: scratch,
            "files")
        let key = directory.appending("etc/ssh/key").string
        for mode in [0o644, 0o640, 0o604, 0o444] as [mode_t] {
            chmod(key, mode)
            let error = message(try added([directory]))
            for word in ["'/etc/ssh/key'", "0" + String(mode, radix: 8), "chmod 600", "'copy SRC:/etc/ssh/key:MODE'"] {
                #expect(error.contains(word), "\(error)")
            }
            #expect(message(try added([], ["\(key):/key"])).contains("'/key'"))
            #expect(message(try added([], ["\(directory.string)/etc:/x"])).contains("'/x/ssh/key'"))
            // An explicit mode is intended, also of a copy that replaces the file.
            #expect(try attributes(added([], ["\(key):/key:0644"]).tree, "/key").permissions == 0o644)
            #expect(try !added([directory], ["\(key):/etc/ssh/key:0644"]).isPrivate)
            #expect(try added([directory], ["\(key):/etc/ssh/key:0600"]).isPrivate)
            #expect(try !added([directory], ["\(directory.string)/other:/etc/ssh/key"]).isPrivate)
        }
        chmod(key, 0o600)
        #expect(try attributes(added([directory]).tree, "/etc/ssh/key").permissions == 0o600)
    }

    /// A PEM file for a web server or Wi-Fi has the key after its certificates.
    @Test func aPrivateKeyIsFoundInTheFirstMebibyte() throws {
        let scratch = try ScratchDirectory()
        let directory = try make(": >file", in: scratch, "files")
        let file = URL(fileURLWithPath: directory.appending("file").string)
        let certificate =
            "-----BEGIN CERTIFICATE-----\n"
            + String(repeating: "MII" + String(repeating: "x", count: 61) + "\n", count: 99)
            + "-----END CERTIFICATE-----\n"
        func isFound(_ content: [UInt8]) throws -> Bool {
            try Data(content).write(to: file)
            chmod(file.path, 0o644)
            return message(try added([directory])).contains("a private key would be readable")
        }
        #expect(try isFound(Array((certificate + "-----BEGIN RSA PRIVATE KEY-----\nMII").utf8)))
        #expect(try !isFound(Array((certificate + certificate).utf8)))
        // At any offset, also across the border of two windows.
        let wide = "-----BEGIN \(String(repeating: "X", count: 69))PRIVATE KEY"
        var wrong: [Int] = []
        for key in ["AGE-SECRET-KEY-1", wide].map({ Array($0.utf8) }) {
            for border in [128 << 10, 1 << 20] {
                for end in border...border + key.count {
                    let content = [UInt8](repeating: 0x20, count: end - key.count) + key + [0x20]
                    if try isFound(content) != (end <= 1 << 20) { wrong.append(end) }
                }
            }
        }
        #expect(wrong.isEmpty)
        // A program that reads and writes keys has the words in it.
        let words = Array("\u{1}\u{1}\0-----BEGIN OPENSSH PRIVATE KEY-----\n\0".utf8)
        #expect(try !isFound(Array("\u{7f}ELF".utf8) + words))
        #expect(try isFound(Array("\u{7f}ELG".utf8) + words))
        // A huge file is not read to its end.
        try Data().write(to: file)
        truncate(file.path, 1 << 42)
        #expect(message(try added([directory])) == "")
    }

    @Test func anImageWithFilesThatOthersMayNotReadIsPrivate() throws {
        let scratch = try ScratchDirectory()
        let directory = try make(
            "mkdir -p a/b closed empty; echo x >a/b/x; echo y >closed/y; chmod 700 empty", in: scratch, "files")
        #expect(try !added([directory]).isPrivate)
        #expect(try !added([], ["\(directory.string)/a:/a"]).isPrivate)
        chmod(directory.appending("closed").string, 0o750)
        #expect(try added([directory]).isPrivate, "a folder that others may not enter")
        chmod(directory.appending("closed").string, 0o755)
        chmod(directory.appending("a/b/x").string, 0o640)
        #expect(try added([directory]).isPrivate, "a file that others may not read")
        #expect(try added([], ["\(directory.string)/a:/b"]).isPrivate)
        #expect(try !added([directory], ["\(directory.string)/a/b/x:/a/b/x:644"]).isPrivate, "another file replaced it")
        #expect(try added([], ["\(directory.string)/closed:/a:0600"]).isPrivate)
    }

    /// Secrets are often kept in a directory of mode 0700, whatever the modes of the files in it.
    @Test func warnsOfAClosedDirectoryThatIsOpened() throws {
        let scratch = try ScratchDirectory()
        let directory = try make("mkdir etc boot; echo x >etc/wifi; echo x >boot/x", in: scratch, "files")
        func warns(_ directories: [FilePath], _ copies: [String] = [], _ words: String...) throws -> Bool {
            let (_, isPrivate, warnings) = try added(directories, copies)
            #expect(isPrivate == !warnings.isEmpty && warnings.count < 2, "\(warnings)")
            guard let warning = warnings.first else { return false }
            for word in words + ["readable by everybody on the card as their modes say"] {
                #expect(warning.contains(word), "\(word) in: \(warning)")
            }
            return true
        }
        #expect(try !warns([directory]))
        for mode in [0o700, 0o750, 0o711, 0o754] as [mode_t] {
            chmod(directory.string, mode)
            // One sentence for everything in it.
            chmod(directory.appending("boot").string, mode)
            #expect(try warns([directory], [], "root directory \(directory.string) is closed", "'/' in the image"))
            chmod(directory.string, 0o755)
            #expect(try warns([directory], [], "'/boot' of root directory \(directory.string)", "'/boot' in the image"))
            #expect(try warns([], ["\(directory.string)/boot:/boot"], "'/boot' of copy \(directory.string)/boot"))
            // An explicit mode also applies to the files.
            let explicit = try added([], ["\(directory.string)/boot:/boot:0640"])
            #expect(explicit.isPrivate && explicit.warnings.isEmpty, "\(explicit.warnings)")
            chmod(directory.appending("boot").string, 0o755)
        }
        // A directory that stays closed keeps its secrets.
        chmod(directory.appending("etc").string, 0o700)
        #expect(try added([directory]).isPrivate && added([directory]).warnings.isEmpty)
        // An empty directory hides nothing.
        #expect(try !warns([make("chmod 700 .", in: scratch, "empty")]))
    }
}
