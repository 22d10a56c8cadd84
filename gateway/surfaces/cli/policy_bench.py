"""``gateway policy bench``: what decisions cost, and which rules cost it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson

from gateway.capabilities.policy.bench import DEFAULT_SECONDS, Bench, Cost, Measured
from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.contract import samples
from gateway.capabilities.policy.loading import check
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Hook
from gateway.surfaces.cli.config_file import Refusal, config_option
from gateway.surfaces.cli.policy_folder import or_refuse, policies_option, policy_folder

_SAMPLES: Final = ("usual", "large")
"""Of the samples of the contract: what is usual, and as much as the gateway would ever ask about."""
_MAX_INPUT_BYTES: Final = 16_777_216


@click.command(name="bench")
@click.option("--hook", type=click.Choice([hook.value for hook in Hook]), help="Only this hook.  [default: every hook]")
@click.option("--input", "source", type=click.File("rb"), help="With --hook: measure on this input (JSON, - for standard input).  [default: samples]")
@click.option("--seconds", type=click.FloatRange(0.001, 60), default=DEFAULT_SECONDS, show_default=True, help="CPU seconds for each figure.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, and nothing else.")
@policies_option
@config_option
def command(policies: Path | None, config: Path, hook: str | None, source: IO[bytes] | None, seconds: float, as_json: bool) -> None:
    """Print what a decision costs in microseconds of CPU, evaluated and remembered, and what each rule takes of it, in the embedded engine."""
    if source is not None and hook is None:
        raise Refusal("--input needs --hook intent or --hook answer")
    inputs = _inputs([Hook(hook)] if hook else list(Hook), source)
    bundle, program = or_refuse(lambda: _checked(policy_folder(policies, config)))
    bench = Bench(bundle, program, seconds=seconds)
    found = (bench.measure(one, name, parts) for one, name, parts in inputs)
    if as_json:
        told = {"revision": bundle.revision, "engine": "embedded", "unit": "us of CPU", "measured": [one.as_json() for one in found]}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    click.echo(f"{bundle.path}, revision {bundle.revision[:12]}, embedded engine; us of CPU, median and 95th percentile of batches")
    for one in found:
        click.echo("\n".join(_lines(one)))


def _checked(folder: Path) -> tuple[Bundle, Program]:
    bundle = load_bundle(folder)
    return bundle, check(bundle)


def _inputs(hooks: list[Hook], source: IO[bytes] | None) -> list[tuple[Hook, str, Mapping[str, Any]]]:
    if source is not None:
        return [(hooks[0], getattr(source, "name", "the input"), _parts(source))]
    return [(hook, name, samples(hook)[name]) for hook in hooks for name in _SAMPLES]


def _parts(source: IO[bytes]) -> Mapping[str, Any]:
    name, text = getattr(source, "name", "the input"), source.read(_MAX_INPUT_BYTES + 1)
    if len(text) > _MAX_INPUT_BYTES:
        raise Refusal(f"{name}: the input is longer than {_MAX_INPUT_BYTES >> 20} MB")
    try:
        parts = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from None
    if not isinstance(parts, dict):
        raise Refusal(f"{name}: the input must be an object with the sections of the contract (subject, intent, request ...)")
    return parts


def _lines(one: Measured) -> Iterator[str]:
    said = f"{one.outcome} ({', '.join(one.reasons)})" if one.reasons else one.outcome
    yield f"\n{one.hook}, {one.sample}: {said}, {one.input_bytes:,} bytes of input"
    yield _line("a decision that is evaluated", one.evaluated)
    yield _line("  of it, making the input", one.projection)
    if one.asking is None:
        yield "  the engine does not take this input"
        return
    yield _line("  of it, asking the engine at all", one.asking)
    yield _line("a decision that is remembered", one.remembered) if one.remembered else "  a decision like this is never remembered"
    yield "  by rule, each with all that it needs, so they overlap and do not add up:"
    for rule in sorted(one.rules, key=lambda rule: (-rule.cost.median_us if rule.cost else 0.0, rule.rule)):
        named = f"  {rule.rule}  {rule.file}:{rule.line}"
        yield _line(named, rule.cost) if rule.cost else f"  {named:<58} fails on this input"


def _line(what: str, cost: Cost) -> str:
    return f"  {what:<58}{cost.median_us:>10,.1f}{cost.p95_us:>10,.1f}"
