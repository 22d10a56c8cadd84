"""``gateway policy``: what a policy author needs while writing: test, evaluate, lint. Nothing here changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import orjson

from gateway.capabilities.policy.author_tests import AuthorTest, run_tests
from gateway.capabilities.policy.bundle import load_bundle
from gateway.capabilities.policy.decider import PolicyDecider
from gateway.capabilities.policy.loading import check, load_policy
from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Decision, Hook
from gateway.settings import parts_of
from gateway.surfaces.cli.config_file import Refusal, config_option, refusing

T = TypeVar("T")
_policies_option = click.option(
    "--policies", type=click.Path(path_type=Path), default=None, help="The folder of the policy.  [default: the one of the config, else policies]"
)


@click.group(name="policy")
def command() -> None:
    """Test, evaluate and lint the Rego that decides."""


@command.command()
@click.option("-v", "--verbose", is_flag=True, help="Name the tests that passed, too.")
@_policies_option
@config_option
def test(policies: Path | None, config: Path, verbose: bool) -> None:
    """Run the test_ rules of *_test.rego in the embedded engine. Exits 1 if one fails, or if there is none."""
    outcomes = _or_refuse(lambda: run_tests(load_bundle(_folder(policies, config))))
    for outcome in outcomes:
        _show(outcome, verbose=verbose)
    failed = sum(not outcome.passed for outcome in outcomes)
    click.echo(f"{len(outcomes) - failed} passed, {failed} failed" if outcomes else "there are no tests: write rules named test_... in *_test.rego")
    if failed or not outcomes:
        raise click.exceptions.Exit(1)


@command.command(name="eval")
@click.option("--hook", type=click.Choice([hook.value for hook in Hook]), required=True, help="Which verdict to ask for.")
@click.option("--input", "source", type=click.File("rb"), required=True, help="The input of the contract as JSON, - for standard input.")
@_policies_option
@config_option
def evaluate(hook: str, source: IO[bytes], policies: Path | None, config: Path) -> None:
    """Print the verdict on an input, as the gateway would act on it, and the part of the input that the rules look at."""
    parts = _parts(source)
    policy = _or_refuse(lambda: load_policy(_folder(policies, config), memo_entries=0))
    decision = asyncio.run(PolicyDecider(policy=policy).decide(Hook(hook), parts))
    click.echo(orjson.dumps(_told(decision), option=orjson.OPT_INDENT_2).decode())


@command.command()
@_policies_option
@config_option
def lint(policies: Path | None, config: Path) -> None:
    """Say whether the policy could go live, and if not, everything that is wrong with it. Exits 1 then."""
    folder = _folder(policies, config)
    try:
        bundle = load_bundle(folder)
        check(bundle)
    except PolicyError as error:
        for problem in error.problems:
            click.echo(str(problem))
        raise click.exceptions.Exit(1) from None
    click.echo(f"{folder}: {len(bundle.modules)} modules, nothing wrong, revision {bundle.revision[:12]}")


command.add_command(lint, "check")


def _folder(policies: Path | None, config: Path) -> Path:
    if policies is not None:
        return policies
    return refusing(parts_of, config).policy if config.exists() else Path("policies")  # an author needs none of the config's secrets


def _or_refuse(do: Callable[[], T]) -> T:
    try:
        return do()
    except PolicyError as error:
        raise Refusal(str(error)) from None


def _parts(source: IO[bytes]) -> dict[str, Any]:
    name = getattr(source, "name", "the input")
    try:
        parts = orjson.loads(source.read())
    except orjson.JSONDecodeError as error:
        raise Refusal(f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from None
    if not isinstance(parts, dict):
        raise Refusal(f"{name}: the input must be an object with the sections of the contract (subject, intent, request ...)")
    return parts


def _show(outcome: AuthorTest, *, verbose: bool) -> None:
    if outcome.passed and not verbose:
        return
    sign = "PASS" if outcome.passed else "FAIL"
    click.echo(f"{sign} {outcome.name} ({outcome.file}:{outcome.line}, {outcome.seconds * 1e3:.2f} ms){': ' + outcome.why if outcome.why else ''}")
    for line in outcome.prints:
        click.echo(f"  {line}")


def _told(decision: Decision) -> dict[str, Any]:
    """A decision as JSON, with the same names as in the contract."""
    demanded = decision.verdict.obligations
    obligations = {
        "reveal": {destination.value: sorted(categories) for destination, categories in demanded.reveal.items()},
        "allow_unscanned": demanded.allow_unscanned,
        "routes": demanded.routes,
        "max_tokens": demanded.max_tokens,
        "require_schema": demanded.require_schema,
        "allow_invalid": demanded.allow_invalid,
        "retention_days": demanded.retention_days,
        "labels": dict(demanded.labels),
    }
    return {
        "hook": decision.hook,
        "outcome": decision.verdict.outcome,
        "reasons": [reason._asdict() for reason in decision.verdict.reasons],
        "obligations": obligations if decision.verdict.outcome == "allow" else None,
        "revision": decision.revision,
        "duration_us": decision.duration_ns // 1000,
        "input": orjson.Fragment(decision.input),
    }
