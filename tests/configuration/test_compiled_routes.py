from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.settings import load

WriteConfig = Callable[..., Path]


def test_a_route_is_named_by_its_first_target_of_the_lowest_tier(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    more = "  other: {base_url: 'http://192.0.2.1/v1', model: m}\nroutes:\n  r: {targets: [{target: simulated, tier: 3}, {target: other}]}\n"
    settings = load(write_config(good_text, ("routes:\n", more)), good_env)
    assert settings.routes["r"].first is settings.targets["other"]
    assert settings.routes["assistant"].first is settings.targets["simulated"]
