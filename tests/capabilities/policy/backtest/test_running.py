"""Backtests of what a real gateway recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from gateway.capabilities.costs import estimate_tokens
from gateway.capabilities.policy.backtest.completing import PROVIDED
from gateway.capabilities.policy.backtest.source import DAY_NS, Window
from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Hook, Json
from gateway.testing import ALLOW_ALL, local_gateway
from tests.capabilities.policy.backtest.conftest import IMAGE, ROUTING, SCRIPT, MakeBench, traffic

SHIPPED = Path(__file__).resolve().parents[4] / "policies"


def rego(hook: str, *conditions: str, outcome: str = "deny", rule: str = "new.rule") -> str:
    """A verdict that allows, unless a condition holds."""
    rules = "".join(f'\n\nverdict := {{"outcome": "{outcome}", "reasons": [{{"rule": "{rule}", "message": "m"}}]}} if {{\n\t{one}\n}}\n' for one in conditions)
    allowed = '{"outcome": "allow", "obligations": {"reveal": {"model": [], "caller": [], "record": []}}}'
    return f"package gateway.{hook}\n\ndefault verdict := {allowed}{rules}\n"


EVERYTHING = {
    "intent.rego": rego("intent", 'input.request.route == "assistant-large"', "count(input) == 0"),
    "answer.rego": rego("answer", "input.answer.confidence < 0.1", "count(input) == 0"),
}
CONTENT = {
    "intent.rego": rego("intent", 'some message in input.request.messages\n\tcontains(message.content, "refuse me")'),
    "answer.rego": rego("answer", 'contains(input.answer.text, "forbidden")'),
}
SUBJECTS = {"intent.rego": rego("intent", 'input.subject.tenant == "globex"'), "answer.rego": rego("answer", 'input.subject.tenant == "nobody"')}
PARAMETERS = {"intent.rego": rego("intent", "input.request.params.max_tokens > 60"), "answer.rego": ALLOW_ALL["answer.rego"]}
ESCALATES = {
    "intent.rego": rego("intent", 'input.subject.teams[0] == "sales"', outcome="escalate", rule="ask.somebody"),
    "answer.rego": ALLOW_ALL["answer.rego"],
}


def differences(report: Json) -> dict[str, int]:
    return {kind: found["count"] for kind, found in report["outcomes"].items() if found["count"] and kind not in {"unchanged", "refused_by_gateway"}}


@pytest.mark.parametrize(
    "policies",
    [SHIPPED, ALLOW_ALL, EVERYTHING, CONTENT, SUBJECTS, PARAMETERS, ESCALATES],
    ids=["shipped", "nothing", "everything", "content", "subjects", "params", "escalates"],
)
async def test_the_policy_that_decided_decides_alike(tmp_path: Path, bench: MakeBench, policies: Path | Mapping[str, str]) -> None:
    async with local_gateway(tmp_path, SCRIPT, policies=policies, routing=ROUTING) as local:
        await traffic(local)
        report = await bench(local).report(local.settings.policy.path, known=())
    assert differences(report) == {}
    assert report["decisions"] > 25
    assert report["replayed"] + report["not_replayable"]["count"] == report["decisions"]
    assert set(report["not_replayable"]["reasons"]) <= {"content_redacted", "content_removed"}
    reads_content = policies is EVERYTHING or policies is CONTENT
    assert bool(report["not_replayable"]["count"]) == reads_content


async def test_what_the_gateway_provides_is_what_is_known_to_be_provided(tmp_path: Path) -> None:
    async with local_gateway(tmp_path, SCRIPT, policies=EVERYTHING, routing=ROUTING) as local:
        await local.ask("hello")
        decided = {}
        with local.gateway.database.read() as connection:
            rows = connection.exec_driver_sql("SELECT kind, content FROM entries WHERE content IS NOT NULL").fetchall()
        for kind, content in rows:
            decided[Hook.INTENT if kind == "opened" else Hook.ANSWER] = orjson.loads(content)["decision_input"]
    for hook in Hook:
        provided = PROVIDED[hook]
        assert decided[hook].keys() - {"schema", "hook"} == provided.keys()
        for section, fields in provided.items():
            assert fields is None or set(fields) == decided[hook][section].keys()


async def test_each_kind_of_difference_is_told_by_rule_tenant_route_and_hook(tmp_path: Path, bench: MakeBench) -> None:
    asks = '\n\nverdict := {"outcome": "escalate", "reasons": [{"rule": "ask.somebody", "message": "m"}]} if input.subject.teams[0] == "sales"\n'
    stricter = {
        "intent.rego": rego("intent", 'input.subject.tenant == "globex"', rule="access.globex") + asks,
        "answer.rego": ALLOW_ALL["answer.rego"].replace('{"caller": []', '{"caller": ["EMAIL_ADDRESS"]'),
    }
    recorded = {"intent.rego": rego("intent", 'input.subject.teams[0] == "research"', rule="access.research"), "answer.rego": ALLOW_ALL["answer.rego"]}
    async with local_gateway(tmp_path, SCRIPT, policies=recorded) as local:
        await traffic(local)
        report = await bench(local).report(stricter)
    outcomes = report["outcomes"]
    assert differences(report) == {"newly_denied": 2, "newly_allowed": 2, "newly_escalated": 2, "changed_obligations": outcomes["changed_obligations"]["count"]}
    assert outcomes["newly_denied"]["by_rule"] == {"access.globex": 2}
    assert outcomes["newly_denied"]["by_tenant"] == {"globex": 2}
    assert outcomes["newly_denied"]["by_route"] == {"assistant": 1, "assistant-large": 1}
    assert outcomes["newly_allowed"]["by_rule"] == {"access.research": 2}
    assert outcomes["newly_escalated"]["by_rule"] == {"ask.somebody": 2}
    assert outcomes["newly_escalated"]["by_hook"] == {"intent": 2}
    assert outcomes["changed_obligations"]["by_change"] == {"reveal.caller +EMAIL_ADDRESS": outcomes["changed_obligations"]["count"]}
    assert report["human_load"] == {"escalations_before": 0, "escalations_after": 2, "per_day_before": 0.0, "per_day_after": 1.0}


async def test_what_would_be_refused_is_saved_and_what_would_go_is_estimated_by_its_route(tmp_path: Path, bench: MakeBench) -> None:
    recorded = {"intent.rego": rego("intent", 'input.subject.teams[0] == "research"'), "answer.rego": ALLOW_ALL["answer.rego"]}
    candidate = {"intent.rego": rego("intent", 'input.subject.tenant == "globex"'), "answer.rego": ALLOW_ALL["answer.rego"]}
    async with local_gateway(tmp_path, SCRIPT, policies=recorded) as local:
        acme, globex = local.key(), local.key("globex")
        for key in (acme, acme, acme, globex, local.key(teams=("research",))):
            await local.ask("hello", key=key)
        await local.chat({"model": "assistant-large", "messages": [{"role": "user", "content": "hello"}]}, key=local.key(teams=("research",)))
        spent = [entry["facts"]["attempts"][0]["cost_microusd"] for entry in await local.entries() if entry["kind"] == "closed" and entry["facts"]["attempts"]]
        report = await bench(local).report(candidate)
    cost = report["cost"]
    assert cost["saved_usd"] * 1e6 == pytest.approx(spent[0])
    assert cost["added_usd"] == cost["added_estimated_usd"] == pytest.approx(cost["saved_usd"])
    assert cost["change_usd"] == pytest.approx(0)
    assert cost["newly_allowed_without_estimate"] == {"assistant-large": 1}


async def test_a_candidate_that_reads_more_is_asked_with_what_the_record_knows(tmp_path: Path, bench: MakeBench) -> None:
    more = 'input.subject.roles[0] == "lead"\n\tinput.request.params.max_tokens > 10\n\tinput.intent.surface == "chat"\n\tcount(input.findings) == 0'
    candidate = {
        "intent.rego": rego("intent", more, rule="new.lead"),
        "answer.rego": rego("answer", "input.answer.confidence < 0.3", "input.answer.signals.truncated"),
    }
    async with local_gateway(tmp_path, SCRIPT, routing=ROUTING) as local:
        for roles in (("lead",), ("user",), ()):
            await local.ask("hello", key=local.key(roles=roles), max_tokens=20)
        await local.ask("hello", key=local.key(roles=("lead",)))
        report = await bench(local).report(candidate)
    assert differences(report) == {"newly_denied": 1}
    assert report["not_replayable"]["count"] == 0
    assert report["completed"] == {
        "count": 8,
        "paths": {
            "answer.confidence": 4, "answer.signals": 4, "findings": 4, "intent.surface": 4, "request.params": 4, "subject.roles": 4,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "reason", "path"),
    [
        ('startswith(input.time, "2020")', "volatile", "time"),
        ("input.request.tokens_estimate > 5", "missing_input", "request.tokens_estimate"),
        ("input.request.cost_estimate_microusd > 5", "missing_input", "request.cost_estimate_microusd"),
        ('some message in input.request.messages\n\tcontains(message.content, "john")', "content_redacted", None),
    ],
)
async def test_what_nobody_knows_any_more_is_counted_apart(tmp_path: Path, bench: MakeBench, condition: str, reason: str, path: str | None) -> None:
    async with local_gateway(tmp_path) as local:
        await local.ask("mail john.roe@example.com")
        report = await bench(local).report({**ALLOW_ALL, "intent.rego": rego("intent", condition)})
    apart = report["not_replayable"]
    assert (report["decisions"], report["replayed"]) == (2, 1)
    assert [(name, found["count"], found["by_hook"]) for name, found in apart["reasons"].items()] == [(reason, 1, {"intent": 1})]
    assert apart["missing_paths"] == ({path: 1} if path else {})
    assert apart["reasons"][reason]["examples"][0]["tenant"] == "acme"


async def test_content_that_nothing_was_found_in_is_replayed(tmp_path: Path, bench: MakeBench) -> None:
    async with local_gateway(tmp_path) as local:
        await local.ask("tell me about john")
        await local.ask("tell me about jane")
        await local.chat({"model": "assistant", "messages": [{"role": "user", "content": IMAGE}]})
        report = await bench(local).report(
            {**ALLOW_ALL, "intent.rego": rego("intent", 'some message in input.request.messages\n\tcontains(message.content, "john")')}
        )
    assert differences(report) == {"newly_denied": 1}
    assert list(report["not_replayable"]["reasons"]) == ["content_removed"]


async def test_what_the_gateway_itself_would_refuse_is_no_allow(tmp_path: Path, bench: MakeBench) -> None:
    routes = {**ALLOW_ALL, "intent.rego": ALLOW_ALL["intent.rego"].replace('"obligations": {', '"obligations": {"routes": ["assistant-large"], ')}
    async with local_gateway(tmp_path) as local:
        await local.ask("hello")
        await local.chat({"model": "assistant", "messages": [{"role": "user", "content": IMAGE}]})
        report, allowing = (
            await bench(local).report(routes),
            await bench(local).report(
                {**ALLOW_ALL, "intent.rego": ALLOW_ALL["intent.rego"].replace('"obligations": {', '"obligations": {"allow_unscanned": true, ')}
            ),
        )
    assert report["outcomes"]["newly_denied"]["by_rule"] == {"policy.route": 1}
    assert report["outcomes"]["refused_by_gateway"]["by_rule"] == {"policy.unscanned": 1}
    assert allowing["outcomes"]["newly_allowed"]["by_rule"] == {"policy.unscanned": 1}


async def test_another_policy_can_be_the_baseline(tmp_path: Path, bench: MakeBench) -> None:
    one, other = (
        {**ALLOW_ALL, "intent.rego": rego("intent", 'input.subject.tenant == "globex"')},
        {**ALLOW_ALL, "intent.rego": rego("intent", "input.subject.id")},
    )
    async with local_gateway(tmp_path) as local:
        await traffic(local)
        made = bench(local)
        baseline = made.candidate(one)
        same, different = await made.report(one, baseline=baseline), await made.report(other, baseline=baseline)
    assert differences(same) == {}
    assert same["baseline"]["recorded"] is False
    assert set(differences(different)) == {"newly_denied", "changed_reasons"}


async def test_the_number_of_workers_changes_nothing_but_the_time(tmp_path: Path, bench: MakeBench) -> None:
    candidate = {**ALLOW_ALL, "intent.rego": rego("intent", 'input.subject.tenant == "globex"')}
    async with local_gateway(tmp_path) as local:
        await traffic(local)
        made = bench(local)
        task = made.task(candidate)
        reports = [await made.report(task.candidate, workers=workers, window=task.window) for workers in (1, 3)]
    for report in reports:
        del report["run"]
    assert reports[0] == reports[1]


async def test_a_limit_takes_the_newest_and_a_window_what_is_in_it(tmp_path: Path, bench: MakeBench) -> None:
    candidate = {**ALLOW_ALL, "intent.rego": rego("intent", "input.subject.id")}
    async with local_gateway(tmp_path) as local:
        for tenant in ("acme", "globex", "acme", "globex"):
            await local.ask("hello", key=local.key(tenant))
        ids = sorted({entry["intent_id"] for tenant in ("acme", "globex") for entry in await local.entries(tenant)} - {""})
        made = bench(local)
        newest = await made.report(candidate, limit=3)
        at_ns = int(ids[2].removeprefix("int_")[:12], 16) * 1_000_000
        early = await made.report(candidate, window=Window(since_ns=at_ns - DAY_NS, until_ns=at_ns))
        alone = await made.report(candidate, tenants=("globex",), hooks=frozenset({Hook.INTENT}))
        nothing = await made.report(candidate, window=Window(since_ns=0, until_ns=1_000_000_000))
    assert [example["record"] for example in newest["outcomes"]["newly_denied"]["examples"]] == ids[:0:-1]
    assert {example["record"] for example in early["outcomes"]["newly_denied"]["examples"]} <= set(ids[:2])
    assert (alone["decisions"], "acme" in str(alone).replace(str(tmp_path), "")) == (2, False)
    assert (nothing["records"], nothing["decisions"]) == (0, 0)


async def test_a_candidate_that_cannot_go_live_is_refused_with_its_lines(tmp_path: Path, bench: MakeBench) -> None:
    async with local_gateway(tmp_path) as local:
        with pytest.raises(PolicyError, match=r"intent.rego:3"):
            await bench(local).report({**ALLOW_ALL, "intent.rego": "package gateway.intent\n\nverdict := http.send({})\n"})


async def test_a_rule_of_a_policy_that_is_not_at_hand_is_not_named_until_the_policy_is(tmp_path: Path, bench: MakeBench) -> None:
    recorded = {**ALLOW_ALL, "intent.rego": rego("intent", "input.subject.id", rule="old.rule")}
    async with local_gateway(tmp_path, policies=recorded) as local:
        await local.ask("hello")
        made = bench(local)
        without, named = await made.report(ALLOW_ALL, known=()), await made.report(ALLOW_ALL, known=(made.candidate(recorded), tmp_path / "nowhere"))
    assert without["outcomes"]["newly_allowed"]["by_rule"] == {"(of a policy that is not at hand)": 1}
    assert named["outcomes"]["newly_allowed"]["by_rule"] == {"old.rule": 1}


async def test_a_bundle_is_a_candidate_like_a_folder(tmp_path: Path, bench: MakeBench) -> None:
    async with local_gateway(tmp_path) as local:
        await local.ask("hello")
        made = bench(local)
        folder = made.candidate({**ALLOW_ALL, "intent.rego": rego("intent", "input.subject.id")})
        (tmp_path / "bundle.tar.gz").write_bytes(build(folder, revision="next").content)
        of_folder, of_bundle = await made.report(folder), await made.report(tmp_path / "bundle.tar.gz")
    assert of_folder["candidate"]["revision"] == of_bundle["candidate"]["revision"]
    assert differences(of_folder) == differences(of_bundle) == {"newly_denied": 1}


async def test_the_tokens_of_a_request_that_is_on_record_as_it_came_are_estimated_as_they_were(tmp_path: Path, bench: MakeBench) -> None:
    body = {"model": "assistant", "messages": [{"role": "user", "content": "hello there"}], "max_tokens": 9}
    candidate = {**ALLOW_ALL, "intent.rego": rego("intent", f"input.request.tokens_estimate == {estimate_tokens(body)}")}
    async with local_gateway(tmp_path) as local:
        await local.chat(body)
        await local.ask("hello there " * 50)
        await local.ask("hello john.roe@example.com")
        report = await bench(local).report(candidate)
    assert differences(report) == {"newly_denied": 1}
    assert (report["completed"]["paths"], report["not_replayable"]["missing_paths"]) == ({"request.tokens_estimate": 2}, {"request.tokens_estimate": 1})
