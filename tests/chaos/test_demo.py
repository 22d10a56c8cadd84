"""The demo as a check: true as it ships, and false as soon as a control is off."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / ".venv-clients" / "bin" / "python"

REVEALS_ALL = """package gateway.{hook}

import rego.v1

verdict := {{"outcome": "allow", "reasons": [], "obligations": {{"reveal": {{"model": ["*"], "caller": ["*"], "record": ["*"]}}}}}}
"""


CONTROLS = (("      - target: simulated-backup\n", ""), ("repair: {asks: 1, temperature: 0}", "repair: {asks: 0}"), ("    confidence: {logprobs: true}\n", ""))
"""What the shipped config has against models that fail, and how to turn it off."""


def demo(**instead: Path) -> subprocess.CompletedProcess[str]:
    """The demo with another ``policies`` folder or ``config`` file."""
    environment = {**os.environ, **{f"DEMO_{name.upper()}": str(path) for name, path in instead.items()}}
    return subprocess.run([CLIENT, ROOT / "demo" / "demo.py"], capture_output=True, text=True, env=environment, timeout=180, check=False)


def test_the_demo_is_true_as_it_ships() -> None:
    told = demo()
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("  ok    ") == 10


def test_the_demo_fails_where_policy_reveals_and_allows_everything(tmp_path: Path) -> None:
    for hook in ("intent", "answer"):
        (tmp_path / f"{hook}.rego").write_text(REVEALS_ALL.format(hook=hook))
    told = demo(policies=tmp_path)
    assert told.returncode == 1, told.stdout + told.stderr
    for story in (
        "1. personal data",
        "2. policy says no",
        "3. the model volunteers",
        "4. a tool conversation",
        "7. an answer that is not to be trusted",
        "8. a doubtful answer",
        "9. a held payment",
    ):
        assert f"  FAIL  {story}" in told.stdout


def test_the_demo_fails_without_fallback_repair_and_confidence(tmp_path: Path) -> None:
    text = (ROOT / "config.yaml").read_text()
    for shipped, off in CONTROLS:
        assert shipped in text
        text = text.replace(shipped, off)
    config = tmp_path / "config.yaml"
    config.write_text(text)
    told = demo(config=config)
    assert told.returncode == 1, told.stdout + told.stderr
    for story in ("5. the provider fails", "6. an answer breaks its schema", "7. an answer that is not to be trusted", "8. a doubtful answer"):
        assert f"  FAIL  {story}" in told.stdout
    assert told.stdout.count("  ok    ") == 6


@pytest.fixture(autouse=True)
def client_is_installed() -> None:
    assert CLIENT.exists(), "run make setup-clients first: the demo drives the gateway with the official client"
