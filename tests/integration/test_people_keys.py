"""What waits without the key that it was encrypted under waits on: nothing is lost, nothing goes on, it is said, and other tenants notice nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Secret
from gateway.testing import ENV
from tests.integration.people_stage import Hall, hall, until

EITHER = pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)
NEW = {**ENV, "ACME_PAYLOAD": "acme-another-secret-0123456789-0123456789"}
BEFORE = {**NEW, "OLD": ENV["ACME_PAYLOAD"]}
ROTATED = {"payload_key: 'env:ACME_PAYLOAD'": "payload_key: 'env:ACME_PAYLOAD', older_payload_keys: ['env:OLD']"}


async def left(people: Hall) -> dict[str, tuple[str, str]]:
    """Intents and tasks of every kind, and one of another tenant."""
    made = {route: await people.park(route, f"of {route}") for route in ("approve", "review", "answer", "four")}
    await people.accepted(made["four"][1])
    ended = await people.park("approve", "done")
    await people.accepted(ended[1])
    await people.outcome(ended[0])
    theirs = await people.park("approve", key=people.key("globex agent", tenant="globex"))
    ready = await people.park("review", "ready")
    async with people.held_up():
        await people.accepted(ready[1])
    return {**made, "ended": ended, "theirs": theirs, "ready": ready}


@EITHER
async def test_without_its_key_nothing_is_lost_or_goes_on_and_with_it_everything_does(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address, waiting="{sweep_s: 60, poll_s: 0.05}") as people:
        made = await left(people)
        again = await people.park("approve", "ready when it is back")
        for each in people.gateways:
            each.gateway.services.limits.in_flight = 0
        await people.accepted(again[1])
        await until(lambda: not any(len(each.gateway.services.background) for each in people.gateways))
        keys = {name: people.key(name, *roles, tenant=tenant) for name, roles, tenant in KEYS}
    async with hall(tmp_path, address, env=NEW) as people:
        at = len(people.gateways) - 1
        caller, ada = keys["billing agent"], keys["Ada"]
        listed = (await people.call("GET", "/v1/tasks", key=ada, at=at)).json["data"]
        assert {task["id"] for task in listed} == {made[name][1] for name in ("approve", "review", "answer", "four")}
        for name, action in (("approve", "accept"), ("review", "accept"), ("answer", "answer"), ("four", "accept")):
            shown = (await people.call("GET", f"/v1/tasks/{made[name][1]}", key=ada, at=at)).json
            assert shown["context"] is None
            assert "payload_key" in shown["context_missing"]
            assert (await people.call("POST", f"/v1/tasks/{made[name][1]}/claim", key=ada, at=at)).status == 200
            content = {"content": "x"} if action == "answer" else {}
            refused = await people.call("POST", f"/v1/tasks/{made[name][1]}/decide", {"action": action, **content}, key=ada, at=at)
            assert (refused.status, refused.json["error"]["code"]) == (503, "payload_unavailable"), refused.body
            assert (await people.call("POST", f"/v1/tasks/{made[name][1]}/release", key=ada, at=at)).status == 200
        poll = await people.call("GET", f"/v1/intents/{made['ended'][0]}", key=caller, at=at)
        assert (poll.status, poll.json["error"]["code"]) == (503, "payload_unavailable")
        await until(lambda: all(row["ready_ns"] > 10**18 for row in people.query("SELECT ready_ns FROM intents WHERE id = :id", id=again[0])))
        assert (await people.intent(again[0], key=caller))["state"] == "parked"
        # What comes now is kept under the new key, and the other tenant's intents go on.
        fresh = await people.park("approve", "under the new key", key=caller)
        assert (await people.decide(fresh[1], key=ada, at=at)).status == 200
        assert (await people.outcome(fresh[0], key=caller))["state"] == "completed"
        assert (await people.decide(made["theirs"][1], key=keys["Gus"], at=at)).status == 200
        assert (await people.outcome(made["theirs"][0], key=keys["globex agent"]))["state"] == "completed"
        assert len(people.asked()) == 2
    async with hall(tmp_path, address, env=BEFORE, changes=ROTATED) as people:
        people.write("UPDATE intents SET ready_ns = 1 WHERE id = :id", id=again[0])  # it is tried again every 15 s
        assert (await people.outcome(again[0], key=caller))["state"] == "completed"
        assert (await people.intent(made["ended"][0], key=caller))["answer"] is not None
        bob = keys["Bob"]
        assert (await people.decide(made["four"][1], key=bob)).json["state"] == "decided"  # Ada's approval under the old key still counts
        assert (await people.decide(made["approve"][1], key=bob)).status == 200
        assert (await people.decide(made["review"][1], key=bob)).status == 200
        assert (await people.decide(made["answer"][1], "answer", key=bob, content="by hand")).status == 200
        for name in ("four", "approve", "review", "answer"):
            assert (await people.outcome(made[name][0], key=caller))["state"] == "completed", name
        assert len(people.asked()) == 3
        await people.verified()


KEYS = (
    ("billing agent", (), "acme"),
    ("Ada", ("reviewer",), "acme"),
    ("Bob", ("reviewer",), "acme"),
    ("Gus", ("reviewer",), "globex"),
    ("globex agent", (), "globex"),
)


async def test_many_expired_tasks_that_cannot_be_read_keep_no_other_tenants_from_ending(tmp_path: Path) -> None:
    async with hall(tmp_path, waiting="{sweep_s: 60, poll_s: 0.05}") as people:
        agent = people.key("globex agent", tenant="globex")
        for number in range(70):
            await people.park("lenient", f"number {number}")
        theirs, _ = await people.park("lenient", key=agent)
        refused, _ = await people.park("brief", key=agent)
    async with hall(tmp_path, env=NEW) as people:
        for intent in (theirs, refused):
            assert (await people.intent(intent, key=agent, wait=10))["state"] in {"completed", "expired"}
        sweeper = people.one.gateway.looking.sweeper
        assert [await sweeper.sweep() for _ in range(3)][-1] is False  # it does not look again and again without a pause
        assert {row["state"] for row in people.query("SELECT state FROM intents WHERE tenant = 'acme'")} == {"parked"}
