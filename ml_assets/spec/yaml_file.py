"""Read a YAML file without losing where things stand, and refuse what YAML accepts silently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ml_assets.spec.findings import Finding, Place

_MERGE = "tag:yaml.org,2002:merge"
_BOOL = "tag:yaml.org,2002:bool"
_STR = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_FLOAT = "tag:yaml.org,2002:float"


class _Loader(yaml.SafeLoader):
    """Reads as Dagster does: dates stay text. And 1e-3 is a number, as it is in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class YamlFile:
    """One document: its plain value, the nodes that know the lines, and what is wrong with it.

    ``node`` is None when nothing could be read; ``problems`` then says why. With a node there can
    be problems too (a key that is there twice), and the value is worth looking at all the same.
    """

    name: str
    value: Any = None
    node: yaml.Node | None = None
    problems: tuple[Finding, ...] = ()

    def line(self, place: Place) -> int:
        """Find the line of a place, counted from 1; of its nearest parent when it is not there."""
        node = self.node
        if node is None:
            return 1
        mark = node.start_mark
        for step in place:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
        return int(mark.line) + 1


def read_yaml(text: str, name: str) -> YamlFile:
    """Parse a file that holds one document.

    The problems it can report: syntax, no document or several, a key that is there twice (YAML
    keeps the last one silently), a template without quotes, a value that contains itself.
    """
    try:
        nodes = [n for n in yaml.compose_all(text, Loader=_Loader) if n.tag != _NULL]
    except (yaml.YAMLError, RecursionError) as error:
        return YamlFile(name, problems=(_syntax(text, error),))
    if len(nodes) != 1:
        return YamlFile(name, problems=(_not_one(nodes),))
    unreadable = tuple(_unreadable(nodes[0], (), (), set()))
    if unreadable:
        return YamlFile(name, problems=unreadable)
    problems = tuple(_misleading_keys(nodes[0], (), set()))
    try:
        value = _Loader("").construct_document(nodes[0])
    except (yaml.YAMLError, ValueError) as error:  # ValueError: !!int of a text, by the author
        return YamlFile(name, problems=(*problems, _syntax(text, error)))
    return YamlFile(name, value, nodes[0], problems)


def _unreadable(
    node: yaml.Node, place: Place, parents: tuple[int, ...], done: set[int]
) -> Iterator[Finding]:
    """Find what has no plain value: circles, and mappings in the place of a name."""
    if id(node) in parents:
        yield Finding(
            place,
            found="a value that contains itself (an alias to its own anchor)",
            expected="plain values",
            fix="write the value out instead of *alias",
            line=node.start_mark.line + 1,
        )
    if id(node) in done:
        return
    done.add(id(node))
    for key, step, value in _children(node):
        if key is not None and not isinstance(key, yaml.ScalarNode):
            yield Finding(
                place,
                found="a mapping or a list where a name is expected",
                expected="a name; YAML reads {{ … }} without quotes as two mappings",
                fix='put quotes around a template: "{{ env.NAME }}"',
                line=key.start_mark.line + 1,
            )
        else:
            yield from _unreadable(value, (*place, step), (*parents, id(node)), done)


def _misleading_keys(node: yaml.Node, place: Place, done: set[int]) -> Iterator[Finding]:
    """Find keys that are there twice, and names that YAML reads as true or false."""
    if id(node) in done:  # an alias: its anchor was looked at
        return
    done.add(id(node))
    first: dict[tuple[str, str], int] = {}
    for key, step, value in _children(node):
        if key is not None and key.tag != _MERGE:
            line, name = key.start_mark.line + 1, (key.tag, key.value)
            if key.tag == _BOOL:
                key.tag = _STR  # what the author meant; looked at as such from here on
                yield Finding(
                    (*place, step),
                    found=f"{key.value} without quotes, which YAML reads as true or false",
                    expected="a name",
                    fix=f"put it in quotes: '{key.value}'",
                    line=line,
                )
            if name in first:
                yield Finding(
                    (*place, step),
                    found=f"{key.value!r} a second time (first in line {first[name]})",
                    expected="each name once: YAML would silently keep the last",
                    fix="remove or rename one of them",
                    line=line,
                )
            first.setdefault(name, line)
        yield from _misleading_keys(value, (*place, step), done)


def _children(node: yaml.Node) -> Iterator[tuple[yaml.Node | None, str | int, yaml.Node]]:
    """List what is below a node: its key (None in a sequence), its step in a place, its value."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield None, index, item
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key, str(key.value), value


def _child(node: yaml.Node, step: int | str) -> tuple[Any, yaml.Node] | None:
    """Find the mark and the value below a node."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step].start_mark, node.value[step]
    if isinstance(node, yaml.MappingNode):
        # From the end: what << merged in stands first, and what the author wrote wins.
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return key.start_mark, value
    return None


def _not_one(nodes: list[yaml.Node]) -> Finding:
    expected = "one document with type and attributes"
    if not nodes:
        return Finding((), "an empty file", expected, "declare the model in it", line=1)
    line = nodes[1].start_mark.line + 1
    found = f"{len(nodes)} documents (the second starts here)"
    return Finding(
        (), found, expected, "give each model a folder and a defs.yaml of its own", line=line
    )


def _syntax(text: str, error: Exception) -> Finding:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    lines = text.splitlines()
    near = lines[line - 1].strip() if line <= len(lines) else ""
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    found = f"{said}, near {near!r}" if near else str(said)
    return Finding((), found, "YAML", _syntax_fix(near, str(said)), line=line)


def _syntax_fix(near: str, said: str) -> str:
    if "\\t" in said or "'\\t'" in said:
        return "indent with spaces: YAML refuses tabs"
    if "{{" in near:
        return 'put quotes around the template: "{{ env.NAME }}"'
    if re.search(r":\s+[@*&%`!]", near):
        return "put quotes around a value that starts with a sign such as * or @"
    if "mapping values are not allowed" in said:
        return "put quotes around a text that holds a colon, or correct the indentation"
    return "correct the line, or the one above it"
