from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, http_attributes, server_attributes
from opentelemetry.semconv.attributes import error_attributes

from gateway.domain import Attempt, Decision, FindingCount, Hook, Origin, Purpose, Reason, Usage, Verdict
from gateway.infrastructure.telemetry import semconv

ATTEMPT = Attempt(
    target="simulated",
    model="simulated-1",
    started_ns=1_000_000_000,
    ended_ns=3_000_000_000,
    first_token_ns=1_500_000_000,
    status=200,
    usage=Usage(12, 34, estimated=True),
    cost_microusd=7,
    finish_reason="stop",
)


def of_the_conventions() -> set[str]:
    modules = (gen_ai_attributes, http_attributes, server_attributes, error_attributes)
    return {value for module in modules for value in vars(module).values() if isinstance(value, str)}


def test_every_name_is_one_of_the_conventions_or_ours() -> None:
    values = [value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str) and "." in value]
    values += [attribute for _, attribute in semconv._REQUEST_NUMBERS]
    foreign = {value for value in values if not value.startswith("gateway.")}
    assert len(foreign) > 20
    assert foreign <= of_the_conventions()


def test_a_chat_span_has_what_the_conventions_require() -> None:
    chat = semconv.ChatSpan("simulated", "simulated-1", "https://api.example.com/v1")
    attributes = chat.attributes({"max_completion_tokens": 5, "temperature": 0.5, "n": 2, "seed": 3, "stream": True}, ATTEMPT, "chatcmpl-1", "simulated-1-2026")
    assert chat.name == "chat simulated-1"
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "simulated-1",
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.seed": 3,
        "gen_ai.request.stream": True,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "simulated-1-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 34,
        "gateway.usage_estimated": True,
        "gateway.cost_microusd": 7,
        "gateway.target": "simulated",
        "gateway.attempt.purpose": "first",
        "http.response.status_code": 200,
        "server.address": "api.example.com",
        "server.port": 443,
    }


def test_nothing_but_numbers_is_taken_from_a_request() -> None:
    chat = semconv.ChatSpan("simulated", "simulated-1", "http://127.0.0.1:9101/v1")
    params = {"temperature": "4242424242424242", "n": True, "seed": ["x"], "stop": ["anna@example.com"], "user": "anna", "messages": [], "stream": "yes"}
    failed = Attempt(target="simulated", model="simulated-1", started_ns=1, ended_ns=2, error="upstream.timeout")
    attributes = chat.attributes(params, failed)
    assert {name for name, value in attributes.items() if value is not None} == {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "server.address",
        "server.port",
        "gateway.target",
        "gateway.attempt.purpose",
    }


@pytest.mark.parametrize("name", ["i" * 129, "", "anna@example.com", "call +1 555 0100", "<EMAIL>", "-x", "a\n"])
def test_what_an_upstream_says_in_a_name_s_place_is_left_out(name: str) -> None:
    odd = Attempt(target="t", model="m", started_ns=1, ended_ns=2, finish_reason=name)
    attributes = semconv.ChatSpan("t", "m", "http://127.0.0.1").attributes({}, odd, name, name)
    assert attributes["gen_ai.response.id"] is attributes["gen_ai.response.model"] is None
    assert "gen_ai.response.finish_reasons" not in attributes


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_chat_span_tells_what_the_call_was_for(purpose: Purpose) -> None:
    attempt = Attempt(target="t", model="m", purpose=purpose, started_ns=1, ended_ns=2)
    assert semconv.ChatSpan("t", "m", None).attributes({}, attempt)["gateway.attempt.purpose"] == purpose.value


def test_a_call_for_embeddings_has_an_operation_of_its_own() -> None:
    span = semconv.ChatSpan("t", "vectors-1", "http://127.0.0.1/v1", operation=semconv.EMBEDDINGS)
    attributes = span.attributes({"dimensions": 256, "input": ["anna@example.com"]}, ATTEMPT)
    assert span.name == "embeddings vectors-1"
    assert attributes["gen_ai.operation.name"] == "embeddings"
    assert attributes["gen_ai.embeddings.dimension.count"] == 256
    assert "anna" not in str(attributes)


def test_calls_of_one_target_do_not_share_attributes() -> None:
    chat = semconv.ChatSpan("t", "m", "http://127.0.0.1")
    assert "gen_ai.request.temperature" in chat.attributes({"temperature": 1}, ATTEMPT)
    assert "gen_ai.request.temperature" not in chat.attributes({}, ATTEMPT)


def test_a_decision_shows_its_rules_and_revision() -> None:
    verdict = Verdict(outcome="deny", reasons=(Reason("team_route", "Team may not use this."),))
    decision = Decision(hook=Hook.INTENT, verdict=verdict, revision="ab" * 32, input=b"{}", memoised=False, duration_ns=1)
    assert semconv.decision_attributes(decision) == {
        "gateway.policy.hook": "intent",
        "gateway.policy.outcome": "deny",
        "gateway.policy.revision": "ab" * 32,
        "gateway.policy.memoised": False,
        "gateway.policy.engine": "embedded",
        "gateway.policy.rules": ["team_route"],
    }


def test_findings_are_counted_and_named_by_category_only() -> None:
    counts = [FindingCount("EMAIL_ADDRESS", 2, "messages[0].content", Origin.CALLER), FindingCount("CREDIT_CARD", 1, "metadata", Origin.CALLER)]
    assert semconv.findings_attributes(counts) == {"gateway.findings": 3, "gateway.finding_categories": ["CREDIT_CARD", "EMAIL_ADDRESS"]}
    assert semconv.findings_attributes([]) == {"gateway.findings": 0, "gateway.finding_categories": None}


def test_the_root_says_who_what_and_how_it_ended() -> None:
    facts = semconv.IntentFacts(intent_id="int_1", tenant="acme", route="assistant", state="completed", status=200)
    attributes = semconv.root_attributes(facts)
    assert {name: value for name, value in attributes.items() if value is not None} == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gateway.intent.id": "int_1",
        "gateway.tenant": "acme",
        "gateway.route": "assistant",
        "gateway.surface": "chat",
        "gateway.intent.state": "completed",
    }


def test_the_root_says_what_it_took_and_how_far_the_answer_can_be_trusted() -> None:
    facts = semconv.IntentFacts(attempts=3, fallback=True, confidence=0.31, schema_valid=True, repairs=1)
    told = semconv.root_attributes(facts)
    assert {name: told[f"gateway.{name}"] for name in ("attempts", "fallback", "confidence", "schema_valid", "repairs")} == {
        "attempts": 3,
        "fallback": True,
        "confidence": 0.31,
        "schema_valid": True,
        "repairs": 1,
    }


def test_the_root_says_what_an_intent_waited_for_only_if_it_did() -> None:
    facts = semconv.IntentFacts(task="tsk_1", queue="approvals", mode="approve", holds=2)
    told = {name: value for name, value in semconv.root_attributes(facts).items() if name.startswith(("gateway.task", "gateway.holds"))}
    assert told == {"gateway.task.id": "tsk_1", "gateway.task.queue": "approvals", "gateway.task.mode": "approve", "gateway.holds": 2}
    plain = semconv.root_attributes(semconv.IntentFacts())
    assert {plain[name] for name in told} == {None}


@pytest.mark.parametrize(("surface", "name"), [("chat", semconv.ROOT_CHAT), ("embeddings", semconv.ROOT_EMBEDDINGS)])
def test_the_root_is_named_by_method_and_route(surface: str, name: str) -> None:
    assert semconv.root_name(surface) == name
    assert f"POST {semconv.root_attributes(semconv.IntentFacts(surface=surface))['http.route']}" == name
