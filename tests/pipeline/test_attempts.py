"""Calling targets until one answers: retries, fallbacks and hedges, on record with their purpose, within one budget and one deadline."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import uvloop

from gateway.errors import UpstreamUnavailable
from gateway.pipeline.attempts import Asking
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway
from tests.pipeline.rego import READS_TEXT, policy

MODES = {"plain": ALLOW_ALL, "pass": ALLOW_ALL, "buffered": READS_TEXT}
SECOND = {"second": "model: simulated-2, price: {input_usd_per_mtok: 1000, output_usd_per_mtok: 1000}"}
FIRST_FAILS = "rules: [{when: {model: simulated-1}, fault: FAULT, reply: 'from the first'}, {reply: 'from the second'}]"


def route(extra: str = "") -> Routing:
    return Routing(assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 0}" + extra + "}", targets=SECOND)


async def attempts(local: LocalGateway) -> list[tuple[str, str, str | None]]:
    closed = [entry for entry in await local.entries() if entry["kind"] == "closed"][-1]
    return [(one["target"], one["purpose"], one["error"]) for one in closed["facts"]["attempts"]]


def added(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = reply.events[-1]["gateway"] if reply.headers["content-type"].startswith("text/event-stream") else reply.json["gateway"]
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("{status: 500}", "upstream.unavailable"),
        ("{status: 401}", "upstream.rejected"),
        ("{status: 429}", "upstream.rate_limited"),
        ("{reset: before}", "upstream.unavailable"),
        ("{malformed: html}", "upstream.malformed"),
        ("{malformed: not_object}", "upstream.malformed"),
    ],
)
async def test_the_next_target_answers_where_one_fails_before_anything_left(tmp_path: Path, mode: str, fault: str, code: str) -> None:
    async with local_gateway(tmp_path, FIRST_FAILS.replace("FAULT", fault), policies=MODES[mode], routing=route()) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (reply.status, reply.text) == (200, "from the second")
        assert await attempts(local) == [("simulated", "first", code), ("second", "fallback", None)]
        told = added(reply)
        assert (told["target"], told["attempts"], told["fallback"], told["last_resort"]) == ("second", 2, True, False)
        if mode == "plain":
            assert reply.headers["x-gateway-target"] == "second"


@pytest.mark.parametrize("mode", MODES)
async def test_a_target_that_fails_for_a_moment_is_asked_again(tmp_path: Path, mode: str) -> None:
    once = FIRST_FAILS.replace("FAULT", "{status: 503, times: 1}")
    routing = Routing(assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 1, backoff_s: 0.01}}", targets=SECOND)
    async with local_gateway(tmp_path, once, policies=MODES[mode], routing=routing) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert reply.text == "from the first"
        assert await attempts(local) == [("simulated", "first", "upstream.unavailable"), ("simulated", "retry", None)]
        assert added(reply)["fallback"] is False


@pytest.mark.parametrize(("mode", "healed"), [("buffered", True), ("pass", False)])
async def test_after_the_first_byte_only_a_buffered_stream_has_another_target(tmp_path: Path, mode: str, healed: bool) -> None:
    cut = "rules: [{when: {model: simulated-1}, fault: {reset: middle}, reply: 'one two three four five', chunks: 4, pace_ms: 5}, {reply: 'from the second'}]"
    async with local_gateway(tmp_path, cut, policies=MODES[mode], routing=route()) as local:
        reply = await local.ask("hello", stream=True)
        assert reply.done is healed
        if healed:
            assert reply.text == "from the second"
        else:
            assert reply.events[-1]["error"]["code"] == "upstream.cut"
            assert await attempts(local) == [("simulated", "first", "upstream.cut")]


async def test_a_request_that_is_wrong_is_wrong_for_every_target(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, FIRST_FAILS.replace("FAULT", "{status: 422}"), routing=route()) as local:
        reply = await local.ask("hello")
        assert (reply.status, len(local.provider.requests)) == (422, 1)


@pytest.mark.parametrize("mode", MODES)
async def test_retries_and_fallbacks_share_one_budget_and_tell_the_sdk_to_leave_it(tmp_path: Path, mode: str) -> None:
    routing = Routing(assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 9, backoff_s: 0.001}, attempts: 4}", targets=SECOND)
    async with local_gateway(tmp_path, "rules: [{fault: {status: 500}}]", policies=MODES[mode], routing=routing) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (reply.status, len(local.provider.requests)) == (502, 4)
        assert reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("mode", MODES)
async def test_one_deadline_holds_for_all_attempts_together(tmp_path: Path, mode: str) -> None:
    routing = Routing(assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 0}, deadline_s: 0.3}", targets=SECOND)
    async with local_gateway(tmp_path, "rules: [{fault: {slow: header}}]", policies=MODES[mode], routing=routing) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (reply.status, reply.json["error"]["code"]) == (504, "upstream.deadline")
        assert await attempts(local) == [("simulated", "first", "upstream.deadline")]
        assert local.gateway.services.models["simulated"].client.in_use == 0


async def test_a_route_in_a_hurry_opens_no_breaker_for_the_others(tmp_path: Path) -> None:
    routing = Routing(
        assistant="{target: steady, retries: {max: 0}, deadline_s: 0.1}", targets={"steady": "model: simulated-1, breaker: {failures: 1, open_s: 60}"}
    )
    async with local_gateway(tmp_path, "rules: [{fault: {slow: header}}]", routing=routing) as local:
        codes = [(await local.ask("hello")).json["error"]["code"] for _ in range(3)]
        assert codes == ["upstream.deadline"] * 3


async def test_the_deadline_ends_a_stream_that_has_begun(tmp_path: Path) -> None:
    routing = Routing(assistant="{target: simulated, retries: {max: 0}, deadline_s: 0.3}")
    slow = "rules: [{reply: 'one two three four five', chunks: 3, pace_ms: 100}]"
    async with local_gateway(tmp_path, slow, routing=routing) as local:
        reply = await local.ask("hello", stream=True)
        assert (reply.done, reply.events[-1]["error"]["code"]) == (False, "upstream.deadline")
        assert await attempts(local) == [("simulated", "first", "upstream.deadline")]


async def test_a_breaker_keeps_calls_from_a_target_that_keeps_failing(tmp_path: Path) -> None:
    routing = Routing(
        assistant="{targets: [{target: flaky}, {target: second}], retries: {max: 0}}",
        targets={**SECOND, "flaky": "model: simulated-1, breaker: {failures: 2, open_s: 60}"},
    )
    async with local_gateway(tmp_path, FIRST_FAILS.replace("FAULT", "{status: 500}"), routing=routing) as local:
        replies = [await local.ask("hello") for _ in range(4)]
        assert [reply.text for reply in replies] == ["from the second"] * 4
        assert [added(reply)["attempts"] for reply in replies] == [2, 2, 1, 1]
        assert added(replies[-1])["fallback"] is True
        closed = [entry["facts"] for entry in await local.entries() if entry["kind"] == "closed"][-1]
        assert closed["passed_over"] == [{"target": "flaky", "reason": "breaker.open"}]
        states = {line for line in (await local.get("/metrics")).body.decode().splitlines() if line.startswith("gateway_breaker_state") and '"flaky"' in line}
        assert [line.endswith(" 1.0") for line in sorted(states) if '"open"' in line] == [True]


async def test_with_every_breaker_open_nobody_is_called_and_the_caller_may_try_later(tmp_path: Path) -> None:
    routing = Routing(assistant="{target: flaky, retries: {max: 0}}", targets={"flaky": "model: simulated-1, breaker: {failures: 1, open_s: 60}"})
    async with local_gateway(tmp_path, "rules: [{fault: {status: 500}}]", routing=routing) as local:
        replies = [await local.ask("hello") for _ in range(2)]
        assert [(reply.status, reply.json["error"]["code"]) for reply in replies] == [(502, "upstream.unavailable"), (503, "no_target")]
        assert replies[1].headers["retry-after"]
        assert len(local.provider.requests) == 1


async def test_a_target_at_its_limit_of_calls_is_passed_over(tmp_path: Path) -> None:
    script = "rules: [{when: {model: simulated-1}, first_token_ms: 300, reply: 'first'}, {reply: 'second'}]"
    routing = Routing(assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 0}}", limits="{concurrent: 1}", targets=SECOND)
    async with local_gateway(tmp_path, script, routing=routing) as local:
        replies = await asyncio.gather(*(local.ask("hello") for _ in range(3)))
        assert sorted(reply.text for reply in replies) == ["first", "second", "second"]


@pytest.mark.parametrize("mode", ["plain", "buffered"])
async def test_a_hedge_answers_where_the_first_is_slow_and_the_loser_is_let_go(tmp_path: Path, mode: str) -> None:
    script = "rules: [{when: {model: simulated-1}, fault: {slow: header}}, {reply: 'quick'}]"
    async with local_gateway(tmp_path, script, policies=MODES[mode], routing=route(", hedge_after_s: 0.05")) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (reply.text, added(reply)["target"], added(reply)["attempts"]) == ("quick", "second", 2)
        assert sorted(await attempts(local)) == [("second", "hedge", None), ("simulated", "first", "cancelled")]
        assert [model.client.in_use for model in local.gateway.services.models.values()] == [0, 0]


async def test_without_need_nothing_is_hedged(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: 'quick'}]", routing=route(", hedge_after_s: 5")) as local:
        assert (await local.ask("hello")).text == "quick"
        assert len(local.provider.requests) == 1


async def test_what_several_attempts_cost_is_added_up(tmp_path: Path) -> None:
    script = "rules: [{when: {model: simulated-1}, fault: {content: empty}, usage: {input: 1000, output: 1000}}, {reply: '{}', usage: {input: 10, output: 10}}]"
    async with local_gateway(tmp_path, script.replace("'{}'", "'{\"a\": 1}'"), routing=route(", repair: {asks: 0}")) as local:
        reply = await local.ask("hello", response_format={"type": "json_object"})
        costs = [one["cost_microusd"] for one in (await closing(local))["attempts"]]
        assert len(costs) == 2
        assert added(reply)["cost_microusd"] == sum(costs) > max(costs)


async def closing(local: LocalGateway) -> dict[str, Any]:
    found: dict[str, Any] = next(entry["facts"] for entry in await local.entries() if entry["kind"] == "closed")
    return found


async def test_the_model_of_each_target_is_asked_for_by_its_own_name(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, FIRST_FAILS.replace("FAULT", "{status: 500}"), routing=route()) as local:
        await local.ask("hello")
        assert [orjson.loads(request.body)["model"] for request in local.provider.requests] == ["simulated-1", "simulated-2"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_refusal_by_policy_is_no_failure_of_a_target(tmp_path: Path, mode: str) -> None:
    denies = {**MODES[mode], "answer.rego": DENIES_TEXT if mode == "buffered" else policy("answer", {"outcome": "deny"})}
    async with local_gateway(tmp_path, "rules: [{reply: ''}]", policies=denies, routing=route()) as local:
        reply = await local.ask("hello", stream=mode != "plain")
        assert (b"policy_denied" in reply.body, reply.done, len(local.provider.requests)) == (True, False, 1)


DENIES_TEXT = """package gateway.answer

