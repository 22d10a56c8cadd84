"""Every way in which a provider fails, against every response that a route can declare: what the caller gets, and what record, trace and metrics say of it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway
from tests.integration.fault_matrix import CASES, SECOND, Case, Expected, Made, Mode, expected, script
from tests.pipeline.rego import READS_TEXT
from tests.servers.collector import Collector, collector

POLICIES = {Mode.PLAIN: ALLOW_ALL, Mode.PASS: ALLOW_ALL, Mode.BUFFERED: READS_TEXT}
TARGETS = {SECOND: "model: second, price: {input_usd_per_mtok: 1000, output_usd_per_mtok: 2000}", **{case.name: case.target for case in CASES}}
ROUTES = {"routes:\n": "routes:\n" + "".join(case.route for case in CASES)}
CLIENT, SERVER, ERROR = 3, 2, 2


@pytest.mark.parametrize("mode", Mode)
async def test_each_fault_ends_as_declared_for_the_caller_on_record_in_the_trace_and_in_the_metrics(tmp_path: Path, mode: Mode) -> None:
    with collector() as collecting:
        telemetry = f"{{traces: {{endpoint: '{collecting.endpoint}'}}, logs: {{level: error}}}}"
        routing = Routing(targets=TARGETS)
        async with local_gateway(tmp_path, script(), policies=POLICIES[mode], routing=routing, telemetry=telemetry, changes=ROUTES) as local:
            replies = await answers(local, mode)
            records = await closed(local)
            metrics = (await local.get("/metrics")).body.decode()
    traces, sent = spans(collecting), Counter(request.headers["traceparent"].split("-")[1] for request in local.provider.requests)
    wrong = []
    for case in CASES:
        wanted, reply = expected(case, mode), replies[case]
        facts, trace = records[reply.headers["x-gateway-record"]], reply.headers["x-gateway-trace"]
        found = [*told(wanted, mode, reply), *recorded(wanted, facts), *traced(traces[trace], facts, wanted)]
        found += [f"{sent[trace]} requests"] * (sent[trace] != len(wanted.made))
        wrong += [f"{case.fault.how}, {case.response}: {what}" for what in found]
    assert not wrong, "\n".join(wrong)
    assert counted(metrics) == declared(mode)


async def answers(local: LocalGateway, mode: Mode) -> dict[Case, Reply]:
    """The answer to each case: those that wait for a limit of time all at once, the others one by one. Each of them leaves everything free again."""
    slow = [case for case in CASES if "slow" in case.fault.how]
    replies = dict(zip(slow, await asyncio.gather(*(local.chat(case.body(mode)) for case in slow)), strict=True))
    for case in (None, *(case for case in CASES if case not in replies)):
        if case is not None:
            replies[case] = await local.chat(case.body(mode))
        services = local.gateway.services
        assert (services.limits.running, [name for name, model in services.models.items() if model.client.in_use]) == (0, []), case
        for _ in range(100):
            if not local.provider.answering:
                break
            await asyncio.sleep(0.02)
        assert local.provider.answering == 0, case
    return replies


def told(wanted: Expected, mode: Mode, reply: Reply) -> list[str]:
    """What is wrong with what the caller got."""
    if wanted.code is None:
        found = reply.json["gateway"] if mode is Mode.PLAIN else reply.events[-1]["gateway"]
        costs = [one.cost for one in wanted.made if one.cost is not None]
        estimated, known = "estimated" in costs, sum(cost for cost in costs if isinstance(cost, int))
        checks = {
            "status": reply.status == 200 and reply.done is (mode is not Mode.PLAIN),
            "text": reply.text == wanted.text,
            "standing": (found["target"], found["fallback"], found["last_resort"]) == (wanted.target, wanted.fallback, wanted.last_resort),
            "attempts": (found["attempts"], tuple(found["repairs"])) == (len(wanted.made), wanted.repairs),
            "cost": found["cost_microusd"] > known if estimated else found["cost_microusd"] == (known if costs else None),
            "estimated": found["usage_estimated"] is estimated,
        }
    else:
        error = reply.events[-1].get("error", {}) if wanted.midway else reply.json.get("error", {})
        retried = len(wanted.made) > 1 or wanted.code == "answer.schema_invalid"
        checks = {
            "status": reply.status == (200 if wanted.midway else wanted.status) and not reply.done,
            "code": error.get("code") == wanted.code,
            "finish": not wanted.midway or all(choice["finish_reason"] is None for event in reply.events[:-1] for choice in event["choices"]),
            "silence": wanted.midway or b"unmistakable" not in reply.body,
            "should retry": reply.headers.get("x-should-retry") == ("false" if retried else None),
        }
    return [name for name, fine in checks.items() if not fine]


def made(attempt: dict[str, Any]) -> Made:
    """An attempt of the record, as it is expected."""
    cost, usage = attempt["cost_microusd"], attempt["usage"]
    estimated = usage is not None and usage["estimated"] and cost is not None
    return Made(attempt["target"], attempt["purpose"], attempt["error"], "estimated" if estimated else cost)


def recorded(wanted: Expected, facts: dict[str, Any]) -> list[str]:
    """What is wrong with the end of a record."""
    attempts = [made(attempt) for attempt in facts["attempts"]]
    checks = {
        f"attempts on record {attempts}": attempts == list(wanted.made),
        "end on record": (facts["state"], facts["reason"], facts["http_status"]) == (wanted.state, wanted.code, wanted.status),
        "last resort on record": facts.get("last_resort", False) is wanted.last_resort,
        "repairs on record": tuple(repair["kind"] for repair in facts.get("repairs", ())) == wanted.repairs,
    }
    return [name for name, fine in checks.items() if not fine]


async def closed(local: LocalGateway) -> dict[str, dict[str, Any]]:
    """The facts of each record's last entry; each record has one, after one that opened it."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in await local.entries():
        if entry["intent_id"]:
            found[entry["intent_id"]].append(entry)
    assert len(found) == len(CASES)
    assert {tuple(entry["kind"] for entry in entries) for entries in found.values()} == {("opened", "closed")}
    return {intent: entries[-1]["facts"] for intent, entries in found.items()}


