"""Which targets may serve an intent: what the config, the policy and the request itself rule out, and what a caller is told where nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.testing import LocalGateway, Routing, local_gateway
from tests.pipeline.rego import intent_says, obliged

TWO = Routing(
    assistant="{targets: [{target: simulated, when: {labels: {class: [open]}, without: [EMAIL_ADDRESS], max_input_tokens: 50}}, {target: second}], "
    "retries: {max: 0}}",
    targets={"second": "model: simulated-2"},
)
ONE = "{targets: [{target: simulated, when: {WHEN}}], retries: {max: 0}}"


def called(local: LocalGateway) -> list[str]:
    return [orjson.loads(request.body)["model"] for request in local.provider.requests]


@pytest.mark.parametrize(
    ("labels", "text", "expected", "skipped"),
    [
        ({"class": "open"}, "hello", "simulated-1", None),
        ({"class": "closed"}, "hello", "simulated-2", "when.labels"),
        ({}, "hello", "simulated-2", "when.labels"),
        ({"class": "open"}, "mail jane.doe@example.com", "simulated-2", "when.without"),
        ({"class": "open"}, "long " * 200, "simulated-2", "when.max_input_tokens"),
    ],
)
async def test_conditions_lead_past_a_target_and_the_record_says_why(
    tmp_path: Path, labels: dict[str, str], text: str, expected: str, skipped: str | None
) -> None:
    async with local_gateway(tmp_path, policies=intent_says(obliged(labels=labels)), routing=TWO) as local:
        reply = await local.ask(text)
        assert (reply.status, called(local)) == (200, [expected])
        facts = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
        assert [one["skipped"] for one in facts["routing"]] == [skipped, None]
        # Who was never eligible was never the first choice: serving from the next one is no fallback.
        assert reply.json["gateway"]["fallback"] is False


@pytest.mark.parametrize(
    ("granted", "expected"), [(["assistant"], "simulated-1"), (["assistant/second"], "simulated-2"), (["other", "assistant/simulated"], "simulated-1")]
)
async def test_policy_narrows_a_route_to_some_of_its_targets(tmp_path: Path, granted: list[str], expected: str) -> None:
    both = Routing(assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 0}}", targets=TWO.targets)
    async with local_gateway(tmp_path, policies=intent_says(obliged(routes=granted)), routing=both) as local:
        await local.ask("hello")
        assert called(local) == [expected]


@pytest.mark.parametrize(
    ("obligations", "when", "status", "code"),
    [
        ({"routes": ["assistant/none"]}, "", 403, "policy_denied"),
        ({"routes": ["assistant-large"]}, "", 403, "policy_denied"),
        ({}, "max_input_tokens: 3", 400, "context_length_exceeded"),
        ({}, "labels: {class: [open]}", 503, "no_target"),
        ({}, "max_cost_usd: 0.000001", 503, "no_target"),
    ],
)
async def test_where_nothing_is_left_the_caller_is_told_and_nobody_is_called(
    tmp_path: Path, obligations: dict[str, Any], when: str, status: int, code: str
) -> None:
    routing = Routing(assistant=ONE.replace("WHEN", when))
    async with local_gateway(tmp_path, policies=intent_says(obliged(**obligations)), routing=routing) as local:
        reply = await local.ask("hello " * 20)
        assert (reply.status, reply.json["error"]["code"]) == (status, code)
        assert local.provider.requests == []
        assert [entry["kind"] for entry in await local.entries()] == ["genesis", "opened", "closed"]


async def test_a_request_that_cannot_fit_a_window_goes_to_a_larger_one(tmp_path: Path) -> None:
    routing = Routing(
        assistant="{targets: [{target: small}, {target: simulated}], retries: {max: 0}}", targets={"small": "model: simulated-2, context_tokens: 100"}
    )
    async with local_gateway(tmp_path, routing=routing) as local:
        await local.ask("short")
        await local.ask("word " * 400)
        await local.ask("short", max_tokens=99)
        assert called(local) == ["simulated-2", "simulated-1", "simulated-1"]


async def test_a_target_that_only_repairs_is_nobody_to_ask_first(tmp_path: Path) -> None:
    routing = Routing(assistant="{target: simulated, repair: {target: second}}", targets={"second": "model: simulated-2"})
    async with local_gateway(tmp_path, policies=intent_says(obliged(routes=["assistant/second"])), routing=routing) as local:
        reply = await local.ask("hello")
        assert (reply.status, reply.json["gateway"]["reasons"][0]["rule"]) == (403, "policy.route")
        assert called(local) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_where_conditions_leave_nobody_the_last_resort_stands_in(tmp_path: Path, stream: bool) -> None:
    assistant = ONE.replace("{WHEN}", "{labels: {class: [open]}}").removesuffix("}") + ", last_resort: 'unavailable'}"
    async with local_gateway(tmp_path, routing=Routing(assistant=assistant)) as local:
        reply = await local.ask("hello", stream=stream)
        assert (reply.status, reply.text, called(local)) == (200, "unavailable", [])
        facts = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
        assert (facts["state"], facts["last_resort"], facts["attempts"]) == ("completed", True, [])
        assert [one["skipped"] for one in facts["routing"]] == ["when.labels"]


async def test_a_caller_is_told_how_long_the_only_target_wants_to_be_left_alone(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{fault: {status: 429, retry_after: 120}}]") as local:
        assert (await local.ask("hello")).status == 429
        reply = await local.ask("hello")
        assert (reply.status, reply.json["error"]["code"], called(local)) == (503, "no_target", ["simulated-1"])
        assert 100 < int(reply.headers["retry-after"]) <= 120
