from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.domain import Json
from gateway.infrastructure import price_table
from gateway.infrastructure.price_table import context_tokens, litellm_folder, price_rows


def test_a_row_is_found_by_the_name_that_was_asked_for() -> None:
    rows = price_rows(["gpt-4o-mini", "openai/gpt-4o-mini", "no-such-model", "sample_spec"])
    assert rows["gpt-4o-mini"] == rows["openai/gpt-4o-mini"]
    assert rows.keys() == {"gpt-4o-mini", "openai/gpt-4o-mini"}


def test_the_table_is_read_without_importing_litellm() -> None:
    program = "import sys; from gateway.infrastructure.price_table import price_rows; assert price_rows(['gpt-4o-mini']); assert 'litellm' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert litellm_folder() is not None


def test_a_context_window_is_what_the_table_says_of_the_models_input() -> None:
    assert context_tokens(["gpt-4o-mini", "openai/gpt-4o-mini", "no-such-model"]) == {"gpt-4o-mini": 128_000, "openai/gpt-4o-mini": 128_000}
    assert context_tokens([]) == {}


@pytest.mark.parametrize(
    ("row", "window"),
    [
        ({"max_input_tokens": 128_000, "max_output_tokens": 16_384, "max_tokens": 16_384}, 128_000),
        ({"max_tokens": 4_096}, 4_096),
        ({"max_tokens": 4_096, "max_output_tokens": 4_096}, None),
        ({"max_input_tokens": 0, "max_tokens": 512}, 512),
        ({"max_input_tokens": "many"}, None),
        ({"max_input_tokens": -1}, None),
        ({}, None),
    ],
)
def test_a_window_that_the_table_does_not_state_is_not_known(monkeypatch: pytest.MonkeyPatch, row: Json, window: int | None) -> None:
    monkeypatch.setattr(price_table, "price_rows", lambda models: dict.fromkeys(models, row))
    assert context_tokens(["m"]) == ({} if window is None else {"m": window})
