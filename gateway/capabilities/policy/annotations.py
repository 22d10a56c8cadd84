"""What a Rego file says about itself in ``# METADATA`` comments: the version of the contract that it is written for, and the schema of its input.

OPA reads the same comments (``opa check --schema``, ``opa inspect``); to the engines they are comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import yaml

from gateway.capabilities.policy.contract import SCHEMA
from gateway.capabilities.policy.contract_schemas import FILES
from gateway.capabilities.policy.problems import Problem

VERSION_KEY: Final = "input"
"""Under ``custom``: ``custom: {input: gateway.input/v1}``."""

_BLOCK = re.compile(r"^#[ \t]*METADATA[ \t]*\n(?P<body>(?:#[^\n]*(?:\n|\Z))*)", re.MULTILINE)
_COMMENT = re.compile(r"^# ?", re.MULTILINE)


class Annotation(NamedTuple):
    """One ``# METADATA`` block: the line of its heading, what it holds, and the Rego that follows it."""

    line: int
    value: Mapping[str, Any]
    keys: Mapping[str, tuple[int, int]]
    """Line and column of each key."""
    of_package: bool


def blocks(file: str, text: str, problems: list[Problem]) -> Iterator[Annotation]:
    """Every block of a file; one that is not YAML, at which OPA would stop, goes to ``problems``."""
    if "METADATA" not in text:
        return
    text = text.replace("\r\n", "\n")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        body = _COMMENT.sub("", found["body"])
        try:
            value = yaml.load(body, Loader=yaml.CSafeLoader)
        except (yaml.YAMLError, ValueError) as error:
            mark = getattr(error, "problem_mark", None)
            at = line + 1 + (mark.line if mark else 0)
            problems.append(Problem(file, at, 1, "the METADATA comment is not YAML, and OPA would stop at it", "correct it", "metadata"))
            continue
        if isinstance(value, dict):
            after = text[found.end() :].lstrip("\n")
            yield Annotation(line, value, _places(body, line), after.startswith("package ") or value.get("scope") in {"package", "subpackages"})


def lint_annotations(file: str, text: str) -> list[Problem]:
    """What is wrong with the annotations of a source: another version of the contract than this gateway's, a schema that there is not."""
    problems: list[Problem] = []
    for annotation in blocks(file, text, problems):
        custom = annotation.value.get("custom")
        if isinstance(custom, dict) and VERSION_KEY in custom and custom[VERSION_KEY] != SCHEMA:
            what = f"the policy is written for another contract than {SCHEMA}, which is the one of this gateway"
            problems.append(Problem(file, *annotation.keys.get(VERSION_KEY, (annotation.line, 1)), what, f"write {VERSION_KEY}: {SCHEMA}", "contract-version"))
        for name in _schemas_of_input(annotation):
            if name not in FILES or name == "verdict":
                known = ", ".join(f"schema.{known}" for known in FILES if known != "verdict")
                place = annotation.keys.get("schemas", (annotation.line, 1))
                problems.append(Problem(file, *place, "the schema of the input is none of the contract", f"there are {known}", "schema-annotation"))
    return problems


def states_version(text: str) -> bool:
    """Whether a source says for its package which version of the contract it is written for."""
    found = blocks("", text, [])
    return any(item.of_package and VERSION_KEY in (item.value.get("custom") or {}) for item in found)


def _schemas_of_input(annotation: Annotation) -> Iterator[str]:
    """The names after ``schema.`` of what a block says of ``input`` as a whole."""
    stated = annotation.value.get("schemas")
    for entry in stated if isinstance(stated, list) else []:
        name = entry.get("input") if isinstance(entry, dict) else None
        if isinstance(name, str) and name.startswith("schema."):
            yield name.removeprefix("schema.")


def _places(body: str, line: int) -> dict[str, tuple[int, int]]:
    """Line and column of every key, by its name; the first where there are several, those within lists aside."""
    found: dict[str, tuple[int, int]] = {}
    waiting = [yaml.compose(body, Loader=yaml.CSafeLoader)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            for key, below in node.value:
                found.setdefault(str(key.value), (line + 1 + key.start_mark.line, key.start_mark.column + len("# ") + 1))
                waiting.append(below)
    return found
