# SPDX-License-Identifier: Apache-2.0
"""The rooms of the library and the directories in them, and their order as docs/design.md states it."""
import re
from collections import defaultdict

PROGRAM = "mkpiimg"     # it stands above all rooms
ROOMS = "## Rooms"
INSIDE = "### Inside the rooms"
NAMES = r"`\w+/`(?:, `\w+/`)*"


class DesignError(Exception):
    """docs/design.md does not have the tables, or they and the directories differ."""


def section(page, heading):
    """The lines of a page below a heading, up to the next one."""
    lines = page.splitlines()
    if heading not in lines:
        raise DesignError(f'docs/design.md has no heading "{heading}"')
    body = lines[lines.index(heading) + 1:]
    end = next((number for number, line in enumerate(body) if line.startswith("#")), len(body))
    return body[:end]


def rows(page, heading, row):
    """The rows of the table below a heading, as matches; its first two rows are its head."""
    table = [line for line in section(page, heading) if line.startswith("|")][2:]
    for line in table:
        if not re.fullmatch(row, line):
            raise DesignError(f"docs/design.md: not a row of the table in {heading}: {line}")
    return [re.fullmatch(row, line) for line in table]


def ranks(groups):
    """The rank of each name: 0 for those of the first group, which is the uppermost."""
    found = {}
    for rank, group in enumerate(groups):
        for name in re.findall(r"\w+", group):
            if name in found:
                raise DesignError(f"docs/design.md names {name}/ twice in one table")
            found[name] = rank
    return found


def order_of_rooms(page):
    """The rank of each room and of the program. Rooms of one row have the same rank."""
    return ranks([PROGRAM] + [row[1] for row in rows(page, ROOMS, rf"\| ({NAMES}) \| [^|]+ \|")])


def order_inside(page):
    """For each room with directories, their ranks. The room's own files ("") stand above its directories.

    The program's own files have no rank: its root command and the others name each other.
    """
    found = {}
    for row in rows(page, INSIDE, rf"\| `(\w+)/` \| ({NAMES}(?: → {NAMES})*) \|"):
        if row[1] in found:
            raise DesignError(f"docs/design.md has two rows for {row[1]}/ in {INSIDE}")
        own = {} if row[1] == PROGRAM else {"": -1}
        found[row[1]] = own | ranks(row[2].split(" → "))
    return found


def home_of(path):
    """The room of a source file (its path below Sources/), and the directory in the room, or ""."""
    directories = path.parts[:-1]
    inside = directories[1:] if directories[0] == "ImageKit" else directories
    if not inside:
        raise DesignError(f"Sources/{path} stands in no room")
    if len(inside) > 2:
        raise DesignError(f"Sources/{path} stands in a third level of directories, which have no order")
    return inside[0], "".join(inside[1:])


def check_listed(homes, rooms, inside):
    """Throws unless the tables list exactly the directories that hold sources (homes: pairs of room and directory)."""
    directories = defaultdict(set)
    for room, directory in homes:
        directories[room].add(directory)
    compare("Rooms", set(rooms), set(directories))
    compare("Inside the rooms", set(inside), {room for room, names in directories.items() if names != {""}})
    for room, order in inside.items():
        compare(f"Inside the rooms, {room}/", set(order) - {""}, directories[room] - {""})


def compare(table, listed, present):
    """Throws unless a table lists what is present."""
    if present - listed:
        raise DesignError(f"docs/design.md does not list {', '.join(sorted(present - listed))} in the table {table}")
    if listed - present:
        raise DesignError(f"docs/design.md lists {', '.join(sorted(listed - present))}, but no source stands there")