def spans(collecting: Collector) -> dict[str, list[dict[str, Any]]]:
    """The spans of each trace, attributes as a mapping."""
    found = defaultdict(list)
    for span in collecting.spans():
        span["attributes"] = {attribute["key"]: plain(attribute["value"]) for attribute in span.get("attributes", ())}
        found[span["traceId"]].append(span)
    return found


def plain(value: dict[str, Any]) -> Any:
    kind, found = next(iter(value.items()))
    return int(found) if kind == "intValue" else found


def traced(found: list[dict[str, Any]], facts: dict[str, Any], wanted: Expected) -> list[str]:
    """What is wrong with a trace: it has one CLIENT span for each attempt, with its error and cost, and what they come to on the root."""
    calls = sorted((span for span in found if span["kind"] == CLIENT), key=lambda span: int(span["startTimeUnixNano"]))
    (root,) = [span for span in found if span["kind"] == SERVER]
    attributes, costs = root["attributes"], [attempt["cost_microusd"] for attempt in facts["attempts"] if attempt["cost_microusd"] is not None]
    said = [[span["attributes"].get(name) for name in ("gateway.target", "gateway.attempt.purpose", "error.type", "gateway.cost_microusd")] for span in calls]
    checks = {
        "attempts": said == [[one[name] for name in ("target", "purpose", "error", "cost_microusd")] for one in facts["attempts"]],
        "errors": [span.get("status", {}).get("code") == ERROR for span in calls] == [one.error is not None for one in wanted.made],
        "parents": all(span["parentSpanId"] == root["spanId"] for span in found if span is not root),
        "number": attributes["gateway.attempts"] == len(wanted.made),
        "cost": attributes.get("gateway.cost_microusd") == (sum(costs) if costs else None),
        "state": (attributes["gateway.intent.state"], attributes["http.response.status_code"]) == (wanted.state, wanted.status),
        "target": attributes["gateway.target"] == wanted.target,
        "fallback": bool(attributes.get("gateway.fallback")) is wanted.fallback,
        "error": (attributes.get("error.type"), root.get("status", {}).get("code") == ERROR) == (wanted.code, wanted.code is not None),
    }
    return [name for name, fine in checks.items() if not fine]


