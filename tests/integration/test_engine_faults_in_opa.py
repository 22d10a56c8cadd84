"""Every way in which policy can fail to give a usable verdict fails in a real OPA server as it does embedded: refused, by the same rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EngineError
from gateway.infrastructure.policy_engine_opa import OpaOptions, OpaServer
from tests.capabilities.policy.faults import ALLOW, FAULTS, Fault, bundle_of, policy_of
from tests.servers.opa_server import OpaProcess

pytestmark = pytest.mark.services

IN_REGO = [fault for fault in FAULTS if fault.raises is None and fault.loaded and fault.timeout_s > 0]
SUBJECT = {"id": "key_1", "tenant": "acme", "teams": ["support"]}
UNKNOWN_THERE = {"a function that does not exist", "a rule that needs itself"}
"""What OPA does not even load."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaProcess]:
    folder = tmp_path_factory.mktemp("opa")
    (policies := folder / "policies").mkdir()
    (policies / "other.rego").write_text("package other\n\nx := 1\n")
    running = OpaProcess(folder).start(policies, roots=("other",))
    yield running
    running.stop()


class Pushed:
    """An engine elsewhere that takes whatever policy was pushed for the one that is meant."""

    def __init__(self, server: OpaServer) -> None:
        self._server = server

    def confirms(self, names: frozenset[str]) -> bool:
        return bool(names)

    async def evaluate(self, hook: Hook, document: str, names: frozenset[str]) -> Any:
        return (await self._server.ask(f"data.gateway.{hook.value}.verdict", document)).value

    def falls_back(self, hook: Hook, fault: EngineError) -> bool:
        return False


def test_most_faults_are_in_rego() -> None:
    assert len(IN_REGO) > 50


@pytest.mark.parametrize("hook", list(Hook))
async def test_every_fault_is_refused_by_the_same_rule(process: OpaProcess, hook: Hook) -> None:
    server = OpaServer(OpaOptions(url=process.url, timeout_s=30.0))
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            for fault in IN_REGO:
                assert await _outcome(fault, hook, server, session, process.url) == (fault.name, "deny", fault.rule)
    finally:
        await server.close()


async def _outcome(fault: Fault, hook: Hook, server: OpaServer, session: aiohttp.ClientSession, url: str) -> tuple[str, str, str]:
    bundle = bundle_of(*(fault.rego if each is hook else ALLOW for each in (Hook.INTENT, Hook.ANSWER)))
    for name, text in bundle.modules.items():
        async with session.put(f"{url}/v1/policies/{name}", data=text) as put:
            if put.status != 200:
                assert fault.name in UNKNOWN_THERE, await put.text()
                return fault.name, "deny", fault.rule
    decision = await policy_of(bundle).decide_in(Pushed(server), hook, {"subject": SUBJECT, **fault.parts})
    return fault.name, decision.verdict.outcome, decision.verdict.reasons[0].rule
