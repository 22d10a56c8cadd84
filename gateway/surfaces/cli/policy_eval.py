"""``gateway policy eval``: the verdict on an input, why it is so, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson

from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.explain import Explanation, explain
from gateway.capabilities.policy.explain_stored import REDACTED, lacking
from gateway.capabilities.policy.input_paths import PathError
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.problems import PolicyError
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.capabilities.policy.what_if import Change, Flip, assigned, flip
from gateway.capabilities.records.decision_inputs import InputUnavailableError, StoredDecision, choose
from gateway.capabilities.records.store import RecordStore
from gateway.domain import Decision, Hook, Json
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.ledger_options import clear_errors, open_database
from gateway.surfaces.cli.policy_explanation import change_line, decision_json, decision_lines, explanation_lines, flip_lines
from gateway.surfaces.cli.policy_folder import or_refuse, policies_option, policy_folder

MAX_INPUT_BYTES: Final = 16_777_216
"""The gateway refuses inputs of 4 MB; whoever has a longer one has another file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is to be decided about."""

    hook: Hook
    parts: Json
    stored: StoredDecision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """All that there is to print."""

    before: Decision | None
    """Of the input as it was, where ``--set`` changed it."""
    changes: list[Change]
    decision: Decision
    why: Explanation | None
    flip: Flip | None
    notes: tuple[str, ...]


@click.command(name="eval")
@click.option("--hook", type=click.Choice([hook.value for hook in Hook]), help="Which verdict to ask for; a record has it from --which.")
@click.option("--input", "source", type=click.File("rb"), help="The input of the contract as JSON, - for standard input.")
@click.option("--record", help="Decide again about the stored input of this record.")
@click.option("--tenant", help="With --record: whose, a tenant of the config.  [default: the config's tenant if it is the only one]")
@click.option("--which", metavar="intent|answer|N", help="With --record: which of its decisions; N is the Nth choice of an answer.  [default: the hook's]")
@click.option("--explain", "explained", is_flag=True, help="Say which rules fired, which did not and why, and what was read.")
@click.option("--set", "assignments", metavar="PATH=VALUE", multiple=True, help="Change the input first, such as request.route=assistant; again for more.")
@click.option("--flip", "flipped", is_flag=True, help="Find the smallest change of one field that gives another outcome.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, which is how it is printed without --explain, --set and --flip anyway.")
@policies_option
@config_option
def command(policies: Path | None, config: Path, *, as_json: bool, explained: bool, flipped: bool, assignments: tuple[str, ...], **where: Any) -> None:
    """Print the verdict on an input, as the gateway would act on it; with --explain, --set and --flip also why, and what else it could be."""
    asked = _asked(config, **where)
    rehearsal = or_refuse(lambda: _rehearsal(policy_folder(policies, config), asked.hook))
    try:
        told = _told(rehearsal, asked, assignments, explained=explained, flipped=flipped)
    except PathError as error:
        raise Refusal(f"--set {error}") from None
    except PolicyError as error:
        raise Refusal(f"the policy cannot decide about this input: {error}") from None
    if as_json or not (explained or assignments or flipped):
        click.echo(orjson.dumps(_json(told), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(_lines(told)).encode("utf-8", "backslashreplace").decode())


def _rehearsal(folder: Path, hook: Hook) -> Rehearsal:
    bundle = load_bundle(folder)
    return Rehearsal(bundle, check(bundle), hook)


def _told(rehearsal: Rehearsal, asked: _Asked, assignments: tuple[str, ...], *, explained: bool, flipped: bool) -> _Told:
    parts, changes = assigned(asked.hook, asked.parts, assignments)
    why = explain(rehearsal, parts) if explained else None
    return _Told(
        before=_decided(rehearsal, asked.parts) if changes else None,
        changes=changes,
        decision=why.decision if why else _decided(rehearsal, parts),
        why=why,
        flip=flip(rehearsal, parts) if flipped else None,
        notes=tuple(_notes(rehearsal, asked)),
    )


def _decided(rehearsal: Rehearsal, parts: Json) -> Decision:
    rehearsed = rehearsal.run([parts])
    decision = rehearsed.decisions[0]
    if decision is None:
        raise PolicyError(rehearsed.problems)
    return decision


def _asked(config: Path, *, hook: str | None, source: IO[bytes] | None, record: str | None, tenant: str | None, which: str | None) -> _Asked:
    if (source is None) == (record is None):
        raise Refusal("give either --input FILE or --record ID")
    if record is not None:
        return _of_record(config, record, tenant, which or hook or Hook.INTENT.value, hook)
    if hook is None or which or tenant:
        raise Refusal("--input needs --hook intent or --hook answer, and neither --which nor --tenant")
    assert source is not None  # noqa: S101 - one of the two is there
    return _Asked(hook=Hook(hook), parts=_parts(source))


def _of_record(config: Path, record_id: str, tenant: str | None, which: str, hook: str | None) -> _Asked:
    settings = load_settings(config)
    if tenant is None and len(settings.tenants) > 1:
        raise Refusal(f"--record needs --tenant: the config has {', '.join(sorted(settings.tenants))}")
    name = tenant or next(iter(settings.tenants))
    with clear_errors():
        record = RecordStore(open_database(settings, name)).show(name, record_id)
    try:
        stored = choose(record, which)
    except InputUnavailableError as error:
        raise Refusal(str(error)) from None
    if hook is not None and stored.hook != hook:
        raise Refusal(f"--which {which} is a decision of the hook {stored.hook}, not of {hook}")
    return _Asked(hook=stored.hook, parts=stored.input or {}, stored=stored)


def _parts(source: IO[bytes]) -> Json:
    name = getattr(source, "name", "the input")
    text = source.read(MAX_INPUT_BYTES + 1)
    if len(text) > MAX_INPUT_BYTES:
        raise Refusal(f"{name}: the input is longer than {MAX_INPUT_BYTES >> 20} MB")
    try:
        parts = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from None
    if not isinstance(parts, dict):
        raise Refusal(f"{name}: the input must be an object with the sections of the contract (subject, intent, request ...)")
    return parts


def _notes(rehearsal: Rehearsal, asked: _Asked) -> Iterator[str]:
    """What has to be known of an input that comes from a record."""
    stored = asked.stored
    if stored is None:
        return
    if stored.redacted:
        yield REDACTED
    if stored.revision != rehearsal.bundle.revision:
        yield f"then revision {stored.revision[:12]} decided: {stored.facts.get('outcome')}"
        missing = list(lacking(asked.parts, rehearsal.reads))
        if missing:
            yield f"this policy also reads {', '.join(missing)}: the record does not have it, because the policy of then did not read it or there was none"


def _json(told: _Told) -> Json:
    found = decision_json(told.decision)
    if told.before is not None:
        found["set"] = [change.as_json() for change in told.changes]
        found["before"] = {"outcome": told.before.verdict.outcome, "reasons": [reason._asdict() for reason in told.before.verdict.reasons]}
    if told.why is not None:
        found["explanation"] = told.why.as_json()
    if told.flip is not None:
        found["flip"] = told.flip.as_json()
    return found | ({"notes": list(told.notes)} if told.notes else {})


def _lines(told: _Told) -> Iterator[str]:
    if told.before is not None:
        yield from (f"set {change_line(change)}" for change in told.changes)
        yield "before:"
        yield from (f"  {line}" for line in decision_lines(told.before))
        yield "after:" if told.before.verdict.outcome != told.decision.verdict.outcome else "after, the same outcome:"
        yield from (f"  {line}" for line in decision_lines(told.decision))
    else:
        yield from decision_lines(told.decision)
    if told.why is not None:
        yield from explanation_lines(told.why.as_json())
    if told.flip is not None:
        yield from flip_lines(told.flip)
    yield from (f"note: {note}" for note in told.notes)
