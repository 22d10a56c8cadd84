"""From a folder to a policy that may go live."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.loading import check, load_policy
from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Hook
from gateway.domain_tasks import ApprovalTerms
from tests.capabilities.policy.conftest import Write

EXAMPLES = Path(__file__).parents[3] / "policies"


def test_the_example_policies_may_go_live() -> None:
    policy = load_policy(EXAMPLES)
    assert policy.revision == load_bundle(EXAMPLES).revision
    assert policy.memoises(Hook.INTENT)
    assert policy.memoises(Hook.ANSWER)
    assert not policy.reads_answer_content


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"more.rego": "package more\n\nv := [\n"}, "more.rego:4:"),
        ({"more.rego": "package more\n\nv := " + "[" * 60 + "]" * 60}, "nested"),
        ({"more.rego": "package more\n\nv := http.send({})\n"}, "http.send may not be called"),
        ({"answer.rego": None}, "no rule verdict in package gateway.answer"),
        ({"intent.rego": "package gateway.intent\n\nx := 1 if input.subjekt\n"}, "did you mean input.subject?"),
        ({"more.rego": "package more\n\nv := 1" + " +\n1" * 250}, "nested too deep"),
        ({"more.rego": "package more\n\nv := 1" + " +\n1" * 600}, "recursion"),
        ({"data.yaml": "a: yes"}, "data.yaml:1:4"),
    ],
)
def test_what_must_not_go_live_does_not(write: Write, files: dict[str, str | None], what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(write(files))
    assert what in str(caught.value)


INTENT, ANSWER = "package gateway.intent\n\nverdict := ", "package gateway.answer\n\nverdict := "


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"intent.rego": INTENT + '"allow"'}, "intent.rego:3:12: verdict must be an object"),
        ({"intent.rego": INTENT + "true"}, "intent.rego:3:12: verdict must be an object"),
        ({"intent.rego": INTENT + "count([1])"}, "intent.rego:3:1: the intent verdict for the usual sample input is malformed: the verdict must be an object"),
        ({"answer.rego": ANSWER + '{"outcome": "alow"}'}, "answer.rego:3:24: verdict.outcome must be one of allow, deny, escalate"),
        (
            {"answer.rego": ANSWER + '{"outcome": "allow", "obligations": {"max_tokens": "512"}}'},
            "answer.rego:3:63: verdict.obligations.max_tokens must be an integer",
        ),
        (
            {"answer.rego": ANSWER + '{"outcome": object.get(input.answer, "source", "")} if input.answer.confidence != null'},
            "the answer verdict for the assessed",
        ),
        (
            {"answer.rego": ANSWER + 'object.get(input, "versions", {}) if input.answer.source == "gateway"'},
            "the answer verdict for the last resort sample input",
        ),
    ],
)
def test_a_verdict_that_the_contract_does_not_know_does_not_go_live(write: Write, files: dict[str, str | None], what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(write(files))
    assert what in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "rest",
    [
        '{"outcome": "deny"}',
        '{"outcome": "escalate", "obligations": {"approval": {"mode": "approve"}}}',
        '{"outcome": "allow", "obligations": {"sources": []}}',
        "object.get(input, [], {}) if count(input.request.tools) > 400",
        '{"outcome": "deny", "reasons": [{"rule": "a", "message": concat("", [message.content | some message in input.request.messages])}]}',
        '{"outcome": "allow"} if input.subject.tenant == "none of the samples"',
        '{"outcome": "allow", "obligations": {"labels": {"tenant": object.get(input, ["subject", "tenant"], "")}}}',
    ],
)
def test_what_refuses_or_is_undefined_may_go_live(write: Write, rest: str) -> None:
    assert load_policy(write({"intent.rego": INTENT + rest})).revision


def example(at: int) -> str:
    """One of the examples in the docs."""
    document = (EXAMPLES.parent / "docs" / "policy.md").read_text(encoding="utf-8")
    found = re.findall(r"```rego\n(.*?)```", document, re.DOTALL)
    assert len(found) == 2
    return f"package gateway.intent\n\n{found[at]}"


def test_the_example_of_a_person_in_the_docs_may_go_live_and_asks_one(write: Write) -> None:
    policy = load_policy(write({"intent.rego": example(1)}))
    asked: dict[str, Any] = {"request": {"route": "payments"}, "approvals": []}
    verdict = policy.decide(Hook.INTENT, asked).verdict
    assert (verdict.outcome, verdict.obligations.approval) == ("escalate", ApprovalTerms(queue="approvals", distinct_from=("requester",)))
    assert policy.decide(Hook.INTENT, asked | {"approvals": [{"hook": "intent"}]}).verdict.reasons[0].rule == "policy.undefined"


def test_the_example_in_the_docs_may_go_live_and_labels_what_it_says(write: Write) -> None:
    policy = load_policy(write({"intent.rego": example(0)}))
    for category, data_class in (("US_SSN", "restricted"), ("EMAIL_ADDRESS", "internal")):
        decision = policy.decide(Hook.INTENT, {"findings": [{"category": category, "count": 1}]})
        assert decision.verdict.obligations.labels == {"data_class": data_class}


def test_a_policy_that_takes_too_long_for_a_sample_is_refused_with_the_hook_named(write: Write) -> None:
    slow = (
        "package gateway.answer\n\nverdict := {}\n\nv if { some x in input.findings; some y in input.findings; x.where == concat(`-`, [y.where, y.where]) }\n"
    )
    folder = write({"answer.rego": slow.replace("verdict := {}", "verdict := {} if v")})
    with pytest.raises(PolicyError, match="the answer verdict for the large sample input took"):
        check(load_bundle(folder), timeout_s=0.05)


def test_an_endless_policy_is_refused(write: Write) -> None:
    rows = ", ".join(["0"] * 300)
    lists = "\n".join(f"t{n} := [{rows}]" for n in range(2))
    body = "\n".join(f"s{n + 1} := [1 | s{n}[_]; t0[_]]" for n in range(4))
    text = f"package gateway.intent\n\n{lists}\n\ns0 := t1\n\n{body}\n\nverdict := {{}} if count(s4) > 0\n"
    with pytest.raises(PolicyError, match="the trial failed while evaluating the intent verdict"):
        load_policy(write({"intent.rego": text}), trial_s=1.5)
