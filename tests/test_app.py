"""The composition: wired from settings, started in order, stopped in reverse, whatever happens between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app import build, models, running
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.redaction.tenants import scan_options
from gateway.domain import Usage
from gateway.errors import RecordUnavailable
from gateway.testing import ALLOW_ALL, LocalGateway, local_gateway


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    async with local_gateway(tmp_path) as gateway:
        yield gateway


async def test_every_tenant_has_its_redactor_and_every_target_its_client(local: LocalGateway) -> None:
    services = local.gateway.services
    assert set(services.redactors) == {"acme", "globex"}
    assert set(services.models) == {"simulated"}
    assert set(services.routes) == {"assistant", "gpt-4o-mini", "assistant-large"}


async def test_a_stated_price_is_what_an_attempt_costs(local: LocalGateway) -> None:
    made = models(local.settings.targets)
    assert made["simulated"].costs.cost(Usage(1_000_000, 1_000_000, False)) == 750_000
    assert made["simulated"].client.options.model == "simulated-1"


async def test_a_tenants_options_reach_its_scanner(local: LocalGateway) -> None:
    options = scan_options(local.settings.tenants["acme"].redaction)
    assert (options.words["PROJECT"], options.patterns, options.enable) == (("bluebird",), {}, frozenset())


async def test_what_was_started_is_stopped_and_can_be_started_again(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        settings = local.settings
        assert (await local.ask("hello")).status == 200
    assert not [thread.name for thread in threading.enumerate() if thread.name == "record-writer"]
    again = build(settings)
    async with running(again):
        assert again.services.policy.status.live
        assert again.services.records.available
    assert not [task for task in asyncio.all_tasks() if "policy" in task.get_name()]


async def test_a_start_that_fails_half_way_leaves_nothing_running(tmp_path: Path) -> None:
    bad = {**ALLOW_ALL, "intent.rego": "package gateway.intent\n\nverdict := "}
    with pytest.raises(PolicyError):
        async with local_gateway(tmp_path, policies=bad):
            pytest.fail("it started")
    assert not [thread.name for thread in threading.enumerate() if thread.name == "record-writer"]


async def test_a_stopped_gateway_takes_no_records(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        services = local.gateway.services
    with pytest.raises(RecordUnavailable):
        services.records.append(None)  # type: ignore[arg-type] # it refuses before it looks
