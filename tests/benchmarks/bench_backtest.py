"""How fast recorded decisions are replayed: a ledger of 100,000 decisions is generated, then backtested. Writes ``build/bench-backtest.json``.

The decisions are made by the policies that ship, or by one that reads the whole conversation, on inputs of the gateway's form; entries, chains and
columns are made by the code that serves. What no gateway had to do is only to have called a model. ``DECISIONS`` in the environment asks for another number.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.capabilities.policy.backtest.report import as_json
from gateway.capabilities.policy.backtest.running import Task, backtest
from gateway.capabilities.policy.backtest.source import DAY_NS, Window
from gateway.capabilities.policy.loading import load_policy
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.verdict import obligation_facts
from gateway.capabilities.records.chain import NO_LINK, draft, extend, new_writer_id
from gateway.capabilities.records.entries import Entry
from gateway.domain import Decision, Hook, Json
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import Ledger

ROOT: Final = Path(__file__).resolve().parents[2]
TENANTS: Final = {"acme": 60, "globex": 30, "initech": 10}
TEAMS: Final = ("support", "research", "sales")
ROUTES: Final = {"assistant": 70, "assistant-large": 20, "extract": 10}
_WORDS: Final = ("please", "look", "at", "this", "order", "and", "tell", "the", "customer", "what", "happened", "to", "it", "when", "it", "will", "arrive")
CONTENT: Final = """package gateway.intent

default verdict := {"outcome": "allow", "obligations": {"reveal": {"model": [], "caller": [], "record": []}}}

