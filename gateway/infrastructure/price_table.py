"""The table of prices and context windows that litellm ships as package data, read without importing litellm, as that takes seconds.

The file is 3 MB of JSON, which takes about 30 ms.
"""

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


def context_tokens(models: Iterable[str]) -> dict[str, int]:
    """The context windows of ``models`` in tokens, by the names that were asked for; a model whose window the table does not know is left out. Blocking.

    A row's ``max_input_tokens`` is meant; ``max_tokens``, an older name, where the row has no other, as it is the output's beside ``max_output_tokens``.
    """
    windows = {model: _window(row) for model, row in price_rows(models).items()}
    return {model: window for model, window in windows.items() if type(window) is int and window > 0}


def litellm_folder() -> Path | None:
    """Where litellm's package data is; ``None`` where it is not installed."""
    spec = find_spec("litellm")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _window(row: Json) -> object:
    return row.get("max_input_tokens") or (None if "max_output_tokens" in row else row.get("max_tokens"))


def _table() -> Json:
    folder = litellm_folder()
    try:
        table = orjson.loads((folder / _FILE).read_bytes()) if folder else {}
    except (OSError, orjson.JSONDecodeError):
        return {}
    return table if isinstance(table, dict) else {}
