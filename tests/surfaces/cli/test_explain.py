"""``gateway explain`` and ``gateway policy eval --record`` over the records of a gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.writer import RecordWriter
from gateway.infrastructure.database import Database
from gateway.settings import load
from gateway.surfaces.cli.explain import command
from gateway.surfaces.cli.policy import command as policy
from gateway.surfaces.cli.records import command as records
from gateway.testing import ENV, local_gateway
from tests.capabilities.records.conftest import Shelf

EXAMPLES = Path(__file__).parents[3] / "policies"
Run = Callable[..., Result]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, str]]:
    """The config of a gateway that is not running any more, and some of its records by what became of them."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)

    async def serve() -> dict[str, str]:
        link = "{logs: {level: error}, traces: {link: 'https://jaeger.example.com/trace/{trace_id}'}}"
        async with local_gateway(tmp_path, policies=EXAMPLES, telemetry=link) as local:
            allowed = await local.ask("write to jane.doe@example.com", tools=[{"type": "function", "function": {"name": "look_up"}}])
            refused = await local.chat({"model": "assistant-large", "messages": [{"role": "user", "content": "hello"}]})
            globex = await local.ask("hello", key=local.key("globex"))
            return {name: reply.headers["x-gateway-record"] for name, reply in (("allowed", allowed), ("refused", refused), ("globex", globex))}

    return tmp_path / "config.yaml", asyncio.run(serve())


@pytest.fixture
def ids(made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return made[1]


@pytest.fixture
def run(made: tuple[Path, dict[str, str]]) -> Run:
    return lambda *arguments: CliRunner().invoke(command, [*arguments, "--config", str(made[0])])


@pytest.fixture
def evaluate(made: tuple[Path, dict[str, str]]) -> Run:
    return lambda *arguments: CliRunner().invoke(policy, ["eval", *arguments, "--config", str(made[0])])


def test_an_intent_is_explained_as_text(run: Run, ids: dict[str, str]) -> None:
    told = run(ids["refused"], "--tenant", "acme")
    assert told.exit_code == 0, told.output
    assert "none of your teams may use the route assistant-large" in told.output
    assert "stopped at intent.rego:" in told.output
    assert "trace: https://jaeger.example.com/trace/" in told.output
    assert "cost in all: " in run(ids["allowed"], "--tenant", "acme").output


def test_an_intent_is_explained_as_json_with_the_values_of_rules(run: Run, ids: dict[str, str]) -> None:
    told = json.loads(run(ids["allowed"], "--tenant", "acme", "--json").output)
    values = {rule["rule"]: rule.get("value") for rule in told["decisions"][0]["explanation"]["rules"] if rule["status"] == "fired"}
    assert values["gateway.limits.cap"] == 1024
    assert "jane" not in json.dumps(told)


@pytest.mark.parametrize(("tenant", "said"), [("globex", "no record"), ("nobody", "no such tenant")])
def test_another_tenants_record_is_not_found(run: Run, ids: dict[str, str], tenant: str, said: str) -> None:
    refused = run(ids["allowed"], "--tenant", tenant)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
    assert run(ids["allowed"]).exit_code == 2


def test_without_a_policy_the_rest_is_told(run: Run, ids: dict[str, str], made: tuple[Path, dict[str, str]]) -> None:
    config = made[0]
    config.write_text(config.read_text().replace(str(EXAMPLES), "nowhere"))
    told = run(ids["allowed"], "--tenant", "acme")
    assert told.exit_code == 0, told.output
    assert "note: the policy cannot be read" in told.output
    assert "there is no policy now" in told.output


def test_a_stored_decision_is_made_again(evaluate: Run, ids: dict[str, str]) -> None:
    told = json.loads(evaluate("--record", ids["refused"], "--tenant", "acme", "--flip", "--explain", "--json").output)
    assert (told["outcome"], told["reasons"][0]["rule"]) == ("deny", "access.route")
    assert told["flip"]["change"] == {"path": "subject.teams[1]", "to": "research"}
    answer = json.loads(evaluate("--record", ids["allowed"], "--tenant", "acme", "--which", "answer").output)
    assert (answer["hook"], answer["outcome"]) == ("answer", "allow")
    redacted = json.loads(evaluate("--record", ids["allowed"], "--tenant", "acme").output)
    assert "redacted for the record" in redacted["notes"][0]


def test_what_the_policy_of_then_did_not_read_is_said(evaluate: Run, ids: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "intent.rego").write_text('package gateway.intent\n\nverdict := {"outcome": "allow"} if input.request.tokens_estimate < 100\n')
    (folder / "answer.rego").write_text('package gateway.answer\n\nverdict := {"outcome": "allow"}\n')
    told = json.loads(evaluate("--record", ids["refused"], "--tenant", "acme", "--policies", str(folder)).output)
    assert told["reasons"][0]["rule"] == "policy.undefined"
    assert told["notes"][0].endswith("decided: deny")
    assert "also reads input.request.tokens_estimate" in told["notes"][1]


@pytest.mark.parametrize(
    ("which", "said"),
    [
        (["--tenant", "globex"], "no record"),
        ([], "--record needs --tenant"),
        (["--tenant", "acme", "--which", "9"], "has no decision 9; it has intent, answer, choice 1"),
        (["--tenant", "acme", "--which", "answer", "--hook", "intent"], "is a decision of the hook answer"),
        (["--tenant", "acme", "--input", "-"], "either --input FILE or --record ID"),
    ],
)
def test_a_stored_input_that_there_is_not_is_a_clear_error(evaluate: Run, ids: dict[str, str], which: list[str], said: str) -> None:
    refused = evaluate("--record", ids["allowed"], *which)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_an_erased_input_is_a_clear_error(evaluate: Run, run: Run, ids: dict[str, str], made: tuple[Path, dict[str, str]]) -> None:
    assert CliRunner().invoke(records, ["erase", "--tenant", "acme", ids["allowed"], "--config", str(made[0])]).exit_code == 0
    refused = evaluate("--record", ids["allowed"], "--tenant", "acme")
    assert (refused.exit_code, "erased because somebody asked for that" in refused.stderr) == (2, True)
    assert "not on record any more" in run(ids["allowed"], "--tenant", "acme").output


def test_who_decided_about_an_intent_that_waited_and_for_how_long_is_told(run: Run, made: tuple[Path, dict[str, str]]) -> None:
    config = load(made[0])

    async def park() -> None:
        writer = RecordWriter(Database(config.database), heads=config.records.heads, key=SigningKey(config.keys.record_signing.reveal()))
        await writer.start()
        await writer.move(lambda _: None, Shelf.opened("int_w0"), Shelf.held("parked", "int_w0", at_ns=10**18))
        await writer.move(lambda _: None, Shelf.opened("int_w1"), Shelf.held("parked", "int_w1", at_ns=10**18), Shelf.held("decided", "int_w1"))
        await writer.move(lambda _: None, Shelf.held("resumed", "int_w1", at_ns=10**18 + 90 * 10**9))
        await writer.close()

    asyncio.run(park())
    assert "held for a person in queue approvals: it still waits; decided by nobody yet" in run("int_w0", "--tenant", "acme").output
    assert "held for a person in queue approvals: it waited 90.0 s; decided by Ann Smith (accept)" in run("int_w1", "--tenant", "acme").output
    (hold,) = json.loads(run("int_w1", "--tenant", "acme", "--json").output)["holds"]
    assert (hold["waited_ms"], hold["decided"][0]["scope_sha256"]) == (90_000.0, "5" * 64)
