from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.capabilities.schemas import model
from gateway.capabilities.schemas.formats import LENGTHS
from gateway.capabilities.schemas.patterns import PATTERN_CHARACTERS

TEXT = (Path(__file__).parents[3] / "docs" / "schemas.md").read_text(encoding="utf-8")


def test_the_formats_and_their_bounds_are_documented() -> None:
    rows = re.findall(r"^\| (`.+?`) \| ([\d,]+) \|$", TEXT, re.MULTILINE)
    assert {name: int(most.replace(",", "")) for names, most in rows for name in re.findall(r"`([^`]+)`", names)} == dict(LENGTHS)


@pytest.mark.parametrize(
    "row",
    [
        f"| bytes as JSON | {model.SCHEMA_BYTES:,} |",
        f"| levels of objects and arrays | {model.SCHEMA_DEPTH} |",
        f"| schemas that apply to one value through each other | {model.SCHEMA_DEPTH} |",
        f"| values | {model.SCHEMA_NODES:,} |",
        f"| different patterns | {model.SCHEMA_PATTERNS} |",
        f"| characters of a pattern | {PATTERN_CHARACTERS:,} |",
        f"over {model.TEXT_CHARACTERS:,} characters, or over {model.STEPS:,} steps",
        f"over {model.VALUE_DEPTH} levels",
        f"At most {model.FAILURES}, the outermost first",
    ],
)
def test_each_bound_is_documented_as_it_is(row: str) -> None:
    assert row in TEXT
