"""Real traffic through a gateway in this process, and backtests of its records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.capabilities.policy.backtest.report import as_json
from gateway.capabilities.policy.backtest.running import Task, backtest
from gateway.capabilities.policy.backtest.source import DAY_NS, Window
from gateway.domain import Json
from gateway.testing import LocalGateway, Routing

ROUTING = Routing(assistant="{target: simulated, retries: {max: 0}, repair: {asks: 0}, confidence: {logprobs: true}}")
SCRIPT = 'rules: [{reply: \'{"mood": "good"} ask jane.doe@example.com\', logprobs: -0.4}]'
_FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "required": ["mood"]}}}
_TOOL = {"type": "function", "function": {"name": "delete_account", "parameters": {"type": "object"}}}
REQUESTS: tuple[Json, ...] = (
    {"text": "hello"},
    {"text": "hello", "stream": True},
    {"text": "hello", "n": 3},
    {"text": "hello", "n": 2, "stream": True},
    {"text": "mail john.roe@example.com, card 4111 1111 1111 1111", "max_tokens": 64},
    {"text": "mail john.roe@example.com about bluebird", "stream": True, "temperature": 0.5},
    {"text": "hello", "response_format": _FORMAT},
    {"text": "hello", "tools": [_TOOL]},
    {"text": "key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"},
)
IMAGE = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]


async def traffic(local: LocalGateway) -> None:
    """Calls of every form, by two tenants and several teams, some of which policy refuses."""
    support = local.key()
    for request in REQUESTS:
        asked = dict(request)
        await local.ask(asked.pop("text"), key=support, **asked)
    for key in (local.key("globex"), local.key("acme", teams=("sales",)), local.key("acme", teams=("research",), roles=("lead",))):
        for model in ("assistant", "assistant-large"):  # what policy leaves to a person is not waited for
            await local.chat({"model": model, "messages": [{"role": "user", "content": "hello"}]}, key=key, headers={"x-gateway-wait": "0"})
    await local.chat({"model": "assistant", "messages": [{"role": "user", "content": IMAGE}]}, key=support)
    await local.chat({"model": "assistant", "messages": "no messages"}, key=support)
    await local.request("POST", "/v1/embeddings", _headers(support), orjson.dumps({"model": "assistant", "input": ["hello", "mail john.roe@example.com"]}))
    await local.chat({"model": "unknown", "messages": [{"role": "user", "content": "hello"}]}, key=support)


def _headers(key: str) -> dict[str, str]:
    return {"content-type": "application/json", "authorization": f"Bearer {key}"}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Backtests of one gateway's records."""

    local: LocalGateway
    folder: Path

    def candidate(self, files: Mapping[str, str]) -> Path:
        """A policy folder of its own."""
        folder = self.folder / f"candidate-{len(list(self.folder.glob('candidate-*')))}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    def task(self, candidate: Path | Mapping[str, str], **options: Any) -> Task:
        now = time.time_ns()
        task = Task(
            candidate=candidate if isinstance(candidate, Path) else self.candidate(candidate),
            known=(self.local.settings.policy.path,),
            tenants=tuple(self.local.settings.tenants),
            window=Window(since_ns=now - DAY_NS, until_ns=now + DAY_NS),
            workers=1,
        )
        return replace(task, **options)

    async def report(self, candidate: Path | Mapping[str, str], **options: Any) -> Json:
        task = self.task(candidate, **options)
        return as_json(await asyncio.to_thread(backtest, task, self.local.gateway.database))


MakeBench = Callable[[LocalGateway], Bench]


@pytest.fixture
def bench(tmp_path: Path) -> MakeBench:
    """Backtests of the records of a gateway, with candidates in the test's folder."""
    return lambda local: Bench(local=local, folder=tmp_path)
