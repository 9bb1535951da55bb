"""A file's source → the definitions that can be imported from it. Knows no index and no queue.

Definitions local to a function are left out, and so are `@overload` stubs: they are signatures of the
definition that follows them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

Kind = Literal["class", "function", "async function", "method", "async method", "property"]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

UNPARSABLE = (SyntaxError, ValueError, RecursionError)
"""What `parse_file` raises for a file that is no Python of this version (or text: UnicodeDecodeError)."""

ATTEMPTS = 10
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Definition:
    """Something defined; `name` is qualified within its module, `doc` is the first line of its docstring."""

    name: str
    kind: Kind
    line: int
    doc: str


class DuplicateDefinitionError(Exception):
    """Two definitions in one module have the same qualified name."""


def parse_file(path: str) -> list[Definition]:
    """The definitions of a file, in order. Raises OSError, or one of UNPARSABLE."""
    return parse(Path(path).read_bytes(), path)


def parse(source: bytes, path: str) -> list[Definition]:
    """The definitions in `source`, which declares its own encoding; `path` only names it in errors."""
    return list(definitions_in(tree_of(source, path).body, "", in_class=False))


def tree_of(source: bytes, path: str) -> ast.Module:
    """`ast.parse` for threads.

    Before Python 3.13 all threads of a process share the depth that it counts, and when two are at it at once it
    raises SystemError. The lock keeps this module's threads apart; that leaves the formatting of a traceback in
    another thread, which parses a line too, and is over in a moment.
    """
    with _one_at_a_time:
        for _ in range(ATTEMPTS):
            with suppress(SystemError):
                return ast.parse(source, path)
        return ast.parse(source, path)


def by_name(definitions: list[Definition], module: str) -> dict[str, Definition]:
    """Definitions keyed by qualified name. Raises DuplicateDefinitionError when one name is defined twice."""
    keyed: dict[str, Definition] = {}
    for definition in definitions:
        first = keyed.setdefault(definition.name, definition)
        if first is not definition:
            raise DuplicateDefinitionError(
                f"{module}.{definition.name} is defined in line {first.line} and in line {definition.line}"
            )
    return keyed


def by_name_and_line(definitions: list[Definition]) -> dict[str, Definition]:
    """Definitions keyed by qualified name and line: no line can begin two definitions."""
    return {f"{definition.name}:{definition.line}": definition for definition in definitions}


def definitions_in(body: list[ast.stmt], prefix: str, *, in_class: bool) -> Iterator[Definition]:
    """Walk statements and their blocks (if, try, with, …), into classes but not into functions."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if not is_overload(node):
                    yield Definition(prefix + node.name, function_kind(node, in_class), node.lineno, first_line(node))
            case ast.ClassDef():
                yield Definition(prefix + node.name, "class", node.lineno, first_line(node))
                yield from definitions_in(node.body, f"{prefix}{node.name}.", in_class=True)
            case _:
                for block in blocks(node):
                    yield from definitions_in(block, prefix, in_class=in_class)


def blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements directly inside a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for name in ("handlers", "cases"):
        for part in getattr(node, name, []):
            yield part.body


def function_kind(node: FunctionNode, in_class: bool) -> Kind:
    """What a reader calls it; getters, setters and deleters all belong to a property."""
    if in_class and any(name in {"property", "cached_property", "setter", "deleter"} for name in decorators(node)):
        return "property"
    is_async = isinstance(node, ast.AsyncFunctionDef)
    if in_class:
        return "async method" if is_async else "method"
    return "async function" if is_async else "function"


def is_overload(node: FunctionNode) -> bool:
    """Whether it is a stub that only tells a type checker about a signature."""
    return "overload" in decorators(node)


def decorators(node: FunctionNode) -> Iterator[str]:
    """The last name of each plain decorator: `overload` for `@typing.overload`."""
    for decorator in node.decorator_list:
        match decorator:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


def first_line(node: FunctionNode | ast.ClassDef) -> str:
    """The docstring's first line, or an empty string."""
    doc = (ast.get_docstring(node, clean=False) or "").strip()
    # What a file can say (a lone surrogate by an escape) need not be text that can be stored.
    return doc.partition("\n")[0].rstrip().encode(errors="replace").decode()
