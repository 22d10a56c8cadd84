"""What is found in a request is counted, by place and never by value."""

from __future__ import annotations

import pytest

from gateway.testing import LocalGateway


async def test_findings_stand_on_record_and_in_metrics_by_category(local: LocalGateway) -> None:
    await local.ask("write to jane.doe@example.com and john.roe@example.com about bluebird")
    facts = next(entry for entry in await local.entries() if entry["kind"] == "opened")["facts"]
    assert {(finding["category"], finding["count"], finding["where"]) for finding in facts["findings"]} == {
        ("EMAIL_ADDRESS", 2, "messages[0].content"),
        ("PROJECT", 1, "messages[0].content"),
    }
    assert b'gateway_findings_total{category="EMAIL_ADDRESS"} 2.0' in (await local.get("/metrics")).body


async def test_a_tenants_words_are_its_own(local: LocalGateway) -> None:
    key = local.key("globex")
    assert (await local.ask("about bluebird", key=key)).status == 200
    assert b"bluebird" in local.provider.requests[0].body


async def test_a_large_body_is_taken_apart_elsewhere_with_the_same_result(local: LocalGateway) -> None:
    text = "word " * 40_000 + "write to jane.doe@example.com"
    reply = await local.ask(text)
    assert reply.text == text
    assert b"jane.doe" not in local.provider.requests[0].body
    assert b"<EMAIL_ADDRESS_" in local.provider.requests[0].body


@pytest.mark.parametrize(
    "content",
    [
        '{"email": "jane.doe\\u0040example.com"}',
        '[{"deep": {"email": "\\u006aane.doe\\u0040example.com"}}]',
    ],
)
async def test_a_value_that_json_escapes_spell_is_found(local: LocalGateway, content: str) -> None:
    await local.chat({"model": "assistant", "messages": [{"role": "tool", "tool_call_id": "call_1", "content": content}]})
    sent = local.provider.requests[0].body
    assert b"<EMAIL_ADDRESS_" in sent
    assert b"u0040" not in sent


async def test_a_card_that_comes_as_a_number_is_found_whole_or_with_a_fraction(local: LocalGateway) -> None:
    await local.ask("hello", first=4111111111111111, second=4111111111111111.0)
    assert b"4111111111111111" not in local.provider.requests[0].body
