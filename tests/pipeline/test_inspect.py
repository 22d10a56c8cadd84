"""What is found in a request is counted, by place and never by value."""

from __future__ import annotations

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