verdict := {"outcome": "deny", "reasons": [{"rule": "content.order", "message": "no orders"}]} if {
	some message in input.request.messages
	contains(message.content, "LIMIT")
}
"""


class Case(NamedTuple):
    """What decided, and what is tried in its place."""

    name: str
    recorded: Path
    candidate: Path


def cases(folder: Path) -> list[Case]:
    """The shipped policies with a blocked route more; one that reads content, where no two inputs are alike; and one that reads what was not stored."""
    shipped = ROOT / "policies"
    stricter, wider = shutil.copytree(shipped, folder / "stricter"), shutil.copytree(shipped, folder / "wider")
    data = (stricter / "data.yaml").read_text()
    (stricter / "data.yaml").write_text(data.replace("assistant, assistant-large, extract", "assistant, extract"))
    limits = wider / "limits.rego"
    limits.write_text(limits.read_text() + '\nviolations contains {"rule": "limits.lead", "message": "m"} if "lead" in input.subject.roles\n')
    reading, refusing = _content(folder / "reading", "refuse-me"), _content(folder / "refusing", "happened")
    return [
        Case("shipped policies, fewer routes", shipped, stricter),
        Case("a rule on what was not stored", shipped, wider),
        Case("content", reading, refusing),
    ]


def _content(folder: Path, word: str) -> Path:
    shutil.copytree(ROOT / "policies", folder)
    for name in folder.glob("*_test.rego"):
        name.unlink()
    (folder / "intent.rego").write_text(CONTENT.replace("LIMIT", word))
    return folder


def generate(database: Database, policy: Policy, decisions: int, until_ns: int) -> None:
    """Write as many decisions as asked, two for each intent that is let go, spread over a week."""
    chance, ledger, writer = random.Random(7), Ledger(database), new_writer_id()
    links = dict.fromkeys(TENANTS, NO_LINK)
    made = 0
    while made < decisions:
        drafts = []
        for _ in range(500):
            at_ns = until_ns - int(chance.random() * 7 * DAY_NS)
            for entry in intent(policy, chance, at_ns):
                drafts.append(draft(entry))
                made += "decision" in entry.facts
            if made >= decisions:
                break
        with ledger.transaction() as transaction:
            transaction.insert(extend(drafts, writer, links))


def intent(policy: Policy, chance: random.Random, at_ns: int) -> Iterator[Entry]:
    """The entries of one intent."""
    tenant, route = (chance.choices(list(names), list(names.values()))[0] for names in (TENANTS, ROUTES))
    intent_id = f"int_{at_ns // 1_000_000:012x}{chance.getrandbits(64):016x}"
    team = chance.choice(TEAMS)
    subject = {"id": f"key_{chance.randrange(40)}", "kind": "key", "tenant": tenant, "teams": [team], "roles": ["lead"] if chance.random() < 0.1 else []}
    texts = [" ".join(chance.choices(_WORDS, k=40)) for _ in range(chance.randrange(1, 6))]
    request: Json = {"model": route, "messages": [{"role": "user", "content": text} for text in texts], "max_tokens": chance.choice((256, 512, 4096))}
    given = {
        "subject": subject | {"on_behalf_of": None},
        "request": {"route": route, "stream": False, "messages": request["messages"], "tools": [], "params": {"max_tokens": request["max_tokens"]}},
    }
    decision = policy.decide(Hook.INTENT, given)
    facts: Json = {
        "subject": subject, "surface": "chat", "stream": False, "trace_id": f"{chance.getrandbits(128):032x}", "route": route, "target": "simulated",
        "versions": {"config": "c1", "policy": policy.revision, "code": "1"}, "findings": [], "unscanned": [], "decision": _facts(decision),
    }  # fmt: skip
    content = {"request": request, "decision_input": orjson.Fragment(decision.input)}
    yield Entry(tenant=tenant, intent_id=intent_id, kind="opened", at_ns=at_ns, facts=facts, content=orjson.dumps(content))
    yield _ending(policy, chance, (tenant, intent_id, at_ns), given, decision)


def _ending(policy: Policy, chance: random.Random, who: tuple[str, str, int], given: Json, asked: Decision) -> Entry:
    tenant, intent_id, at_ns = who
    if asked.verdict.outcome != "allow":
        refused: Json = {"state": "refused", "reason": asked.verdict.reasons[0].rule, "http_status": 403, "attempts": []}
        return Entry(tenant=tenant, intent_id=intent_id, kind="closed", at_ns=at_ns + 10**6, facts=refused, content=b"{}")
    answer = {"source": "model", "author": "simulated-1", "finish_reason": "stop", "schema_valid": None, "repairs": 0, "fallback": False}
    confidence = round(chance.random(), 2) if chance.random() < 0.2 else None
    said: dict[str, Any] = answer | {"confidence": confidence, "signals": {} if confidence is None else {"logprobs": confidence}}
    decision = policy.decide(
        Hook.ANSWER, {"subject": given["subject"], "request": {"route": given["request"]["route"]}, "answer": said, "intent_verdict": {"outcome": "allow"}}
    )
    attempt = {"target": "simulated", "started_ns": at_ns, "ended_ns": at_ns + 10**9, "cost_microusd": chance.randrange(100, 5_000)}
    facts: Json = {"state": "completed", "reason": None, "http_status": 200, "attempts": [attempt], "findings": [], "decision": _facts(decision)}
    content = {"answer": [{"content": " ".join(chance.choices(_WORDS, k=80))}], "decision_input": orjson.Fragment(decision.input)}
    return Entry(tenant=tenant, intent_id=intent_id, kind="closed", at_ns=at_ns + 10**9, facts=facts, content=orjson.dumps(content))


def _facts(decision: Decision) -> Json:
    return {
        "hook": decision.hook,
        "outcome": decision.verdict.outcome,
        "reasons": [reason._asdict() for reason in decision.verdict.reasons],
        "obligations": obligation_facts(decision.verdict.obligations),
        "revision": decision.revision,
        "memoised": decision.memoised,
        "duration_ns": decision.duration_ns,
    }


def measure(folder: Path, decisions: int) -> list[Json]:
    """Generate a ledger for each policy that decided, and backtest it; the same policy first, which has to change nothing."""
    found, until_ns = [], time.time_ns()
    for case in cases(folder):
        database = Database(folder / f"{case.recorded.name}.db", durability="process")
        if not (folder / f"{case.recorded.name}.db").exists():
            database.prepare()
            generate(database, load_policy(case.recorded), decisions, until_ns)
        window = Window(since_ns=until_ns - 8 * DAY_NS, until_ns=until_ns + DAY_NS)
        for name, candidate in ((f"{case.name}, the policy that decided", case.recorded), (case.name, case.candidate)):
            report = as_json(backtest(Task(candidate=candidate, tenants=tuple(TENANTS), window=window), database))
            changed = {kind: found["count"] for kind, found in report["outcomes"].items() if found["count"]}
            found.append({"case": name, "decisions": report["decisions"], **report["run"], "outcomes": changed, "completed": report["completed"]["count"]})
            print(f"{name}: {report['decisions']:,} decisions in {report['run']['seconds']:.1f} s, {report['run']['evaluated']:,} evaluated, {changed}")
    return found


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), int(os.environ.get("DECISIONS", "100000")))
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-backtest.json").write_bytes(orjson.dumps({"processors": len(os.sched_getaffinity(0)), "runs": found}, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
