#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every arrow between rooms, and between the directories of a room, points down.

    arrows.py [CHECKOUT] [--names]

An arrow goes from a room to another whose names it uses. docs/design.md states the order of rooms and of the
directories in each; a directory that it does not list is an error. With --names, the names of each arrow are printed.
"""
import argparse
import pathlib
import sys
from collections import Counter, defaultdict

import names
import rooms


def sources_of(checkout):
    """Every Swift file below Sources/."""
    top = checkout / "Sources"
    found = []
    for path in sorted(top.rglob("*.swift")):
        room, directory = rooms.home_of(path.relative_to(top))
        found.append(names.read(path.relative_to(checkout), path.read_text(), room, directory))
    return found


def between_rooms(ranks):
    """How arrows between rooms are judged: ranks, a node's title, and the node of a source."""
    return ranks, lambda room: room + "/", lambda source: source.room


def inside_room(room, ranks):
    """How arrows between the directories of a room are judged."""
    def title(directory):
        return f"{room}/{directory}/" if directory else f"{room}/"

    def node(source):
        return source.directory if source.room == room and source.directory in ranks else None

    return ranks, title, node


def arrows_between(sources, homes, node):
    """For (from, to), the uses that make the arrow. `node` gives a source's room or directory, None for none of these.

    A name that the node itself declares too makes no arrow. The library cannot name the program: it is compiled alone.
    """
    arrows = defaultdict(list)
    for source in sources:
        start = node(source)
        if start is None:
            continue
        for declaring, use in names.uses(source, homes):
            ends = [node(home) for home in declaring if source.room == rooms.PROGRAM or home.room != rooms.PROGRAM]
            ends = [end for end in ends if end is not None]
            if ends and start not in ends:
                arrows[start, ends[0]].append(use)
    return arrows


def circles(ends):
    """The groups of nodes that can reach each other; `ends` gives the nodes that each node's arrows go to."""
    def reached(start):
        found, waiting = set(), [start]
        while waiting:
            for node in ends.get(waiting.pop(), ()):
                if node not in found:
                    found.add(node)
                    waiting.append(node)
        return found

    reach = {node: reached(node) for node in ends}
    groups = {tuple(sorted(other for other in reach[node] if node in reach.get(other, ())))
              for node in ends if node in reach[node]}
    return sorted(groups)


def findings(title, arrows, order):
    """Lines about arrows that do not point down, and about circles. `title` gives a node's name in them."""
    lines = []
    for (start, end), uses in sorted(arrows.items()):
        if order[end] <= order[start]:
            direction = "up" if order[end] < order[start] else "sideways"
            lines.append(f"{title(start)} -> {title(end)} points {direction}:")
            lines += [f"    {use.path}:{use.line} {use.name}" for use in uses]
    ends = defaultdict(set)
    for start, end in arrows:
        ends[start].add(end)
    lines += ["circle: " + ", ".join(map(title, group)) for group in circles(ends)]
    return lines


def show_names(title, arrows):
    """Prints the names that make each arrow."""
    for (start, end), uses in sorted(arrows.items()):
        counts = Counter(use.name for use in uses)
        listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(f"{title(start)} -> {title(end)}: {listed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", default=".", type=pathlib.Path)
    parser.add_argument("--names", action="store_true", help="print the names that make each arrow")
    options = parser.parse_args()
    sources = sources_of(options.checkout)
    page = (options.checkout / "docs/design.md").read_text()
    order, inside = rooms.order_of_rooms(page), rooms.order_inside(page)
    rooms.check_listed({(source.room, source.directory) for source in sources}, order, inside)

    homes = names.declaring_files(sources)
    found = []
    for ranks, title, node in [between_rooms(order)] + [inside_room(room, ranks) for room, ranks in inside.items()]:
        arrows = arrows_between(sources, homes, node)
        if options.names:
            show_names(title, arrows)
        found += findings(title, arrows, ranks)
    print("\n".join(found) or "every arrow points down")
    return bool(found)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except rooms.DesignError as error:
        sys.exit(str(error))
