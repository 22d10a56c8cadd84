from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.difference import DataChange, Difference, ReadChange, RuleChange, difference
from gateway.capabilities.policy.problems import PolicyError
from tests.capabilities.policy.conftest import ALLOW_BOTH

INTENT = """package gateway.intent

import data.teams as known

default verdict := {"outcome": "deny"}

verdict := {"outcome": "allow"} if {
\tsome team in input.subject.teams
\tlimit(team) > 0
}

limit(team) := known[team].limit
"""


def bundle(folder: Path, files: dict[str, str]) -> Bundle:
    folder.mkdir(exist_ok=True)
    for name, text in {**ALLOW_BOTH, "intent.rego": INTENT, "data.yaml": "teams: {a: {limit: 1}}\n", **files}.items():
        (folder / name).write_text(text)
    return load_bundle(folder)


def changed(tmp_path: Path, after: dict[str, str]) -> Difference:
    return difference(bundle(tmp_path / "before", {}), bundle(tmp_path / "after", after))


@pytest.mark.parametrize(
    "intent",
    [
        INTENT,
        "# a comment\n" + INTENT.replace("\n\n", "\n\n\n").replace("\tlimit", "\t# why\n\tlimit"),
        INTENT.replace("if {\n\tsome team in input.subject.teams\n\tlimit(team) > 0\n}", "if {some team in input.subject.teams; limit(team)>0}"),
        INTENT.replace("known", "others"),
        INTENT.replace("import data.teams as known\n", "").replace("known[", "data.teams["),
    ],
    ids=["the same", "comments", "format", "the name of an import", "no import"],
)
def test_what_decides_alike_is_no_change(tmp_path: Path, intent: str) -> None:
    found = changed(tmp_path, {"intent.rego": intent})
    assert not found.any
    assert found.effects == ()


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ("> 0", "> 1", [RuleChange("changed", "gateway.intent.verdict", ("intent.rego:7",), ("intent.rego:7",))]),
        ("limit(team) >", "quota(team) >", [RuleChange("changed", "gateway.intent.verdict", ("intent.rego:7",), ("intent.rego:7",))]),
        ("some team in", "some other, team in", [RuleChange("changed", "gateway.intent.verdict", ("intent.rego:7",), ("intent.rego:7",))]),
        ('default verdict := {"outcome": "deny"}\n', "", [RuleChange("changed", "gateway.intent.verdict", ("intent.rego:5",), ())]),
        ("import data.teams as", "import data.others as", [RuleChange("changed", "gateway.intent.limit", ("intent.rego:12",), ("intent.rego:12",))]),
        ("\nlimit(team) :=", "\nquota(team) := 1\n\nlimit(team) :=", [RuleChange("added", "gateway.intent.quota", (), ("intent.rego:12",))]),
    ],
)
def test_a_rule_that_changed_is_named_with_its_places(tmp_path: Path, old: str, new: str, rules: list[RuleChange]) -> None:
    text = INTENT.replace(old, new, 1)
    assert text != INTENT
    after = {"intent.rego": text + ("\nquota(team) := limit(team)\n" if "quota(team) >" in text else "")}
    found = [
        change for change in changed(tmp_path, after).rules if change.rule != "gateway.intent.quota" or (change.kind == "added" and "quota(team) >" not in text)
    ]
    assert found == rules


def test_a_rule_that_moved_to_another_file_did_not_change(tmp_path: Path) -> None:
    head, _, tail = INTENT.partition("limit(team) := known")
    found = changed(tmp_path, {"intent.rego": head, "limits.rego": f"package gateway.intent\n\nimport data.teams as known\n\nlimit(team) := known{tail}"})
    assert found.rules == ()


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        ("teams: {a: {limit: 1.0}}\n", []),
        ("teams: {a: {limit: 2}}\n", [DataChange("changed", "data.teams.a.limit", 1, 2)]),
        ("teams: {a: {limit: true}}\n", [DataChange("changed", "data.teams.a.limit", 1, True)]),
        ("teams: {b: {limit: 1}}\n", [DataChange("removed", "data.teams.a", {"limit": 1}, None), DataChange("added", "data.teams.b", None, {"limit": 1})]),
        ("teams: {a: [1]}\n", [DataChange("changed", "data.teams.a", {"limit": 1}, [1])]),
        ("teams: {a: {limit: 1, x: null}}\n", [DataChange("added", "data.teams.a.x", None, None)]),
    ],
)
def test_an_entry_of_the_data_that_changed_is_named_with_its_values(tmp_path: Path, data: str, changes: list[Any]) -> None:
    assert list(changed(tmp_path, {"data.yaml": data}).data) == changes


def test_content_that_is_read_now_holds_streams_back_and_is_said(tmp_path: Path) -> None:
    answer = 'package gateway.answer\n\nverdict := {"outcome": "allow"} if input.answer.text != ""\n'
    intent = INTENT.replace("limit(team) > 0", "input.request.messages[0].role == team")
    found = changed(tmp_path, {"answer.rego": answer, "intent.rego": intent})
    assert ReadChange("added", "answer", "input.answer.text") in found.reads
    assert ReadChange("added", "intent", "input.request.messages") in found.reads
    assert any("streams are held back" in effect for effect in found.effects)
    assert any("verdicts of intent are not remembered any more" in effect for effect in found.effects)
    back = difference(load_bundle(tmp_path / "after"), load_bundle(tmp_path / "before"))
    assert ReadChange("removed", "answer", "input.answer.text") in back.reads
    assert any("leave as they come" in effect for effect in back.effects)


def test_a_policy_that_does_not_compile_has_no_difference(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="does not compile"):
        changed(tmp_path, {"intent.rego": "package gateway.intent\n\nverdict := \n"})
