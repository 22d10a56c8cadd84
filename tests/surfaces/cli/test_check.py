from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.capabilities.policy.bundle_build import build
from gateway.capabilities.policy.bundle_keep import Keep
from gateway.capabilities.policy.bundle_keys import bundle_signer
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


def test_what_routes_declare_is_printed_with_the_mode_of_their_streams(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    routes = """\
  translated: {client: litellm, provider: anthropic, model: claude-haiku-4-5}
database: env:DATABASE_URL
schemas: {order: {type: object}, spare: {}}
routes:
  extract: {targets: [{target: translated}, {target: simulated}], schema: order, last_resort: {}}
  triage: {target: simulated, confidence: {}}
"""
    result = check(write_all(good_text, ("routes:\n", routes)), {**good_env, "DATABASE_URL": "postgresql://gateway:hunter2@db.example.com/gateway"})
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "database   postgresql://db.example.com/gateway (env:DATABASE_URL)" in lines
    assert "schema     order: a JSON Schema for answers of extract, and where policy requires it" in lines
    assert "schema     spare: a JSON Schema where policy requires it" in lines
    assert any(
        line.startswith("target     translated: claude-haiku-4-5 at anthropic's own address, through litellm as anthropic, no key, priced by litellm's")
        for line in lines
    )
    assert "route      extract -> translated, else simulated; streams buffered: an answer that meets a schema has to be whole then" in lines
    assert "           answers meet schema order; one that does not is asked for again once" in lines
    assert "route      triage -> simulated; streams buffered: an answer that is assessed has to be whole then" in lines
    assert "hunter2" not in result.stdout


def test_a_schema_or_last_resort_that_cannot_be_used_is_a_problem_with_its_line(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    more = "schemas:\n  bad: {type: objekt}\n  order: {required: [a]}\nroutes:\n  r: {target: simulated, schema: order, last_resort: {b: 1}}\n"
    result = check(write_all(good_text, ("routes:\n", more)), good_env)
    assert (result.exit_code, result.stdout) == (2, "")
    schema, last_resort = result.stderr.splitlines()
    assert "config.yaml:15: schemas.bad" in schema
    assert "config.yaml:18: routes.r.last_resort: does not meet the route's schema 'order'" in last_resort


def test_a_url_with_a_password_that_spills_over_is_a_problem_without_it(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    config = write_all("database: env:DATABASE_URL\n" + good_text)
    result = check(config, {**good_env, "DATABASE_URL": "postgresql://gateway:hun@ter2@db.example.com/gateway"})
    assert (result.exit_code, "DATABASE_URL" in result.stderr) == (2, True)
    assert "ter2" not in result.output


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


def test_a_bundle_is_printed_with_the_authors_revision_and_how_it_was_signed(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    config = write_all(good_text + "policy: {path: bundle.tar.gz, bundle_key: 'env:BUNDLE_KEY'}\n")
    secret = "0123456789abcdef"
    (config.parent / "bundle.tar.gz").write_bytes(build(ROOT / "policies", revision="v1.2", signer=bundle_signer(secret.encode())).content)
    result = check(config, {**good_env, "BUNDLE_KEY": secret})
    assert (result.exit_code, result.stderr) == (0, "")
    line = next(line for line in result.stdout.splitlines() if line.startswith("policy "))
    assert line.endswith(" (v1.2), signed: HS256, HMAC secret")
    refused = check(config, {**good_env, "BUNDLE_KEY": secret[::-1]})
    assert (refused.exit_code, "the signature is not of policy.bundle_key" in refused.stderr) == (2, True)


def test_of_a_server_the_kept_bundle_is_checked_unless_it_is_asked(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    url = "http://127.0.0.1:1/bundle.tar.gz"
    config = write_all(good_text + f"policy: {{bundle: {{url: '{url}'}}}}\n")
    missing = check(config, good_env)
    assert (missing.exit_code, "ask it: gateway check --online" in missing.stderr) == (2, True)
    Keep(config.parent / ".gateway" / "policy", url).save(build(ROOT / "policies").content)
    result = check(config, good_env)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "signature not checked: there is no policy.bundle_key" in result.stdout
    assert "--online asks the server for it" in result.stdout
    asked = CliRunner().invoke(command, ["--config", str(config), "--online"], env=good_env)
    assert (asked.exit_code, "cannot be reached" in asked.stdout) == (0, True)


def test_a_policy_in_two_places_is_a_problem(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    result = check(write_all(good_text + "policy: {path: policies, bundle: {url: 'http://127.0.0.1:1/b.tar.gz'}}\n"), good_env)
    assert (result.exit_code, "stands beside policy.path" in result.stderr) == (2, True)


def test_an_opa_server_is_told_and_asked_only_on_demand(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    opa = "policy: {engine: opa, opa: {url: 'http://127.0.0.1:9', token: 'env:OPA_TOKEN', fallback: embedded}}\nserver:"
    config, env = write_all(good_text, ("server:", opa)), {**good_env, "OPA_TOKEN": "t0ken"}
    result = check(config, env)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "engine     OPA server at http://127.0.0.1:9, token env:OPA_TOKEN, 500 ms for a decision; while it cannot be asked, the embedded" in result.stdout
    assert "t0ken" not in result.stdout
    asked = CliRunner().invoke(command, ["--config", str(config), "--online"], env=env)
    assert asked.exit_code == 2
    assert "the OPA server at http://127.0.0.1:9 cannot be asked" in asked.stderr


def test_queues_are_printed_and_what_holds_streams_back(write_all: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    queues = "queues: {reviews: {due_s: 900, teams: [legal]}}\nserver:"
    keys = "    payload_key: env:PAYLOAD\n    placeholder_key"
    config = write_all(good_text, ("server:", queues), ("    placeholder_key", keys), ("    target: simulated", "    target: simulated\n    buffered: true"))
    result = check(config, {**good_env, "PAYLOAD": "payload-0123456789-0123456789-0123"})
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "queue      reviews: for reviewers of legal; due after 15 min, after 1 d its intent is refused; a claim holds 15 min" in lines
    assert "           while a person decides, callers wait up to 1 min" in lines
    assert any(line.endswith("streams buffered: the route says so") for line in lines)
    assert "payload-0123456789" not in result.stdout
