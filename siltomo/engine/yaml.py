"""Read YAML as people mean it: YAML 1.2 scalars, no tags, no aliases, and the line of every value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from siltomo.errors import FormatError, NotFoundError

__all__ = ["Document", "read_yaml"]

MAX_BYTES = 4_000_000
MAX_DEPTH = 50

_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(\.\d*)?(?:[eE][+-]?\d{1,4})?")
# what a plain scalar looks like to YAML 1.1 does not matter: it is read again by the rules of 1.2
_KINDS = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp"}
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True)
class Document:
    """The data of a YAML file, and where each value stands."""

    path: Path
    data: Any
    lines: dict[tuple[str | int, ...], int]

    def place(self, path: tuple[str | int, ...]) -> str:
        """Name a value in the document: file, line, dotted path."""
        dotted = ".".join(str(part) for part in path)
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return f"{self.path}:{self.lines[path[:length]]} {dotted}".rstrip()
        return f"{self.path} {dotted}".rstrip()


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    ``no`` stays a word, ``007`` and ``12:30`` stay text, keys are text; tags, aliases, repeated keys and
    more than one document are refused.

    Raises
    ------
    NotFoundError
        When the file does not exist.
    FormatError
        When it is no YAML, or uses what is refused; the message gives the line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"is larger than {MAX_BYTES:,} bytes; declarations are small", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError("no such file", where=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read as text: {error}", where=str(path)) from error
    try:
        _refuse_aliases(path, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise FormatError(f"is not YAML: {problem}", where=f"{path}{line}") from error
    except RecursionError as error:
        raise FormatError("is nested too deeply", where=str(path)) from error
    lines: dict[tuple[str | int, ...], int] = {}
    data = None if node is None else _value(path, node, (), lines)
    return Document(path, data, lines)


def _refuse_aliases(path: Path, text: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark is not None else "?"
            raise FormatError("aliases (*name) are not read", where=f"{path}:{line}")


def _value(
    path: Path, node: yaml.Node, at: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> Any:
    line = node.start_mark.line + 1
    lines[at] = line
    if len(at) > MAX_DEPTH:
        raise FormatError(f"is nested more than {MAX_DEPTH} deep", where=f"{path}:{line}")
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _KINDS:
        raise FormatError(f"tags are not read: {node.tag}", where=f"{path}:{line}")
    if isinstance(node, yaml.SequenceNode):
        return [_value(path, item, (*at, n), lines) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if not isinstance(key_node, yaml.ScalarNode) or key in made:
                said = "is given twice" if isinstance(key_node, yaml.ScalarNode) else "cannot be a key"
                raise FormatError(f"{key!r} {said}", where=f"{path}:{key_node.start_mark.line + 1}")
            made[key] = _value(path, value_node, (*at, key), lines)
            lines[(*at, key)] = key_node.start_mark.line + 1
        return made
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        return _plain(node.value)
    return node.value


def _plain(text: str) -> Any:
    """Read an unquoted scalar by YAML 1.2's core rules; what they do not know stays text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return float(text) if found[1] or "e" in text.lower() else int(text)
