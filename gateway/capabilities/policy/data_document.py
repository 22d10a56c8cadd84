"""The data document, in the part of YAML that every reader understands alike, or in JSON.

YAML readers disagree on ``yes``, ``012``, ``1_000``, dates, merge keys and doubled keys; OPA's and Python's do. A table that two engines read differently
would decide differently, so only plain JSON values are taken: whatever else stands unquoted is a problem with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from gateway.capabilities.policy.problems import Problem

MAX_DEPTH = 32
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_SMALL = re.compile(r"-?[1-9](\.[0-9]{1,15})?e-(0?[7-9]|1[0-5])")
"""As OPA writes a fraction of so many decimals when it makes JSON of YAML."""
_AMBIGUOUS = re.compile(r"(?i)|y|n|yes|no|on|off|true|false|null|~|=|<<|[-+]?\.?[0-9][-+_.:,0-9a-foxtz ]*|[-+]?\.(inf|nan)")
_LINE_ENDS = re.compile("[\x85\u2028\u2029\ufeff]")
_TAG = "tag:yaml.org,2002:"
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


def read_yaml(name: str, text: str, problems: list[Problem]) -> dict[str, Any]:
    """The object that a data file holds; what is wrong with it is appended to ``problems``."""
    odd = _LINE_ENDS.search(text)
    if odd is not None:
        problems.append(
            Problem(name, text.count("\n", 0, odd.start()) + 1, 1, "a character that ends lines for some readers", 'write it as "\\u2028" in quotes')
        )
        return {}
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
            problems.append(Problem(name, 1, 1, "aliases (*name) are not taken", "write the value out"))
            return {}
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.append(Problem(name, line, col, f"not YAML: {getattr(error, 'problem', None) or 'unreadable'}", "correct the file"))
        return {}
    value = _Reader(name, problems).value(root, 0) if root is not None else {}
    if not isinstance(value, dict):
        problems.append(Problem(name, 1, 1, "the file must hold a mapping", "give each table a name"))
        return {}
    return value


def read_json(name: str, text: str, problems: list[Problem]) -> dict[str, Any]:
    """The object that a JSON file holds, under the same rules: no doubled key, no number that readers tell apart; what is wrong is appended to ``problems``."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except json.JSONDecodeError as error:
        problems.append(Problem(name, error.lineno, error.colno, f"not JSON: {error.msg}", "correct the file"))
        return {}
    except RecursionError:
        value = None
    except _OddError as error:
        problems.append(Problem(name, 0, 0, *error.args))
        return {}
    if value is None or _depth(value) > MAX_DEPTH:
        problems.append(Problem(name, 0, 0, f"nested deeper than {MAX_DEPTH}, or nothing", "flatten the table"))
        return {}
    if not isinstance(value, dict):
        problems.append(Problem(name, 1, 1, "the file must hold an object", "give each table a name"))
        return {}
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        problems.append(Problem(name, 0, 0, "half a character, which is no text for some readers", "remove the lone surrogate"))
        return {}
    return value


class _OddError(Exception):
    """What JSON can say and readers disagree on."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _OddError("a key stands in one object twice", "remove one")
    return found


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _OddError("a whole number of more than 18 digits", "put it in quotes")
    return int(text)


def _float(text: str) -> float:
    if not (_FLOAT.fullmatch(text) or _SMALL.fullmatch(text)):
        raise _OddError("a number with an exponent or more than 15 digits on a side of its point", "write it plainly, or put it in quotes")
    return float(text)


def _constant(text: str) -> Any:
    raise _OddError(f"{text} is not JSON", "remove it")


def _depth(value: Any) -> int:
    """How deep a value is nested; one more than ``MAX_DEPTH`` is as far as anybody counts."""
    layer, depth = [value], 0
    while layer and depth <= MAX_DEPTH + 1:
        layer = [item for outer in layer if isinstance(outer, (dict, list)) for item in (outer.values() if isinstance(outer, dict) else outer)]
        depth += 1
    return depth - 1


def merge(into: dict[str, Any], folder: Sequence[str], value: Mapping[str, Any], name: str, problems: list[Problem]) -> None:
    """Put a data file's ``value`` below the names of its ``folder``, as OPA does."""
    for part in folder:
        step = into.setdefault(part, {})
        if not isinstance(step, dict):
            problems.append(Problem(name, 0, 0, "another data file has a plain value where this one's folder stands", "rename one"))
            return
        into = step
    for key, item in value.items():
        if key in into:
            problems.append(Problem(name, 0, 0, "another data file has the same table", "keep each table in one file"))
        into[key] = item


class _Reader:
    """Turns YAML nodes into JSON values."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self._name = name
        self._problems = problems

    def value(self, node: yaml.Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self._refuse(node, f"nested deeper than {MAX_DEPTH}", "flatten the table")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in {_TAG + "map", _TAG + "seq"}:
            return self._refuse(node, "tags (!name) are not taken", "write a plain table or list")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        return [self.value(item, depth + 1) for item in node.value]

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, depth + 1)
            if not isinstance(key, str):
                self._refuse(key_node, "a key must be text", "put it in quotes")
            elif key in found:
                self._refuse(key_node, "this key stands here twice", "remove one")
            else:
                found[key] = self.value(value_node, depth + 1)
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind == "str" and (node.style or not _AMBIGUOUS.fullmatch(text)):  # quoted, or a block: text, whatever it looks like
            return text
        if kind in {"bool", "null"} and text in _WORDS:
            return _WORDS[text]
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text):
            return float(text)
        return self._refuse(node, "YAML readers do not agree on what this is", "put it in quotes, or write true, false, null or a plain number")

    def _refuse(self, node: yaml.Node, what: str, hint: str) -> None:
        mark = node.start_mark
        self._problems.append(Problem(self._name, mark.line + 1, mark.column + 1, what, hint))
