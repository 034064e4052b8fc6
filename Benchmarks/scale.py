#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scale.py [--inodes N] [--data GIB] [--rounds N] [--work DIR] [--store DIR] [--out DIR]

Measures how time and memory grow with the size of a closure, and writes a table (scale.md) and a plot (scale.svg). It
measures plans of up to N inodes (2,000,000), of up to GIB (1024) of data in few files, and of both together. It builds,
inspects and verifies compressed images of up to N inodes, and a raw image of GIB. (env MKPIIMG: the program, by default
.build/release/mkpiimg.) Each round measures all plans; everything else is measured once.

The data is in files of 4 to 32 GiB that have 4 KiB of data in each MiB, and holes. So the image is as large as the
files, which take 1/256 of their size on the host. Other files consist almost completely of holes; they are planned, and
make the raw image. All closures are parts of one store, which is made in the work directory (/tmp) and then removed.
With --store, DIR keeps it for the next run. 2,000,000 inodes and 1 TiB take 14 GB on ext4, and 10 minutes to make.
"""
import argparse, glob, json, multiprocessing, os, shutil, statistics, sys, tempfile

from closures import Packages, Sparse, Store
from measuring import measure

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = [1, 2, 4, 8, 16]
GIBIBYTE = 1 << 30


def parse():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--inodes", type=int, default=2_000_000)
    parser.add_argument("--data", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default="/tmp")
    parser.add_argument("--out", default=".")
    parser.add_argument("--store", help="a store that an earlier run left, or the directory in which to leave one")
    options = parser.parse_args()
    if options.data % 256:
        parser.error("--data must be a multiple of 256")
    return options


def make(directory, inodes, data):
    """Makes the store, and a list of the closures to measure: each with a kind, inodes, GiB and its path."""
    store, packages, closures = Store(directory), Packages(), []
    many, large, holes = [], [], []
    for part in range(1, 17):
        many += packages.fill(store, inodes // 16)
        unit = data * GIBIBYTE // 256
        large.append(store.add(
            f"disk-images-{part}", {f"{number}.img": Sparse(size * unit, 1 << 20, f"{part} {number}")
                                    for number, size in enumerate([1, 1, 2, 4, 8])}, is_hashed=False))
        holes.append(store.add(
            f"empty-images-{part}", {"0.img": Sparse(16 * unit, 1 << 28, str(part))}, is_hashed=False))
        if part in STEPS:
            inodes_here, data_here = inodes * part // 16, data * part // 16
            closures.append(("inodes", inodes_here, 0, store.add(f"all-inodes-{part}", {"all": b""}, many)))
            all_data = store.add(f"all-data-{part}", {"all": b""}, large, False)
            closures.append(("data", len(large) * 6, data_here, all_data))
    closures.append(("both", inodes, data, store.add("all", {"all": b""}, many + large, False)))
    closures.append(("holes", 16, data, store.add("all-holes", {"all": b""}, holes, False)))
    store.add("nothing", {"nothing": b""})
    store.close()
    with open(f"{directory}/closures", "w") as file:
        json.dump(closures, file)


def tasks(closures, directory, work):
    """Returns name, closure and command of everything to measure. Plans are measured in each round."""
    mkpiimg = os.environ.get("MKPIIMG", HERE + "/../.build/release/mkpiimg")
    options = (f"--store-root {directory}/root --registration {directory}/registration --boot none --progress none"
               " --json")
    smallest = min(data for kind, _, data, _ in closures if kind == "data")
    found = []
    for closure in closures:
        kind, _, data, path = closure
        build = f"{mkpiimg} --closure {path} {options}"
        found.append(("plan", closure, f"{build} --plan"))
        if kind == "inodes":
            found.append(("build", closure, f"{build} --out {work}/out.img.zst"))
            found.append(("inspect", closure, f"{mkpiimg} inspect {work}/out.img.zst"))
            found.append(("verify", closure, f"{mkpiimg} verify --progress none {work}/out.img.zst"))
        elif kind == "data" and data == smallest:
            found.append(("build", closure, f"{build} --out {work}/out.img.zst"))
            found.append(("inspect", closure, f"{mkpiimg} inspect {work}/out.img.zst"))
        elif kind == "holes":
            # The files are copies and not store paths, so that mkpiimg does not compute the SHA-256 of all their zeros.
            copies = " ".join(f"--copy {source}:/data/{number}" for number, source in enumerate(
                sorted(glob.glob(f"{directory}/root/nix/store/*-empty-images-*"))))
            nothing, = glob.glob(f"{directory}/root/nix/store/*-nothing")
            nothing = nothing.removeprefix(directory + "/root")
            found.append(("build, raw", closure, f"{mkpiimg} --closure {nothing} {copies} "
                          f"--root-size {data}G {options} --out {work}/out.img"))
            found.append(("inspect, raw", closure, f"{mkpiimg} inspect {work}/out.img"))
            found.append(("verify, raw", closure, f"{mkpiimg} verify --progress none {work}/out.img"))
    return found


def panel(file, area, title, unit, points, color):
    """Writes one plot: the measured points, and the line that fits them best, with a start of at least zero."""
    left, top, width, height = area
    maximum_x, maximum_y = max(x for x, _ in points), max(y for _, y in points) * 1.1
    def at(x, y):
        return left + x / maximum_x * width, top + height - y / maximum_y * height
    mean_x, mean_y = statistics.mean(x for x, _ in points), statistics.mean(y for _, y in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    (x1, y1), (x2, y2) = at(0, max(0, mean_y - slope * mean_x)), at(maximum_x, mean_y + slope * (maximum_x - mean_x))
    file.write(f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="gray"/>'
               f'<text x="{left}" y="{top - 10}">{title}</text>'
               f'<path d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}" stroke="{color}" stroke-dasharray="4"/>')
    for number, (x, y) in enumerate(points):
        point_x, point_y = at(x, y)
        label = f"{x / 1e6:g} M" if x > 10_000 else f"{x} GiB"
        # The labels alternate between two lines, because the first points are close together.
        label_y = top + height + 16 + number % 2 * 14
        file.write(f'<circle cx="{point_x:.0f}" cy="{point_y:.0f}" r="4" fill="{color}"/>'
                   f'<text x="{point_x - 7:.0f}" y="{point_y - 6:.0f}" text-anchor="end">{y:.1f} {unit}</text>'
                   f'<text x="{point_x:.0f}" y="{label_y}" text-anchor="middle">{label}</text>')


def plot(rows, path):
    """Writes a plot of CPU time and memory of plans, against inodes and against data."""
    with open(path, "w") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 640" font-family="sans-serif" '
                   'font-size="11"><rect width="100%" height="100%" fill="white"/>')
        for line, (kind, column, color) in enumerate([("inodes", 1, "#0a6"), ("data", 2, "#c33")]):
            plans = [row for row in rows if row[0] == "plan" and row[1][0] == kind]
            top = 50 + 310 * line
            panel(file, (40, top, 380, 220), f"plan: CPU, s, against {kind}", "s",
                  [(row[1][column], row[2][1]) for row in plans], color)
            panel(file, (490, top, 380, 220), f"plan: peak memory, MiB, against {kind}", "MiB",
                  [(row[1][column], row[2][2] / 1024) for row in plans], color)
        file.write("</svg>\n")


def table(rows, rounds, path):
    with open(path, "w") as page:
        page.write(f"Plans: medians of {rounds} rounds in turn (of two, the lower); the rest once. {os.cpu_count()} "
                   "processors.\n\n| | inodes | GiB | wall s | CPU s | peak MiB | CPU µs an inode | bytes an inode | "
                   "CPU ms a GiB | bytes a MiB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
        for name, (kind, inodes, data, _), (wall, cpu, memory, _, _) in rows:
            per_inode = per_data = " | "
            if kind in ("inodes", "both"):
                per_inode = f"{cpu / inodes * 1e6:.1f} | {memory * 1024 / inodes:.0f}"
            if kind in ("data", "holes"):
                per_data = f"{cpu / data * 1e3:.2f} | {memory / data:.0f}"
            page.write(f"| {name}{', holes' if kind == 'holes' else ''} | {inodes:,} | {data or ''} | {wall:.2f} | "
                       f"{cpu:.2f} | {memory / 1024:.0f} | {per_inode} | {per_data} |\n")


def main():
    options = parse()
    os.makedirs(options.out, exist_ok=True)
    work = tempfile.mkdtemp(prefix="scale.", dir=options.work)
    directory = options.store or f"{work}/store"
    try:
        if not os.path.exists(f"{directory}/closures"):
            # In a separate process, because the memory of a process counts for the children that it forks.
            maker = multiprocessing.Process(target=make, args=(directory, options.inodes, options.data))
            maker.start()
            maker.join()
            if maker.exitcode:
                sys.exit(maker.exitcode)
        with open(f"{directory}/closures") as file:
            todo = tasks(json.load(file), directory, work)
        figures = [[] for _ in todo]
        for number in range(options.rounds):
            for index, (name, closure, command) in enumerate(todo):
                if number > 0 and name != "plan":
                    continue
                wall, cpu, memory, *_ = figure = measure(command)
                figures[index].append(figure)
                print(f"{number + 1}/{options.rounds} {name} {closure[0]} {closure[1]:,} {closure[2]} GiB: "
                      f"{wall:.2f} s, CPU {cpu:.2f} s, {memory / 1024:.0f} MiB", file=sys.stderr)
        rows = [(name, closure, [statistics.median_low(column) for column in zip(*rounds)])
                for (name, closure, _), rounds in zip(todo, figures)]
        table(rows, options.rounds, f"{options.out}/scale.md")
        plot(rows, f"{options.out}/scale.svg")
        print(open(f"{options.out}/scale.md").read())
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
