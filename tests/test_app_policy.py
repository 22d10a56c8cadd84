"""How the parts that decide are made from the config."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app_policy import decision_log, policy, shadow
from gateway.capabilities.decision_log.delivery import FileDelivery, ServerDelivery
from gateway.infrastructure.database import Database
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.settings import SettingsError, load
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


@pytest.mark.parametrize(
    ("section", "kind"), [("", None), ("decision_log: {file: log.jsonl}", FileDelivery), ("decision_log: {url: 'http://127.0.0.1:9/logs'}", ServerDelivery)]
)
def test_decisions_go_where_the_config_says(tmp_path: Path, section: str, kind: type | None) -> None:
    settings = load(written(tmp_path, section), ENV)
    made = decision_log(settings, Database(tmp_path / "g.db"), policy(settings, Metrics()), Metrics())
    assert (made is None) == (kind is None)
    assert made is None or type(made._delivery) is kind


@pytest.mark.parametrize("section", ["decision_log: {}", "decision_log: {file: log.jsonl, url: 'http://127.0.0.1:9/logs'}"])
def test_a_decision_log_needs_one_receiver(tmp_path: Path, section: str) -> None:
    with pytest.raises(SettingsError, match="needs either file or url"):
        load(written(tmp_path, section), ENV)


def written(folder: Path, section: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(config_text("http://127.0.0.1:9", folder / "policies") + section + "\n")
    return path
