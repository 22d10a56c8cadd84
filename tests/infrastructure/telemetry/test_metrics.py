from __future__ import annotations

from gateway.domain import Attempt, Decision, Hook, Purpose, State, Usage, Verdict
from gateway.infrastructure.telemetry.metrics import Metrics
from tests.infrastructure.telemetry.conftest import Read

GEN_AI = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "simulated-1"}

STATES = ("closed", "open", "half_open")


def test_an_intent_is_in_flight_until_it_is_finished_and_then_counted(metrics: Metrics, read: Read) -> None:
    metrics.intent_started()
    metrics.intent_started()
    assert read("gateway_intents_in_flight") == 2
    metrics.first_token("assistant", 20_000_000)
    metrics.intent_finished("assistant", State.COMPLETED, stream=True, duration_ns=1_500_000_000)
    assert read("gateway_intents_in_flight") == 1
    assert read("gateway_intents_total", route="assistant", state="completed", stream="yes") == 1
    assert read("gateway_intent_duration_seconds_sum", route="assistant", stream="yes") == 1.5
    assert read("gateway_time_to_first_token_seconds_bucket", route="assistant", le="0.02") == 1


def test_an_attempt_feeds_counters_and_the_histograms_of_the_conventions(metrics: Metrics, read: Read) -> None:
    metrics.attempt(Attempt(target="t", model="simulated-1", started_ns=0, ended_ns=2_000_000_000, usage=Usage(10, 20, False), cost_microusd=5))
    metrics.attempt(Attempt(target="t", model="simulated-1", started_ns=0, ended_ns=1_000_000_000, purpose=Purpose.RETRY, error="upstream.timeout"))
    assert read("gateway_attempts_total", target="t", purpose="first", error="") == 1
    assert read("gateway_attempts_total", target="t", purpose="retry", error="upstream.timeout") == 1
    assert read("gateway_tokens_total", target="t", type="input") == 10
    assert read("gateway_tokens_total", target="t", type="output") == 20
    assert read("gateway_cost_microusd_total", target="t") == 5
    assert read("gen_ai_client_operation_duration_seconds_sum", **GEN_AI, error_type="") == 2
    assert read("gen_ai_client_operation_duration_seconds_count", **GEN_AI, error_type="upstream.timeout") == 1
    assert read("gen_ai_client_token_usage_bucket", **GEN_AI, gen_ai_token_type="output", le="64.0") == 1
    assert read("gen_ai_client_token_usage_bucket", **GEN_AI, gen_ai_token_type="output", le="16.0") == 0


def test_an_attempt_is_told_by_what_was_asked_of_whom(metrics: Metrics, read: Read) -> None:
    usage = Usage(10, 0, False)
    metrics.attempt(Attempt(target="t", model="m", started_ns=0, ended_ns=2_000_000_000, usage=usage), "embeddings", "gcp.gemini")
    asked = {"gen_ai_operation_name": "embeddings", "gen_ai_provider_name": "gcp.gemini", "gen_ai_request_model": "m"}
    assert read("gen_ai_client_operation_duration_seconds_sum", **asked, error_type="") == 2
    assert read("gen_ai_client_token_usage_sum", **asked, gen_ai_token_type="input") == 10


def test_a_breakers_gauge_is_one_for_the_state_that_it_is_in(metrics: Metrics, read: Read) -> None:
    metrics.breaker("primary", "closed")
    metrics.breaker("backup", "closed")
    metrics.breaker("primary", "open")
    assert {state: read("gateway_breaker_state", target="primary", state=state) for state in STATES} == {"closed": 0, "open": 1, "half_open": 0}
    metrics.breaker("primary", "half_open")
    assert {state: read("gateway_breaker_state", target="primary", state=state) for state in STATES} == {"closed": 0, "open": 0, "half_open": 1}
    assert read("gateway_breaker_state", target="backup", state="closed") == 1


def test_what_routing_repair_and_confidence_did_is_counted(metrics: Metrics, read: Read) -> None:
    metrics.attempt_skipped("primary", "breaker.open")
    metrics.fallback("assistant")
    metrics.repair("assistant", "repaired")
    metrics.repair("assistant", "repaired")
    metrics.confidence("assistant", 0.82)
    metrics.last_resort("assistant")
    assert read("gateway_attempts_skipped_total", target="primary", reason="breaker.open") == 1
    assert read("gateway_fallbacks_total", route="assistant") == 1
    assert read("gateway_repairs_total", route="assistant", result="repaired") == 2
    assert read("gateway_confidence_bucket", route="assistant", le="0.8") == 0
    assert read("gateway_confidence_bucket", route="assistant", le="0.9") == 1
    assert read("gateway_last_resorts_total", route="assistant") == 1


def test_policy_shows_its_decisions_reloads_and_the_revision_in_force(metrics: Metrics, read: Read) -> None:
    decision = Decision(hook=Hook.ANSWER, verdict=Verdict(outcome="deny"), revision="b", input=b"{}", memoised=True, duration_ns=80_000)
    metrics.decision(decision)
    metrics.policy_loaded("a")
    metrics.policy_loaded("b")
    metrics.policy_refused()
    assert read("gateway_decisions_total", hook="answer", outcome="deny", memo="hit") == 1
    assert read("gateway_decision_duration_seconds_count", hook="answer") == 1
    assert read("gateway_policy_reloads_total", result="ok") == 2
    assert read("gateway_policy_reloads_total", result="failed") == 1
    assert (read("gateway_policy_info", revision="a"), read("gateway_policy_info", revision="b")) == (0, 1)


def test_records_findings_keys_refusals_and_spans_are_counted(metrics: Metrics, read: Read) -> None:
    metrics.record_committed(8, 400_000)
    metrics.record_failed()
    metrics.record_queue(3)
    metrics.findings("EMAIL_ADDRESS", 4)
    metrics.key_rejected("revoked")
    metrics.request_refused("payload_too_large")
    metrics.spans_exported(8)
    metrics.spans_dropped("queue_full", 2)
    assert read("gateway_record_batch_entries_sum") == 8
    assert read("gateway_record_commit_duration_seconds_count") == 1
    assert read("gateway_record_commit_failures_total") == 1
    assert read("gateway_record_queue_entries") == 3
    assert read("gateway_findings_total", category="EMAIL_ADDRESS") == 4
    assert read("gateway_keys_rejected_total", reason="revoked") == 1
    assert read("gateway_requests_refused_total", code="payload_too_large") == 1
    assert read("gateway_telemetry_spans_exported_total") == 8
    assert read("gateway_telemetry_spans_dropped_total", reason="queue_full") == 2


def test_two_gateways_in_one_process_do_not_share_numbers(metrics: Metrics, read: Read) -> None:
    Metrics().key_rejected("unknown")
    assert read("gateway_keys_rejected_total", reason="unknown") == 0
    assert read("gateway_build_info", version="1.2.3") == 1


def test_the_page_is_what_prometheus_expects(metrics: Metrics) -> None:
    text, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    assert b"process_resident_memory_bytes" in text
    assert text.count(b"# TYPE gateway_intents_total counter") == 1
