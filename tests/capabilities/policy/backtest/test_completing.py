from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.policy.backtest.completing import PROVIDED, Completer
from gateway.capabilities.policy.backtest.recorded import Asked
from gateway.capabilities.policy.projection import Projection
from gateway.capabilities.policy.syntax import Path
from gateway.domain import Hook

SUBJECT = {"id": "key_1", "kind": "key", "tenant": "acme", "teams": ["support"], "roles": []}
FACTS: dict[str, Any] = {
    "subject": SUBJECT, "surface": "chat", "stream": False, "trace_id": "0" * 32, "route": "assistant", "versions": {"config": "c1"}, "findings": [],
    "unscanned": [], "decision": {"outcome": "allow", "reasons": [], "obligations": {"reveal": {}, "max_tokens": None, "labels": {}, "routes": None}},
}  # fmt: skip
REQUEST = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "temperature": 0.5}
WHOLE: dict[Hook, dict[str, Any]] = {
    Hook.INTENT: {
        "subject": {**SUBJECT, "on_behalf_of": None},
        "intent": {"id": "int_1", "parent_id": None, "root_id": "int_1", "depth": 0, "surface": "chat", "name": None, "labels": {}, "idempotency_key": None},
        "request": {"route": "assistant", "stream": False, "params": {"max_tokens": 5, "temperature": 0.5}, "messages": REQUEST["messages"],
            "tools": [], "unscanned": [], "tokens_estimate": 2},
        "findings": [], "approvals": [], "versions": {"config": "c1", "policy": "r1"}, "trace_id": "0" * 32, "attempt": 0,
    },
    Hook.ANSWER: {
        "subject": {**SUBJECT, "on_behalf_of": None},
        "intent": {"id": "int_1", "parent_id": None, "root_id": "int_1", "depth": 0, "surface": "chat", "name": None, "labels": {}, "idempotency_key": None},
        "request": {"route": "assistant", "stream": False},
        "findings": [], "approvals": [], "answer": {"schema_valid": None, "confidence": None, "signals": {}}, "versions": {"config": "c1", "policy": "r1"},
        "trace_id": "0" * 32,
        "intent_verdict": {"outcome": "allow", "reasons": [], "obligations": {"reveal": {}, "max_tokens": None, "labels": {}}},
    },
}  # fmt: skip
"""What a record knows of the whole input, when nothing was stored of it."""
PATHS = {
    hook: sorted({(section, name) if fields else (section,) for section, fields in provided.items() for name in fields or ("",)})
    for hook, provided in PROVIDED.items()
}
DEEPER = [("request", "params", "max_tokens"), ("request", "params", "seed"), ("request", "params"), ("subject",), ()]


def asked(hook: Hook, stored: dict[str, Any], **fields: Any) -> Asked:
    base: dict[str, Any] = {"tenant": "acme", "intent_id": "int_1", "route": "assistant", "said": None, "revision": "r1", "problem": None}
    return Asked(hook=hook, input=stored, **(base | {"facts": FACTS, "ending": {"findings": []}, "request": REQUEST} | fields))


def completer(hook: Hook, *paths: Path, known: dict[str, Any] | None = None) -> Completer:
    reads = {one: frozenset(paths if one is hook else ()) for one in Hook}
    return Completer(reads, {name: {hook: frozenset(read)} for name, read in (known or {}).items()})


@pytest.mark.parametrize("hook", list(Hook))
def test_what_people_had_decided_by_then_is_not_guessed(hook: Hook) -> None:
    paths = [("approvals",), ("subject",)]
    assert completer(hook, *paths).complete(asked(hook, {})).parts["approvals"] == []
    assert completer(hook, *paths).complete(asked(hook, {}, resumed=True)).missing == (("approvals",),)


def test_the_verdict_before_an_answer_is_the_last_one_on_the_intent() -> None:
    decided = {"outcome": "allow", "reasons": [], "obligations": {"max_tokens": 5}}
    done = completer(Hook.ANSWER, ("intent_verdict",)).complete(asked(Hook.ANSWER, {}, resumed=True, intent_decision=decided))
    assert done.parts["intent_verdict"]["obligations"] == {"max_tokens": 5}


