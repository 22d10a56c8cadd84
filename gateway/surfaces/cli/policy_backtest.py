"""``gateway policy backtest``: what a candidate policy would have said of recorded traffic."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
import orjson

from gateway.capabilities.policy.backtest import page, table
from gateway.capabilities.policy.backtest.conditions import Condition, ConditionError, parse_condition
from gateway.capabilities.policy.backtest.crew import BacktestError
from gateway.capabilities.policy.backtest.enforcing import Means
from gateway.capabilities.policy.backtest.report import as_json
from gateway.capabilities.policy.backtest.running import DEFAULT_LIMIT_S, MAX_WORKERS, Task, backtest
from gateway.capabilities.policy.backtest.source import Window
from gateway.capabilities.policy.backtest.tally import Tally
from gateway.capabilities.policy.problems import PolicyError
from gateway.domain import Hook, Json
from gateway.infrastructure.database import Database
from gateway.settings import Settings
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.ledger_options import clear_errors, moment_ns

_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it: neither a failed condition nor bad input."""
_PROGRESS_S: Final = 1.0


def _as_html(report: Json) -> str:
    return page.draw(report)


def _as_json(report: Json) -> str:
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _as_table(report: Json) -> str:
    return "\n".join(table.draw(report)) + "\n"


_FORMATS: Final[Mapping[str, Callable[[Json], str]]] = {"table": _as_table, "json": _as_json, "html": _as_html}


@click.command(name="backtest")
@click.option("--candidate", type=click.Path(path_type=Path), required=True, help="The policy to try: a folder, or an OPA bundle.")
@click.option("--baseline", default="recorded", show_default=True, help="What to compare with: what was recorded, or the verdicts of another policy.")
@click.option(
    "--known", type=click.Path(exists=True, path_type=Path), multiple=True, help="A policy that may have decided then, besides the live one; may be repeated."
)
@click.option("--since", default="7d", show_default=True, help="From when on: an ISO date or time, or a duration ago such as 7d or 24h.")
@click.option("--until", help="Until when: the same.  [default: now]")
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be repeated.  [default: every tenant of the config]")
@click.option("--hook", "hooks", type=click.Choice([hook.value for hook in Hook]), multiple=True, help="Only decisions of this hook.  [default: all]")
@click.option("--fail-if", "conditions", multiple=True, metavar="CONDITION", help="Exit 1 if this holds, such as 'new_denies > 0.5%'; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many records, the newest.")
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="table", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report to this file.  [default: standard output]")
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Processes that evaluate.  [default: one for each processor]")
@click.option(
    "--limit-s", type=click.FloatRange(0.05, 3600), default=DEFAULT_LIMIT_S, show_default=True, help="Seconds that the decisions on one record may take."
)
@config_option
def command(candidate: Path, output: Path | None, config: Path, form: str, **options: Any) -> None:
    """Replay recorded decisions through a candidate policy, and say what would change.

    Nothing is written but the report. Exits 0 if no condition holds, 1 if one does, 2 if something that was given cannot be used.
    """
    conditions = _conditions(options["conditions"])
    settings = load_settings(config)
    task = Task(
        candidate=candidate,
        baseline=None if options["baseline"] == "recorded" else Path(options["baseline"]),
        known=(settings.policy.path, *sorted(settings.policy.keep.glob("bundle-*.tar.gz")), *options["known"]),
        tenants=_tenants(settings, options["tenants"]),
        window=_window(options["since"], options["until"]),
        hooks=frozenset(map(Hook, options["hooks"])) or frozenset(Hook),
        means=Means(frozenset(settings.schemas), frozenset(settings.queues)),
        limit=options["limit"],
        workers=options["workers"] or 0,
        limit_s=options["limit_s"],
    )
    report = _replayed(task, settings)
    report["conditions"], unjudged = _judged(conditions, report)
    _write(_FORMATS[form](report), output)
    if unjudged:
        raise Refusal("\n".join(unjudged))
    if any(judged["failed"] for judged in report["conditions"]):
        raise click.exceptions.Exit(1)


def _replayed(task: Task, settings: Settings) -> Json:
    with clear_errors():
        database = Database(settings.database, durability=settings.records.durability)
        database.prepare()
        try:
            return as_json(backtest(task, database, progress=_progress()))
        except PolicyError as error:
            raise Refusal(str(error)) from None
        except BacktestError as error:
            raise Refusal(str(error)) from None
        except KeyboardInterrupt:
            click.echo("interrupted; nothing is reported", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None
        finally:
            database.release()


def _progress() -> Callable[[Tally], None] | None:
    """Now and then a line for whoever looks on."""
    if not sys.stderr.isatty():
        return None
    told = time.monotonic()

    def tell(tally: Tally) -> None:
        nonlocal told
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            click.echo(f"{tally.decisions:,} decisions", err=True)

    return tell


def _conditions(texts: tuple[str, ...]) -> list[Condition]:
    try:
        return [parse_condition(text) for text in texts]
    except ConditionError as error:
        raise Refusal(str(error)) from None


def _judged(conditions: Sequence[Condition], report: Json) -> tuple[list[Json], list[str]]:
    """The conditions with their figures, and why others have none."""
    judged, unjudged = [], []
    for condition in conditions:
        try:
            judged.append(condition.judge(report))
        except ConditionError as error:
            unjudged.append(str(error))
    return judged, unjudged


def _tenants(settings: Settings, named: tuple[str, ...]) -> tuple[str, ...]:
    for tenant in named:
        if tenant not in settings.tenants:
            near = get_close_matches(tenant, settings.tenants, 1) or sorted(settings.tenants)
            raise Refusal(f"--tenant {tenant}: {settings.path} has no such tenant; did you mean {', '.join(near)}?")
    return tuple(dict.fromkeys(named)) or tuple(sorted(settings.tenants))


def _window(since: str, until: str | None) -> Window:
    now = time.time_ns()
    bounds = {"--since": now, "--until": now}
    for name, text in (("--since", since), ("--until", until)):
        try:
            bounds[name] = now if text is None else moment_ns(text)
        except (ValueError, OverflowError) as error:
            raise Refusal(f"{name}: {error}") from None
    if bounds["--since"] >= bounds["--until"]:
        raise Refusal("--since must be before --until")
    return Window(since_ns=bounds["--since"], until_ns=bounds["--until"])


def _write(text: str, output: Path | None) -> None:
    """To standard output, or to a file that appears when it is complete."""
    if output is None:
        click.echo(text, nl=False)
        return
    with clear_errors():
        draft = output.with_name(output.name + ".part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(output)
