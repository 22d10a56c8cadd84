"""Decisions and what-ifs as lines."""

from __future__ import annotations

from dataclasses import replace

from gateway.capabilities.policy.input_paths import NOTHING
from gateway.capabilities.policy.what_if import Change, Flip
from gateway.domain import Decision, Hook, Obligations, Reason, Verdict
from gateway.domain_tasks import ApprovalTerms, Mode
from gateway.surfaces.cli.policy_explanation import change_line, decision_json, decision_lines, explanation_lines, flip_lines

DENIED = Decision(
    hook=Hook.INTENT,
    verdict=Verdict(outcome="deny", reasons=(Reason("a.b", "no"),)),
    revision="0123456789abcdef",
    input=b"{}",
    memoised=False,
    duration_ns=12_345,
)


def test_a_decision_is_a_line_and_its_reasons() -> None:
    assert list(decision_lines(DENIED)) == ["deny  (intent hook, revision 0123456789ab, 12 us)", "  a.b: no"]
    assert decision_json(DENIED)["obligations"] is None


def test_of_what_is_left_to_a_person_the_terms_are_told() -> None:
    obligations = Obligations(approval=ApprovalTerms(mode=Mode.REVIEW, queue="reviews", distinct_from=("requester",)))
    escalated = replace(DENIED, verdict=Verdict(outcome="escalate", reasons=(Reason("a.b", "look"),), obligations=obligations))
    assert list(decision_lines(escalated))[1:] == [
        "  a.b: look",
        '  a person decides: mode review, queue reviews, min_approvers 1, distinct_from ["requester"]',
    ]
    assert decision_json(escalated)["obligations"]["approval"]["queue"] == "reviews"


def test_a_change_adds_removes_or_replaces() -> None:
    assert change_line(Change(("a", 0), NOTHING, "x")) == 'a[0]: nothing -> "x"'
    assert change_line(Change(("a",), 1, None)) == "a: 1 -> null"
    assert change_line(Change(("a",), "x" * 300, 1)).endswith("...")


def test_a_search_without_result_says_how_many_were_tried() -> None:
    assert list(flip_lines(Flip(change=None, decision=None, tried=34, known=2_500))) == [
        "no change of one field gives another outcome (34 of 2,500 changes tried)"
    ]
    found = list(flip_lines(Flip(change=Change(("a",), 1, 2), decision=DENIED, tried=7, known=7)))
    assert found == ["the smallest change that gives another outcome (7 changes tried):", "  a: 1 -> 2", "  outcome: deny", "    a.b: no"]


def test_rules_are_grouped_by_what_became_of_them() -> None:
    def rule(name: str, status: str, **more: object) -> dict[str, object]:
        return {"rule": name, "file": "p.rego", "line": 3, "kind": "rule", "status": status, "failed": None, **more}

    stopped = {"file": "p.rego", "line": 4, "col": 1, "text": "input.a ==\n\t1"}
    why = {
        "rules": [rule("v", "fired", value=1), rule("v", "failed", failed=stopped), rule("v", "not_reached"), rule("w", "not_reached")],
        "data": [{"path": "data.a", "there": True, "value": [1]}, {"path": "data.b", "there": True}],
        "inputs": [{"path": "input.a", "there": False}],
        "notes": ["odd"],
    }
    assert list(explanation_lines(why)) == [
        "rules that fired:",
        "  p.rego:3  v = 1",
        "rules that did not:",
        "  p.rego:3  v  stopped at p.rego:4: input.a == 1",
        "rules that nothing asked for:",
        "  w",
        "data that they read:",
        "  data.a = [1]",
        "  data.b",
        "input that the policy reads:",
        "  input.a is not there",
        "note: odd",
    ]