import rego.v1

verdict := {"outcome": "deny", "reasons": [{"rule": "no", "message": "no"}]} if input.answer.text != "x"
"""


@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline_ends_the_intent_however_early_a_loops_timer_is(tmp_path: Path, stream: bool) -> None:
    """uvloop, which serves, counts from the beginning of a round of the loop: its timers can be milliseconds early, which are no time for one more call."""
    routing = Routing(
        assistant="{targets: [{target: simulated}, {target: second}], retries: {max: 1, backoff_s: 0.001}, deadline_s: 0.05}",
        targets={"second": "model: simulated-2, breaker: {failures: 100}"},
    )

    async def late() -> list[Any]:
        async with local_gateway(tmp_path, "rules: [{fault: {slow: first_token, hang_s: 9}}]", routing=routing) as local:
            await local.ask("the first takes longer")
            for _ in range(20):
                assert (await local.ask("hello", stream=stream)).status == 504
            closed = [entry["facts"]["attempts"] for entry in await local.entries() if entry["kind"] == "closed"]
            return [[(one["purpose"], one["error"]) for one in attempts] for attempts in closed[1:]]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(late()) == [[("first", "upstream.deadline")]] * 20


class _Bare(Asking):
    """Two calls, of which only the order of events matters."""

    async def once(self, step: Any, question: Any, work: Any) -> Any:
        return await work(step)


@pytest.mark.parametrize("failing", ["first", "hedge"])
async def test_of_two_that_end_in_the_same_moment_the_answer_is_kept_and_no_error_goes_unheard(failing: str) -> None:
    unheard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context["message"]))
    both = asyncio.Event()

    async def work(called: Any) -> str:
        if called == "hedge":
            both.set()
        await both.wait()
        if called == failing:
            raise UpstreamUnavailable("down")
        return str(called)

    course: Any = SimpleNamespace(next=lambda purpose=None: "first" if purpose is None else "hedge")
    intent: Any = SimpleNamespace(plan=SimpleNamespace(route=SimpleNamespace(hedge_after_s=0.01)))
    nothing: Any = None
    assert await _Bare(nothing, intent, course).first_answer(nothing, work, hedged=True) in {"first", "hedge"} - {failing}
    gc.collect()
    assert unheard == []
