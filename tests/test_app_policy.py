"""How the parts that decide are made from the config."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app_policy import policy, shadow
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.settings import load
from gateway.testing import ENV, config_text


@pytest.mark.parametrize(
    ("section", "there", "opa"), [("", False, False), ("shadow: {path: next, sample: 0.5}, ", True, False), ("engine: opa, ", False, True)]
)
def test_what_the_config_names_is_made_and_nothing_else(tmp_path: Path, section: str, there: bool, opa: bool) -> None:
    text = config_text("http://127.0.0.1:9", tmp_path / "policies").replace("policy: {", "policy: {" + section)
    (tmp_path / "config.yaml").write_text(text)
    settings = load(tmp_path / "config.yaml", ENV)
    made = shadow(settings, Metrics())
    assert (made is not None) == there
    assert (policy(settings, Metrics()).opa is not None) == opa
    if made is not None:
        assert made._options.path == tmp_path / "next"
        assert (made._options.sample, made._options.max_share, made.status.revision) == (0.5, 0.1, "")
