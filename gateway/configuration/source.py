"""The border to PyYAML: a config file as plain values, each with its line.

Scalars follow YAML 1.2's core schema (``no``, ``on``, ``1_000`` and ``12:30`` are text), so that the country code ``NO`` is not a boolean.
Duplicate keys, tags and merge keys are problems. Aliases are followed, within bounds on depth and on the number of values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.configuration.problems import Problem, SettingsError, Where, dotted

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 50_000
"""Bounds that no config needs and that a chain of aliases, which doubles at each step, reaches at once."""

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z", re.ASCII)
_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "seq", "map"))


class Document:
    """A config file as read: ``data`` (mappings as ``dict``, lists as ``tuple``), its digest, and the line of each value."""

    def __init__(self, path: Path) -> None:
        """Read ``path``.

        Raises:
            SettingsError: it cannot be read or is not YAML that can be used. Duplicate keys and the like are only collected in ``problems``.
        """
        self.path = path
        self.file = str(path)
        self.problems: list[Problem] = []
        self._lines: dict[Where, int] = {}
        self._values = 0
        raw = self._read()
        self.digest = hashlib.sha256(raw).hexdigest()
        self.data: Mapping[str, Any] = self._parse(raw)

    def problem(self, where: Where, what: str, hint: str = "") -> None:
        """Note that something is wrong at ``where``."""
        self.problems.append(Problem(self.file, self.line(where), dotted(where), what, hint))

    def line(self, where: Where) -> int:
        """The line, from 1, of the value at ``where``, or of the closest part around it."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)

    def _stop(self, line: int, what: str, hint: str = "") -> SettingsError:
        return SettingsError([*self.problems, Problem(self.file, line, "", what, hint)])

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise self._stop(1, "no such file", "name the config with --config PATH") from None
        except OSError as error:
            raise self._stop(1, f"cannot be read: {error.strerror}") from None
        if len(raw) > MAX_BYTES:
            raise self._stop(1, f"is larger than {MAX_BYTES} bytes")
        return raw

    def _parse(self, raw: bytes) -> Mapping[str, Any]:
        try:
            node = yaml.compose(raw.decode("utf-8"), Loader=yaml.CSafeLoader)
        except UnicodeDecodeError as error:
            raise self._stop(raw[: error.start].count(b"\n") + 1, "is not UTF-8") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._stop(mark.line + 1 if mark else 1, f"is not valid YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise self._stop(1, f"is not valid YAML: {type(error).__name__}") from None
        if not isinstance(node, yaml.MappingNode):
            raise self._stop(1, "is empty or not a mapping", "start from the shipped config.yaml")
        data = self._value(node, ())
        return data if isinstance(data, dict) else {}

    def _value(self, node: yaml.Node, where: Where) -> Any:
        self._values += 1
        if self._values > MAX_VALUES or len(where) > MAX_DEPTH:
            raise self._stop(node.start_mark.line + 1, "is nested too deeply or repeats itself without end", "use fewer aliases")
        self._lines.setdefault(where, node.start_mark.line + 1)
        if node.tag not in _KNOWN_TAGS:
            self.problem(where, "YAML tags are not taken")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._value(item, (*where, index)) for index, item in enumerate(node.value))
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _KNOWN_TAGS:
                self.problems.append(Problem(self.file, line, dotted(where), "keys must be plain text; merge keys and tags are not taken"))
                continue
            key = str(key_node.value)
            if key in first:
                self.problems.append(Problem(self.file, line, dotted((*where, key)), f"stands here twice, first on line {first[key]}"))
                continue
            first[key] = self._lines[(*where, key)] = line
            values[key] = self._value(value_node, (*where, key))
        return values


def _scalar(node: yaml.Node) -> str | int | float | bool | None:
    """A scalar by YAML 1.2's core schema; what only YAML 1.1 would take for a number, boolean or date stays text."""
    text = str(node.value)
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if kind == "int" and _INT.match(text) and len(text) <= 20:
        return int(text)
    if kind == "float" and _FLOAT.match(text):
        return float(text)
    return text


def at(document: Document, where: Where) -> Any:
    """The plain value at ``where``; ``None`` where there is none."""
    value: Any = document.data
    for part in where:
        value = mapping(dict(enumerate(value)) if isinstance(value, tuple) else value).get(part)
    return value


def mapping(value: Any) -> Mapping[Any, Any]:
    """``value`` if it is a mapping, else an empty one: for looking into what may have any shape."""
    return value if isinstance(value, Mapping) else {}
