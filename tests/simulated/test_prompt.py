from __future__ import annotations

from typing import Any

import pytest

from gateway.simulated.prompt import matches, prompt_of, quote, quote_all
from gateway.simulated.script import When
from gateway.simulated.script_reader import parse_script

PLACEHOLDER = "<EMAIL_ADDRESS_BCDFGHJKLMNPQRST>"
TALK: dict[str, Any] = {
    "model": "simulated-1",
    "stream": True,
    "response_format": {"type": "json_object"},
    "messages": [
        {"role": "system", "content": f"Write to {PLACEHOLDER}."},
        {"role": "user", "content": [{"type": "text", "text": "Ticket T-12"}, {"type": "image_url"}, {"type": "text", "text": ", please"}]},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "found"},
    ],
}


def test_a_prompt_is_read_from_its_messages() -> None:
    prompt = prompt_of(TALK, {})
    assert (prompt.echo, prompt.last_tool_result, prompt.stream, prompt.model, prompt.include_usage) == (
        "Ticket T-12, please",
        "found",
        True,
        "simulated-1",
        False,
    )


@pytest.mark.parametrize("body", [{}, {"messages": None}, {"messages": ["text", {}]}, {"messages": [{"role": "user", "content": 7}]}])
def test_whatever_is_no_message_is_passed_over(body: dict[str, Any]) -> None:
    assert prompt_of(body, {}).echo == ""


@pytest.mark.parametrize("asked", [None, "json", {}, {"type": 7}])
def test_whatever_is_no_response_format_is_none(asked: Any) -> None:
    assert prompt_of({"response_format": asked}, {}).response_format is None


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (When(), True),
        (When(model="simulated-1"), True),
        (When(model="other"), False),
        (When(contains="T-12"), True),
        (When(contains="found"), False),
        (When(anywhere="found"), True),
        (When(anywhere="T-12"), True),
        (When(anywhere="T-13"), False),
        (When(response_format="json_object"), True),
        (When(response_format="json_schema"), False),
        (When(tool_result=True), True),
        (When(tool_result=False), False),
        (When(stream=False), False),
        (When(header={"x-trial": "1"}), True),
        (When(header={"x-trial": "2"}), False),
    ],
)
def test_every_condition_of_a_rule_must_hold(when: When, holds: bool) -> None:
    assert matches(when, prompt_of(TALK, {"x-trial": "1"})) is holds


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{echo}!", "Ticket T-12, please!"),
        ("{last_tool_result}", "found"),
        ("{placeholder:EMAIL_ADDRESS}", PLACEHOLDER),
        ("{placeholder:PHONE_NUMBER}", "(none)"),
        ("{ticket}", "T-12"),
        ('{"json": true} {} {Echo}', '{"json": true} {} {Echo}'),
    ],
)
def test_a_reply_quotes_what_the_request_has(template: str, said: str) -> None:
    rule = parse_script("rules: [{extract: {ticket: 'T-[0-9]+'}}]").rules[0]
    assert quote(template, rule, prompt_of(TALK, {})) == said
    assert quote_all({"a": [template, 1]}, rule, prompt_of(TALK, {})) == {"a": [said, 1]}
