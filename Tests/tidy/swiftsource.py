# SPDX-License-Identifier: Apache-2.0
"""Divides Swift source text into code, comments and string literals."""
import re

OPENERS = re.compile(r'//[^\n]*|/\*.*?\*/|#+/.*?/#+|#*"""|#*"|[()]', re.DOTALL)


def parts(text):
    """Yields (kind, start, end) for the whole text, in order; kind is "code", "comment" or "string".

    A string literal with interpolations is divided: what stands in \\(...) is code again.
    """
    at = start = 0
    depths = []                         # of each open literal: its end, its escape, the depth of parentheses in \(...)
    while found := OPENERS.search(text, at):
        at = found.end()
        token = found[0]
        if token in "()":
            if depths:
                depths[-1][2] += 1 if token == "(" else -1
                if depths[-1][2] == 0:  # the interpolation ends, and the literal goes on
                    yield "code", start, found.start()
                    start, at = yield from literal(text, found.start(), found.end(), depths)
            continue
        yield "code", start, found.start()
        if "/" in token:
            yield "comment" if token.startswith("/") else "string", found.start(), at     # a string: #/a pattern/#
            start = at
        else:
            hashes = token.count("#")
            depths.append([token[hashes:] + "#" * hashes, "\\" + "#" * hashes, 0])
            start, at = yield from literal(text, found.start(), at, depths)
    yield "code", start, len(text)


def literal(text, start, at, depths):
    """Yields the literal's text up to its end or next interpolation, and returns where code goes on (twice)."""
    end, escape, _ = depths[-1]
    stop = re.compile(re.escape(end) + "|" + re.escape(escape) + ".", re.DOTALL)
    while found := stop.search(text, at):
        at = found.end()
        if found[0] == end:
            depths.pop()
            break
        if found[0] == escape + "(":
            depths[-1][2] = 1
            break
    else:
        raise ValueError(f"a string literal has no end: {text[start:start + 40]!r}")
    yield "string", start, at
    return at, at


def code_of(text):
    """The text without comments and string literals, line for line."""
    return "".join(text[start:end] if kind == "code" else " " + "\n" * text.count("\n", start, end)
                   for kind, start, end in parts(text))


def numbered(text, wanted):
    """Yields (line number, text) of every part of one kind."""
    line = 1
    for kind, start, end in parts(text):
        if kind == wanted:
            yield line, text[start:end]
        line += text.count("\n", start, end)
