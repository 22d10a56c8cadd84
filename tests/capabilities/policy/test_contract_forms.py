"""Schemas in small words."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from gateway.capabilities.policy.contract_forms import Schema, document, flag, many, number, one_of, or_null, section, table, text, texts, whole


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (text("a"), "x", 1),
        (text("a", maxLength=1), "x", "xy"),
        (one_of(["a", "b"], "a"), "a", "c"),
        (whole("a", minimum=0), 0, -1),
        (number("a"), 0.5, "0.5"),
        (flag("a"), True, 1),
        (or_null(flag("a")), None, 1),
        (many(flag("a"), "a", maxItems=1), [True], [True, True]),
        (texts("a"), ["x"], [1]),
        (table(flag("a"), "a"), {"any": True}, {"any": 1}),
        (section({"a": flag("a")}, "a"), {}, {"b": True}),
        (section({"a": flag("a")}, "a", others={}), {"b": 1}, {"a": 1}),
        (section({"a": flag("a")}, "a", required=["a"]), {"a": True}, {}),
        (document("x/v1", "X", flag("a")), True, 1),
    ],
)
def test_each_takes_what_it_says(schema: Schema, good: object, bad: object) -> None:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)
    assert schema["description"] == "a"
