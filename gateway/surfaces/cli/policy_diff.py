"""``gateway policy diff``: what changed from one policy to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.capabilities.policy.bundle import Bundle, load_bundle
from gateway.capabilities.policy.difference import DataChange, Difference, RuleChange, difference
from gateway.capabilities.policy.sources import kept_of, options_of
from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings
from gateway.surfaces.cli.policy_folder import or_refuse

MAX_VALUE_CHARS = 120
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@click.command(name="diff")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@config_option
def command(before: str, after: str, config: Path, as_json: bool) -> None:
    """Show what changed from BEFORE to AFTER, each a folder, a bundle file, or one of two words about the config's policy.

    `live` is what a gateway of this config runs: its folder or bundle file, or the last good bundle of its server. `kept` is the last good bundle that was
    kept on disk. Exits 1 if something changed, 0 if nothing did.
    """
    old, new = _bundle(before, config), _bundle(after, config)
    found = or_refuse(lambda: difference(old, new))
    if as_json:
        click.echo(orjson.dumps(_told(old, new, found), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in _lines(old, new, found):
            click.echo(line)
    if found.any:
        raise click.exceptions.Exit(1)


def _bundle(name: str, config: Path) -> Bundle:
    if name not in {"live", "kept"}:
        return or_refuse(lambda: load_bundle(Path(name)))
    options = options_of(load_settings(config).policy)
    if name == "live" and options.server is None:
        return or_refuse(lambda: load_bundle(options.path))
    kept = or_refuse(lambda: kept_of(options))
    if kept is None:
        raise Refusal(f"{name}: no bundle is kept in {options.keep}; a gateway keeps one when it loads a bundle from a file or a server")
    return kept


def _lines(before: Bundle, after: Bundle, found: Difference) -> Iterator[str]:
    yield f"from {_named(before)}"
    yield f"to   {_named(after)}"
    for change in found.rules:
        yield f"{_SIGNS[change.kind]} rule {change.rule}  {_places(change)}"
    for entry in found.data:
        yield f"{_SIGNS[entry.kind]} {entry.path}: {_values(entry)}"
    for read in found.reads:
        yield f"{_SIGNS[read.kind]} {read.hook} reads {read.path}"
    yield from (f"! {effect}" for effect in found.effects)
    if not found.any:
        yield "nothing changed"


def _named(bundle: Bundle) -> str:
    return f"{bundle.path}, revision {bundle.revision[:12]}{f' ({bundle.manifest.revision})' if bundle.manifest.revision else ''}"


def _places(change: RuleChange) -> str:
    return " -> ".join(", ".join(places) for places in (change.before, change.after) if places)


def _values(change: DataChange) -> str:
    shown = [_short(value) for kind, value in (("added", change.before), ("removed", change.after)) if change.kind != kind]
    return " -> ".join(shown)


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}..."


def _told(before: Bundle, after: Bundle, found: Difference) -> dict[str, Any]:
    return {
        "before": {"revision": before.revision, "label": before.manifest.revision or None},
        "after": {"revision": after.revision, "label": after.manifest.revision or None},
        "changed": found.any,
        "rules": [change._asdict() for change in found.rules],
        "data": [change._asdict() for change in found.data],
        "reads": [change._asdict() for change in found.reads],
        "effects": found.effects,
    }
