"""The schemas in ``gateway/contract/`` and the tables in ``docs/policy.md`` are what the code says. ``--write`` renews both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.capabilities.policy.contract_forms import Schema
from gateway.capabilities.policy.contract_schemas import FILES, OF_ONE_HOOK, input_schema, schemas, verdict_schema
from gateway.capabilities.policy.lint_rules import ERRORS, WARNINGS
from gateway.domain import Hook

FOLDER, DOCUMENT = "gateway/contract", "docs/policy.md"
BEGIN, END = "<!-- {}: begin (made by `make format`) -->", "<!-- {}: end -->"
_PLAIN = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false", "object": "object", "null": "null"}


def check(root: Path) -> list[str]:
    wrong = [
        f"{FOLDER}/{FILES[name]}: is not what the code says; run `make format`" for name, text in files().items() if _read(root / FOLDER / FILES[name]) != text
    ]
    wrong += [f"{FOLDER}/{path.name}: is no schema of the contract" for path in sorted((root / FOLDER).glob("*")) if path.name not in FILES.values()]
    text = _read(root / DOCUMENT)
    missing = [name for name in tables() if BEGIN.format(name) not in text or END.format(name) not in text]
    wrong += [f"{DOCUMENT}: has no place for the table {name} ({BEGIN.format(name)} ... {END.format(name)})" for name in missing]
    if not missing and renewed(text) != text:
        wrong.append(f"{DOCUMENT}: is not what the code says; run `make format`")
    return wrong


def files() -> dict[str, str]:
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas().items()}


def renewed(text: str) -> str:
    for name, table in tables().items():
        before, _, rest = text.partition(BEGIN.format(name))
        text = f"{before}{BEGIN.format(name)}\n\n{table}\n\n{END.format(name)}{rest.partition(END.format(name))[2]}"
    return text


def tables() -> dict[str, str]:
    return {"input": input_table(), "verdict": verdict_table(), "lint": lint_table()}


def input_table() -> str:
    rows = {hook: dict(_rows(input_schema(hook), "")) for hook in Hook}
    order = list(dict.fromkeys(path for hook in Hook for path in rows[hook]))
    lines = ["| path below `input` | type | hook | meaning |", "|---|---|---|---|"]
    for path in order:
        having = [hook for hook in Hook if path in rows[hook]]
        kind, meaning = rows[having[0]][path]
        lines.append(f"| `{path}` | {kind} | {'both' if len(having) == len(Hook) else having[0]} | {meaning} |")
    return "\n".join(lines)


def verdict_table() -> str:
    lines = ["| entry | type | hook | what it does |", "|---|---|---|---|"]
    for path, (kind, meaning) in _rows(verdict_schema(), ""):
        lines.append(f"| `{path}` | {kind} | {OF_ONE_HOOK.get(path.rpartition('.')[2], 'both')} | {meaning} |")
    return "\n".join(lines)


def lint_table() -> str:
    rows = [f"| `{rule}` | {kind} | {meaning} |" for kind, rules in (("error", ERRORS), ("warning", WARNINGS)) for rule, meaning in rules.items()]
    return "\n".join(["| rule | | what it finds |", "|---|---|---|", *rows])


def _rows(schema: Schema, prefix: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for name, below in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        if "description" in below:
            yield path, (_kind(below), below["description"].replace("|", "\\|"))
        inner = below.get("items", below)
        if inner.get("additionalProperties") is False:
            yield from _rows(inner, f"{path}{'[]' if 'items' in below else ''}.")


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    limits = _limits(schema)
    return _PLAIN.get(schema.get("type", ""), "anything") + limits


def _limits(schema: Mapping[str, object]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        return f" from {least} to {most}"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    here = Path()
    if "--write" in sys.argv:
        for name, text in files().items():
            (here / FOLDER / FILES[name]).write_text(text, encoding="utf-8")
        (here / DOCUMENT).write_text(renewed(_read(here / DOCUMENT)), encoding="utf-8")
    for line in check(here):
        print(line)
    sys.exit(bool(check(here)))
