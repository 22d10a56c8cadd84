"""The report as one HTML file: no script, nothing that is fetched, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from gateway.capabilities.policy.backtest.table import against, label, plain
from gateway.domain import Json

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE: Final = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #57606a; --bad: #b3261e; --good: #1a7f37; --look: #9a6700; --back: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #9198a1; --bad: #ff8a80; --good: #56d364; --look: #e3b341; --back: #161b22; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .25rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
p.soft, td.soft, caption { color: var(--soft); } caption { text-align: left; padding: .25rem 0; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { background: var(--back); font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
code { font: 13px ui-monospace, monospace; } .newly_denied { color: var(--bad); } .newly_allowed, .newly_escalated { color: var(--look); }
.ok { color: var(--good); } .failed { color: var(--bad); font-weight: 600; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


_FRAME: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<title>Backtest of a policy</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def draw(report: Json) -> str:
    """The page of a report."""
    body = "\n".join(
        (*_head(report), *_conditions(report), *_outcomes(report), *_apart(report), *_figures(report), *_details(report)),
    )
    return _FRAME.format(policy=_POLICY, style=_STYLE, body=body)


def _text(value: object) -> str:
    return escape(plain(value), quote=True)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], caption: str = "") -> str:
    """A table of cells that are HTML already; heads that end in ``#`` are of numbers."""
    heads = list(heads)
    numbers = [head.endswith("#") for head in heads]
    head = "".join(f'<th scope="col"{_n(number)}>{_text(name.rstrip("#"))}</th>' for name, number in zip(heads, numbers, strict=True))
    lines = ["".join(f"<td{_n(number)}>{cell}</td>" for cell, number in zip(row, numbers, strict=True)) for row in rows]
    said = f"<caption>{_text(caption)}</caption>" if caption else ""
    return f"<table>{said}<thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"


def _n(number: bool) -> str:
    return ' class="n"' if number else ""


def _head(report: Json) -> Iterator[str]:
    window, candidate = report["window"], report["candidate"]
    yield "<h1>Backtest of a policy</h1>"
    yield f'<p class="soft">{_text(candidate["path"])} <code>{_text(candidate["revision"][:12])}</code> against {_text(against(report))}</p>'
    rows = [
        ("Window", f"{window['since']} to {window['until']} ({window['days']:g} days)"),
        ("Tenants", ", ".join(report["tenants"])),
        ("Hooks", ", ".join(report["hooks"])),
        ("Decisions", f"{report['decisions']:,} of {report['records']:,} records, {report['replayed']:,} of them replayed"),
    ]
    yield _table(("", ""), ((_text(name), _text(value)) for name, value in rows))
    if not report["decisions"]:
        yield "<p>There are no recorded decisions in this window.</p>"


def _conditions(report: Json) -> Iterator[str]:
    judged = report.get("conditions")
    if judged:
        yield "<h2>Conditions</h2>"
        yield _table(("Fail if", "Value#", "Result"), ((_text(one["condition"]), _figure(one), _result(one)) for one in judged))


def _figure(judged: Mapping[str, Any]) -> str:
    return "-" if judged["value"] is None else _text(f"{judged['value']:g}{judged['unit']}")


def _result(judged: Mapping[str, Any]) -> str:
    return '<span class="failed">failed</span>' if judged["failed"] else '<span class="ok">ok</span>'


def _outcomes(report: Json) -> Iterator[str]:
    yield "<h2>Outcomes</h2>"
    rows = (
        (f'<span class="{_text(kind)}">{_text(label(kind))}</span>', f"{found['count']:,}", f"{found['share']:.2%}", _text(found["meaning"]))
        for kind, found in report["outcomes"].items()
    )
    yield _table(("Outcome", "Decisions#", "Share#", "Meaning"), rows, "Of the decisions that were replayed")


def _apart(report: Json) -> Iterator[str]:
    apart, completed = report["not_replayable"], report["completed"]
    yield "<h2>Not replayable</h2>"
    yield f"<p>{apart['count']:,} decisions ({apart['share']:.2%}) are counted apart: what the candidate would say of them cannot be known from the record.</p>"
    if apart["reasons"]:
        rows = ((_text(label(reason)), f"{found['count']:,}", _text(found["meaning"])) for reason, found in apart["reasons"].items())
        yield _table(("Reason", "Decisions#", "Meaning"), rows)
    if apart["missing_paths"]:
        yield _counts("Path that the candidate reads and nobody knows", {f"input.{path}": many for path, many in apart["missing_paths"].items()})
    if completed["count"]:
        yield f"<p>Of the replayed decisions, {completed['count']:,} had their input completed from the record.</p>"
        yield _counts("Path taken from the record", {f"input.{path}": many for path, many in completed["paths"].items()})


def _counts(head: str, counts: Mapping[str, int]) -> str:
    return _table((head, "Decisions#"), ((f"<code>{_text(name)}</code>", f"{many:,}") for name, many in counts.items()))


def _figures(report: Json) -> Iterator[str]:
    cost, load = report["cost"], report["human_load"]
    yield "<h2>Cost and human load</h2>"
    rows = [
        ("Recorded cost", f"{cost['recorded_usd']:.6f} USD"),
        ("Saved", f"{cost['saved_usd']:.6f} USD"),
        ("Added", f"{cost['added_usd']:.6f} USD, {cost['added_estimated_usd']:.6f} of it estimated"),
        ("Change", f"{cost['change_usd']:+.6f} USD"),
        ("Newly allowed, without an estimate", ", ".join(f"{route} {many:,}" for route, many in cost["newly_allowed_without_estimate"].items()) or "none"),
        ("Escalations a day", f"{load['per_day_after']:g}, {load['per_day_before']:g} before"),
    ]
    yield _table(("", ""), ((_text(name), _text(value)) for name, value in rows))
    yield f'<p class="soft">{_text(cost["note"])}</p>'


def _details(report: Json) -> Iterator[str]:
    for kind, found in report["outcomes"].items():
        if not found["count"] or kind == "unchanged":
            continue
        yield f'<h2 class="{_text(kind)}">{_text(label(kind)).capitalize()}</h2>'
        for dimension in ("rule", "change", "tenant", "route", "hook"):
            if found.get(f"by_{dimension}"):
                yield _counts(dimension.capitalize(), found[f"by_{dimension}"])
        yield _table(("Record", "Tenant", "Route", "Hook", "Was", "Becomes", "Why"), map(_example, found["examples"]), "Examples, the newest first")


def _example(example: Json) -> tuple[str, ...]:
    cells = (example["tenant"], example["route"], example["hook"], example["before"], example["after"], ", ".join((*example["rules"], *example["changes"])))
    return (f"<code>{_text(example['record'])}</code>", *map(_text, cells))
