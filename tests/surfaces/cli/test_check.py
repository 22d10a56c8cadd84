from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.surfaces.cli.check import command

WriteConfig = Callable[..., Path]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def write_all(write_config: WriteConfig) -> WriteConfig:
    """As ``write_config``, with the shipped policies beside it."""

    def write(*arguments: object) -> Path:
        config = write_config(*arguments)
        shutil.copytree(ROOT / "policies", config.parent / "policies", dirs_exist_ok=True)
        return config

    return write


def check(config: Path, env: dict[str, str]) -> Result:
    return CliRunner().invoke(command, ["--config", str(config)], env=env)


def test_a_good_config_is_printed_as_compiled_without_secrets(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    config = write_all(good_text, ("    placeholder_key", "    redaction: {patterns: {EMPLOYEE_ID: 'E-[0-9]{6}'}, countries: [DE]}\n    placeholder_key"))
    result = check(config, good_env)
    assert (result.exit_code, result.stderr) == (0, "")
    printed = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert printed["tenant"].startswith("acme: redaction adds patterns EMPLOYEE_ID; countries DE; revision ")
    assert printed["target"].startswith("simulated: simulated-1 at http://127.0.0.1:9101/v1, no key, 0.15/0.6 USD per million tokens")
    assert printed["route"].startswith("assistant (also gpt-4o-mini) -> simulated; streams pass, as they come: the answer policy does not read the content")
    assert "revision" in printed["policy"]
    assert printed["records"].startswith("durable against loss of power")
    assert not [value for value in good_env.values() if value in result.stdout]


def test_problems_of_config_redaction_and_policy_come_together(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    options = "    redaction: {patterns: {EMPLOYEE_ID: 'E-[0-9', GOOD: 'x+y'}, countries: [XX]}\n    placeholder_key"
    config = write_all(good_text, ("listen", "lisen"), ("    placeholder_key", options))
    (config.parent / "policies" / "intent.rego").write_text("package gateway.intent\n\nverdict := \n")
    result = check(config, good_env)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0].endswith("config.yaml:2: server.lisen: unknown key (did you mean 'listen'?)")
    assert "config.yaml:8: tenants.acme.redaction.patterns.EMPLOYEE_ID: " in lines[2]
    assert "config.yaml:8: tenants.acme.redaction.countries.XX: " in lines[1]
    assert any(f"{config.parent}/policies/intent.rego:" in line for line in lines[3:])


@pytest.mark.parametrize("option", ["enable: [US_PASPORT]", "countries: [XX]"])
def test_an_unknown_category_or_country_is_a_problem_with_its_line(write_all: WriteConfig, good_env: dict[str, str], good_text: str, option: str) -> None:
    config = write_all(good_text, ("    placeholder_key", f"    redaction:\n      {option}\n    placeholder_key"))
    result = check(config, good_env)
    assert result.exit_code == 2
    assert f"config.yaml:9: tenants.acme.redaction.{option.partition(':')[0]}" in result.stderr


def test_a_policy_folder_that_is_missing_is_named(write_config: WriteConfig, good_env: dict[str, str]) -> None:
    result = check(write_config(), good_env)
    assert result.exit_code == 2
    assert "there is no such policy folder" in result.stderr
