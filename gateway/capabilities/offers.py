"""What is known of a target's model besides what the config says: its price and its context window, by litellm's table."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.capabilities.costs import CostMeter, Price, prices_for
from gateway.infrastructure.price_table import context_tokens
from gateway.infrastructure.token_counter import TokenCounter
from gateway.settings import Target


def meters_for(targets: Mapping[str, Target]) -> dict[str, CostMeter]:
    """A cost meter for each target. Blocking: litellm's table is read, once, if a target states no price."""
    counter = TokenCounter()
    listed = prices_for(name for target in targets.values() if target.price is None for name in _names(target))
    return {name: CostMeter(_price(target, listed), counter) for name, target in targets.items()}


def windows_for(targets: Mapping[str, Target]) -> dict[str, int]:
    """Context windows in tokens, by model, of the targets that state none; without models that the table does not know. Blocking, as ``meters_for``."""
    silent = [target for target in targets.values() if target.context_tokens is None]
    listed = context_tokens(name for target in silent for name in _names(target))
    found = {target.model: next((listed[name] for name in _names(target) if name in listed), None) for target in silent}
    return {model: window for model, window in found.items() if window is not None}


def _price(target: Target, listed: Mapping[str, Price]) -> Price | None:
    if target.price is not None:
        return Price.per_mtok(str(target.price.input_usd_per_mtok), str(target.price.output_usd_per_mtok))
    return next((listed[name] for name in _names(target) if name in listed), None)


def _names(target: Target) -> tuple[str, ...]:
    """What the table may call the model. Another provider has it at another price, so the name with the provider comes first."""
    return (f"{target.provider}/{target.model}", target.model) if target.provider else (target.model,)