SERIES = re.compile(r"(gateway_(?:attempts|intents|fallbacks|last_resorts|repairs)_total|gateway_breaker_state)\{(.*)\} (\S+)")
Counts = Counter[tuple[str, ...]]


def counted(metrics: str) -> Counts:
    """The series of interest that are not 0: the metric, then its labels' values by their names."""
    found = Counts()
    for name, labels, value in SERIES.findall(metrics):
        found[name, *(each for _, each in sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = int(float(value))
    return +found


def declared(mode: Mode) -> Counts:
    """The same as all cases together are declared to leave them."""
    found = Counts({("gateway_breaker_state", "closed", name): 1 for name in ("simulated", SECOND)})
    for case in CASES:
        wanted = expected(case, mode)
        found[("gateway_intents_total", case.name, wanted.state, "no" if mode is Mode.PLAIN else "yes")] += 1
        found[("gateway_breaker_state", wanted.breaker, case.name)] += 1
        found[("gateway_fallbacks_total", case.name)] += wanted.fallback
        found[("gateway_last_resorts_total", case.name)] += wanted.last_resort
        found.update(("gateway_attempts_total", one.error or "", one.purpose, one.target) for one in wanted.made)
        found.update(("gateway_repairs_total", result, case.name) for result in results(wanted))
    return +found


def results(wanted: Expected) -> Iterable[str]:
    """What each repair came to."""
    return ("extracted" if kind == "extracted" else "invalid" if wanted.code else "repaired" for kind in wanted.repairs)


@pytest.mark.parametrize("mode", Mode)
async def test_a_target_that_names_a_time_is_left_alone_until_then(tmp_path: Path, mode: Mode) -> None:
    busy = "rules: [{when: {model: simulated-1}, fault: {status: 429, retry_after: 1, times: 1}, reply: back}]"
    routing = Routing(assistant="{target: simulated, retries: {max: 1, backoff_s: 0.001}}")
    async with local_gateway(tmp_path, busy, policies=POLICIES[mode], routing=routing) as local:
        first, other = await asyncio.gather(*(local.ask("hello", stream=mode is not Mode.PLAIN) for _ in range(2)))
        assert (first.text, other.text) == ("back", "back")
        *early, last = sorted(request.at_ns for request in local.provider.requests)
        assert last - early[0] >= 1_000_000_000


async def test_what_a_stream_says_before_it_fails_costs_what_it_is_estimated_at_and_no_more(tmp_path: Path) -> None:
    cut = "rules: [{reply: 'one two three four five six seven eight', chunks: 4, pace_ms: 2, usage: {input: 9000, output: 9000}, fault: {cut: close}}]"
    async with local_gateway(tmp_path, cut) as local:
        reply = await local.ask("hello", stream=True)
        facts = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
    (usage,) = [attempt["usage"] for attempt in facts["attempts"]]
    assert usage["estimated"] is True
    assert 0 < usage["output_tokens"] <= len(reply.text)
    assert orjson.dumps(facts).count(b"one two") == 0


NOBODY = {
    "its breaker is open": ("fault: {status: 500}", "targets: [{target: fragile}]", "breaker.open"),
    "its time is over": ("fault: {slow: header}", "targets: [{target: simulated}], deadline_s: 0.2", None),
    "it is left alone": ("fault: {status: 429, retry_after: 9}", "targets: [{target: simulated}]", "target.rate_limited"),
}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("why", NOBODY)
async def test_the_last_resort_is_given_too_where_nobody_can_be_called_any_more(tmp_path: Path, mode: Mode, why: str) -> None:
    fault, targets, skipped = NOBODY[why]
    routing = Routing(
        assistant=f"{{{targets}, retries: {{max: 0, retry_after_max_s: 1}}, last_resort: Please try later.}}",
        targets={"fragile": "model: simulated-1, breaker: {failures: 1, open_s: 60}"},
    )
    async with local_gateway(tmp_path, f"rules: [{{{fault}}}]", policies=POLICIES[mode], routing=routing) as local:
        replies = [await local.ask("hello", stream=mode is not Mode.PLAIN) for _ in range(2)]
        facts = [entry["facts"] for entry in await local.entries() if entry["kind"] == "closed"]
    assert [(reply.status, reply.text) for reply in replies] == [(200, "Please try later.")] * 2
    assert [(one["state"], one["last_resort"], one["http_status"]) for one in facts] == [("completed", True, 200)] * 2
    assert [one["reason"] for one in facts[1].get("passed_over", ())] == ([skipped] if skipped else [])
    assert len(facts[1]["attempts"]) == (0 if skipped else 1)


@pytest.mark.parametrize("works", [True, False])
async def test_a_caller_who_was_kept_waiting_gets_the_fallback_or_an_error_event(tmp_path: Path, works: bool) -> None:
    slow = "rules: [{when: {model: simulated-1}, fault: {slow: header}}, {reply: 'from the second', chunks: 4, SECOND}]"
    script = slow.replace("SECOND", "pace_ms: 1" if works else "fault: {cut: close}")
    routing = Routing(
        assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 0}}",
        limits="{first_token_s: 0.3}",
        targets={"second": "model: simulated-2"},
    )
    async with local_gateway(tmp_path, script, policies=READS_TEXT, routing=routing) as local:
        object.__setattr__(local.gateway.services, "keep_alive_s", 0.05)
        reply = await local.ask("hello", stream=True)
        (facts,) = [entry["facts"] for entry in await local.entries() if entry["kind"] == "closed"]
    assert (reply.status, reply.body.startswith(b": keep-alive\n\n"), reply.done) == (200, True, works)
    assert [attempt["error"] for attempt in facts["attempts"]] == ["upstream.timeout", None if works else "upstream.cut"]
    if works:
        assert (reply.text, reply.events[-1]["gateway"]["fallback"]) == ("from the second", True)
    else:
        assert [event.keys() for event in reply.events] == [{"error"}]
        assert (reply.events[0]["error"]["code"], facts["state"], facts["http_status"]) == ("upstream.cut", "failed", 502)


