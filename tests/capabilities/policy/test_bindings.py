"""What local names stand for."""

from __future__ import annotations

import pytest

from gateway.capabilities.policy.bindings import bindings
from gateway.capabilities.policy.syntax import Program, reference
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine


@pytest.mark.parametrize(
    ("body", "name", "bound"),
    [
        ("v if { x := input.a; x }", "x", [("a", False)]),
        ("v if { some x in input.a; x }", "x", [("a", True)]),
        ("v if { some k, x in input.a; k == x }", "k", [None]),
        ("v if { some k, x in input.a; k == x }", "x", [("a", True)]),
        ("v if { every x in input.a { x } }", "x", [("a", True)]),
        ("v if { every k, x in input.a { k == x } }", "k", [None]),
        ("v if { [x, y] := input.a; x == y }", "x", [None]),
        ("v if { some x; input.a[x] }", "x", [None]),
        ("v(x) if x", "x", [None]),
        ("v if count([x | some x in input.a]) > count([x | x := input.b[_]])", "x", [("a", True), ("b[_]", False)]),
    ],
)
def test_each_binding_of_a_name_is_found(body: str, name: str, bound: list[tuple[str, bool] | None]) -> None:
    rule = Program(EmbeddedEngine({"a.rego": f"package a\n\n{body}\n"}, "{}").ast()).modules[0].rules[0]
    found = []
    for binding in bindings(rule)[name]:
        referred = reference(binding.node) if binding.node is not None else None
        text = "".join(f".{step}" if isinstance(step, str) else "[_]" for step in referred.segments)[1:] if referred else ""
        found.append((text, binding.each) if referred else None)
    assert sorted(found, key=str) == sorted(bound, key=str)
