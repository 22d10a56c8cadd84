"""What ``/metrics`` shows, as typed methods: no caller chooses a label's name, and every label's values come from a bounded set.

Labels hold names of the configuration (route, target), categories, states and codes; never a tenant, a subject, an id or content. Every
method costs about a microsecond and belongs to the event loop's thread, except where it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.domain import Attempt, Decision, Hook, State
from gateway.infrastructure.telemetry.instruments import Counter, Gauge, Histogram, Info, Instrument, States
from gateway.infrastructure.telemetry.metrics_people import PeopleMetrics
from gateway.infrastructure.telemetry.provider_names import OPENAI
from gateway.infrastructure.telemetry.semconv import CHAT

# The conventions' advice for gen_ai.client.operation.duration (doubling from 10 ms) and gen_ai.client.token.usage (powers of four).
_SECONDS = tuple(0.01 * 2**i for i in range(14))
_TOKENS = tuple(float(4**i) for i in range(14))
_SHORT_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_BREAKER_STATES = ("closed", "open", "half_open")
_DROPS = ("queue_full", "unreachable", "rejected", "shutdown")


class Metrics(PeopleMetrics):
    """The gateway's instruments, in a registry of their own."""

    def __init__(self, version: str = "") -> None:
        super().__init__()
        self._build = Info("gateway_build_info", "The version that runs.", "version")
        self._build.value = version
        self._intents = Counter("gateway_intents", "Intents by their final state; parked ones each time.", ("route", "state", "stream"))
        self._duration = Histogram(
            "gateway_intent_duration_seconds", "From the request's arrival to the last byte of its answer.", _SECONDS, ("route", "stream")
        )
        self._first_token = Histogram("gateway_time_to_first_token_seconds", "From the request's arrival to the answer's first content.", _SECONDS, ("route",))
        self._in_flight = Gauge("gateway_intents_in_flight", "Intents that run now.")
        self._refused = Counter("gateway_requests_refused", "Requests refused before they became an intent, by error code.", ("code",))
        self._keys = Counter("gateway_keys_rejected", "API keys that were not accepted.", ("reason",))
        self._attempts = Counter("gateway_attempts", "Calls of targets; error is empty where none occurred.", ("target", "purpose", "error"))
        self._skipped = Counter("gateway_attempts_skipped", "Targets that were passed over for an intent.", ("target", "reason"))
        self._breakers = States("gateway_breaker_state", "The state that a target's breaker is in.", "target", _BREAKER_STATES)
        self._fallbacks = Counter("gateway_fallbacks", "Intents that another than the first target of their order answered.", ("route",))
        self._repairs = Counter("gateway_repairs", "Repairs of answers that broke their schema.", ("route", "result"))
        self._confidence = Histogram("gateway_confidence", "Confidence in answers, in [0, 1].", _SHARES, ("route",))
        self._last_resorts = Counter("gateway_last_resorts", "Intents that the route's last resort answered.", ("route",))
        self._tokens = Counter("gateway_tokens", "Tokens by target.", ("target", "type"))
        self._cost = Counter("gateway_cost_microusd", "Cost in micro-USD by target.", ("target",))
        self._gen_ai_duration = Histogram("gen_ai_client_operation_duration_seconds", "GenAI operation duration.", _SECONDS, (*_GEN_AI, "error_type"))
        self._gen_ai_tokens = Histogram("gen_ai_client_token_usage", "Number of input and output tokens used.", _TOKENS, (*_GEN_AI, "gen_ai_token_type"))
        self._findings = Counter("gateway_findings", "Sensitive values found, by category.", ("category",))
        self._decisions = Counter("gateway_decisions", "Verdicts of policy.", ("hook", "outcome", "memo"))
        self._decision_seconds = Histogram("gateway_decision_duration_seconds", "Time to a verdict.", _SHORT_SECONDS, ("hook",))
        self._reloads = Counter("gateway_policy_reloads", "Policy bundles that were loaded or refused.", ("result",), [("ok",), ("failed",)])
        self._policy = Info("gateway_policy_info", "The policy revision in force.", "revision")
        self._opa_requests = Counter("gateway_opa_requests", "Decisions that an OPA server was asked for, by what came of it.", ("result",))
        self._opa_fallbacks = Counter("gateway_opa_fallbacks", "Decisions of the embedded engine because the OPA server could not be asked.", ("hook",))
        self._opa_breaker = States("gateway_opa_breaker_state", "The state that the OPA server's breaker is in.", "server", _BREAKER_STATES)
        self._shadow_decisions = Counter("gateway_shadow_decisions", "Decisions that a shadow policy made beside the live one.", ("hook", "difference"))
        self._shadow_skipped = Counter("gateway_shadow_skipped", "Sampled decisions that a shadow policy was not asked about.", ("reason",))
        self._shadow_loads = Counter("gateway_shadow_loads", "Shadow policies that were loaded or refused.", ("result",))
        self._shadow = Info("gateway_shadow_info", "The revision of the shadow policy; empty while there is none.", "revision")
        self._log_behind = Gauge("gateway_decision_log_behind", "Entries of records that the decision log has not come to yet.")
        self._log_events = Counter("gateway_decision_log_events", "Decisions that the decision log's receiver took.")
        self._log_failures = Counter("gateway_decision_log_failures", "Batches that could not be read or handed over, and are again.", ("reason",))
        self._log_stripped = Counter(
            "gateway_decision_log_stripped",
            "Events that lost their input and result, or entries that are damaged.",
            ("reason",),
            [("mask",), ("too_large",), ("damaged",)],
        )
        self._commit_seconds = Histogram("gateway_record_commit_duration_seconds", "Duration of a group commit.", _SHORT_SECONDS)
        self._commit_entries = Histogram("gateway_record_batch_entries", "Entries in a group commit.", _BATCHES)
        self._record_queue = Gauge("gateway_record_queue_entries", "Entries that wait for the next group commit.")
        self._record_failures = Counter("gateway_record_commit_failures", "Group commits that failed.")
        self._exported = Counter("gateway_telemetry_spans_exported", "Spans that the collector took.")
        self._dropped = Counter("gateway_telemetry_spans_dropped", "Spans that never reached the collector.", ("reason",), [(reason,) for reason in _DROPS])
        instruments: list[Instrument] = list(self.__dict__.values())
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Instruments(instruments))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def intent_started(self) -> None:
        """An intent was admitted; exactly one ``intent_finished`` or ``intent_left`` follows."""
        self._in_flight.value += 1

    def intent_left(self) -> None:
        """An admitted intent did not begin: another process goes on with it, or the database did not take it."""
        self._in_flight.value -= 1

    def intent_finished(self, route: str, state: State, *, stream: bool, duration_ns: int) -> None:
        """An intent reached a final state, or was parked."""
        kind = "yes" if stream else "no"
        self._in_flight.value -= 1
        self._intents.add(route, state.value, kind)
        self._duration.observe(duration_ns / 1e9, route, kind)

    def intent_settled(self, route: str, state: State, *, stream: bool) -> None:
        """A parked intent reached a final state without going on: it was not in flight, and how long it waited is its task's."""
        self._intents.add(route, state.value, "yes" if stream else "no")

    def first_token(self, route: str, duration_ns: int) -> None:
        """The first content of a streamed answer left for the caller."""
        self._first_token.observe(duration_ns / 1e9, route)

    def request_refused(self, code: str) -> None:
        """A request ended before it was an intent; ``code`` is the error's."""
        self._refused.add(code)

    def key_rejected(self, reason: str) -> None:
        """A key was refused: ``missing``, ``unknown``, ``expired``, ``revoked`` ..."""
        self._keys.add(reason)

    def attempt(self, attempt: Attempt, operation: str = CHAT, provider: str = OPENAI) -> None:
        """A call of a target ended: counts it, its tokens and its cost, and feeds the conventions' two GenAI histograms.

        ``operation`` is what was asked of it, ``CHAT`` or ``EMBEDDINGS``; ``provider`` the conventions' name of who was asked (``provider_name``).
        """
        target, model, error = attempt.target, attempt.model, attempt.error or ""
        self._attempts.add(target, attempt.purpose.value, error)
        self._gen_ai_duration.observe((attempt.ended_ns - attempt.started_ns) / 1e9, operation, provider, model, error)
        if attempt.cost_microusd:
            self._cost.add(target, amount=attempt.cost_microusd)
        if attempt.usage is not None:
            for kind, tokens in (("input", attempt.usage.input_tokens), ("output", attempt.usage.output_tokens)):
                self._tokens.add(target, kind, amount=tokens)
                self._gen_ai_tokens.observe(tokens, operation, provider, model, kind)

    def attempt_skipped(self, target: str, reason: str) -> None:
        """A target was passed over for an intent: ``breaker.open``, ``when.labels`` ..."""
        self._skipped.add(target, reason)

    def breaker(self, target: str, state: str) -> None:
        """A target's breaker is ``closed``, ``open`` or ``half_open`` now."""
        self._breakers.set(target, state)

    def fallback(self, route: str) -> None:
        """Another than the first target of its order answered an intent."""
        self._fallbacks.add(route)

    def repair(self, route: str, result: str) -> None:
        """A repair ended: ``extracted`` (without a call), ``repaired``, ``invalid`` (still) or ``failed`` (the call did)."""
        self._repairs.add(route, result)

    def confidence(self, route: str, score: float) -> None:
        """An answer was assessed; one without a signal is not counted."""
        self._confidence.observe(score, route)

    def last_resort(self, route: str) -> None:
        """No target answered, and the route's fixed answer was given."""
        self._last_resorts.add(route)

    def findings(self, category: str, count: int) -> None:
        """Values of a category were found."""
        self._findings.add(category, amount=count)

    def decision(self, decision: Decision) -> None:
        """Policy gave a verdict."""
        self._decisions.add(decision.hook.value, decision.verdict.outcome, "hit" if decision.memoised else "miss")
        self._decision_seconds.observe(decision.duration_ns / 1e9, decision.hook.value)

    def policy_loaded(self, revision: str) -> None:
        """A policy bundle came into force."""
        self._reloads.add("ok")
        self._policy.value = revision

    def policy_refused(self) -> None:
        """A changed policy bundle was not accepted; the last good one stays in force."""
        self._reloads.add("failed")

    def opa_asked(self, result: str) -> None:
        """An OPA server was to decide: ``ok``, ``error`` (the policy's), ``size``, ``timeout``, ``unavailable``, ``revision`` (another), ``breaker_open``."""
        self._opa_requests.add(result)

    def opa_fallback(self, hook: Hook) -> None:
        """The embedded engine decided because the OPA server could not be asked."""
        self._opa_fallbacks.add(hook.value)

    def opa_breaker(self, server: str, state: str) -> None:
        """The OPA server's breaker is ``closed``, ``open`` or ``half_open`` now."""
        self._opa_breaker.set(server, state)

    def shadow_decision(self, hook: Hook, difference: str) -> None:
        """A shadow policy decided; ``difference`` from the live one: ``none``, ``new_deny``, ``new_allow``, ``new_escalate``, ``obligations`` ..."""
        self._shadow_decisions.add(hook.value, difference)

    def shadow_skipped(self, reason: str) -> None:
        """A shadow policy was not asked: ``not_loaded``, ``live_fault``, ``too_large``, ``budget``, ``queue_full``, ``input``."""
        self._shadow_skipped.add(reason)

    def shadow_loaded(self, revision: str) -> None:
        """A shadow policy is asked from now on."""
        self._shadow_loads.add("ok")
        self._shadow.value = revision

    def shadow_refused(self) -> None:
        """A shadow policy, or a change of it, cannot be asked."""
        self._shadow_loads.add("failed")

    def decision_log_behind(self, entries: int) -> None:
        """How many entries the decision log has not come to; 0 in a process that another one does it for."""
        self._log_behind.value = entries

    def decision_log_sent(self, events: int) -> None:
        """The receiver has taken so many events."""
        self._log_events.add(amount=events)

    def decision_log_failed(self, reason: str) -> None:
        """A batch was not handed over: ``timeout``, ``unreachable``, ``rejected``, ``file``, ``database`` or ``defect``."""
        self._log_failures.add(reason)

    def decision_log_stripped(self, reason: str, events: int) -> None:
        """So many events went without input and result: the ``mask`` failed, or they were ``too_large``; or their entries are ``damaged``."""
        self._log_stripped.add(reason, amount=events)

    def record_committed(self, entries: int, duration_ns: int) -> None:
        """A group commit is durable. For the thread that commits."""
        self._commit_entries.observe(entries)
        self._commit_seconds.observe(duration_ns / 1e9)

    def record_failed(self) -> None:
        """A group commit failed. For the thread that commits."""
        self._record_failures.add()

    def record_queue(self, entries: int) -> None:
        """How many entries wait now."""
        self._record_queue.value = entries

    def spans_exported(self, count: int) -> None:
        """The collector took spans. For the exporter's thread."""
        self._exported.add(amount=count)

    def spans_dropped(self, reason: str, count: int) -> None:
        """Spans were lost: ``queue_full``, ``unreachable``, ``rejected`` (by the collector) or ``shutdown``."""
        self._dropped.add(reason, amount=count)

    def render(self) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _Instruments(Collector):
    """Shows the instruments to prometheus_client."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self._instruments = instruments

    def collect(self) -> Iterable[Metric]:
        """Every family as it is now."""
        return [instrument.collect() for instrument in self._instruments]
