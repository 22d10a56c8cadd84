from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.surfaces.cli.config_file import Refusal, config_option, load_settings


@click.command()
@config_option
def probe(config: Path) -> None:
    """Load the config and say its name."""
    click.echo(load_settings(config).path.name)


def test_problems_are_lines_on_stderr_and_exit_code_2(write_config: Callable[..., Path], good_text: str) -> None:
    config = write_config(good_text, ("server:", "sever:"))
    result = CliRunner().invoke(probe, ["--config", str(config)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.partition(": ")[2] for line in result.stderr.splitlines()] == [
        "sever: unknown key (did you mean 'server'?)",
        "keys.api_key_hash: the environment variable HASH is not set (export HASH=...)",
        "tenants.acme.placeholder_key: the environment variable PLACEHOLDER is not set (export PLACEHOLDER=...)",
    ]


def test_a_good_config_is_loaded(write_config: Callable[..., Path], good_env: dict[str, str]) -> None:
    result = CliRunner().invoke(probe, ["--config", str(write_config())], env=good_env)
    assert (result.exit_code, result.output) == (0, "config.yaml\n")


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"none.yaml:1: no such file \(name the config with --config PATH\)"):
        load_settings(tmp_path / "none.yaml")
