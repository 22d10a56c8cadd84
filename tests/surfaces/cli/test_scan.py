"""``gateway scan``: what is printed, what never is, and how a bad input is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.surfaces.cli.scan import command


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(command, arguments, input=stdin)


def test_a_text_gives_a_line_for_each_finding_and_never_the_value() -> None:
    result = run("-", stdin="Ä mail to jane@example.com, card 4111 1111 1111 1111\n")
    assert result.exit_code == 0
    assert result.output.splitlines() == ["EMAIL_ADDRESS\t10\t26", "CREDIT_CARD\t33\t52"]


def test_each_json_line_gives_a_json_line_with_its_id(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"id": 7, "text": "call +1 415 555 0132"}\n\n{"id": "b", "text": "nothing here"}\n')
    result = run("--jsonl", str(path))
    assert [json.loads(line) for line in result.output.splitlines()] == [
        {"id": 7, "findings": [{"category": "PHONE_NUMBER", "start": 5, "end": 20}]},
        {"id": "b", "findings": []},
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1, "text": "x"', ":2: not JSON"),
        ('{"id": 1}', ':2: needs an object with "id" and a string "text"'),
        ('["a"]', ':2: needs an object with "id" and a string "text"'),
        ('{"text": "x"}', ':2: needs an object with "id" and a string "text"'),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_exit_code_2(line: str, said: str) -> None:
    result = run("--jsonl", "-", stdin='{"id": 0, "text": "x"}\n' + line)
    assert result.exit_code == 2
    assert said in result.stderr


def test_bytes_that_are_not_utf_8_are_told_with_their_place() -> None:
    result = run("-", stdin=b"ab\xff")
    assert result.exit_code == 2
    assert "not UTF-8 at byte 2" in result.stderr


def config(path: Path, redaction: str) -> str:
    found = path / "config.yaml"
    found.write_text(f"tenants:\n  acme:\n    placeholder_key: env:ACME\n    redaction: {redaction}\n")
    return str(found)


def test_a_tenant_s_words_and_patterns_are_found(tmp_path: Path) -> None:
    path = config(tmp_path, "{words: {PROJECT: [red falcon]}, patterns: {EMPLOYEE_ID: 'E-[0-9]{6}'}}")
    result = run("--config", path, "--tenant", "acme", "-", stdin="E-123456 works on Red Falcon")
    assert result.output.splitlines() == ["EMPLOYEE_ID\t0\t8", "PROJECT\t18\t28"]


@pytest.mark.parametrize(
    ("tenant", "redaction", "said"),
    [("acne", "{}", "there is no tenant 'acne'; it has acme"), ("acme", "{enable: [US_PASPORT]}", "did you mean 'US_PASSPORT'?")],
)
def test_a_tenant_or_option_that_nobody_knows_is_told_with_what_there_is(tmp_path: Path, tenant: str, redaction: str, said: str) -> None:
    result = run("--config", config(tmp_path, redaction), "--tenant", tenant, "-", stdin="x")
    assert result.exit_code == 2
    assert said in result.stderr
