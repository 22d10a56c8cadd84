"""What an intent leaves in logs and metrics on its way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import structlog

from gateway.infrastructure.telemetry.logs import configure_logging
from gateway.testing import ALLOW_ALL, local_gateway
from tests.pipeline.rego import READS_TEXT

SERIES = 'gateway_time_to_first_token_seconds_count{route="assistant"}'


@pytest.mark.parametrize("policies", [ALLOW_ALL, READS_TEXT], ids=["pass", "buffered"])
async def test_the_wait_for_first_content_is_measured_once_for_a_stream_and_not_for_a_plain_answer(tmp_path: Path, policies: dict[str, str]) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: one two three four, chunks: 4, pace_ms: 2}]", policies=policies) as local:
        await local.ask("hello")
        assert SERIES.encode() not in local.gateway.services.metrics.render()[0]
        await local.ask("hello", stream=True)
        assert f"{SERIES} 1.0\n".encode() in local.gateway.services.metrics.render()[0]


async def test_a_stream_that_is_refused_before_its_first_content_has_no_wait_for_it(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, "rules: [{reply: we guarantee it}]", policies=READS_TEXT) as local:
        assert (await local.ask("hello", stream=True)).status == 403
        assert SERIES.encode() not in local.gateway.services.metrics.render()[0]


@pytest.fixture
def _logging() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    configure_logging("json", "info")
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    logging.raiseExceptions = True
    logging.getLogger().handlers, logging.getLogger().level = handlers, level


@pytest.mark.usefixtures("_logging")
async def test_every_line_that_an_intent_logs_has_its_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with local_gateway(tmp_path) as local:
        local.key()
        (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
        reply = await local.ask("hello")
    assert (reply.status, reply.json["error"]["code"]) == (503, "record_unavailable")
    events = {line["event"]: line for line in map(orjson.loads, capsys.readouterr().err.splitlines())}
    for event in ("record.unavailable", "intent.closed"):
        assert events[event]["intent_id"] == reply.headers["x-gateway-record"]
        assert events[event]["trace_id"] == reply.headers["x-gateway-trace"]
