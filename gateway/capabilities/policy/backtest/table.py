"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.domain import Json

_SHOWN: Final = 8
"""Names listed of one kind and dimension; JSON has all of them."""
_LABELS: Final = {
    "newly_denied": "newly denied",
    "newly_allowed": "newly allowed",
    "newly_escalated": "newly escalated",
    "changed_obligations": "changed obligations",
    "changed_reasons": "changed reasons",
    "refused_by_gateway": "refused by the gateway",
    "unchanged": "unchanged",
}


def draw(report: Json) -> Iterator[str]:
    """The lines of a report."""
    yield from _head(report)
    if not report["decisions"]:
        yield "there are no recorded decisions in this window: look further back with --since, or at other tenants and hooks"
    else:
        yield from _outcomes(report)
        yield from _apart(report)
        yield from _figures(report)
        yield from _examples(report)
    conditions = report.get("conditions", ())
    for judged in conditions:
        yield f"{'FAILED' if judged['failed'] else 'ok    '}  --fail-if {plain(judged['condition'])!r}: {_value(judged)}"
    if conditions and report["not_replayable"]["count"]:
        yield f"note    {report['not_replayable']['count']:,} decisions could not be replayed: only a condition on not_replayable or replayed counts them"


def label(kind: str) -> str:
    """A kind or reason in words."""
    return _LABELS.get(kind, kind.replace("_", " "))


def plain(text: object) -> str:
    """Text that moves no cursor and changes no colour, whoever chose it."""
    return "".join(char if char.isprintable() else "�" for char in str(text))


def against(report: Json) -> str:
    """What the candidate is compared with."""
    baseline = report["baseline"]
    return "what was recorded" if baseline["recorded"] else f"{baseline['path']} ({baseline['revision'][:12]})"


def _value(judged: Mapping[str, Any]) -> str:
    return "without a figure to compare with" if judged["value"] is None else f"it is {judged['value']:g}{judged['unit']}"


def _head(report: Json) -> Iterator[str]:
    window, run = report["window"], report["run"]
    yield plain(f"candidate  {report['candidate']['path']} ({report['candidate']['revision'][:12]})")
    yield plain(f"against    {against(report)}")
    yield f"window     {window['since']} to {window['until']} ({window['days']:g} days), tenants {', '.join(map(plain, report['tenants']))}"
    replayed = f"{report['replayed']:,} replayed in {run['seconds']:.1f} s by {run['workers']} workers"
    yield f"decisions  {report['decisions']:,} of {report['records']:,} records, {replayed}"
    yield ""


def _outcomes(report: Json) -> Iterator[str]:
    for kind, found in report["outcomes"].items():
        if found["count"] or kind in {"newly_denied", "newly_allowed", "newly_escalated", "unchanged"}:
            yield f"{label(kind):<24}{found['count']:>10,}{found['share']:>10.2%}"
            if kind != "unchanged":
                yield from _names(found)


def _names(found: Json) -> Iterator[str]:
    for dimension in ("rule", "change", "tenant", "route", "hook"):
        names = found.get(f"by_{dimension}")
        if names:
            said = [f"{plain(name)} {count:,}" for name, count in list(names.items())[:_SHOWN]]
            more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"    {dimension + ('s' if dimension == 'change' else ''):<8}{', '.join(said)}{more}"


def _apart(report: Json) -> Iterator[str]:
    apart, completed = report["not_replayable"], report["completed"]
    yield f"{'not replayable':<24}{apart['count']:>10,}{apart['share']:>10.2%}"
    for reason, found in apart["reasons"].items():
        yield f"    {found['count']:>8,}  {label(reason)}: {found['meaning']}"
    if apart["missing_paths"]:
        yield f"    missing {_paths(apart['missing_paths'])}"
    if completed["count"]:
        yield f"    of the replayed, {completed['count']:,} had their input completed from the record: {_paths(completed['paths'])}"


def _paths(paths: Mapping[str, int]) -> str:
    listed = [f"input.{plain(path)} {count:,}" for path, count in list(paths.items())[:_SHOWN]]
    return ", ".join(listed) + (f", and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def _figures(report: Json) -> Iterator[str]:
    cost, load = report["cost"], report["human_load"]
    yield ""
    added = f"{cost['added_usd']:.6f} added ({cost['added_estimated_usd']:.6f} of it estimated)"
    yield f"cost       {cost['change_usd']:+.6f} USD: {cost['saved_usd']:.6f} saved, {added}"
    if cost["newly_allowed_without_estimate"]:
        yield f"           without an estimate: {', '.join(f'{plain(route)} {many:,}' for route, many in cost['newly_allowed_without_estimate'].items())}"
    yield f"people     {load['per_day_after']:g} escalations a day, {load['per_day_before']:g} before"
    if report["run"]["slower_than_live_limit"]:
        yield f"slow       {report['run']['slower_than_live_limit']:,} decisions took longer than a live one may: they would be refused"
    yield ""


def _examples(report: Json) -> Iterator[str]:
    for kind, found in report["outcomes"].items():
        for number, example in enumerate(found.get("examples", ())):
            if number == 0:
                yield f"{label(kind)}, the newest:"
            why = ", ".join(map(plain, (*example["rules"], *example["changes"])))
            yield plain(f"    {example['record']}  {example['tenant']}  {example['route']}  {example['hook']}  {example['before']} > {example['after']}  {why}")
