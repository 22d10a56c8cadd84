"""The stage of a storm over intents that wait for people: a policy that holds them in every way, queues, and people with keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from gateway.surfaces.cli import keys
from tests.stage import TEAM, TENANT, Stage, build

SCRIPT = """\
models: [simulated-1]
rules:
  - name: a stream
    when: {stream: true}
    reply: "{echo} The invoice goes to {placeholder:EMAIL_ADDRESS}."
    chunks: 8
    pace_ms: 12
  - name: an answer
    reply: "{echo} The invoice goes to {placeholder:EMAIL_ADDRESS}."
    first_token_ms: 90
"""
REFUSED_ROUTE = "lapse"
"""Where nobody may decide in time, and the intent is refused then."""
_TERMS = """\
holds:
  intent:
    approve: {mode: approve, queue: desk}
    four-eyes: {mode: approve, queue: desk, min_approvers: 2, distinct_from: [requester]}
    dictate: {mode: answer, queue: desk}
    dictate-two: {mode: answer, queue: desk, min_approvers: 2}
    both: {mode: approve, queue: desk}
    lapse: {mode: approve, queue: swift, expires_in_s: 1, on_expiry: refuse}
    let-go: {mode: approve, queue: swift, expires_in_s: 1, on_expiry: release}
    wander: {mode: approve, queue: swift, expires_in_s: 1, on_expiry: "queue:desk"}
  answer:
    review: {mode: review, queue: desk}
    both: {mode: review, queue: desk, distinct_from: [reviewers]}
    two-reviews: {mode: review, queue: desk, min_approvers: 2}
    let-out: {mode: review, queue: swift, expires_in_s: 1, on_expiry: release}
"""
HELD_CALLS = ("approve", "four-eyes", "dictate", "dictate-two", "both", "lapse", "let-go", "wander")
"""Routes whose calls wait before a model is asked."""
HELD_ANSWERS = ("review", "two-reviews", "let-out")
ROUTES = ("plain", *HELD_CALLS, *HELD_ANSWERS)
_POLICY = """\
package gateway.{hook}

default verdict := {{"outcome": "deny", "reasons": [{{"rule": "default", "message": "no"}}]}}

terms := object.get(data.holds.{hook}, input.request.route, null)

seen if {{
	some approval in input.approvals
	approval.hook == "{hook}"
}}

why := {{"rule": "people", "message": "a person decides"}}

shown := {{"reveal": {{"person": ["EMAIL_ADDRESS"]}}}}

verdict := {{"outcome": "escalate", "reasons": [why], "obligations": object.union(shown, {{"approval": terms}})}} if {{
	terms != null
	not seen
}}

verdict := {{"outcome": "allow", "obligations": shown}} if terms == null

verdict := {{"outcome": "allow", "obligations": shown}} if {{
	terms != null
	seen
}}
"""
_QUEUES = """
waiting: {keep_s: 3600, join_s: 600, sweep_s: 0.2, poll_s: 0.1, keep_alive_s: 0.4}
queues:
  desk: {due_s: 60, expires_s: 3600, claim_s: 1.5}
  swift: {due_s: 1, expires_s: 1, claim_s: 0.5}
"""
_KEY = re.compile(r"gw_[A-Za-z0-9]+_[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The stage of one gateway, or of several, and the keys of those who use it."""

    stages: tuple[Stage, ...]
    callers: tuple[str, ...]
    reviewers: dict[str, str]
    """Key by name. The first one's is an operator's, too."""

    @property
    def operator(self) -> str:
        """The key that may read metrics."""
        return next(iter(self.reviewers.values()))


def build_people(folder: Path, *, upstream: int, url: str | None = None) -> People:
    """Write policy and config, make secrets and keys; two stages on a database of a server, where there is one, else one."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "data.yaml").write_text(_TERMS)
    for hook in ("intent", "answer"):
        (policies / f"{hook}.rego").write_text(_POLICY.format(hook=hook))
    stage = build(folder, upstream=upstream, url=url, policies=policies)
    _write_queues(stage)
    done = stage.run("init")
    assert done.returncode == 0, done.stderr
    names = ("first", "second", "nora", "otto", "pia")  # the key of the stage is of a route that is not here
    first, second, *theirs = [_key(stage, name) for name in names]
    stages = (stage,) if url is None else (stage, stage.twin())
    return People(stages=stages, callers=(first, second), reviewers=dict(zip(names[2:], theirs, strict=True)))


def _write_queues(stage: Stage) -> None:
    text = stage.config.read_text()
    text = text.replace("    placeholder_key:", "    payload_key: file:secrets/acme_payload\n    placeholder_key:", 1)
    before, rest = text.split("routes:\n", 1)
    after = rest[rest.index("policy:") :]
    routes = "".join(
        f"  {name}: {{target: simulated, retries: {{max: 0}}, wait_s: 20, buffered: {'true' if name in (*HELD_ANSWERS, 'both') else 'false'}}}\n"
        for name in ROUTES
    )
    stage.config.write_text(f"{before}routes:\n{routes}{after}{_QUEUES}")


def _key(stage: Stage, name: str) -> str:
    roles = {"first": (), "second": (), "nora": ("--role", "reviewer", "--role", "operator")}.get(name, ("--role", "reviewer"))
    arguments = ["create", "--config", str(stage.config), "--tenant", TENANT, "--name", name, "--team", TEAM, *roles]
    found = _KEY.search(CliRunner().invoke(keys.command, arguments, catch_exceptions=False).output)
    assert found
    return found[0]
