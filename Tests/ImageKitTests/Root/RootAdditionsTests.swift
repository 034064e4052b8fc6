import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Directories and copies that are added to the root filesystem.
@Suite struct RootAdditionsTests: AddsToRoot {
    // MARK: Directories

    /// GNU find sees the same in the directory on the host and in the image as the kernel mounts it.
    @Test(.enabled(if: Ext4Judge.canMount, Comment(rawValue: Ext4Judge.mountReason)))
    func theKernelFindsTheDirectoryInTheImage() throws {
        let scratch = try ScratchDirectory()
        let directory = try make(
            #"""
            mkdir -p etc/ssh var/lib/secret empty $'\xff\xfe' "$(printf 'd%.0s' {1..255})"
            echo host >etc/hostname; echo key >etc/ssh/key; chmod 600 etc/ssh/key; chmod 1777 empty
            printf x >$'\xff\xfe/new\nline'; printf y >'-rf'; : >nothing; truncate -s 3M sparse; echo z >>sparse
            echo su >su; chmod 6755 su; echo locked >locked; chmod 0 locked; chmod 2750 var/lib/secret
            ln etc/hostname etc/alias; ln etc/hostname var/again
            ln -s ../nowhere etc/dangling; ln -s loop loop; ln -s $'\xff' odd; ln etc/dangling var/dangling
            find . -depth -exec touch -h -d '2001-02-03 04:05:06.789' {} +
            touch -d '1950-01-01' '-rf' 2>/dev/null || touch -d '1950-01-01' ./-rf
            """#, in: scratch, "files")
        let (tree, isPrivate, warnings) = try added([directory])
        #expect(isPrivate && warnings.isEmpty)
        // Type, mode, size of files, time in seconds, names of a file, name, target; sorted.
        let list = """
            cd "$1"; find . -mindepth 1 \
            \\( -path ./lost+found -o -path ./boot -o -path ./nix -o -path ./registration \\) -prune -o -mindepth 1 \
            \\( -type d -printf '%y %m %Ts 0 %U:%G %P\\0' -o -printf '%y %m %Ts %s %n %U:%G %P %l\\0' \\) \
            | sort -z | tr '\\0' '\\n'
            """
        let expected = try Judge.run("bash", ["-euc", list, "-", directory.string])
        #expect(expected.said.contains("981173106") && expected.said.contains("f 6755"), "\(expected.said)")
        let (image, _) = try scratch.judgedByKernel(tree)
        let found = try Ext4Judge.mounted(image, in: scratch.path) { try Judge.run("bash", ["-euc", list, "-", $0]) }
        #expect(found.status == 0 && found.said == expected.said, "\(found.said)")
        // The reader of e2fsprogs agrees on one of the files.
        let output = try Ext4Judge.debugfs("stat /etc/ssh/key", image)
        for word in ["Mode:  0600", "User:     0", "Group:     0", "Size: 4"] {
            #expect(output.contains(word), "\(output)")
        }
    }

    @Test func everythingBelongsToRoot() throws {
        let scratch = try ScratchDirectory()
        let directory = try make("echo x >file; chown 1234:567 file . 2>/dev/null || true", in: scratch, "files")
        let tree = try added([directory]).tree
        #expect(try attributes(tree, "/file").owner == 0 && attributes(tree, "/file").group == 0)
    }

    @Test func laterDirectoriesWinAndDirectoriesMerge() throws {
        let scratch = try ScratchDirectory()
        let first = try make(
            """
            mkdir -p boot/extlinux etc/a etc/was-folder
            echo one >boot/extlinux/extlinux.conf; echo one >etc/a/one
            echo one >etc/both; echo one >etc/was-file; echo x >etc/was-folder/x; chmod 750 etc
            """, in: scratch, "first")
        let second = try make(
            """
            mkdir -p etc/a etc/was-file
            echo two >etc/a/two; echo two >etc/both; echo two >etc/was-folder; chmod 711 etc
            touch -d @5 etc
            """, in: scratch, "second")
        let (tree, isPrivate, warnings) = try added([first, second])
        #expect(!isPrivate && warnings.isEmpty)
        #expect(try text(tree, "/boot/extlinux/extlinux.conf") == "one\n")
        #expect(try text(tree, "/etc/a/one") == "one\n" && text(tree, "/etc/a/two") == "two\n")
        #expect(try text(tree, "/etc/both") == "two\n" && text(tree, "/etc/was-folder") == "two\n")
        #expect(tree.node(at: "/etc/was-file").map { tree.kind(of: $0) } == .directory)
        #expect(try attributes(tree, "/etc") == FileAttributes(permissions: 0o711, modified: 5))
        #expect(tree.attributes(of: tree.root) == FileAttributes(permissions: 0o755))
        #expect(try text(tree, "/registration") == "generated")
        // The order of the directories matters.
        #expect(try text(added([second, first]).tree, "/etc/both") == "one\n")
    }

    @Test func followsALinkToTheDirectoryItself() throws {
        let scratch = try ScratchDirectory()
        _ = try make("echo x >file; ln -s file link", in: scratch, "files")
        let link = scratch.path + "/result"
        symlink("files", link)
        let tree = try added([FilePath(link)]).tree
        #expect(try text(tree, "/file") == "x\n")
        #expect(tree.node(at: "/link").map { tree.kind(of: $0) } == .symlink)
    }

    @Test func replacesNothingThatTheFirstBootReliesOn() throws {
        let scratch = try ScratchDirectory()
        for (name, script, words) in [
            ("a", "mkdir -p nix/store; echo x >nix/store/x", ["'/nix/store'", "the store", "add store paths"]),
            ("b", "mkdir -p nix/store", ["'/nix/store'", "the store"]),
            ("c", "mkdir nix; ln -s /elsewhere nix/store", ["'/nix/store'", "the store"]),
            ("d", "ln -s /elsewhere nix", ["'/nix'", "the store"]),
            ("e", "echo x >registration", ["'/registration'", "the registration", "move it"]),
            ("f", "mkdir registration", ["'/registration'", "the registration"]),
        ] {
            let directory = try make(script, in: scratch, name)
            let error = message(try added([directory]))
            for word in words + ["(root directory \(directory.string))"] {
                #expect(error.contains(word), "\(word) in: \(error)")
            }
        }
        let file = try make("echo x >file", in: scratch, "g").appending("file").string
        for (destination, word) in [
            ("/nix/store", "the store"), ("/nix/store/", "the store"), ("/nix/store/x/y", "the store"),
            ("//nix//store//x", "the store"), ("/nix", "the store"), ("/registration", "the registration"),
            ("/registration/x", "the registration"),
        ] {
            let error = message(try added([], ["\(file):\(destination)"]))
            #expect(error.contains(word) && error.contains("(copy \(file))"), "\(destination): \(error)")
        }
        // A path beside them is allowed.
        #expect(try text(added([], ["\(file):/nix/storey"]).tree, "/nix/storey") == "x\n")
    }

    /// The library words the origin of a path neutrally, and a program by its option.
    @Test func anErrorNamesTheAddition() throws {
        let scratch = try ScratchDirectory()
        let directory = try make("ln -s /elsewhere nix", in: scratch, "files")
        let error = try #require(throws: ImageError.self) { try added([directory]) }
        let start = "cannot put '/nix' into the image"
        #expect(error.message == start)
        #expect(error.description.hasPrefix("\(start) (root directory \(directory.string)): "))
        let named = error.description { "--\($0 == .rootFiles ? "files" : "") \($1 ?? "")" }
        #expect(named.hasPrefix("\(start) (--files \(directory.string)): "))
    }

    @Test func generatedFilesAndDirectoriesKeepTheirKinds() throws {
        let scratch = try ScratchDirectory()
        let file = try make("echo x >boot", in: scratch, "file")
        #expect(message(try added([file])).contains("cannot put '/boot' into the image"))
        let link = try make("mkdir boot; ln -s /x boot/extlinux", in: scratch, "link")
        #expect(message(try added([link])).contains("'/boot/extlinux'"))
        let directory = try make("mkdir -p boot/extlinux/extlinux.conf", in: scratch, "folder")
        #expect(message(try added([directory])).contains("it is a folder, and in the image it is none"))
        // A generated directory counts as generated even after something was added to it.
        let more = try make("mkdir boot; echo y >boot/more", in: scratch, "more")
        #expect(message(try added([more, file])).contains("cannot put '/boot' into the image"))
    }

    /// With a /nix of mode 0700, only root could run anything.
    @Test func generatedDirectoriesKeepTheirModes() throws {
        let scratch = try ScratchDirectory()
        let directory = try make(
            """
            mkdir -p nix/var/nix/profiles/per-user boot/extlinux etc; echo x >nix/more; echo x >boot/extlinux/more
            find . -type d -exec chmod 700 {} + -exec touch -d @5 {} +
            """, in: scratch, "files")
        let before = try generated()
        for tree in [
            try added([directory]).tree,
            try added(
                [directory, directory], ["\(directory.string)/nix:/nix:0600:1:2", "\(directory.string)/boot:/boot"]
            ).tree,
        ] {
            for path in ["/", "/nix", "/nix/store", "/nix/var", "/nix/var/nix/profiles", "/boot", "/boot/extlinux"] {
                #expect(try attributes(tree, path) == attributes(before, path), "\(path)")
            }
            // Files in them have the attributes of the host.
            #expect(try text(tree, "/nix/more") == "x\n" && text(tree, "/boot/extlinux/more") == "x\n")
            #expect(try attributes(tree, "/etc") == FileAttributes(permissions: 0o700, modified: 5))
            #expect(try attributes(tree, "/nix/var/nix/profiles/per-user").permissions == 0o700)
        }
    }

    @Test func refusesFilesThatNoImageCanHave() throws {
        let scratch = try ScratchDirectory()
        let pipe = try make("mkdir etc; mkfifo etc/pipe", in: scratch, "pipe")
        #expect(message(try added([pipe])).contains("named pipe"))
        #expect(message(try added([], ["\(pipe.string)/etc/pipe:/x"])).contains("named pipe"))
        let file = try make("echo x >file; ln -s loop loop; ln -s nowhere dangling", in: scratch, "file")
        #expect(message(try added([file.appending("file")])).contains("it is not a folder"))
        #expect(message(try added([file.appending("none")])).contains("No such file"))
        for link in ["loop", "dangling"] {
            #expect(message(try added([], ["\(file.string)/\(link):/x"])).contains(link))
            #expect(message(try added([file.appending(link)])).contains(link))
        }
        let lost = try make("echo x >lost+found", in: scratch, "lost")
        let tree = try added([lost]).tree
        #expect(message(try Ext4Formatter.layOut(tree, Ext4Options(uuid: Ext4Judge.uuid))).contains("lost+found"))
        // A deep tree, merged with itself.
        let deep = try make(
            "path=$(printf 'd/%.0s' {1..900}); mkdir -p $path; echo x >${path}file", in: scratch, "deep")
        #expect(try text(added([deep, deep]).tree, "/" + String(repeating: "d/", count: 900) + "file") == "x\n")
    }

    // MARK: Copies

    @Test func parsesCopiesFromTheEnd() throws {
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
            let error = message(try RootCopy(parsing: text))
            #expect(error.contains(word), "'\(text)': \(error)")
        }
    }

    @Test func copiesGetTheirModesAndOwners() throws {
        let scratch = try ScratchDirectory()
        let directory = try make(
            "mkdir -p tree/sub; echo a >tree/a; echo b >tree/sub/b; chmod 755 tree/a; ln -s a tree/link; "
                + "ln tree/a tree/a2; chmod 604 tree/sub/b; touch -d @77 tree/a; ln -s tree/a top", in: scratch, "files"
        ).string
        let tree = try added(
            [],
            [
                "\(directory)/tree:/etc/tree:0640:12:34", "\(directory)/tree:/srv/", "\(directory)/top:/root/.file",
                "\(directory)/tree/sub/b:/srv/tree/sub/:0444", "\(directory)/tree:/srv/bare:044",
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
        // Directories that did not exist.
        try check("/etc", 0o755)
        #expect(try attributes(tree, "/etc").modified == 1)
        try check("/srv/tree/a", 0o755)
        try check("/srv/tree/sub/b", 0o444)
        try check("/srv/bare", 0o055)
        // A source that is a link is followed.
        #expect(try text(tree, "/root/.file") == "a\n")
        #expect(tree.node(at: "/srv/tree/link").map { tree.kind(of: $0) } == .symlink)
    }

    @Test func copiesComeAfterDirectoriesAndInOrder() throws {
        let scratch = try ScratchDirectory()
        let directory = try make("mkdir etc; echo 0 >etc/x; ln -s etc link; echo f >file", in: scratch, "files")
        let file = try make("echo 1 >1; echo 2 >2; mkdir d", in: scratch, "copies").string
        #expect(try text(added([directory], ["\(file)/1:/etc/x", "\(file)/2:/etc/x"]).tree, "/etc/x") == "2\n")
        #expect(try text(added([directory], ["\(file)/2:/etc/x", "\(file)/1:/etc/x"]).tree, "/etc/x") == "1\n")
        // A copy never turns a file into a directory or the reverse, and follows no link of the image.
        for (copy, word) in [
            ("\(file)/1:/etc", "end DEST with '/'"), ("\(file)/d:/file", "it is a folder"),
            ("\(file)/1:/file/x", "is a file there"), ("\(file)/1:/link/x", "is a symbolic link there"),
            ("\(file)/1:/boot/extlinux", "there is a folder in the image"),
            ("\(file)/1:/boot/extlinux/extlinux.conf/x", "is a file there"),
        ] {
            #expect(
                message(try added([directory], [copy])).contains(word), "\(message(try added([directory], [copy])))")
        }
    }
}
