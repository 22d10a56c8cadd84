"""The cookbook for policy authors: every recipe is what its page shows, passes what a policy has to pass in both engines, and does what it is for."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.capabilities.policy.author_tests import percent, report_tests
from gateway.capabilities.policy.author_tests_opa import report_tests_by_opa
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.lint_advice import advice_on
from gateway.capabilities.policy.loading import check, load_policy
from gateway.domain import Hook, Json
from gateway.testing import LocalGateway, Reply, Routing, local_gateway
from tests.integration.parity_inputs import some_input
from tests.integration.test_engine_parity import BATCH, ask, outcome_of
from tests.servers.opa_server import OpaProcess, opa_binary

ROOT = Path(__file__).parents[2]
COOKBOOK = ROOT / "docs" / "cookbook"
PAGE = ROOT / "docs" / "policy-cookbook.md"
NAMES = sorted(path.name for path in COOKBOOK.iterdir())
MANY = 300
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
ORDER = "{type: object, required: [number], properties: {number: {type: integer}}, additionalProperties: false}"
PAY = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
PAYMENTS = """rules:
  - {when: {contains: big}, reply: null, tool_calls: [{name: pay, arguments: {amount: 1500}}]}
  - {when: {contains: odd}, reply: null, tool_calls: [{name: pay, arguments: {amount: much}}]}
  - {reply: null, tool_calls: [{name: pay, arguments: {amount: 900}}]}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, and the rules by which it is refused or left to a person; none where it is allowed."""

    says: Any = "hello"
    body: Mapping[str, Any] = field(default_factory=dict)
    tenant: str = "acme"
    teams: tuple[str, ...] = ("support",)
    roles: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    """What it is left to a person for. The gateway of the test has not the queue that the recipe names, so it refuses at once."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the record, of the intent or its answer."""
    target: str = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A recipe in a gateway: how that is set up, and the calls."""

    calls: tuple[Call, ...]
    script: str = ""
    routing: Routing | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    """Replacements in ``data.yaml``."""


def offered(name: str) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]}


LARGE = {"model": "assistant-large"}
SERVED: Mapping[str, Served] = {
    "01-models-by-team": Served(
        calls=(Call(body=LARGE, teams=("research",), labels={"team": "research"}), Call(body=LARGE, refused=("models.team",))),
    ),
    "02-working-hours": Served(
        data={"[Monday, Tuesday, Wednesday, Thursday, Friday, Saturday]": "[]"},
        calls=(Call(roles=("on_call",)), Call(tenant="globex", refused=("hours.closed",)), Call(tenant="globex", roles=("on_call",))),
    ),
    "03-caps-by-role": Served(
        calls=(
            Call(roles=("user",)),
            Call(says="hello " * 2000, roles=("user",), refused=("caps.cost",)),
            Call(says="hello " * 2000, roles=("user", "analyst")),
            Call(refused=("caps.role",)),
        ),
    ),
    "04-regulated-data": Served(
        routing=Routing(assistant="{targets: [{target: simulated}, {target: onprem, tier: 2}]}", targets={"onprem": "model: simulated-2"}),
        calls=(
            Call(says="mail jane.doe@example.com", labels={"data_class": "ordinary"}),
            Call(says="my card is 4111 1111 1111 1111", labels={"data_class": "regulated"}, target="onprem"),
            Call(says="my card is 4111 1111 1111 1111", body=LARGE, refused=("regulated.target",)),
        ),
    ),
    "05-tools": Served(
        calls=(
            Call(body=offered("look_up_order")),
            Call(body=offered("delete_account"), refused=("tools.blocked",)),
            Call(body=offered("admin_reset"), refused=("tools.prefix",)),
            Call(body={"functions": [{"name": "run_shell", "parameters": {}}]}, refused=("tools.blocked",)),
            Call(body=offered("look_up_salary"), refused=("tools.role",)),
            Call(body=offered("look_up_salary"), roles=("hr",)),
        ),
    ),
    "06-schema-by-route": Served(
        changes={"routes:\n": f"schemas: {{order: {ORDER}}}\nroutes:\n"},
        routing=Routing(assistant="{target: simulated, repair: {asks: 0}}"),
        script="""rules: [{when: {contains: order}, reply: '{"number": 7}'}, {reply: 'no order'}]""",
        calls=(Call(says="my order"), Call(refused=("schema.broken",)), Call(body=LARGE)),
    ),
    "07-confidence": Served(
        routing=Routing(assistant="{target: simulated, confidence: {logprobs: true}}"),
        script="rules: [{when: {contains: sure}, reply: 'yes it is', logprobs: -0.01}, {reply: 'perhaps', logprobs: -3}]",
        calls=(Call(says="are you sure"), Call(refused=("confidence.low",)), Call(body=LARGE)),
    ),
    "08-promises": Served(
        calls=(
            Call(says="refunds take time"),
            Call(says="We guarantee it", refused=("promises.phrase",)),
            Call(says="it comes by 2026-03-01", body={"stream": True}, refused=("promises.date",)),
        ),
    ),
    "09-images": Served(
        calls=(
            Call(says=[PIXEL], teams=("claims",)),
            Call(says=[PIXEL], refused=("images.team",)),
            Call(says=[PIXEL, SOUND], teams=("claims",), refused=("images.kind",)),
            Call(),
        ),
    ),
    "10-retention": Served(
        calls=(
            Call(says="mail jane.doe@example.com", labels={"kept_for": "contact,ordinary"}),
            Call(says="my SSN is 219-09-9999", refused=("retention.none",)),
        ),
    ),
    "11-last-resort": Served(
        script="rules: [{when: {contains: down}, fault: {status: 500}}]",
        routing=Routing(assistant="{target: simulated, retries: {max: 0}, last_resort: 'Please try later.'}"),
        calls=(
            Call(labels={"answered_by": "first_choice"}),
            Call(says="down", labels={"answered_by": "last_resort"}, target="last_resort"),
            Call(says="down", teams=("sales",), refused=("last_resort.team",)),
        ),
    ),
    "12-payments": Served(
        script=PAYMENTS,
        calls=(
            Call(body={"tools": [PAY]}),
            Call(says="big", body={"tools": [PAY]}, asks=("payments.person",)),
            Call(says="odd", body={"tools": [PAY]}, asks=("payments.unclear",)),
        ),
    ),
    "13-four-eyes": Served(calls=(Call(), Call(body=LARGE, asks=("four_eyes",)))),
    "14-limits-by-role": Served(
        script=PAYMENTS.replace("900", "90"),
        calls=(
            Call(body={"tools": [PAY]}),
            Call(says="big", body={"tools": [PAY]}, asks=("payments.role",)),
            Call(says="odd", body={"tools": [PAY]}, refused=("payments.nobody",)),
        ),
    ),
    "15-doubtful-answers": Served(
        routing=Routing(assistant="{target: simulated, confidence: {logprobs: true}}"),
        script="rules: [{when: {contains: sure}, reply: 'yes it is', logprobs: -0.01}, {reply: 'perhaps', logprobs: -3}]",
        calls=(Call(says="are you sure"), Call(asks=("review.confidence",)), Call(body=LARGE)),
    ),
    "16-answered-by-people": Served(calls=(Call(), Call(body=LARGE, asks=("people.answer",)))),
    "17-in-time": Served(calls=(Call(asks=("in_time.person",)), Call(body=LARGE, asks=("in_time.person",)))),
}


def test_there_are_seventeen_and_each_is_served() -> None:
    assert len(NAMES) == 17
    assert sorted(SERVED) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_passes_the_lint_without_a_word_and_its_tests_cover_it(name: str) -> None:
    bundle = load_bundle(COOKBOOK / name)
    assert advice_on(bundle, check(bundle)) == []
    report = report_tests(bundle, coverage=True)
    assert (report.failed, bool(report.tests)) == (0, True)
    assert percent(report.coverage or ()) == 100


@pytest.mark.services
@pytest.mark.parametrize("name", NAMES)
def test_opa_says_the_same(name: str) -> None:
    opa = opa_binary()
    report = report_tests_by_opa(load_bundle(COOKBOOK / name))
    assert (report.failed, bool(report.tests)) == (0, True)
    for arguments in (["fmt", "--fail", "--list"], ["check", "--strict", "--schema", str(ROOT / "gateway" / "contract")]):
        done = subprocess.run([opa, *arguments, str(COOKBOOK / name)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.services
@pytest.mark.parametrize("name", NAMES)
async def test_opa_decides_alike_about_random_inputs(tmp_path: Path, name: str) -> None:
    policy = load_policy(COOKBOOK / name, memo_entries=0)
    server = OpaProcess(tmp_path)
    server.start(COOKBOOK / name, more={"parity.rego": BATCH})
    try:
        async with aiohttp.ClientSession() as session:
            for hook in Hook:
                chance = random.Random(name)
                ours = [policy.decide(hook, some_input(hook, chance)) for _ in range(MANY)]
                said = await ask(session, server, hook, [one.input for one in ours])
                assert [(one.input, told) for one, their in zip(ours, said, strict=True) if (told := outcome_of(one, their))] == []
    finally:
        server.stop()


@pytest.mark.parametrize("name", NAMES)
async def test_a_recipe_does_in_a_gateway_what_it_is_for(tmp_path: Path, name: str) -> None:
    served = SERVED[name]
    policies = {path.name: path.read_text() for path in (COOKBOOK / name).iterdir()}
    for old, new in served.data.items():
        assert old in policies["data.yaml"]
        policies["data.yaml"] = policies["data.yaml"].replace(old, new)
    async with local_gateway(tmp_path, served.script, policies=policies, routing=served.routing, changes=served.changes) as local:
        for call in served.calls:
            reply = await made(local, call)
            entries = [entry["facts"] for entry in await local.entries(call.tenant) if entry["intent_id"] == reply.headers["x-gateway-record"]]
            decisions = [facts["decision"] for facts in entries if facts.get("decision")]
            assert {reason["rule"] for decision in decisions for reason in decision["reasons"]} == {*call.refused, *call.asks}, call
            assert decisions[-1]["outcome"] == ("escalate" if call.asks else "deny" if call.refused else "allow"), call
            assert entries[-1]["state"] == ("refused" if call.refused or call.asks else "completed"), call
            if not (call.refused or call.asks):
                assert (reply.status, reply.headers["x-gateway-target"], labels(decisions)) == (200, call.target, dict(call.labels)), call
            elif not call.body.get("stream"):  # a stream that is held back begins with 200 and ends with an error event
                assert reply.status == 403, call


def labels(decisions: list[Json]) -> Json:
    return {name: label for decision in decisions for name, label in decision["obligations"]["labels"].items()}


async def made(local: LocalGateway, call: Call) -> Reply:
    key = local.key(call.tenant, teams=call.teams, roles=call.roles)
    return await local.chat({"model": "assistant", "messages": [{"role": "user", "content": call.says}], **call.body}, key=key)


def test_the_page_shows_the_recipes_as_they_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown: dict[str, list[str]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        linked = re.search(r"`docs/cookbook/([\w-]+)/", section)
        if linked is not None:
            shown.setdefault(linked[1], []).extend(re.findall(r"^```(?:rego|yaml)\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    assert list(shown) == NAMES
    for name, snippets in shown.items():
        files = [path.read_text(encoding="utf-8") for path in (COOKBOOK / name).iterdir()]
        assert snippets, name
        for snippet in snippets:
            assert any(snippet in file for file in files), f"{name}: {snippet}"
