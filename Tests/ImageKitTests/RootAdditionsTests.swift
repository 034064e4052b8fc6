import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// What `--root-files` and `--copy` lay over the root filesystem.
@Suite struct RootAdditionsTests {
    /// Makes files with a shell script that runs in a new folder.
    private func make(_ script: String, in scratch: borrowing ScratchFolder, _ name: String) throws -> FilePath {
        let folder = scratch.path + "/" + name
        let made = try Judge.run("bash", ["-euc", "umask 022; mkdir \"$1\"; cd \"$1\"; \(script)", "-", folder])
        try #require(made.status == 0, "\(made.said)")
        return FilePath(folder)
    }

    /// A root filesystem that was generated: a store, a menu, a registration.
    private func generated() throws -> FileTree {
        var tree = FileTree()
        var sketch = TreeSketch()
        let store = try tree.addDirectory([], FileTree.Attributes(permissions: 0o755))
        try sketch.put(store, at: "/nix/store")
        for path in ["/boot/extlinux/extlinux.conf", "/registration", "/nix/var/nix/profiles/system"] {
            try sketch.put(tree.addFile("generated".utf8, FileTree.Attributes(permissions: 0o444)), at: path)
        }
        tree.root = try sketch.build(into: &tree)
        return tree
    }

    private static let kept = [
        RootOverlay.Kept("/nix/store", "the store", remedy: "add store paths"),
        RootOverlay.Kept("//registration/", "the registration", remedy: "move it"),
    ]

    private func laid(
        _ folders: [FilePath] = [], _ copies: [String] = []
    ) throws(ImageError) -> (tree: FileTree, isPrivate: Bool, warnings: [String]) {
        var tree: FileTree
        do { tree = try generated() } catch { throw ImageError(.internal, "\(error)") }
        var additions = RootAdditions()
        additions.folders = folders
        for copy in copies { additions.copies.append(try RootCopy(parsing: copy)) }
        let said = try additions.lay(over: &tree, in: StoreLocation(), keeping: Self.kept, progress: nil)
        return (tree, said.isPrivate, said.warnings)
    }

