"""The embedded engine and a real OPA server decide alike: on what policies are tried with, and on 5,000 random inputs of every hook for every policy."""

from __future__ import annotations

import random
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.capabilities.policy.contract import VERDICT_RULES, samples
from gateway.capabilities.policy.loading import load_policy
from gateway.capabilities.policy.opa_engine import OpaEngine
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import OPA, Decision, Hook, Verdict
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError
from gateway.infrastructure.policy_engine_opa import OpaOptions, OpaServer
from gateway.infrastructure.telemetry.metrics import Metrics
from tests.integration.parity_inputs import some_input
from tests.integration.parity_policies import POLICIES
from tests.servers.opa_server import OpaProcess, opa_binary

pytestmark = pytest.mark.services

SHIPPED = Path(__file__).parents[2] / "policies"
MANY = 5_000
AT_ONCE = 250
ERROR = "policy.error"
BATCH = "package parity\n\n" + "\n".join(
    f"{hook.value} := [found | some case in input.cases; found := [verdict | verdict := {rule} with input as case]]\n" for hook, rule in VERDICT_RULES.items()
)
"""The verdicts on many inputs in one query: each as a list of none or one."""


@pytest.fixture(scope="module", params=["shipped", *POLICIES])
def policies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "shipped":
        return SHIPPED
    folder = tmp_path_factory.mktemp("policies")
    for name, text in POLICIES[request.param].items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def policy(policies: Path) -> Policy:
    return load_policy(policies, memo_entries=0)


@pytest.fixture(scope="module")
def server(policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaProcess]:
    process = OpaProcess(tmp_path_factory.mktemp("opa"))
    process.start(policies, more={"parity.rego": BATCH})
    yield process
    process.stop()


@asynccontextmanager
async def engine_of(server: OpaProcess) -> AsyncIterator[OpaEngine]:
    engine = OpaEngine(OpaServer(OpaOptions(url=server.url, timeout_s=30.0)), Metrics(), fallback=False)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def alike(ours: Decision, theirs: Verdict) -> bool:
    return ours.verdict == theirs or (ours.verdict.reasons[0].rule == ERROR == theirs.reasons[0].rule)


async def ask(session: aiohttp.ClientSession, server: OpaProcess, hook: Hook, documents: Sequence[bytes]) -> list[Any]:
    """What OPA says to each: a list of none or one, or ``ERROR``. One error fails a query, so it is looked for in halves."""
    body = b'{"input":{"cases":[' + b",".join(documents) + b"]}}"
    async with session.post(f"{server.url}/v1/data/parity/{hook.value}?strict-builtin-errors=true", data=body) as answer:
        said = orjson.loads(await answer.read())
        if answer.status == 200:
            found: list[Any] = said["result"]
            return found
    assert said["code"] == "internal_error"
    if len(documents) == 1:
        return [ERROR]
    middle = len(documents) // 2
    return [*await ask(session, server, hook, documents[:middle]), *await ask(session, server, hook, documents[middle:])]


def outcome_of(ours: Decision, said: Any) -> str:
    """What differs between the two, in words; empty where nothing does."""
    reason = ours.verdict.reasons[0].rule if ours.verdict.reasons else ""
    if said == ERROR:
        return "" if reason == ERROR else f"{ours.verdict} and an error"
    if not said:
        return "" if reason == "policy.undefined" else f"{ours.verdict} and undefined"
    try:
        theirs = parse(said[0])
    except VerdictError as fault:
        return "" if reason == fault.rule else f"{ours.verdict} and {fault}"
    return "" if ours.verdict == theirs else f"{ours.verdict} and {theirs}"


@pytest.mark.parametrize("hook", list(Hook))
async def test_random_inputs_have_the_same_verdicts(policy: Policy, server: OpaProcess, hook: Hook) -> None:
    chance = random.Random(20_261)
    ours = [policy.decide(hook, some_input(hook, chance)) for _ in range(MANY)]
    said: list[Any] = []
    async with aiohttp.ClientSession() as session:
        for start, end in pairwise(range(0, MANY + 1, AT_ONCE)):
            said += await ask(session, server, hook, [one.input for one in ours[start:end]])
    differences = [(one.input.decode(), told) for one, their in zip(ours, said, strict=True) if (told := outcome_of(one, their))]
    assert len(said) == MANY
    assert differences == [], f"{len(differences)} of {MANY}"
    assert len({one.verdict.outcome for one in ours}) > 1 or len({str(one.verdict) for one in ours}) > 3


@pytest.mark.parametrize("hook", list(Hook))
async def test_whole_decisions_are_the_same_through_the_client(policy: Policy, server: OpaProcess, hook: Hook) -> None:
    chance = random.Random(7)
    async with engine_of(server) as engine:
        for parts in (*samples(hook).values(), {}, *(some_input(hook, chance) for _ in range(200))):
            ours, theirs = policy.decide(hook, parts), await policy.decide_in(engine, hook, parts)
            assert theirs.engine == OPA
            assert (theirs.input, theirs.revision) == (ours.input, ours.revision)
            assert alike(ours, theirs.verdict), ours.input


UNLIKE: tuple[tuple[str, str, Any, Any, Any], ...] = (
    ("some x in a value that is no collection", "[1 | some x in input]", 5, "an error", []),
    ("a set below a key that got no value", 'object.get(below, "a", 1)', 0, "undefined", 1),
    ("the length of a text beyond the basic plane", "count(input)", "\U0001f600", 2, 1),
    ("a letter whose capital is two", "upper(input)", "\ufb00", "FF", "\ufb00"),
    ("a small fraction as text", 'sprintf("%v", [input])', 1e-9, "0.000000001", "1e-09"),
    ("a large fraction as text", 'sprintf("%v", [input])', 1e16, "10000000000000000", "1e+16"),
    ("a number that a float hardly holds", "floor(input) == input", 1.5e300, True, False),
    ("half of a cent", "round(input * 100)", 0.145, 14, 15),
)
"""What the engines are known to do differently, as docs/policy.md says. Where one of them has changed, the docs and this table can be shorter."""


@pytest.mark.parametrize(("what", "expression", "value", "embedded", "opa"), UNLIKE, ids=[case[0] for case in UNLIKE])
def test_what_is_known_to_differ_still_does(what: str, expression: str, value: Any, embedded: Any, opa: Any, tmp_path: Path) -> None:
    rego = f"package unlike\n\nvalue := {expression}\n\nbelow[key] contains key if {{\n\tsome key in data.keys\n}}\n"
    try:
        ours = EmbeddedEngine({"unlike.rego": rego}, "{}").evaluate("data.unlike.value", orjson.dumps(value).decode())
    except EngineError:
        ours = "an error"
    (tmp_path / "unlike.rego").write_text(rego)
    (tmp_path / "input.json").write_bytes(orjson.dumps(value))
    command = [opa_binary(), "eval", "--strict-builtin-errors", "-d", str(tmp_path / "unlike.rego"), "-i", str(tmp_path / "input.json"), "data.unlike.value"]
    said = orjson.loads(subprocess.run([*command, "--format", "json"], capture_output=True, check=True).stdout)
    assert (what, "undefined" if ours is UNDEFINED else ours) == (what, embedded)
    assert said["result"][0]["expressions"][0]["value"] == opa
