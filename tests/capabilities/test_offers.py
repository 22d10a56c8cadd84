from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.capabilities.offers import meters_for, windows_for
from gateway.settings import Target, load

WriteConfig = Callable[..., Path]
MORE = """\
  known: {base_url: 'https://api.example.com/v1', model: gpt-4o-mini}
  small: {base_url: 'https://api.example.com/v1', model: gpt-4o, context_tokens: 8000}
  translated: {client: litellm, provider: gemini, model: gemini-2.5-flash}
  nobody-s: {base_url: 'https://api.example.com/v1', model: no-such-model}
routes:
"""


def targets(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> dict[str, Target]:
    return dict(load(write_config(good_text, ("routes:\n", MORE)), good_env).targets)


def test_a_price_is_the_config_s_or_else_the_table_s_or_unknown(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    meters = meters_for(targets(write_config, good_env, good_text))
    costs = {name: meter.estimate(1_000_000, 1_000_000) for name, meter in meters.items()}
    assert costs["simulated"] == 750_000
    assert costs["nobody-s"] is None
    assert all(costs[name] for name in ("known", "small", "translated"))


def test_a_window_is_looked_up_by_model_where_the_config_states_none(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    windows = windows_for(targets(write_config, good_env, good_text))
    assert windows["gpt-4o-mini"] == 128_000
    assert set(windows) == {"gpt-4o-mini", "gemini-2.5-flash"}
