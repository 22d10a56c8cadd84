"""Questions to parsed modules."""

from __future__ import annotations

from gateway.capabilities.policy.syntax import Program, callee, literal_path, literal_text, reference, references, walk
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine

SOURCE = """package a.b

import data.c.d
# größer: offsets count bytes
import data.c.d as e
import input.subject as who
import rego.v1

default v := 1

v := input.x["y"].z[i].w if d.f(object.get(input, ["p", "q"], 1))

limits[team] := 1 if some team in who.teams

set contains 1

f(x) := x
"""


def program() -> Program:
    return Program(EmbeddedEngine({"a.rego": SOURCE, "d.rego": "package c.d\n\nf(x) := x\n"}, "{}").ast())


def test_rules_have_package_name_kind_and_place() -> None:
    rules = {key: [(rule.kind, rule.line, rule.keyed) for rule in found] for key, found in program().rules.items()}
    assert rules[("a", "b", "v")] == [("default", 9, False), ("value", 11, False)]
    assert rules[("a", "b", "limits")] == [("value", 13, True)]
    assert rules[("a", "b", "set")] == [("set", 15, False)]
    assert rules[("a", "b", "f")] == [("function", 17, False)]
    assert ("c", "d", "f") in rules


def test_names_are_resolved_through_imports_and_rules() -> None:
    found = program()
    module = found.modules[0]
    assert found.resolve(module, "d", ("f",)) == found.resolve(module, "e", ("f",)) == ("data", "c", "d", "f")
    assert found.resolve(module, "who", ("id",)) == ("input", "subject", "id")
    assert found.resolve(module, "v", ()) == ("data", "a", "b", "v")
    assert found.resolve(module, "i", ()) is None
    assert set(found.rules_at(("c",))) == set(found.rules_at(("c", "d", "f", "more"))) == {("c", "d", "f")}


def test_references_are_taken_whole_with_what_stands_in_brackets() -> None:
    rule = program().rules[("a", "b", "v")][1]
    found = [(reference.name, reference.literal, len(reference.segments)) for _, reference in rule.uses()]
    assert ("input", ("x", "y", "z"), 5) in found
    assert ("i", (), 0) in found
    assert ("v", (), 0) not in found
    assert ("input", (), 0) in found
    assert len(list(references(rule.node))) == len(found) + 1


def test_calls_and_literals_are_read() -> None:
    calls = [node for node in walk(program().rules[("a", "b", "v")][1].node) if "Call" in node]
    assert {callee(call) for call in calls} == {"d.f", "object.get"}
    get = next(call for call in calls if callee(call) == "object.get")
    assert literal_path(get["Call"]["params"][1]) == ("p", "q")
    assert literal_text(get["Call"]["params"][1]) is None
    assert reference(get["Call"]["params"][2]) is None
    assert program().modules[0].place(get) == (11, 33)
