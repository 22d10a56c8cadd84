"""No answer without its record: whatever fails or leaves, and whenever, the record says how it ended, once, or nothing final was released."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gateway.capabilities.records.entries import Entry
from gateway.capabilities.records.writer import RecordWriter
from gateway.errors import RecordUnavailable
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, local_gateway
from tests.pipeline.rego import READS_TEXT

MODES = {"plain": ALLOW_ALL, "pass": ALLOW_ALL, "buffered": READS_TEXT}
SLOW = "rules: [{reply: 'unmistakable one two three', chunks: 6, pace_ms: 40, first_token_ms: 60}]"
STEPS = [
    "gateway.pipeline.run.resolve",
    "gateway.pipeline.run.inspect",
    "gateway.pipeline.run.decide",
    "gateway.pipeline.run.assemble",
    "gateway.pipeline.run.open_record",
    "gateway.infrastructure.model_openai.OpenAIClient.complete",
    "gateway.infrastructure.model_openai.OpenAIClient.open_stream",
    "gateway.pipeline.release.screen",
    "gateway.pipeline.stream.screen",
    "gateway.pipeline.relay.gateway_object",
    "gateway.pipeline.release.gateway_object",
]


async def endings(local: LocalGateway) -> list[tuple[Any, Any]]:
    return [(entry["facts"]["state"], entry["facts"]["reason"]) for entry in await local.entries() if entry["kind"] == "closed"]


def free(local: LocalGateway) -> bool:
    services = local.gateway.services
    return (services.limits.running, services.models["simulated"].client.in_use) == (0, 0)


def finished(reply: Reply) -> bool:
    """Whether a client takes the reply for a whole answer."""
    return reply.status == 200 and (reply.done or not reply.headers["content-type"].startswith("text/event-stream"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_in_any_step_is_a_500_or_an_error_event_and_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, mode: str) -> None:
    def crash(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("unmistakable")

    async with local_gateway(tmp_path, policies=MODES[mode]) as local:
        with monkeypatch.context() as patch:
            patch.setattr(step, crash)
            reply = await local.ask("hello", stream=mode != "plain")
        found = await endings(local)
        assert len(found) == 1
        assert free(local)
        if not finished(reply):
            error = reply.events[-1]["error"] if reply.status == 200 else reply.json["error"]
            assert error["code"] == "internal_error"
            assert "unmistakable" not in str(error)
            assert found[0] in {("failed", "internal_error"), ("completed", None)}
        else:
            assert found == [("completed", None)]
        assert finished(await local.ask("again", stream=mode != "plain"))


@pytest.mark.parametrize("how", ["raises", "fails", "fails late"])
@pytest.mark.parametrize("kind", ["opened", "closed"])
@pytest.mark.parametrize("mode", MODES)
async def test_without_a_record_nothing_final_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str, how: str) -> None:
    real = RecordWriter.append

    def append(self: RecordWriter, entry: Entry, *, lazy: bool = False) -> asyncio.Future[None]:
        if entry.kind != kind:
            return real(self, entry, lazy=lazy)
        unavailable = RecordUnavailable("no record")
        if how == "raises":
            raise unavailable
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        loop.call_later(0.15 if how == "fails late" else 0, failed.set_exception, unavailable)
        return failed

    async with local_gateway(tmp_path, SLOW, policies=MODES[mode]) as local:
        with monkeypatch.context() as patch:
            patch.setattr(RecordWriter, "append", append)
            reply = await local.ask("hello", stream=mode != "plain")
        assert not finished(reply)
        error = reply.events[-1]["error"] if reply.status == 200 else reply.json["error"]
        assert error["code"] == "record_unavailable"
        if mode != "pass" or kind == "opened":
            assert (reply.status, b"unmistakable" in reply.body) == (503, False)
        else:
            assert all(choice["finish_reason"] is None for event in reply.events[:-1] for choice in event["choices"])
        assert free(local)


@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("mode", MODES)
async def test_an_intent_that_is_cancelled_in_any_phase_says_so_once(tmp_path: Path, mode: str, after_s: float) -> None:
    script = "rules: [{first_token_ms: 500}]" if mode == "plain" else SLOW
    async with local_gateway(tmp_path, script, policies=MODES[mode]) as local:
        object.__setattr__(local.gateway.services, "keep_alive_s", 0.05)
        key = local.key()
        call = asyncio.create_task(local.ask("hello", key=key, stream=mode != "plain"))
        await asyncio.sleep(after_s)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.05)
        assert await endings(local) in ([("cancelled", "caller.gone")], [])
        assert after_s == 0 or await endings(local)
        assert free(local)


@pytest.mark.parametrize("mode", MODES)
async def test_a_caller_who_leaves_while_the_record_closes_changes_nothing_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    real = RecordWriter.append
    closing = asyncio.Event()

    def append(self: RecordWriter, entry: Entry, *, lazy: bool = False) -> Any:
        durable = real(self, entry, lazy=lazy)
        if entry.kind == "closed":
            closing.set()
            return asyncio.ensure_future(_later(durable))
        return durable

    monkeypatch.setattr(RecordWriter, "append", append)
    async with local_gateway(tmp_path, policies=MODES[mode]) as local:
        call = asyncio.create_task(local.ask("hello", stream=mode != "plain"))
        await closing.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await endings(local) == [("completed", None)]
        assert free(local)


async def _later(durable: asyncio.Future[None]) -> None:
    await asyncio.sleep(0.1)
    await durable


async def test_an_intent_that_a_shutdown_cuts_off_says_so(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, SLOW) as local:
        call = asyncio.create_task(local.ask("hello", stream=True))
        await asyncio.sleep(0.1)
        local.gateway.services.limits.draining = True
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await endings(local) == [("cancelled", "gateway.shutdown")]
