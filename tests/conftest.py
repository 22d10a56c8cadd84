"""What many tests need: a small config that is right, and a way to write variations of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["tests.servers.postgres_fixtures"]

GOOD = """\
server:
  listen: 127.0.0.1:8080
keys:
  api_key_hash: env:HASH
  record_signing: file:secrets/seed
tenants:
  acme:
    placeholder_key: env:PLACEHOLDER
targets:
  simulated:
    base_url: http://127.0.0.1:9101/v1/
    model: simulated-1
    price: {input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60}
routes:
  assistant:
    target: simulated
    aliases: [gpt-4o-mini]
"""
ENV = {"HASH": "0123456789abcdef" * 4, "PLACEHOLDER": "fedcba9876543210" * 2}

WriteConfig = Callable[..., Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Write ``text``, each ``(old, new)`` replaced in it, beside a good signing seed."""

    def write(text: str = GOOD, *changes: tuple[str, str]) -> Path:
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        seed = tmp_path / "secrets" / "seed"
        if not seed.exists():
            seed.parent.mkdir(mode=0o700)
            seed.touch(mode=0o600)
            seed.write_text(bytes(range(32)).hex() + "\n")
        config = tmp_path / "config.yaml"
        config.write_text(text)
        return config

    return write


@pytest.fixture
def good_env() -> dict[str, str]:
    """The environment variables that the config refers to."""
    return dict(ENV)


@pytest.fixture
def good_text() -> str:
    """The config itself."""
    return GOOD
