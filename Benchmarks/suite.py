#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""suite.py [--rounds N] [--work DIR] [--out DIR] [--levels L,...] [--threads N,...] [--peers NAME,...]
         [--once NAME,...] [--image mkpiimg|mke2fs] [--cold] [--title TEXT] -- BUILD-OPTIONS...

Runs mkpiimg and its alternatives on the same store, in turn. Writes a page with a table (figures.md), and a plot of
size against CPU time (figures.svg). BUILD-OPTIONS are mkpiimg's: --closure, --store-root, --registration, --firmware
(one each). Images go to DIR (/dev/shm): keep it and the store in tmpfs, otherwise the disk limits the results. Peers
named with --once run in the first round only. suite.sh makes the inputs and runs this script on each.

  mkpiimg-L…    the whole job at that level
  zstd, pzstd   only compression of the finished raw image: mkpiimg's image, which has similar files side by side, or
                with --image mke2fs the image of mke2fs, which has files in the order of the directories
  mke2fs        mke2fs -d, e2fsck -D, sfdisk, dd, pzstd: an image by hand
  genimage      genimage, then zstd
  nixpkgs       the steps of nixpkgs' sd-image module (reference-image.sh); needs Nix, and the closure in its store
  emulated      the same with arm64 tools under qemu-aarch64 (TOOLS: the bin of emulated-tools.sh)

The page lists peers that are not installed as left out. CPU is user+sys. Memory is that of the largest process. Bytes
read and written are those of read() and write() of all processes, so a pipe counts on both ends.
"""
import argparse, math, os, shutil, statistics, subprocess, sys

from measuring import measure

HERE = os.path.dirname(os.path.abspath(__file__))


def parse():
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", default="/dev/shm")
    parser.add_argument("--out", default=".")
    parser.add_argument("--levels", default="1,2,3,9,19")
    parser.add_argument("--threads", default=str(os.cpu_count()))
    parser.add_argument("--peers", default="zstd,pzstd,mke2fs,genimage,nixpkgs,emulated")
    parser.add_argument("--once", default="")
    parser.add_argument("--title", default="")
    parser.add_argument("--image", choices=["mkpiimg", "mke2fs"], default="mkpiimg")
    parser.add_argument("--cold", action="store_true", help="drop the kernel's caches before each run (root)")
    options = parser.parse_args(words[:cut])
    build = words[cut + 1:]
    if "--closure" not in build:
        parser.error("mkpiimg's options are missing after --")
    return options, build


def value(build, name, default=None):
    return build[build.index(name) + 1] if name in build else default


def by_hand(store, work, shrink=":"):
    """Returns the commands that make the image `hand/disk` with mke2fs and sfdisk."""
    return f"""
        rm -rf {work}/hand; mkdir {work}/hand; cd {work}/hand
        bytes=$(($(du -s -B1 --apparent-size {store}/nix | cut -f1) * 12 / 10 + $(find {store}/nix | wc -l) * 4096))
        truncate -s $((bytes / 1048576 * 1048576)) root
        mke2fs -q -t ext4 -b 4096 -L NIXOS_SD -d {store} root
        e2fsck -fyD root >e2fsck.log || test $? = 1
        {shrink}
        truncate -s 30M fat; mkfs.vfat -n FIRMWARE fat
        truncate -s 38M disk; dd if=fat of=disk bs=1M seek=8 conv=notrunc,sparse status=none
        dd if=root of=disk bs=1M seek=38 conv=notrunc,sparse status=none
        printf 'start=8M,size=30M,type=b\\nstart=38M,type=83,bootable\\n' | sfdisk -q disk"""


def by_genimage(store, work, out):
    """Returns the commands that make the compressed image with genimage."""
    return f"""
        rm -rf {work}/gen; mkdir -p {work}/gen/in; cd {work}/gen
        size=$(($(du -s -B1M --apparent-size {store}/nix | cut -f1) * 13 / 10 + 512))
        truncate -s 30M in/fat.vfat; mkfs.vfat -n FIRMWARE in/fat.vfat
        cat >config <<END
        image root.ext4 {{ ext4 {{ label = "NIXOS_SD" use-mke2fs = true }} size = ${{size}}M }}
        image disk.img {{ hdimage {{ align = 1M }}
            partition firmware {{ image = "fat.vfat" partition-type = 0xb offset = 8M }}
            partition root {{ image = "root.ext4" partition-type = 0x83 bootable = true }} }}
