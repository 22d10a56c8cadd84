"""``gateway routes``: what a request would be given to, and why; nothing is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.surfaces.cli.routes import command

WriteConfig = Callable[..., Path]
CONFIG = """\
  small: {base_url: 'http://192.0.2.1/v1', model: none-such-1, context_tokens: 100}
  inner: {base_url: 'http://192.0.2.2/v1', model: none-such-2}
  gone: {base_url: 'env:NOT_SET', model: m, optional: true}
schemas:
  order: {type: object}
routes:
  r:
    aliases: [gpt-4o]
    targets:
      - target: small
      - {target: inner, when: {labels: {data_class: [internal]}, without: [US_SSN]}}
      - {target: simulated, when: {max_input_tokens: 5000, min_remaining_s: 5}}
    schema: order
    confidence: {samples: 2}
    last_resort: {}
    repair: {asks: 1, target: simulated}
  pair:
    targets: [{target: simulated, weight: 3}, {target: inner, tier: 1}]
  dear:
    targets: [{target: inner, when: {max_cost_usd: 1}}, {target: simulated, when: {max_cost_usd: 0.00001}}]
    repair: {target: small}
  left:
    target: gone
"""
SHORT = "What is the price of a red bicycle?"
LONG = "word " * 200


@pytest.fixture
def config(write_config: WriteConfig, good_text: str) -> Path:
    return write_config(good_text, ("routes:\n", CONFIG))


@pytest.fixture
def run(config: Path, good_env: dict[str, str]) -> Callable[..., Result]:
    """Explain a request that asks for this route with this text."""

    def explained(route: str, text: str, *options: str, **params: object) -> Result:
        body = json.dumps({"model": route, "messages": [{"role": "user", "content": text}], **params})
        return CliRunner().invoke(command, ["explain", "-", "--config", str(config), *options], input=body, env=good_env)

    return explained


def test_a_short_request_goes_to_the_first_target_and_the_others_are_told(run: Callable[..., Result]) -> None:
    result = run("gpt-4o", SHORT, max_tokens=50)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "route      r, asked for as gpt-4o"
    assert lines[1] == "request    about 10 tokens of input, and up to 50 of output"
    assert lines[2:4] == ["findings   none", "policy     is taken to grant all targets, with no labels"]
    assert lines[4:7] == [
        "target     small: tier 1; price not known; TAKEN",
        "target     inner: tier 2; price not known; skipped (when.labels): label data_class has to be internal, it is not set",
        "target     simulated: tier 3; about 0.000032 USD; next, where those before it fail, if 5 s of the deadline are left",
    ]
    assert lines[7].startswith("bounds     at most 6 calls in 600 s; 1 retry of each target")
    assert "           answers meet schema order; one that does not is asked for again once, of simulated" in lines
    assert "           confidence is scored: 2 samples" in lines
    assert "           last resort: a fixed answer of 2 characters" in lines
    assert lines[-1].startswith("unknown    breakers, ")


@pytest.mark.parametrize(
    ("text", "options", "skipped", "taken"),
    [
        (LONG, (), {"small": "context_length: the request needs 252 tokens of context, it has 100", "inner": "when.labels"}, "simulated"),
        (
            SHORT,
            ("--label", "data_class=internal", "--grant", "r/inner"),
            {"small": "policy.routes: policy grants r/inner", "simulated": "policy.routes"},
            "inner",
        ),
        ("My SSN is 536-22-1234", ("--label", "data_class=internal"), {"inner": "when.without: the request has US_SSN"}, "small"),
        (SHORT, ("--label", "data_class=secret"), {"inner": "when.labels: label data_class has to be internal, it is secret"}, "small"),
        (
            LONG * 30,
            (),
            {"small": "context_length", "inner": "when.labels", "simulated": "when.max_input_tokens: the request has 7,502 tokens of input, it takes 5,000"},
            None,
        ),
    ],
)
def test_a_target_that_is_passed_over_is_told_with_the_reason_and_the_numbers(
    run: Callable[..., Result], text: str, options: tuple[str, ...], skipped: dict[str, str], taken: str | None
) -> None:
    result = run("r", text, "--json", *options)
    found = json.loads(result.stdout)
    said = {each["target"]: f"{each['skipped']}: {each['why']}" for each in found["targets"] if each["skipped"]}
    assert set(said) == set(skipped)
    assert all(said[target].startswith(reason) for target, reason in skipped.items())
    assert (found["takes"], result.exit_code) == (taken, 0 if taken else 1)
    assert "536-22" not in result.stdout


def test_where_no_target_may_serve_a_request_that_is_said(run: Callable[..., Result]) -> None:
    result = run("dear", LONG)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[4:8] == [
        "target     inner: tier 1; price not known; skipped (when.max_cost): its price is not known, it may cost 1 USD",
        "target     simulated: tier 2; about 0.000038 USD; skipped (when.max_cost): the call would cost 0.000038 USD, it may cost 0.00001 USD",
        "target     small: tier 3; price not known; skipped (context_length): the request needs 252 tokens of context, it has 100",
        "           no target may serve this request: it would be refused, and no last resort covers that up",
    ]


def test_the_order_within_a_tier_is_drawn_by_the_intent(run: Callable[..., Result]) -> None:
    drawn = [json.loads(run("pair", SHORT, "--json", "--intent", f"i{index}").stdout)["takes"] for index in range(20)]
    assert set(drawn) == {"simulated", "inner"}
    assert json.loads(run("pair", SHORT, "--json", "--intent", "i3").stdout)["takes"] == drawn[3]
    assert "tier 1, weight 3 of 4; " in run("pair", SHORT).stdout


def test_what_could_not_be_scanned_is_told(run: Callable[..., Result]) -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]
    assert "unscanned  messages[0].content (image)" in run("pair", SHORT, messages=image).stdout


@pytest.mark.parametrize(
    ("route", "options", "said"),
    [
        ("pear", (), "config.yaml: there is no route 'pear' (did you mean 'pair'?)"),
        ("left", (), "config.yaml: there is no route 'left' (it is left out: target gone is left out)"),
        ("r", ("--tenant", "acne"), "config.yaml: there is no tenant 'acne' (did you mean 'acme'?)"),
        ("r", ("--grant", "q"), "--grant q: there is no route 'q'"),
        ("r", ("--grant", "r/iner"), "--grant r/iner: route r has no target 'iner' (did you mean 'inner'?)"),
        ("r", ("--label", "data_class"), "--label needs NAME=VALUE, and each NAME once"),
    ],
)
def test_what_nobody_knows_is_told_with_the_nearest(run: Callable[..., Result], route: str, options: tuple[str, ...], said: str) -> None:
    result = run(route, SHORT, *options)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"model":\n  nonsense}', "<stdin>:2:3: not JSON"),
        ("[]", "<stdin>: the request must be an object, as POST /v1/chat/completions takes it"),
        ('{"model": "r"}', "'messages' has to be a list of at least one message"),
        ("", "not JSON"),
    ],
)
def test_a_body_that_is_no_chat_request_is_told(config: Path, good_env: dict[str, str], body: str, said: str) -> None:
    result = CliRunner().invoke(command, ["explain", "-", "--config", str(config)], input=body, env=good_env)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_a_tenant_the_findings_are_those_that_everybody_has(write_config: WriteConfig, good_env: dict[str, str], good_text: str) -> None:
    globex = "    redaction: {words: {PROJECT: [red falcon]}}\n    placeholder_key: env:PLACEHOLDER\n  globex:\n    placeholder_key: env:GLOBEX\n"
    path = write_config(good_text, ("    placeholder_key: env:PLACEHOLDER\n", globex))
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "mail red falcon at jane@example.com"}]})
    env = {**good_env, "GLOBEX": "0f1e2d3c4b5a6978" * 2}
    found = [
        json.loads(CliRunner().invoke(command, ["explain", "-", "--config", str(path), "--json", *options], input=body, env=env).stdout)["findings"]
        for options in ((), ("--tenant", "acme"))
    ]
    assert found == [{"EMAIL_ADDRESS": 1}, {"EMAIL_ADDRESS": 1, "PROJECT": 1}]


def test_the_routes_are_listed_with_what_is_left_out(config: Path, good_env: dict[str, str]) -> None:
    result = CliRunner().invoke(command, ["list", "--config", str(config)], env=good_env)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "r (also gpt-4o) -> small, else inner, else simulated" in lines
    assert "pair -> simulated (3 of 4) or inner (1 of 4)" in lines
    assert "    inner only up to 1 USD" in lines
    assert lines[-2:] == [
        "left out: targets.gone (line 16): the environment variable NOT_SET is not set",
        "left out: routes.left (line 35): target gone is left out",
    ]
