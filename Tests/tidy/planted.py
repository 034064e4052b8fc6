#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each gate passes a small sound checkout, and fails it once a violation is planted."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

GATES = pathlib.Path(__file__).resolve().parent
TOP = GATES.parent.parent

DESIGN = """\
# Design

## Rooms

| room | content |
| --- | --- |
| `Image/` | images |
| `FAT/`, `Ext4/` | formats |

### Inside the rooms

| room | directories |
| --- | --- |
| `FAT/` | `Check/` → `Read/`, `Write/` → `Format/` |
"""
OPTIONS = """\
import ArgumentParser

struct Build: ParsableCommand {
    @Option(help: "The file.") var out: String
    @Option(name: .customLong("copy"), help: "Files.") var copies: [String] = []
    @Option(help: "Where the store is.") var storeRoot = "/"
    @Flag(inversion: .prefixedNo, help: "Find equal files.") var deduplicate = true
    @Flag(help: "Show all.") var long = false
}
"""
FUNCTION = """\
struct Table {
    /// Adds the numbers from 1 to 3, and says "}" \\(a brace).
    func sum(of first: Int = { 1 }()) -> Int {
        var sum = first
        print("{ \\(sum) (")
%s        return sum
    }
}
"""
SOUND = {
    "docs/design.md": DESIGN,
    "Sources/mkpiimg/Build.swift": OPTIONS,
    "Sources/ImageKit/Image/Image.swift": "struct Image {\n    let table: FATTable\n}\n",
    "Sources/ImageKit/Ext4/Ext4Volume.swift": "struct Ext4Volume {\n    let text = \"zstd --long=27\"\n}\n",
    "Sources/ImageKit/FAT/FATRoom.swift": "struct FATRoom {\n    let check: FATCheck\n}\n",
    "Sources/ImageKit/FAT/Check/FATCheck.swift": "struct FATCheck {\n    let volume: FATVolume\n}\n",
    "Sources/ImageKit/FAT/Read/FATVolume.swift": "struct FATVolume {\n    let table: FATTable\n}\n",
    "Sources/ImageKit/FAT/Write/FATWriter.swift": "struct FATWriter {\n    let table: FATTable\n}\n",
    "Sources/ImageKit/FAT/Format/FATTable.swift": "struct FATTable {\n    let text = \"Ext4Volume\"  // FATVolume\n}\n",
    "Sources/ImageKit/FAT/Format/Table.swift": FUNCTION % ("        sum += 1\n" * 65),
    "Tests/run.sh": "#!/bin/bash\necho \"$1\"\n",
    "Tests/tool.py": "def tool():\n    return 1\n",
    "Tests/tidy/words": "2    text: \\b[Pp]laces?\\b\n1    prose: \\bwhat is\\b\n",
    "Tests/tidy/counts": "1    lines of more than 120 columns in docs/\n",
    "Tests/tidy/long-functions": "# none\nlong.py long\n",
    "docs/words.md": "The place of a place is what is asked.\n\n" + "long " * 30 + "\n\n| " + "row " * 40 + "|\n",
    "Examples/long.py": "def long():\n" + "    print()\n" * 70,
}