END
        genimage --config config --rootpath {store} --tmppath tmp --inputpath in --outputpath . --loglevel 0
        zstd -q -T0 -3 disk.img -o {out}"""


def commands(options, build, work):
    """Returns names and commands of everything that is compared, the missing peers, the preparation, and the output."""
    mkpiimg = os.environ.get("MKPIIMG", HERE + "/../.build/release/mkpiimg")
    quoted = " ".join("'" + word + "'" for word in build)
    store = value(build, "--store-root", "/")
    out, raw = f"{work}/out.img.zst", f"{work}/raw.img"
    found, missing = [], []
    for threads in options.threads.split(","):
        suffix = "" if threads == str(os.cpu_count()) else f"-T{threads}"
        for level in options.levels.split(","):
            found.append((
                f"mkpiimg-L{level}{suffix}",
                f"{mkpiimg} {quoted} --progress none --level {level} --threads {threads} --out {out}"))
    prefix = "" if store == "/" else store
    reference = (f"LAB={work}/lab STORE_ROOT={prefix} SINGLE_ZSTD=0 {HERE}/reference-image.sh "
                 f"{value(build, '--closure')} {out}")
    tools = os.environ.get("TOOLS", "")
    for name, tool, command in [
        ("zstd", "zstd", f"zstd -q -T0 -3 {raw} -o {out}"),
        ("pzstd", "pzstd", f"pzstd -q -3 {raw} -o {out}"),
        ("mke2fs", "pzstd", by_hand(store, work) + f"\npzstd -q -3 disk -o {out}"),
        ("genimage", "genimage", by_genimage(store, work, out)),
        ("nixpkgs", "nix-store", "TOOLS= " + reference),
        ("emulated", tools + "/mkfs.ext4", reference),
    ]:
        if name not in options.peers.split(","):
            continue
        if name in ["mke2fs", "genimage"] and not prefix:
            missing.append(f"{name} (it copies a whole store: name a copy of the closure with --store-root)")
        elif shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            found.append((name, command))
        else:
            missing.append(f"{name} ({os.path.basename(tool)} is not installed)")
    if options.image == "mkpiimg":
        prepare = f"{mkpiimg} {quoted} --progress none --out {raw}"
    elif prefix:
        # Shrunk, so that the peers do not have to compress more free space than mkpiimg's image has.
        prepare = by_hand(store, work, "resize2fs -M root &>resize2fs.log") + f"\nmv disk {raw}; rm -r {work}/hand"
    else:
        sys.exit("mke2fs copies a whole store: name a copy of the closure with --store-root")
    return found, missing, prepare, out


def plot(rows, path):
    """Writes a plot of size against CPU time."""
    width, height, edge = 720, 420, 60
    xs, ys = [row["cpu"] for row in rows], [row["bytes"] for row in rows]
    def coordinate(number, numbers, length, is_reversed):
        low, high = min(numbers) * 0.97, max(numbers) * 1.03
        share = (number - low) / (high - low or 1)
        return edge + (1 - share if is_reversed else share) * (length - 2 * edge)
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
                   f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
                   f'<path d="M{edge} {edge}V{height - edge}H{width - edge}" fill="none" stroke="gray"/>'
                   f'<text x="{width / 2}" y="{height - 16}" text-anchor="middle">CPU, s (log)</text>'
                   f'<text x="12" y="{edge - 20}">MB</text>')
        logs = [math.log(x) for x in xs]
        for row in rows:
            x = coordinate(math.log(row["cpu"]), logs, width, False)
            y = coordinate(row["bytes"], ys, height, True)
            color = "#0a6" if row["name"].startswith("mkpiimg") else "#c33"
            file.write(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{color}"/><text x="{x + 7:.0f}" y="{y + 4:.0f}">'
                       f'{row["name"]} ({row["cpu"]:.1f} s, {row["bytes"] / 1e6:.0f} MB)</text>')
        file.write("</svg>\n")


def main():
    options, build = parse()
    work = os.path.join(options.work, f"suite.{os.getpid()}")
    os.makedirs(work)
    os.makedirs(options.out, exist_ok=True)
    try:
        todo, missing, prepare, out = commands(options, build, work)
        subprocess.run(["bash", "-euc", prepare], check=True)
        figures, sizes = {name: [] for name, _ in todo}, {}
        for number in range(options.rounds):
            for name, command in todo:
                if number > 0 and name in options.once.split(","):
                    continue
                if os.path.exists(out):
                    os.unlink(out)
                figures[name].append(measure(command, options.cold))
                sizes[name] = os.path.getsize(out)
                print(f"{number + 1}/{options.rounds} {name}: {figures[name][-1][0]:.2f} s", file=sys.stderr)
                for directory in ["hand", "gen", "lab"]:
                    shutil.rmtree(f"{work}/{directory}", ignore_errors=True)
        base = figures.get("zstd")
        rows = []
        for name, _ in todo:
            wall, cpu, memory, read, written = (statistics.median(column) for column in zip(*figures[name]))
            ratios = [statistics.median(mine[i] / zstd[i] for mine, zstd in zip(figures[name], base)) if base else None
                      for i in (1, 0)]
            rows.append(dict(name=name, wall=wall, cpu=cpu, memory=memory, read=read, written=written,
                             bytes=sizes[name], ratios=ratios))
        with open(f"{options.out}/figures.md", "w") as page:
            if options.title:
                page.write(f"# {options.title}\n\n")
            page.write(f"Medians of {options.rounds} rounds in turn, {'cold' if options.cold else 'warm'} cache, "
                       f"{os.cpu_count()} processors. Ratios are medians of pairs with `zstd -T0 -3` on "
                       f"{options.image}'s image.\n\n"
                       "| | wall s | CPU s | CPU ratio | wall ratio | peak MiB | read MB | written MB | bytes |\n"
                       "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
            for row in rows:
                ratios = ["-" if ratio is None else f"{ratio:.2f}" for ratio in row["ratios"]]
                page.write(f"| {row['name']} | {row['wall']:.2f} | {row['cpu']:.2f} | {ratios[0]} | {ratios[1]} | "
                           f"{row['memory'] / 1024:.0f} | {row['read'] / 1e6:.0f} | {row['written'] / 1e6:.0f} | "
                           f"{row['bytes']:,} |\n")
            if missing:
                page.write("\nLeft out: " + ", ".join(missing) + ".\n")
            page.write("\n![size against CPU time](figures.svg)\n")
        plot(rows, f"{options.out}/figures.svg")
        print(open(f"{options.out}/figures.md").read())
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
