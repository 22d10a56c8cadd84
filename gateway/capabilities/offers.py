"""What is known of a target's model besides what the config says: its price and its context window, by litellm's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.capabilities.costs import CostMeter, Price
from gateway.domain import Json
from gateway.infrastructure.price_table import price_rows
from gateway.infrastructure.token_counter import TokenCounter
from gateway.settings import Target


def meters_for(targets: Mapping[str, Target]) -> dict[str, CostMeter]:
    """A cost meter for each target. Blocking: litellm's table is read, once, if a target states no price."""
    counter = TokenCounter()
    rows = _rows(target for target in targets.values() if target.price is None)
    return {name: CostMeter(_price(target, rows), counter) for name, target in targets.items()}


def windows_for(targets: Mapping[str, Target]) -> dict[str, int]:
    """Context windows in tokens, by model, of the targets that state none; without models that the table does not know. Blocking, as ``meters_for``."""
    rows = _rows(target for target in targets.values() if target.context_tokens is None)
    windows = {targets[name].model: row.get("max_input_tokens") for name, row in rows.items()}
    return {model: window for model, window in windows.items() if type(window) is int and window > 0}


def _price(target: Target, rows: Mapping[str, Json]) -> Price | None:
    if target.price is not None:
        return Price.per_mtok(str(target.price.input_usd_per_mtok), str(target.price.output_usd_per_mtok))
    row = rows.get(target.name)
    return None if row is None else Price.from_row(row)


def _rows(targets: Iterable[Target]) -> dict[str, Json]:
    """The table's rows by target. The same model has another price with another provider, so that name comes first."""
    names = {target.name: (*([f"{target.provider}/{target.model}"] if target.provider else []), target.model) for target in targets}
    table = price_rows({name for tried in names.values() for name in tried})
    found = {target: next((table[name] for name in tried if name in table), None) for target, tried in names.items()}
    return {target: row for target, row in found.items() if row is not None}