# A gate, the files that replace or follow those of the sound checkout ("+" appends; None removes), and what it says.
FORMAT, SCRIPTS = ["tools.py", "format"], ["tools.py", "scripts"]
ARROWS, LENGTHS, WORDS = ["arrows.py"], ["lengths.py"], ["words.py"]
OPTION, STRAYS = ["options.py"], ["strays.py"]
PLANTED = [
    (ARROWS, {"Sources/ImageKit/FAT/FATRoom.swift": "+// Image\nlet image: Image?\n"},
     ["FAT/ -> Image/ points up:", "Sources/ImageKit/FAT/FATRoom.swift:5 Image", "circle: FAT/, Image/"]),
    (ARROWS, {"Sources/ImageKit/FAT/FATRoom.swift": '+let text = "\\(Ext4Volume.self)"\n'},
     ["FAT/ -> Ext4/ points sideways:"]),
    (ARROWS, {"Sources/ImageKit/FAT/Format/FATTable.swift": "+extension FATTable {\n    var check: FATCheck?\n}\n"},
     ["FAT/Format/ -> FAT/Check/ points up:", "circle: FAT/Check/, FAT/Format/, FAT/Read/"]),
    (ARROWS, {"Sources/ImageKit/FAT/Write/FATWriter.swift": "+let volume: FATVolume?\n"},
     ["FAT/Write/ -> FAT/Read/ points sideways:"]),
    (ARROWS, {"Sources/ImageKit/FAT/Check/FATCheck.swift": "+let room: FATRoom?\n"},
     ["FAT/Check/ -> FAT/ points up:"]),
    (ARROWS, {"Sources/ImageKit/Zstd/Zstd.swift": "let zstd = 1\n"}, ["does not list Zstd in the table Rooms"]),
    (ARROWS, {"Sources/ImageKit/Ext4/Ext4Volume.swift": None}, ["lists Ext4, but no source"]),
    (ARROWS, {"Sources/ImageKit/Image/Open/Open.swift": "let open = 1\n"}, ["does not list Image in the table Inside"]),
    (ARROWS, {"Sources/ImageKit/FAT/Write/FATWriter.swift": None}, ["lists Write, but no source"]),
    (ARROWS, {"Sources/ImageKit/FAT/Read/Deep/Deep.swift": "let deep = 1\n"}, ["third level"]),
    (ARROWS, {"docs/design.md": "+| `Image/` | Open/ |\n"}, ["not a row"]),
    (FORMAT, {"Sources/ImageKit/Image/Image.swift": "+  let   wrong = 1\n"}, ["Image.swift:4:"]),
    (SCRIPTS, {"Tests/run.sh": "+echo $1\n"}, ["Tests/run.sh:3:6: note:"]),
    (LENGTHS, {"Tests/tool.py": "+# " + "x" * 119 + "\n"}, ["columns in Tests/", "Tests/tool.py:3 has 121"]),
    (LENGTHS, {"docs/words.md": "+" + "long " * 30 + "\n"}, ["allows 1 of", "docs/words.md:6 has 150"]),
    (LENGTHS, {"docs/words.md": "short\n"}, ["from 1 to 0"]),
    (LENGTHS, {"Tests/run.sh": "+" + "echo\n" * 399}, ["Tests/run.sh has 401"]),
    (LENGTHS, {"Sources/ImageKit/FAT/Format/Table.swift": FUNCTION % ("        sum += 1\n" * 66)},
     ["Table.swift:3 sum has 71 lines"]),
    (LENGTHS, {"Tests/tool.py": "def tool():\n" + "    print()\n" * 70}, ["Tests/tool.py:1 tool has 71 lines"]),
    (LENGTHS, {"Examples/long.py": "def long():\n    pass\n"}, ["remove 'long.py long'"]),
    (WORDS, {"Sources/ImageKit/Image/Image.swift": "+let place = 1\n"}, ["allows 2 of", "there are 3"]),
    (WORDS, {"Sources/ImageKit/Image/Image.swift": "+let a = 1  // what is it\n"}, ["allows 1 of", "there are 2"]),
    (WORDS, {"docs/words.md": "A place.\n"}, ["from 2 to 1", "from 1 to 0"]),
    (OPTION, {"Sources/ImageKit/Image/Image.swift": '+let text = "use --store-root, --copy or --no-deduplicate"\n'},
     ["there are 3:", "Sources/ImageKit/Image/Image.swift:4 --store-root"]),
    (OPTION, {"Sources/ImageKit/Image/Image.swift": "+let text = \"\"\"\n    look with 'mkpiimg build'\n    \"\"\"\n"},
     ["mkpiimg build"]),
    (STRAYS, {"Sources/ImageKit/Image.swiftmodule": "a\0b"}, ["Image.swiftmodule is not text"]),
    (STRAYS, {"docs/words.md": "a\n<<<<<<" + "< HEAD\nb\n"}, ["docs/words.md has a conflict"]),
]


def checkout(directory, planted):
    """Writes the sound checkout with some files replaced."""
    for name, text in SOUND.items():
        write(directory / name, text)
    for name, text in planted.items():
        if text is None:
            (directory / name).unlink()
        elif text.startswith("+"):
            write(directory / name, SOUND[name] + text[1:])
        else:
            write(directory / name, text)
    shutil.copy(TOP / ".swift-format", directory)
    subprocess.run(["git", "init", "-q", directory], check=True)


def write(path, text):
    """Writes a file below a directory that may not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(gate, planted, *more):
    """The exit status of a gate in a checkout, what it prints, and the checkout's counts afterwards."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        checkout(directory, planted)
        done = subprocess.run([sys.executable, GATES / gate[0], *gate[1:], *more], cwd=directory,
                              capture_output=True, text=True)
        kept = "".join((directory / "Tests/tidy" / file).read_text() for file in ("words", "counts", "long-functions"))
        return done.returncode, done.stdout + done.stderr, kept


def complaint(gate, planted, expected):
    """A sentence about a gate that did not do what it should have done, or None."""
    status, output, _ = run(gate, planted)
    if status == 77:
        return None
    if not planted:
        return f"{' '.join(gate)} fails a sound checkout:\n{output}" if status else None
    missing = [text for text in expected if text not in output]
    if status != 1 or missing:
        return f"{' '.join(gate)} ends with {status} and does not say {missing} of {planted}:\n{output}"
    return None


def lowering():
    """A sentence about --lower if it raises a count, or does not lower one."""
    more = {"docs/words.md": "One place.\n", "Tests/tool.py": "+# " + "x" * 119 + "\n"}
    _, _, words = run(WORDS, more, "--lower")
    _, _, counts = run(LENGTHS, more | {"Examples/long.py": "def long():\n    pass\n"}, "--lower")
    expected = [("1    text:", words), ("0    prose:", words), ("0    lines", counts), ("# none\n", counts)]
    missing = [text for text, kept in expected if text not in kept]
    if missing or "in Tests/" in counts or "long.py" in counts:
        return f"--lower does not lower {missing}, or raises:\n{words}\n{counts}"
    return None


def main():
    sound = [(gate, {}, []) for gate in (FORMAT, SCRIPTS, ARROWS, LENGTHS, WORDS, OPTION, STRAYS)]
    with ThreadPoolExecutor() as pool:
        complaints = list(pool.map(lambda case: complaint(*case), sound + PLANTED)) + [lowering()]
    complaints = list(filter(None, complaints))
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
