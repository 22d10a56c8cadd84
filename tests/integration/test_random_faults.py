"""Random faults of three targets under random routes, many intents at once: whatever fails in whatever order, calls stay within the budget, every caller is
answered, and the records are what the provider saw."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from gateway.testing import LocalGateway, Reply, Routing, local_gateway
from tests.integration.fault_matrix import ANSWER, ASKED, LAST_RESORT

INTENTS, AT_ONCE = 120, 12
TARGETS = ("one", "two", "three")
LIMITS = "limits: {connect_s: 1, first_token_s: 0.15, total_s: 0.25, concurrent: 6}, breaker: {failures: 4, window_s: 1, open_s: 0.05}"
STATUSES = {200, 400, 413, 422, 429, 502, 503, 504}
UNSEEN = {"overloaded", "cancelled", "upstream.deadline"}
"""How an attempt ends that may never have reached its target."""
CONTENTS = tuple(f"content: {what}" for what in ("html", "prose", "nothing", "empty", "half", "fenced"))
FAULTS = (
    "status: 500", "status: 503, retry_after: 0", "status: 429", "status: 429, retry_after: 0", "status: 401", "status: 400", "status: 413", "status: 422",
    "reset: before", "reset: middle", "slow: header, hang_s: 0.05", "slow: header", "slow: first_token", "slow: middle", "slow: middle, hang_s: 0.05",
    "malformed: html", "malformed: json", "malformed: http", "malformed: error_event", "malformed: no_choices", "malformed: not_object",
    "cut: no_finish", "cut: no_done", "cut: close", *CONTENTS, *CONTENTS,
)  # fmt: skip


class Asked(NamedTuple):
    """One call, and the route that serves it."""

    at: int
    route: str
    attempts: int
    stream: bool
    schema: bool
    leaves: int | None
    """After how many parts of the answer the caller goes away."""

    @property
    def body(self) -> dict[str, Any]:
        asked = {"response_format": ASKED} if self.schema else {}
        return {"model": f"r{self.at}", "messages": [{"role": "user", "content": f"intent {self.at}."}], "stream": self.stream, **asked}


def drawn(dice: random.Random, at: int) -> Asked:
    """A call with a route of its own."""
    attempts, order = dice.randint(1, 6), dice.sample(TARGETS, dice.randint(1, 3))
    targets = ", ".join(f"{{target: {name}, tier: {dice.randint(1, 2)}, weight: {dice.randint(1, 3)}}}" for name in order)
    parts = [
        f"targets: [{targets}]",
        f"attempts: {attempts}",
        f"deadline_s: {dice.choice((0.1, 0.4, 5, 5))}",
        f"retries: {{max: {dice.randint(0, 3)}, backoff_s: {dice.choice((0.001, 0.02))}, retry_after_max_s: {dice.choice((0.001, 1))}}}",
        f"repair: {{asks: {dice.randint(0, 2)}{dice.choice(('', f', target: {dice.choice(TARGETS)}'))}}}",
    ]
    if len(order) > 1 and dice.random() < 0.4:
        parts.append("hedge_after_s: 0.01")
    if dice.random() < 0.4:
        parts.append(f"confidence: {{samples: {dice.randint(1, min(3, attempts))}, logprobs: true}}")
    if dice.random() < 0.3:
        parts.append(f"last_resort: {LAST_RESORT.replace(':', ': ')}")
    leaves = dice.randint(0, 3) if dice.random() < 0.1 else None
    return Asked(at, f"  r{at}: {{{', '.join(parts)}}}\n", attempts, dice.random() < 0.6, dice.random() < 0.6, leaves)


def script(dice: random.Random) -> str:
    """What each target does with the first calls of each intent; later it answers well."""
    rules = []
    for at in range(INTENTS):
        for target in TARGETS:
            fails = dice.choice((0.2, 0.6, 1.0))
            for _ in range(4):
                fault = f", fault: {{{dice.choice(FAULTS)}}}" if dice.random() < fails else ""
                shape = f"chunks: {dice.choice((3, 16))}, pace_ms: {dice.choice((0, 0, 1))}, usage: {dice.choice(('given', 'omitted', 'absurd'))}"
                rules.append(f"  - {{when: {{model: {target}, anywhere: 'intent {at}.'}}, times: 1, reply: '{ANSWER}', {shape}{fault}}}\n")
    return "rules:\n" + "".join(rules) + f"  - {{reply: {orjson.dumps(ANSWER).decode()}}}\n"


@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_no_order_of_faults_breaks_the_budget_loses_an_answer_or_leaves_anything_open(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    calls = [drawn(dice, at) for at in range(INTENTS)]
    price = "price: {input_usd_per_mtok: 1000, output_usd_per_mtok: 2000}"
    routing = Routing(targets={name: f"model: {name}, {price}, {LIMITS}" for name in TARGETS})
    changes = {"routes:\n": "routes:\n" + "".join(call.route for call in calls)}
    async with local_gateway(tmp_path, script(dice), routing=routing, changes=changes) as local:
        gate, replies = asyncio.Semaphore(AT_ONCE), dict[int, Reply]()

        async def one(call: Asked) -> None:
            async with gate, asyncio.timeout(30):
                headers = {"content-type": "application/json", "authorization": f"Bearer {local.key()}", "traceparent": parent(call.at)}
                replies[call.at] = await local.request("POST", "/v1/chat/completions", headers, orjson.dumps(call.body), call.leaves)

        await asyncio.gather(*map(one, calls))
        await nothing_open(local)
        records = await by_trace(local)
        metrics = (await local.get("/metrics")).body.decode()
    seen = Counter(request.headers["traceparent"].split("-")[1] for request in local.provider.requests)
    assert len({request.headers["traceparent"] for request in local.provider.requests}) == len(local.provider.requests)
    for call in calls:
        opened, closed = records[trace(call.at)]
        assert (opened["kind"], closed["kind"]) == ("opened", "closed"), call
        assert honest(call, replies[call.at], closed["facts"]) == [], (call, closed["facts"], replies[call.at])
        assert accounted(call, seen[trace(call.at)], closed["facts"]) == [], (call, closed["facts"])
    made = Counter((one["target"], one["purpose"], one["error"] or "") for _, closed in records.values() for one in closed["facts"]["attempts"])
    assert counted(metrics) == made
    assert {purpose for _, purpose, _ in made} >= {"first", "retry", "fallback"}


def trace(at: int) -> str:
    return f"{at + 1:032x}"


def parent(at: int) -> str:
    return f"00-{trace(at)}-00f067aa0ba902b7-01"


async def nothing_open(local: LocalGateway) -> None:
    """All places are free, and each target can be called again once its breaker's time has passed: no probe keeps its place."""
    services = local.gateway.services
    for _ in range(200):
        if not (services.limits.running or local.provider.answering):
            break
        await asyncio.sleep(0.02)
    assert (services.limits.running, local.provider.answering) == (0, 0)
    assert [model.client.in_use for model in services.models.values()] == [0] * len(services.models)
    assert b"\ngateway_intents_in_flight 0.0" in (await local.get("/metrics")).body
    await asyncio.sleep(0.06)
    permits = [services.breakers.enter(name) for name in TARGETS]
    assert None not in permits


