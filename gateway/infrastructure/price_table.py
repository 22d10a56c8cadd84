"""The price table that litellm ships as package data, read without importing litellm (its import takes seconds; the file is 3 MB of JSON, about 30 ms)."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import orjson

from gateway.domain import Json

_FILE: Final = "model_prices_and_context_window_backup.json"
_NOT_A_MODEL: Final = "sample_spec"
_PREFIX: Final = "openai/"


def price_rows(models: Iterable[str]) -> dict[str, Json]:
    """The table's rows for ``models``, by the names that were asked for; a model that the table does not know is left out. Blocking: for the start.

    A name is looked up as it is, then without and with the prefix ``openai/``. The other providers' prefixes are part of a name: ``groq/...`` is another
    offer, at another price, than the same model elsewhere.
    """
    asked = set(models)
    if not asked:
        return {}
    table = _table()
    found = {}
    for model in asked:
        row = next((table[name] for name in (model, model.removeprefix(_PREFIX), _PREFIX + model) if name in table and name != _NOT_A_MODEL), None)
        if isinstance(row, dict):
            found[model] = row
    return found


def litellm_folder() -> Path | None:
    """Where litellm's package data is; ``None`` where it is not installed."""
    spec = find_spec("litellm")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _table() -> Json:
    folder = litellm_folder()
    try:
        table = orjson.loads((folder / _FILE).read_bytes()) if folder else {}
    except (OSError, orjson.JSONDecodeError):
        return {}
    return table if isinstance(table, dict) else {}