def test_an_answer_that_waits_tells_only_as_much_of_itself_as_stands_there() -> None:
    path = ("answer", "confidence")
    assert completer(Hook.ANSWER, path).complete(asked(Hook.ANSWER, {}, parked=True)).missing == (path,)
    told = {"confidence": [{"score": 0.5, "signals": {}}]}
    assert completer(Hook.ANSWER, path).complete(asked(Hook.ANSWER, {}, parked=True, ending=told)).parts == {"answer": {"confidence": 0.5}}


@pytest.mark.parametrize("hook", list(Hook))
def test_what_a_record_knows_is_added_and_what_it_does_not_know_is_missing(hook: Hook) -> None:
    known = {path for path in PATHS[hook] if path[0] in WHOLE[hook] and (len(path) == 1 or path[1] in WHOLE[hook][path[0]])}
    done = completer(hook, ()).complete(asked(hook, {}))
    assert done.parts == WHOLE[hook]
    assert set(done.added) == known
    assert set(done.missing) == set(PATHS[hook]) - known


@given(st.sets(st.sampled_from(PATHS[Hook.INTENT] + DEEPER)), st.sets(st.sampled_from(PATHS[Hook.INTENT] + DEEPER)), st.booleans())
def test_whatever_was_stored_the_candidate_sees_what_it_would_have_seen(before: set[Path], after: set[Path], is_known: bool) -> None:
    hook = Hook.INTENT
    whole = WHOLE[hook] | {"request": WHOLE[hook]["request"] | {"cost_estimate_microusd": 8}, "time": "2026-01-01T00:00:00Z"}
    kept = frozenset(path for path in before if not any(path[:cut] in before for cut in range(len(path))))
    stored = orjson.loads(Projection(hook, kept).document(whole))
    done = completer(hook, *after, known={"r1": kept} if is_known else None).complete(asked(hook, stored))
    if not done.missing:
        sees = Projection(hook, frozenset(path for path in after if not any(path[:cut] in after for cut in range(len(path)))))
        assert orjson.loads(sees.document(done.parts)) == orjson.loads(sees.document(whole))
    unknown = {("time",), ("request", "cost_estimate_microusd")}
    assert set(done.missing) <= unknown
    assert not any(path in kept for path in done.missing)


def test_a_policy_that_is_known_was_given_what_is_not_there() -> None:
    stored: dict[str, Any] = {"request": {"params": {}}}
    wanted = ("request", "params", "max_tokens")
    assert completer(Hook.INTENT, wanted, known={"r1": [wanted]}).complete(asked(Hook.INTENT, stored)) == (stored, (), ())
    other = completer(Hook.INTENT, wanted, known={"r2": [wanted]}).complete(asked(Hook.INTENT, stored))
    assert other.added == (("request", "params"),)


def test_a_parameter_of_an_erased_request_is_missing() -> None:
    done = completer(Hook.INTENT, ("request", "params", "max_tokens")).complete(asked(Hook.INTENT, {}, request=None))
    assert done.missing == (("request", "params", "max_tokens"),)


def test_what_no_intent_ever_has_is_not_missing() -> None:
    assert completer(Hook.INTENT, ("budget", "remaining_microusd"), ("tool",), ("request", "nonsense")).complete(asked(Hook.INTENT, {})) == ({}, (), ())


def test_each_choice_has_its_own_confidence() -> None:
    ending = {"confidence": [{"score": 0.9, "signals": {"logprobs": 0.9}}, {"score": 0.2, "signals": {}}], "schema": {"valid": False}}
    made = completer(Hook.ANSWER, ("answer", "confidence"), ("answer", "schema_valid"))
    assert made.complete(asked(Hook.ANSWER, {}, ending=ending, choice=1)) == (
        {"answer": {"confidence": 0.2}},
        (("answer", "confidence"),),
        (("answer", "schema_valid"),),
    )
    assert made.complete(asked(Hook.ANSWER, {}, ending=ending, choice=2)).missing == (("answer", "confidence"), ("answer", "schema_valid"))


def test_the_stored_input_itself_is_not_changed() -> None:
    stored: dict[str, Any] = {"subject": {"id": "key_1"}}
    completer(Hook.INTENT, ("subject",)).complete(asked(Hook.INTENT, stored))
    assert stored == {"subject": {"id": "key_1"}}
