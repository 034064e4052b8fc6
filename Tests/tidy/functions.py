# SPDX-License-Identifier: Apache-2.0
"""The functions of Swift and Python files, and how many lines each has, from its declaration to its end."""
import ast
import re

from names import MODIFIERS
from swiftsource import code_of

FUNCTION = re.compile(MODIFIERS + r"(?:func\s+(?P<name>[^\s(<]+)|(?P<keyword>init|deinit|subscript)\b"
                                  r"|var\s+(?P<property>\w+)\s*:[^={]*(?=\{))")


def swift_functions(text):
    """Yields (name, line, number of lines) of functions, initialisers, subscripts and computed properties."""
    lines = [line.strip() for line in code_of(text).splitlines()]
    for index, line in enumerate(lines):
        if found := FUNCTION.match(line):
            last = end_of_body(lines, index, found.end())
            if last is not None:
                yield found["name"] or found["keyword"] or found["property"], index + 1, last - index + 1


def end_of_body(lines, first, column):
    """The index of the line where the body behind a column ends, or None without a body, as in protocols."""
    parentheses = braces = 0
    for index in range(first, len(lines)):
        line = lines[index]
        if index > first and not braces and not parentheses and re.match(r"\}|$|.*\b(func|var|let|init)\b", line):
            return None
        for character in line[column if index == first else 0:]:
            if character in "([":
                parentheses += 1
            elif character in ")]":
                parentheses -= 1
            elif character == "{" and (parentheses == 0 or braces):
                braces += 1
            elif character == "}" and braces:
                braces -= 1
                if braces == 0:
                    return index
    return None


def python_functions(text):
    """Yields (name, line, number of lines) of functions."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1
