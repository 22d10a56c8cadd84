"""Every way in which a provider can fail, for plain answers and streams of both modes: what the caller gets, what stands on record, and what is left open."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.simulated.script import FAULTS
from gateway.simulated.server import SimulatedProvider
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, local_gateway
from tests.pipeline.rego import READS_TEXT

ANSWER = "the unmistakable answer of the model in twelve or more words and then some"
PROMPT = "the unmistakable prompt"
LIMITS = "{connect_s: 1, first_token_s: 0.5, total_s: 1}"
PATIENT = "{connect_s: 5, first_token_s: 10, total_s: 20}"
TIRELESS = "breaker: {failures: 1000}"
POLICIES = {"plain": ALLOW_ALL, "pass": ALLOW_ALL, "buffered": READS_TEXT}

LIMITED, DOWN, BAD, CUT, LATE, REJECTED = (
    (429, "upstream.rate_limited"),
    (502, "upstream.unavailable"),
    (502, "upstream.malformed"),
    (502, "upstream.cut"),
    (504, "upstream.timeout"),
    (400, "upstream.rejected"),
)
FINE = (200, None)


class Case(NamedTuple):
    """What a fault gives: status and code for a plain answer, and for a stream; whether a passed stream breaks only after content."""

    fault: str
    plain: tuple[int, str | None]
    stream: tuple[int, str | None]
    midway: bool = False


CASES = (
    Case("{status: 400}", REJECTED, REJECTED),
    Case("{status: 401}", (502, "upstream.rejected"), (502, "upstream.rejected")),
    Case("{status: 403}", (502, "upstream.rejected"), (502, "upstream.rejected")),
    Case("{status: 404}", (502, "upstream.rejected"), (502, "upstream.rejected")),
    Case("{status: 422}", (422, "upstream.rejected"), (422, "upstream.rejected")),
    Case("{status: 500}", DOWN, DOWN),
    Case("{status: 503}", DOWN, DOWN),
    Case("{reset: before}", DOWN, DOWN),
    Case("{reset: middle}", CUT, CUT, midway=True),
    Case("{slow: header}", LATE, LATE),
    Case("{slow: first_token}", LATE, LATE),
    Case("{slow: middle}", LATE, LATE, midway=True),
    Case("{malformed: json}", BAD, BAD, midway=True),
    Case("{malformed: sse}", BAD, CUT),
    Case("{malformed: html}", BAD, BAD),
    Case("{malformed: http}", BAD, BAD),
    Case("{malformed: content_type}", BAD, BAD),
    Case("{malformed: encoding}", BAD, BAD, midway=True),
    Case("{malformed: error_body}", BAD, BAD),
    Case("{malformed: error_event}", BAD, BAD, midway=True),
    Case("{malformed: no_choices}", BAD, CUT),
    Case("{malformed: not_object}", BAD, BAD),
    Case("{malformed: wrong_kind}", BAD, BAD),
    Case("{malformed: long_event}", BAD, BAD, midway=True),
    Case("{cut: no_finish}", BAD, CUT, midway=True),
    Case("{cut: no_done}", CUT, FINE),
    Case("{cut: close}", CUT, CUT, midway=True),
    Case("{huge: 20000000}", BAD, BAD, midway=True),
    Case("{huge: 200000}", FINE, FINE),
    *(Case(f"{{content: {what}}}", FINE, FINE) for what in FAULTS["content"]),
    Case("{status: 429, retry_after: 7}", LIMITED, LIMITED),  # the last: the target is left alone for a while then
)


def script() -> str:
    rules = [
        f"{{name: '{at}', when: {{contains: ' {at}.'}}, reply: '{ANSWER}', chunks: 6, pace_ms: {pace(case)}, fault: {case.fault}}}"
        for at, case in enumerate(CASES)
    ]
    return "rules:\n" + "".join(f"  - {rule}\n" for rule in rules)


def pace(case: Case) -> int:
    """Chunks come one by one where content is to leave before the fault."""
    return 2 if case.midway and "huge" not in case.fault and "long" not in case.fault else 0


def test_every_kind_of_fault_is_tried() -> None:
    tried = {tuple(re.findall(r"\w+", case.fault)[:2]) for case in CASES}
    kinds = {(kind, value) for kind, values in FAULTS.items() for value in values}
    assert kinds <= tried
    assert {"status", "huge"} <= {kind for kind, _ in tried}


def sample(metrics: bytes, target: str, code: str | None) -> float:
    """How many attempts at a target ended so."""
    wanted = {f'target="{target}"', f'error="{code or ""}"', 'purpose="first"'}
    found = re.findall(rb"gateway_attempts_total\{(.*)\} (\S+)", metrics)
    return sum(float(value) for labels, value in found if set(labels.decode().split(",")) == wanted)


@pytest.mark.parametrize("mode", POLICIES)
async def test_each_fault_has_its_answer_its_record_and_leaves_nothing_open(tmp_path: Path, mode: str) -> None:
    patient = (
        f"  patient: {{base_url: 'BASE', model: simulated-1, limits: {PATIENT}, {TIRELESS}}}\nroutes:\n  patient: {{target: patient, retries: {{max: 0}}}}\n"
    )
    async with SimulatedProvider(script()) as provider:
        changes = {"routes:\n": patient.replace("BASE", provider.base_url) + "  hasty: {target: hasty, retries: {max: 0}}\n"}
        hasty = f"  hasty: {{base_url: '{provider.base_url}', model: simulated-1, limits: {LIMITS}, {TIRELESS}}}\n"
        async with local_gateway(tmp_path, policies=POLICIES[mode], changes={"targets:\n": "targets:\n" + hasty, **changes}) as local:
            for at, case in enumerate(CASES):
                target = "hasty" if "slow" in case.fault else "patient"
                body = {"model": target, "messages": [{"role": "user", "content": f"{PROMPT} {at}."}], "stream": mode != "plain"}
                before = (await local.get("/metrics")).body
                reply = await local.chat(body)
                check(case, mode, reply)
                _, code = case.plain if mode == "plain" else case.stream
                await recorded(local, reply, case, code)
                await nothing_open(local, provider)
                after = (await local.get("/metrics")).body
                assert sample(after, target, code) - sample(before, target, code) == 1, case


def check(case: Case, mode: str, reply: Reply) -> None:
    """What the caller got is what the case says."""
    status, code = case.plain if mode == "plain" else case.stream
    if code is None:
        assert (reply.status, reply.done or mode == "plain") == (200, True), case
    else:
        told = told_error(case, reply, status, midway=case.midway and mode == "pass")
        assert (told["code"], told["message"].count("unmistakable")) == (code, 0), case
        assert mode == "pass" or b"unmistakable" not in reply.body, case
        assert b"Simulated" not in reply.body, case
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None), case


async def recorded(local: LocalGateway, reply: Reply, case: Case, code: str | None) -> None:
    """The record says how the intent and its attempt ended."""
    facts = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed" and entry["intent_id"] == reply.headers["x-gateway-record"])
    assert (facts["state"], facts["reason"]) == ("failed" if code else "completed", code), case
    assert [attempt["error"] for attempt in facts["attempts"]] == [code], case


def told_error(case: Case, reply: Reply, status: int, *, midway: bool) -> dict[str, Any]:
    if not midway:
        assert reply.status == status, case
        error: dict[str, Any] = reply.json["error"]
        return error
    assert (reply.status, reply.done) == (200, False), case
    assert all(choice["finish_reason"] is None for event in reply.events[:-1] for choice in event["choices"])
    assert reply.events[-1].keys() == {"error"}
    broken: dict[str, Any] = reply.events[-1]["error"]
    return broken


async def nothing_open(local: LocalGateway, provider: SimulatedProvider) -> None:
    """Every place is free again, and a provider whose answer was not read to its end has learnt that nobody listens any more."""
    services = local.gateway.services
    assert services.limits.running == 0
    assert [model.client.in_use for model in services.models.values()] == [0, 0, 0]
    assert b"\ngateway_intents_in_flight 0.0" in (await local.get("/metrics")).body
    for _ in range(100):
        if not provider.answering:
            break
        await asyncio.sleep(0.02)
    assert provider.answering == 0
