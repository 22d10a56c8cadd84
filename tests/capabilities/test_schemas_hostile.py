"""Hostile schemas and answers, in a process that the kernel ends if it takes too much CPU or memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson

LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (90, 90))
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
import runpy, sys
runpy.run_path(sys.argv[1], run_name="hostile")
"""
"""Ninety seconds are some ten times what all cases take; any one that is quadratic in its text takes hours."""


def doubling(keyword: str) -> Any:
    """Twenty schemas, each of which applies the next one twice."""
    chain = {f"a{number}": {keyword: [{"$ref": f"#/$defs/a{number + 1}"}, {"$ref": f"#/$defs/a{number + 1}"}]} for number in range(20)}
    return {"$defs": chain | {"a20": {"type": "string"}}, "$ref": "#/$defs/a0"}


MANY_ONES = "[" + "1," * 1_000_000 + "1]"
BOMBS = {"uri": "a:" + "a" * 100_000, "date": "1" * 100_000, "duration": "P" + "1" * 100_000 + "Y", "uri-template": "{" * 100_000, "uuid": "-" * 100_000}

CASES: list[tuple[Any, str, list[str]]] = [
    (doubling("allOf"), '"x"', ["size"]),
    (doubling("allOf"), "1", ["type"]),
    (doubling("anyOf"), "1", ["size"]),
    (doubling("oneOf"), "1", ["size"]),
    (
        {"unevaluatedProperties": False, "anyOf": [doubling("anyOf")["$defs"]["a19"] | {"$ref": "#/x"}], "x": {}, "$defs": {"a20": {}}},
        '{"a": 1}',
        ["unevaluatedProperties"],
    ),
    ({"items": {"type": "number"}}, MANY_ONES, ["size"]),
    ({"items": {}}, MANY_ONES, []),
    ({"anyOf": [False] * 3_000}, MANY_ONES, ["anyOf"]),
    ({"anyOf": [{"type": "string"}] * 3_000}, MANY_ONES, ["anyOf"]),
    ({"allOf": [{"const": [number]} for number in range(2_000)]}, MANY_ONES, ["const"]),
    ({"uniqueItems": True}, MANY_ONES, ["size"]),
    ({"uniqueItems": True}, orjson.dumps([*range(100_000), [1], {"a": 2}]).decode(), []),
    ({"enum": [*range(4_000), *map(str, range(4_000))]}, '"x"', ["enum"]),
    ({"contains": {}, "minContains": 10**15}, MANY_ONES, ["size"]),
    ({"contains": {"type": "string"}, "minContains": 10**15}, "[1]", ["minContains"]),
    ({"patternProperties": {f"a{number}": {} for number in range(400)}}, orjson.dumps({f"k{number}": 1 for number in range(10_000)}).decode(), ["size"]),
    ({"pattern": "^(a+)+$"}, '"' + "a" * 1_000_000 + '!"', ["pattern"]),
    ({"allOf": [{"pattern": "[ab]*a[ab]{900}c"}] * 3_000}, '"' + "ab" * 5_000 + '"', ["pattern"]),
    ({"multipleOf": 5e-324}, "1e308", []),
    *(({"format": name}, orjson.dumps(bomb).decode(), ["format"]) for name, bomb in BOMBS.items()),
    ({"items": {"format": "uri-template"}}, orjson.dumps(["{" * 1_024] * 4_000).decode(), ["format"]),
    ({"items": {"format": "idn-hostname"}}, orjson.dumps(["é." * 120] * 15_000).decode(), ["format"]),
    ({"items": {"format": "regex"}}, orjson.dumps(["((a{100}){9})" * 60] * 4_000).decode(), ["size"]),
    *(({}, unit * 100_000, ["json"]) for unit in ("{", "[", '{"a":', '[{"a":', '"', "`", "```\n", "```json\n{", '{"', "[1] {", "\\", "{}[", " ", "\ufeff")),
    ({}, "{" + " " * 1_000_000, ["json"]),
    ({}, " " * 1_000_000 + "```" + " " * 1_000_000 + "`", ["json"]),
    ({}, '{"a": ' + "1" * 1_000_000 + "} x", ["json"]),
    ({}, '{"a": "' + "\\" * 1_000_001, ["json"]),
    ({}, "{} " * 100_000, []),
    ({}, "[" * 900 + "]" * 900, ["depth"]),
]


def outcomes() -> list[list[str]]:
    from gateway.capabilities.schemas.registry import Schemas

    schemas = Schemas()
    return [sorted({failure.keyword for failure in schemas.compile(schema).check(text).failures}) for schema, text, _ in CASES]


def test_nothing_that_is_hostile_takes_long_or_much_memory() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, __file__], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    assert orjson.loads(done.stdout) == [expected for _, _, expected in CASES]


if __name__ == "hostile":
    sys.stdout.write(orjson.dumps(outcomes()).decode())