    private func text(_ tree: FileTree, _ path: String) throws -> String {
        let node = try #require(tree.node(at: path), "\(path)")
        var bytes = [UInt8](repeating: 0, count: Int(tree.size(of: node)))
        try tree.read(node, count: bytes.count, at: 0, into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func attributes(_ tree: FileTree, _ path: String) throws -> FileTree.Attributes {
        try tree.attributes(of: #require(tree.node(at: path), "\(path)"))
    }

    // MARK: Folders

    /// GNU find sees the same in the folder on the host and in the image as the kernel mounts it.
    @Test(.enabled(if: Ext4Judge.canMount, Comment(rawValue: Ext4Judge.mountReason)))
    func theKernelFindsTheFolderInTheImage() throws {
        let scratch = try ScratchFolder()
        let folder = try make(
            #"""
            mkdir -p etc/ssh var/lib/secret empty $'\xff\xfe' "$(printf 'd%.0s' {1..255})"
            echo host >etc/hostname; echo key >etc/ssh/key; chmod 600 etc/ssh/key; chmod 1777 empty
            printf x >$'\xff\xfe/new\nline'; printf y >'-rf'; : >nothing; truncate -s 3M sparse; echo z >>sparse
            echo su >su; chmod 6755 su; echo locked >locked; chmod 0 locked; chmod 2750 var/lib/secret
            ln etc/hostname etc/alias; ln etc/hostname var/again
            ln -s ../nowhere etc/dangling; ln -s loop loop; ln -s $'\xff' odd; ln etc/dangling var/dangling
            find . -depth -exec touch -h -d '2001-02-03 04:05:06.789' {} +; touch -d '1950-01-01' '-rf' 2>/dev/null || touch -d '1950-01-01' ./-rf
            """#, in: scratch, "files")
        let (tree, isPrivate, warnings) = try laid([folder])
        #expect(isPrivate && warnings.isEmpty)
        // Type, mode, size of files, time in seconds, names of a file, name, target; sorted.
        let list = """
            cd "$1"; find . -mindepth 1 \\( -path ./lost+found -o -path ./boot -o -path ./nix -o -path ./registration \\) -prune \
            -o -mindepth 1 \\( -type d -printf '%y %m %Ts 0 %U:%G %P\\0' -o -printf '%y %m %Ts %s %n %U:%G %P %l\\0' \\) | sort -z | tr '\\0' '\\n'
            """
        let expected = try Judge.run("bash", ["-euc", list, "-", folder.string])
        #expect(expected.said.contains("981173106") && expected.said.contains("f 6755"), "\(expected.said)")
        let (image, _) = try scratch.judgedByKernel(tree)
        let found = try Ext4Judge.mounted(image, in: scratch.path) { try Judge.run("bash", ["-euc", list, "-", $0]) }
        #expect(found.status == 0 && found.said == expected.said, "\(found.said)")
        // And e2fsprogs' own reader sees one of them alike.
        let said = try Ext4Judge.debugfs("stat /etc/ssh/key", image)
        for word in ["Mode:  0600", "User:     0", "Group:     0", "Size: 4"] {
            #expect(said.contains(word), "\(said)")
        }
    }

    @Test func ownersAreRootsWhoeverHasTheFiles() throws {
        let scratch = try ScratchFolder()
        let folder = try make("echo x >file; chown 1234:567 file . 2>/dev/null || true", in: scratch, "files")
        let tree = try laid([folder]).tree
        #expect(try attributes(tree, "/file").owner == 0 && attributes(tree, "/file").group == 0)
    }

    @Test func laterFoldersWinAndFoldersMerge() throws {
        let scratch = try ScratchFolder()
        let one = try make(
            """
            mkdir -p boot/extlinux etc/a etc/was-folder; echo one >boot/extlinux/extlinux.conf; echo one >etc/a/one
            echo one >etc/both; echo one >etc/was-file; echo x >etc/was-folder/x; chmod 750 etc
            """, in: scratch, "one")
        let two = try make(
            """
            mkdir -p etc/a etc/was-file; echo two >etc/a/two; echo two >etc/both; echo two >etc/was-folder; chmod 711 etc
            touch -d @5 etc
            """, in: scratch, "two")
        let (tree, isPrivate, warnings) = try laid([one, two])
        #expect(!isPrivate && warnings.isEmpty)
        #expect(try text(tree, "/boot/extlinux/extlinux.conf") == "one\n")
        #expect(try text(tree, "/etc/a/one") == "one\n" && text(tree, "/etc/a/two") == "two\n")
        #expect(try text(tree, "/etc/both") == "two\n" && text(tree, "/etc/was-folder") == "two\n")
        #expect(tree.node(at: "/etc/was-file").map { tree.kind(of: $0) } == .directory)
        #expect(try attributes(tree, "/etc") == FileTree.Attributes(permissions: 0o711, modified: 5))
        #expect(tree.attributes(of: tree.root) == FileTree.Attributes(permissions: 0o755))
        #expect(try text(tree, "/registration") == "generated")
        // The same with the folders the other way round is another tree.
        #expect(try text(laid([two, one]).tree, "/etc/both") == "one\n")
    }

    @Test func followsALinkToTheFolderItself() throws {
        let scratch = try ScratchFolder()
        _ = try make("echo x >file; ln -s file link", in: scratch, "files")
        let link = scratch.path + "/result"
        symlink("files", link)
        let tree = try laid([FilePath(link)]).tree
        #expect(try text(tree, "/file") == "x\n")
        #expect(tree.node(at: "/link").map { tree.kind(of: $0) } == .symlink)
    }

    @Test func keepsWhatTheFirstBootReliesOn() throws {
        let scratch = try ScratchFolder()
        for (name, script, words) in [
            ("a", "mkdir -p nix/store; echo x >nix/store/x", ["'/nix/store'", "the store", "add store paths"]),
            ("b", "mkdir -p nix/store", ["'/nix/store'", "the store"]),
            ("c", "mkdir nix; ln -s /elsewhere nix/store", ["'/nix/store'", "the store"]),
            ("d", "ln -s /elsewhere nix", ["'/nix'", "the store"]),
            ("e", "echo x >registration", ["'/registration'", "the registration", "move it"]),
            ("f", "mkdir registration", ["'/registration'", "the registration"]),
        ] {
            let folder = try make(script, in: scratch, name)
            let said = message(try laid([folder]))
            for word in words + ["--root-files \(folder.string)"] {
                #expect(said.contains(word), "\(word) in: \(said)")
            }
        }
        let file = try make("echo x >file", in: scratch, "g").appending("file").string
        for (destination, word) in [
            ("/nix/store", "the store"), ("/nix/store/", "the store"), ("/nix/store/x/y", "the store"),
            ("//nix//store//x", "the store"), ("/nix", "the store"), ("/registration", "the registration"),
            ("/registration/x", "the registration"),
        ] {
            let said = message(try laid([], ["\(file):\(destination)"]))
            #expect(said.contains(word) && said.contains("--copy \(file)"), "\(destination): \(said)")
        }
        // Beside them is fine.
        #expect(try text(laid([], ["\(file):/nix/storey"]).tree, "/nix/storey") == "x\n")
    }

    @Test func filesAndFoldersThatAreGeneratedStayWhatTheyAre() throws {
        let scratch = try ScratchFolder()
        let file = try make("echo x >boot", in: scratch, "file")
        #expect(message(try laid([file])).contains("cannot put '/boot' into the image"))
        let link = try make("mkdir boot; ln -s /x boot/extlinux", in: scratch, "link")
        #expect(message(try laid([link])).contains("'/boot/extlinux'"))
        let folder = try make("mkdir -p boot/extlinux/extlinux.conf", in: scratch, "folder")
        #expect(message(try laid([folder])).contains("it is a folder, and in the image it is none"))
        // A folder that is generated stays so when something was laid into it.
        let more = try make("mkdir boot; echo y >boot/more", in: scratch, "more")
        #expect(message(try laid([more, file])).contains("cannot put '/boot' into the image"))
    }

    /// A /nix of mode 0700 is one behind which nobody but root runs anything.
    @Test func foldersThatAreGeneratedStayAsOpenAsTheyAre() throws {
        let scratch = try ScratchFolder()
        let folder = try make(
            """
            mkdir -p nix/var/nix/profiles/per-user boot/extlinux etc; echo x >nix/more; echo x >boot/extlinux/more
            find . -type d -exec chmod 700 {} + -exec touch -d @5 {} +
            """, in: scratch, "files")
        let before = try generated()
        for tree in [
            try laid([folder]).tree,
            try laid([folder, folder], ["\(folder.string)/nix:/nix:0600:1:2", "\(folder.string)/boot:/boot"]).tree,
        ] {
            for path in ["/", "/nix", "/nix/store", "/nix/var", "/nix/var/nix/profiles", "/boot", "/boot/extlinux"] {
                #expect(try attributes(tree, path) == attributes(before, path), "\(path)")
            }
            // What is below them is as it was.
            #expect(try text(tree, "/nix/more") == "x\n" && text(tree, "/boot/extlinux/more") == "x\n")
            #expect(try attributes(tree, "/etc") == FileTree.Attributes(permissions: 0o700, modified: 5))
            #expect(try attributes(tree, "/nix/var/nix/profiles/per-user").permissions == 0o700)
        }
    }

    @Test func refusesWhatNoImageHolds() throws {
        let scratch = try ScratchFolder()
        let pipe = try make("mkdir etc; mkfifo etc/pipe", in: scratch, "pipe")
        #expect(message(try laid([pipe])).contains("named pipe"))
        #expect(message(try laid([], ["\(pipe.string)/etc/pipe:/x"])).contains("named pipe"))
        let file = try make("echo x >file; ln -s loop loop; ln -s nowhere dangling", in: scratch, "file")
        #expect(message(try laid([file.appending("file")])).contains("it is not a folder"))
        #expect(message(try laid([file.appending("none")])).contains("No such file"))
        for link in ["loop", "dangling"] {
            #expect(message(try laid([], ["\(file.string)/\(link):/x"])).contains(link))
            #expect(message(try laid([file.appending(link)])).contains(link))
        }
        let lost = try make("echo x >lost+found", in: scratch, "lost")
        let tree = try laid([lost]).tree
        #expect(message(try Ext4Formatter.layOut(tree, Ext4Options(uuid: Ext4Judge.uuid))).contains("lost+found"))
        // Deep, twice, one over the other.
        let deep = try make(
            "path=$(printf 'd/%.0s' {1..900}); mkdir -p $path; echo x >${path}file", in: scratch, "deep")
        #expect(try text(laid([deep, deep]).tree, "/" + String(repeating: "d/", count: 900) + "file") == "x\n")
    }

    // MARK: Copies

    @Test func readsCopiesFromTheRight() throws {
        struct Expected {
            var text: String, source: String, destination: String, mode: UInt16?, owner: UInt32 = 0, group: UInt32 = 0
        }
        for expected in [
            Expected(text: "a:/b", source: "a", destination: "b", mode: nil),
            Expected(text: "a:/b:0600", source: "a", destination: "b", mode: 0o600),
            Expected(text: "a:/b:0", source: "a", destination: "b", mode: 0),
            Expected(text: "a:/b:7777:1:2", source: "a", destination: "b", mode: 0o7777, owner: 1, group: 2),
            Expected(
                text: "a:/b:644:4294967294:4294967294", source: "a", destination: "b", mode: 0o644,
                owner: 4_294_967_294, group: 4_294_967_294),
            Expected(text: "a:b:c:/d/e", source: "a:b:c", destination: "d/e", mode: nil),
            Expected(text: "/a:/b:/c:600", source: "/a:/b", destination: "c", mode: 0o600),
            Expected(text: "12:34:/b", source: "12:34", destination: "b", mode: nil),
            Expected(text: "dir/a:/b/", source: "dir/a", destination: "b/a", mode: nil),
            Expected(text: "dir/:/", source: "dir", destination: "dir", mode: nil),
            Expected(text: "a://b//c//:644", source: "a", destination: "b/c/a", mode: 0o644),
            Expected(text: "ä:/ö ü", source: "ä", destination: "ö ü", mode: nil),
        ] {
            let copy = try RootCopy(parsing: expected.text)
            #expect(copy.source.string == expected.source, "\(expected.text)")
            #expect(
                copy.destination.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
                    == expected.destination, "\(expected.text)")
            #expect(copy.mode == expected.mode, "\(expected.text)")
            #expect(copy.owner == expected.owner && copy.group == expected.group, "\(expected.text)")
        }
        for (text, word) in [
            ("", "no DEST"), ("a", "no DEST"), ("/a", "no DEST"), (":", "absolute"), ("a:", "absolute"),
            ("a:b", "absolute"), ("1:2:3:4:5", "absolute"), (":/b", "no SRC"), ("a:/b:", "absolute"),
            ("a:/b:0600:0", "both UID and GID"),
            ("a:/b:0800", "octal"), ("a:/b:10000", "octal"), ("a:/b:99999999999999999999", "octal"),
            ("a:/b:600:4294967295:0", "decimal"), ("a:/b:600:0:99999999999", "decimal"), ("a:/b:-1", "absolute"),
            ("a:/b:u=rw", "absolute"), ("a:/b:600:root:root", "absolute"), ("a:/b:٦٠٠", "absolute"),
            ("a:/b/../c", "'..'"), ("a:/b/.", "'.'"), ("a:/..", "'..'"), ("..:/b/", "no name"), ("/:/b/", "no name"),
            (".:/b/", "no name"), ("1:2:3:4", "no DEST"), ("600", "no DEST"), ("1:2:3", "no DEST"),
            ("a:/" + String(repeating: "n", count: 256), "cannot be a name"),
        ] {
            let said = message(try RootCopy(parsing: text))
            #expect(said.contains(word), "'\(text)': \(said)")
        }
    }

    @Test func copiesGetTheModesAndOwnersThatAreSaid() throws {
        let scratch = try ScratchFolder()
        let folder = try make(
            "mkdir -p tree/sub; echo a >tree/a; echo b >tree/sub/b; chmod 755 tree/a; ln -s a tree/link; ln tree/a tree/a2; "
                + "chmod 604 tree/sub/b; touch -d @77 tree/a; ln -s tree/a top", in: scratch, "files"
        ).string
        let tree = try laid(
            [],
            [
                "\(folder)/tree:/etc/tree:0640:12:34", "\(folder)/tree:/srv/", "\(folder)/top:/root/.file",
                "\(folder)/tree/sub/b:/srv/tree/sub/:0444", "\(folder)/tree:/srv/bare:044",
            ]
        ).tree
        func check(_ path: String, _ permissions: UInt16, _ owner: UInt32 = 0, _ group: UInt32 = 0) throws {
            let found = try attributes(tree, path)
            #expect(
                found.permissions == permissions && found.owner == owner && found.group == group, "\(path): \(found)")
        }
        try check("/etc/tree", 0o750, 12, 34)
        try check("/etc/tree/sub", 0o750, 12, 34)
        try check("/etc/tree/sub/b", 0o640, 12, 34)
        try check("/etc/tree/link", 0o777, 12, 34)
        #expect(tree.node(at: "/etc/tree/a") == tree.node(at: "/etc/tree/a2"))
        #expect(try attributes(tree, "/etc/tree/a").modified == 77)
        // Folders that were missing.
        try check("/etc", 0o755)
        #expect(try attributes(tree, "/etc").modified == 1)
        try check("/srv/tree/a", 0o755)
        try check("/srv/tree/sub/b", 0o444)
        try check("/srv/bare", 0o055)
        // A link that is named itself is what it leads to.
        #expect(try text(tree, "/root/.file") == "a\n")
        #expect(tree.node(at: "/srv/tree/link").map { tree.kind(of: $0) } == .symlink)
    }

    @Test func copiesComeAfterFoldersAndInOrder() throws {
        let scratch = try ScratchFolder()
        let folder = try make("mkdir etc; echo 0 >etc/x; ln -s etc link; echo f >file", in: scratch, "files")
        let file = try make("echo 1 >1; echo 2 >2; mkdir d", in: scratch, "copies").string
        #expect(try text(laid([folder], ["\(file)/1:/etc/x", "\(file)/2:/etc/x"]).tree, "/etc/x") == "2\n")
        #expect(try text(laid([folder], ["\(file)/2:/etc/x", "\(file)/1:/etc/x"]).tree, "/etc/x") == "1\n")
        // A copy never turns a file into a folder or the reverse, and follows no link of the image.
        for (copy, word) in [
            ("\(file)/1:/etc", "end DEST with '/'"), ("\(file)/d:/file", "it is a folder"),
            ("\(file)/1:/file/x", "is a file there"), ("\(file)/1:/link/x", "is a symbolic link there"),
            ("\(file)/1:/boot/extlinux", "there is a folder in the image"),
            ("\(file)/1:/boot/extlinux/extlinux.conf/x", "is a file there"),
        ] { #expect(message(try laid([folder], [copy])).contains(word), "\(message(try laid([folder], [copy])))") }
    }

    // MARK: Secrets

    @Test func knowsPrivateKeys() {
        for (text, isKey) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", true), ("-----BEGIN PRIVATE KEY-----\n", true),
            ("-----BEGIN RSA PRIVATE KEY-----\r\n", true), ("-----BEGIN PGP PRIVATE KEY BLOCK-----", true),
            ("# created: 2026\nAGE-SECRET-KEY-1QQQ", true), ("AGE-SECRET-KEY-PQ-1QQQ", true),
            ("AGE-SECRET-KEY-...\nAGE-SECRET-KEY-1", true), ("AGE-SECRET-KEY-x", false), ("AGE-SECRET-KEY-\n1", false),
            ("text\n\n-----BEGIN EC PRIVATE KEY-----", true),
            ("-----BEGIN -----BEGIN PRIVATE KEY", true),
            (String(repeating: "x", count: 4000) + "AGE-SECRET-KEY-1", true),
            ("-----BEGIN PUBLIC KEY-----", false), ("-----BEGIN CERTIFICATE-----\nPRIVATE KEY", false),
            ("PRIVATE KEY", false), ("AGE-SECRET-KEY-", false), ("", false), ("-----BEGIN ", false),
        ] { #expect(SecretFiles.isPrivateKey(Array(text.utf8)) == isKey, "\(text.prefix(50))") }
    }

    @Test func aPrivateKeyIsNotReadableByAccident() throws {
        let scratch = try ScratchFolder()
        let folder = try make(
            "mkdir -p etc/ssh; echo '-----BEGIN OPENSSH PRIVATE KEY-----' >etc/ssh/key; echo age >other", in: scratch,
            "files")
        let key = folder.appending("etc/ssh/key").string
        for mode in [0o644, 0o640, 0o604, 0o444] as [mode_t] {
            chmod(key, mode)
            let said = message(try laid([folder]))
            for word in ["'/etc/ssh/key'", "0" + String(mode, radix: 8), "chmod 600", "--copy SRC:/etc/ssh/key:MODE"] {
                #expect(said.contains(word), "\(said)")
            }
            #expect(message(try laid([], ["\(key):/key"])).contains("'/key'"))
            #expect(message(try laid([], ["\(folder.string)/etc:/x"])).contains("'/x/ssh/key'"))
            // Said explicitly, it is meant; so is what takes its place.
            #expect(try attributes(laid([], ["\(key):/key:0644"]).tree, "/key").permissions == 0o644)
            #expect(try !laid([folder], ["\(key):/etc/ssh/key:0644"]).isPrivate)
            #expect(try laid([folder], ["\(key):/etc/ssh/key:0600"]).isPrivate)
            #expect(try !laid([folder], ["\(folder.string)/other:/etc/ssh/key"]).isPrivate)
        }
        chmod(key, 0o600)
        #expect(try attributes(laid([folder]).tree, "/etc/ssh/key").permissions == 0o600)
    }

    /// A key comes after its certificates, which is where a PEM for a web server or Wi-Fi has it.
    @Test func aPrivateKeyIsFoundInTheFirstMebibyte() throws {
        let scratch = try ScratchFolder()
        let folder = try make(": >file", in: scratch, "files")
        let file = URL(fileURLWithPath: folder.appending("file").string)
        let certificate =
            "-----BEGIN CERTIFICATE-----\n"
            + String(repeating: "MII" + String(repeating: "x", count: 61) + "\n", count: 99)
            + "-----END CERTIFICATE-----\n"
        func isFound(_ content: [UInt8]) throws -> Bool {
            try Data(content).write(to: file)
            chmod(file.path, 0o644)
            return message(try laid([folder])).contains("a private key would be readable")
        }
        #expect(try isFound(Array((certificate + "-----BEGIN RSA PRIVATE KEY-----\nMII").utf8)))
        #expect(try !isFound(Array((certificate + certificate).utf8)))
        // At any place, also where one look ends and the next begins.
        let wide = "-----BEGIN \(String(repeating: "X", count: 69))PRIVATE KEY"
        var wrong: [Int] = []
        for key in ["AGE-SECRET-KEY-1", wide].map({ Array($0.utf8) }) {
            for place in [128 << 10, 1 << 20] {
                for end in place...place + key.count {
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
        // Nobody would wait for all of this one.
        try Data().write(to: file)
        truncate(file.path, 1 << 42)
        #expect(message(try laid([folder])) == "")
    }

    @Test func anImageWithWhatOthersMayNotReadIsPrivate() throws {
        let scratch = try ScratchFolder()
        let folder = try make(
            "mkdir -p a/b closed empty; echo x >a/b/x; echo y >closed/y; chmod 700 empty", in: scratch, "files")
        #expect(try !laid([folder]).isPrivate)
        #expect(try !laid([], ["\(folder.string)/a:/a"]).isPrivate)
        chmod(folder.appending("closed").string, 0o750)
        #expect(try laid([folder]).isPrivate, "a folder that others may not enter")
        chmod(folder.appending("closed").string, 0o755)
        chmod(folder.appending("a/b/x").string, 0o640)
        #expect(try laid([folder]).isPrivate, "a file that others may not read")
        #expect(try laid([], ["\(folder.string)/a:/b"]).isPrivate)
        #expect(try !laid([folder], ["\(folder.string)/a/b/x:/a/b/x:644"]).isPrivate, "another took its place")
        #expect(try laid([], ["\(folder.string)/closed:/a:0600"]).isPrivate)
    }

    /// People keep secrets in a folder of mode 0700, whatever the modes in it are.
    @Test func aClosedFolderThatIsOpenedIsSaid() throws {
        let scratch = try ScratchFolder()
        let folder = try make("mkdir etc boot; echo x >etc/wifi; echo x >boot/x", in: scratch, "files")
        func isSaid(_ folders: [FilePath], _ copies: [String] = [], _ words: String...) throws -> Bool {
            let (_, isPrivate, warnings) = try laid(folders, copies)
            #expect(isPrivate == !warnings.isEmpty && warnings.count < 2, "\(warnings)")
            guard let warning = warnings.first else { return false }
            for word in words + ["readable by everybody on the card as their modes say"] {
                #expect(warning.contains(word), "\(word) in: \(warning)")
            }
            return true
        }
        #expect(try !isSaid([folder]))
        for mode in [0o700, 0o750, 0o711, 0o754] as [mode_t] {
            chmod(folder.string, mode)
            // One sentence for all that is in it.
            chmod(folder.appending("boot").string, mode)
            #expect(try isSaid([folder], [], "--root-files \(folder.string) is closed", "'/' in the image"))
            chmod(folder.string, 0o755)
            #expect(try isSaid([folder], [], "'/boot' of --root-files \(folder.string)", "'/boot' in the image"))
            #expect(try isSaid([], ["\(folder.string)/boot:/boot"], "'/boot' of --copy \(folder.string)/boot"))
            // A mode that was said is the files' too.
            let meant = try laid([], ["\(folder.string)/boot:/boot:0640"])
            #expect(meant.isPrivate && meant.warnings.isEmpty, "\(meant.warnings)")
            chmod(folder.appending("boot").string, 0o755)
        }
        // A folder that stays closed keeps them.
        chmod(folder.appending("etc").string, 0o700)
        #expect(try laid([folder]).isPrivate && laid([folder]).warnings.isEmpty)
        // Nothing is in this one.
        #expect(try !isSaid([make("chmod 700 .", in: scratch, "empty")]))
    }
}
