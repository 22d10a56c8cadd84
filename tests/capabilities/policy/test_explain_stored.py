"""Explaining what was decided before."""

from __future__ import annotations

from pathlib import Path

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.explain_stored import REDACTED, explain_stored, lacking
from gateway.capabilities.policy.loading import check

EXAMPLES = Path(__file__).parents[3] / "policies"
ASKED = {"subject": {"tenant": "acme", "teams": ["support"]}, "request": {"route": "assistant"}}


def test_a_decision_of_the_same_revision_is_explained() -> None:
    bundle = load_bundle(EXAMPLES)
    decided = {"hook": "intent", "outcome": "allow", "revision": bundle.revision}
    told = explain_stored(bundle, check(bundle), decided, ASKED, redacted=True)
    assert (told["explained"], told["why"], told["notes"]) == (True, None, [REDACTED])
    assert {"gateway.intent.verdict"} <= {rule["rule"] for rule in told["rules"] if rule["status"] == "fired"}


def test_another_revision_and_a_missing_input_are_said() -> None:
    bundle = load_bundle(EXAMPLES)
    program = check(bundle)
    changed = explain_stored(bundle, program, {"hook": "intent", "revision": "a" * 64}, ASKED, redacted=False)
    assert changed == {"explained": False, "why": f"the policy has changed since: it decided by revision {'a' * 12}, and is {bundle.revision[:12]} now"}
    gone = explain_stored(bundle, program, {"hook": "intent", "revision": bundle.revision}, None, redacted=False)
    assert gone == {"explained": False, "why": "the input of the decision is not on record any more"}


def test_an_input_that_decides_otherwise_now_is_said_to_be_incomplete() -> None:
    bundle = load_bundle(EXAMPLES)
    decided = {"hook": "intent", "outcome": "allow", "revision": bundle.revision}
    told = explain_stored(bundle, check(bundle), decided, {}, redacted=False)
    assert told["notes"] == ["asked again, the policy says deny: the stored input is not all that it decided about"]


def test_what_it_cannot_do_in_time_is_said() -> None:
    bundle = load_bundle(EXAMPLES)
    told = explain_stored(bundle, check(bundle), {"hook": "intent", "revision": bundle.revision}, ASKED, redacted=False, limit_s=0.001)
    assert told["explained"] is False
    assert "could not be asked again" in told["why"]


def test_paths_that_a_stored_input_lacks_are_named() -> None:
    reads = frozenset({("request", "route"), ("request", "tokens_estimate"), ("subject",), ("findings",)})
    found = list(lacking({"subject": {"tenant": "acme", "teams": []}, "request": {"route": "a"}}, reads))
    assert found == ["input.findings", "input.request.tokens_estimate", *(f"input.subject.{name}" for name in ("id", "kind", "on_behalf_of", "roles"))]
    assert list(lacking({"findings": [{}]}, frozenset({("findings", "category")}))) == []
    assert "input.answer" in set(lacking({}, frozenset({()})))
