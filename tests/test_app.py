"""What is built from a config, how it starts, and that it lets go of everything when it stops."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.app import build, models, running, scan_options
from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Usage
from gateway.infrastructure.database import DatabaseInUseError
from gateway.settings import Settings, load
from gateway.testing import ALLOW_ALL, ENV, local_gateway

CONFIG = """\
keys: {api_key_hash: 'env:HASH', record_signing: 'env:SIGNING'}
database: gateway.db
tenants:
  acme: {placeholder_key: 'env:ACME', redaction: {words: {PROJECT: [bluebird]}, patterns: {TICKET: 'T-[0-9]{4}'}, enable: [US_PASSPORT], countries: [DE]}}
  globex: {placeholder_key: 'env:GLOBEX'}
targets:
  stated: {base_url: 'http://127.0.0.1:9/v1', model: gpt-4o-mini, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
  listed: {base_url: 'http://127.0.0.1:9/v1', model: gpt-4o-mini}
  unknown: {base_url: 'http://127.0.0.1:9/v1', model: no-such-model}
routes: {assistant: {target: stated}}
policy: {path: policies}
records: {heads: heads, durability: process}
telemetry: {logs: {level: error}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policies").mkdir()
    for name, text in ALLOW_ALL.items():
        (tmp_path / "policies" / name).write_text(text)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return load(tmp_path / "config.yaml", ENV)


def test_a_stated_price_goes_before_the_listed_one_and_an_unknown_model_has_none(settings: Settings) -> None:
    made = models(settings.targets)
    million = Usage(1_000_000, 1_000_000, False)
    assert made["stated"].costs.cost(million) == 3_000_000
    assert made["listed"].costs.cost(million) not in {None, 3_000_000}
    assert made["unknown"].costs.cost(million) is None
    assert made["stated"].span.name == "chat gpt-4o-mini"


def test_what_a_tenant_adds_is_its_own(settings: Settings) -> None:
    acme, globex = (scan_options(settings.tenants[name]) for name in ("acme", "globex"))
    assert (dict(acme.words), acme.enable, acme.countries) == ({"PROJECT": ("bluebird",)}, frozenset({"US_PASSPORT"}), frozenset({"DE"}))
    assert (dict(globex.words), dict(globex.patterns), globex.enable, globex.countries) == ({}, {}, frozenset(), frozenset())


def test_building_opens_nothing(settings: Settings, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    threads = threading.active_count()
    build(settings)
    assert sorted(tmp_path.rglob("*")) == before
    assert threading.active_count() == threads


async def test_only_one_gateway_serves_a_database_and_the_next_may_once_it_has_stopped(settings: Settings) -> None:
    first, second, third = build(settings), build(settings), build(settings)
    async with running(first.services, first.database):
        with pytest.raises(DatabaseInUseError):
            await running(second.services, second.database).__aenter__()
        assert first.services.records.available
    async with running(third.services, third.database):
        assert third.services.policy.status.live


@pytest.mark.parametrize("broken", [True, False], ids=["a policy that does not compile", "all is well"])
async def test_a_start_that_fails_and_a_stop_leave_no_thread_and_no_task(settings: Settings, tmp_path: Path, broken: bool) -> None:
    if broken:
        (tmp_path / "policies" / "intent.rego").write_text("package gateway.intent\n\nverdict := {\n")
    gateway = build(settings)
    if broken:
        with pytest.raises(PolicyError, match=r"intent\.rego"):
            await running(gateway.services, gateway.database).__aenter__()
    else:
        async with running(gateway.services, gateway.database):
            assert names() >= {"record-writer", "key-ring"}
    assert not names() & {"record-writer", "key-ring", "telemetry-exporter"}
    assert len(asyncio.all_tasks()) == 1


def names() -> set[str]:
    """Of the threads that run."""
    return {thread.name for thread in threading.enumerate()}


async def test_a_policy_that_changes_for_the_better_or_worse_is_counted(tmp_path: Path) -> None:
    async with local_gateway(tmp_path) as local:
        (tmp_path / "policies" / "intent.rego").write_text("package gateway.intent\n\nverdict := {\n")
        await local.gateway.services.policy.reload_if_changed()
        rendered = local.gateway.services.metrics.render()[0]
    assert b'gateway_policy_reloads_total{result="failed"} 1.0' in rendered
    assert b'gateway_policy_reloads_total{result="ok"} 1.0' in rendered