async def by_trace(local: LocalGateway) -> dict[str, list[dict[str, Any]]]:
    """The entries of each intent by its trace, in order."""
    intents: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in await local.entries():
        if entry["intent_id"]:
            intents[entry["intent_id"]].append(entry)
    assert len(intents) == INTENTS
    return {entries[0]["facts"]["trace_id"]: entries for entries in intents.values()}


def honest(call: Asked, reply: Reply, facts: dict[str, Any]) -> list[str]:
    """What is wrong with what the caller got: it is an answer, an error or an error event, and the record has the same."""
    if call.leaves is not None:
        return [] if facts["state"] in {"completed", "cancelled", "failed", "refused"} else ["state"]
    streams = reply.headers.get("content-type", "").startswith("text/event-stream")
    error = reply.events[-1].get("error") if streams else reply.json.get("error")
    checks = {
        "status": reply.status in STATUSES,
        "kind": streams is (call.stream and reply.status == 200),
        "error": (error is None) is (facts["state"] == "completed"),
        "code": error is None or error["code"] == facts["reason"],
        "end": not streams or reply.done is (error is None),
        "text": error is not None or reply.text in {ANSWER, LAST_RESORT} or not call.schema,
        "silence": error is None or streams or b"unmistakable" not in reply.body,
    }
    return [name for name, fine in checks.items() if not fine] + (told(call, reply, facts) if error is None else [])


def told(call: Asked, reply: Reply, facts: dict[str, Any]) -> list[str]:
    """What is wrong with the ``gateway`` object of an answer."""
    found, attempts = (reply.events[-1] if call.stream else reply.json)["gateway"], facts["attempts"]
    costs = [one["cost_microusd"] for one in attempts if one["cost_microusd"] is not None]
    checks = {
        "attempts": found["attempts"] == len(attempts),
        "cost": found["cost_microusd"] == (sum(costs) if costs else None),
        "last resort": found["last_resort"] is facts.get("last_resort", False),
        "valid": found["schema_valid"] is (True if call.schema else None),
        "target": found["last_resort"] or any(one["target"] == found["target"] and one["error"] is None for one in attempts),
    }
    return [name for name, fine in checks.items() if not fine]


def accounted(call: Asked, seen: int, facts: dict[str, Any]) -> list[str]:
    """What is wrong with the attempts: they keep within the budget, and are the calls that the provider saw."""
    attempts = facts["attempts"]
    checks = {
        "budget": len(attempts) <= call.attempts and seen <= call.attempts,
        "seen": sum(one["error"] not in UNSEEN for one in attempts) <= seen <= len(attempts),
        "first": [one["purpose"] for one in attempts].count("first") <= 1,
        "usage": all((one["usage"] is None) is (one["cost_microusd"] is None) for one in attempts),
        "times": all(one["started_ns"] <= one["ended_ns"] for one in attempts),
    }
    return [name for name, fine in checks.items() if not fine]


def counted(metrics: str) -> Counter[tuple[str, str, str]]:
    """Attempts by target, purpose and error."""
    found = Counter[tuple[str, str, str]]()
    for labels, value in re.findall(r"gateway_attempts_total\{(.*)\} (\S+)", metrics):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        found[named["target"], named["purpose"], named["error"]] = int(float(value))
    return +found