@pytest.mark.parametrize("mode", Mode)
async def test_a_target_that_recovers_is_tried_by_one_call_while_the_others_have_the_fallback_and_then_has_its_place_again(tmp_path: Path, mode: Mode) -> None:
    script = "rules: [{when: {model: flaky}, reply: first, first_token_ms: 150, fault: {status: 500, times: 2}}, {reply: second}]"
    routing = Routing(
        assistant="{targets: [{target: flaky}, {target: simulated}], retries: {max: 0}}",
        targets={"flaky": "model: flaky, breaker: {failures: 2, window_s: 60, open_s: 0.8, probes: 1}"},
    )
    async with local_gateway(tmp_path, script, policies=POLICIES[mode], routing=routing) as local:

        async def texts(calls: int) -> list[str]:
            replies = await asyncio.gather(*(local.ask("hello", stream=mode is not Mode.PLAIN) for _ in range(calls)))
            return sorted(reply.text for reply in replies)

        assert [await texts(1) for _ in range(3)] == [["second"]] * 3
        asked = [orjson.loads(request.body)["model"] for request in local.provider.requests]
        assert asked == ["flaky", "simulated-1", "flaky", "simulated-1", "simulated-1"]
        await asyncio.sleep(0.8)
        assert await texts(5) == ["first", *["second"] * 4]
        assert await texts(5) == ["first"] * 5
        assert counted((await local.get("/metrics")).body.decode())["gateway_breaker_state", "closed", "flaky"] == 1


@pytest.mark.parametrize("mode", Mode)
async def test_what_waits_for_the_whole_answer_is_hedged_and_a_stream_that_passes_is_not(tmp_path: Path, mode: Mode) -> None:
    script = "rules: [{when: {model: simulated-1}, reply: slow, first_token_ms: 400}, {reply: quick}]"
    routing = Routing(assistant="{targets: [{target: simulated}, {target: second}], hedge_after_s: 0.05}", targets={"second": "model: simulated-2"})
    async with local_gateway(tmp_path, script, policies=POLICIES[mode], routing=routing) as local:
        reply = await local.ask("hello", stream=mode is not Mode.PLAIN)
        assert (reply.text, len(local.provider.requests)) == (("slow", 1) if mode is Mode.PASS else ("quick", 2))
