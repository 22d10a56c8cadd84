"""Tasks, intents, approvals, cursors and idempotency keys of one tenant, or of another subject of it, are as if they were not there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.settings import Secret
from gateway.testing import Reply
from tests.integration.people_stage import Hall, hall
from tests.servers.collector import collector

EITHER = pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)
NOBODYS = {"task": "tsk_0123456789ab0123456789abcdef", "intent": "int_0123456789ab0123456789abcdef"}
CALLS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/v1/tasks/{task}", None),
    ("POST", "/v1/tasks/{task}/claim", None),
    ("POST", "/v1/tasks/{task}/release", None),
    ("POST", "/v1/tasks/{task}/withdraw", None),
    ("POST", "/v1/tasks/{task}/decide", {"action": "accept"}),
    ("POST", "/v1/tasks/{task}/decide", {"action": "accept", "version": 1}),
    ("POST", "/v1/tasks/{task}/decide", {"action": "refuse", "comment": "x"}),
    ("POST", "/v1/tasks/{task}/decide", {"action": "edit", "content": "x"}),
    ("GET", "/v1/tasks/{intent}", None),
    ("GET", "/v1/intents/{intent}", None),
    ("GET", "/v1/intents/{intent}?wait=1", None),
    ("DELETE", "/v1/intents/{intent}", None),
    ("GET", "/v1/intents/{task}", None),
)


def told(reply: Reply, place: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in reply.headers.items() if name not in {"date", "x-gateway-trace", "x-request-id"}}
    body = reply.body
    for name, value in place.items():
        body = body.replace(value.encode(), name.encode())
    return reply.status, {name: value for name, value in headers.items() if name != "content-length"}, body


@EITHER
async def test_whatever_belongs_to_others_answers_as_what_is_not_there(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address) as people:
        strangers = {
            "another tenant's reviewer": people.reviewer("Gus", tenant="globex"),
            "another tenant's reviewer of the same name": people.reviewer("Ada", tenant="globex"),
            "another tenant's operator": people.key("Gil", "operator", "auditor", "reviewer", tenant="globex"),
            "another tenant's caller of the same name": people.key(tenant="globex"),
            "another subject": people.key("another agent"),
        }
        places = {}
        for state in ("open", "claimed", "decided"):
            intent, task = await people.park("approve", f"mine, {state}")
            places[state] = {"intent": intent, "task": task}
        await people.call("POST", f"/v1/tasks/{places['claimed']['task']}/claim")
        await people.accepted(places["decided"]["task"])
        await people.outcome(places["decided"]["intent"])
        before = people.query("SELECT id, state, version FROM tasks ORDER BY id"), people.query("SELECT id, state, version FROM intents ORDER BY id")
        for who, key in strangers.items():
            for method, path, body in CALLS:
                missing = told(await people.call(method, path.format(**NOBODYS), body, key=key, at=-1), NOBODYS)
                assert missing[0] in ({403, 404} if "caller" in who or "subject" in who else {404}), missing
                for place in places.values():
                    found = told(await people.call(method, path.format(**place), body, key=key, at=-1), place)
                    assert found == missing, (who, method, path)
            if "reviewer" in who or "operator" in who:
                listed = (await people.call("GET", "/v1/tasks?state=open,claimed,decided,expired,cancelled", key=key)).json
                assert listed == {"object": "list", "data": [], "cursor": None}
        assert before == (people.query("SELECT id, state, version FROM tasks ORDER BY id"), people.query("SELECT id, state, version FROM intents ORDER BY id"))


async def test_a_cursor_of_one_tenant_is_a_place_in_the_others_own_list(tmp_path: Path) -> None:
    async with hall(tmp_path) as people:
        theirs = people.key("globex agent", tenant="globex")
        mine = [(await people.park("approve", f"mine {number}"))[1] for number in range(4)]
        others = [(await people.park("approve", f"theirs {number}", key=theirs))[1] for number in range(4)]
        cursor = (await people.call("GET", "/v1/tasks?limit=2")).json["cursor"]
        gus = people.reviewer("Gus", tenant="globex")
        for path in (f"/v1/tasks?cursor={cursor}", "/v1/tasks", f"/v1/tasks?limit=1&cursor={cursor}"):
            seen = {task["id"] for task in (await people.call("GET", path, key=gus)).json["data"]}
            assert seen <= set(others)
            assert not seen & set(mine)


@EITHER
async def test_an_idempotency_key_and_the_same_body_are_another_call_of_another_tenant_or_subject(tmp_path: Path, address: Path | Secret) -> None:
    async with hall(tmp_path, address) as people:
        callers = (people.key(), people.key("another agent"), people.key(tenant="globex"))
        seen = set()
        for key in callers:
            keyed = await people.ask("approve", "the same", key=key, headers={"idempotency-key": "one"})
            again = await people.ask("approve", "the same", key=key, headers={"idempotency-key": "one"}, at=-1)
            bare = await people.ask("approve", "the same", key=key)
            assert keyed.headers["x-gateway-task"] == again.headers["x-gateway-task"]
            assert (await people.ask("approve", "another", key=key, headers={"idempotency-key": "one"})).status == 409
            seen |= {keyed.headers["x-gateway-task"], bare.headers["x-gateway-task"]}
        assert len(seen) == 2 * len(callers)


async def test_webhooks_and_commands_tell_of_one_tenant_what_is_its_own(tmp_path: Path) -> None:
    with collector() as hooks:
        queues = f"{{default: {{webhook: {{url: '{hooks.endpoint}/hook', secret: 'env:HASH'}}}}}}"
        async with hall(tmp_path, queues=queues) as people:
            mine, my_task = await people.park("approve", "a lighthouse")
            theirs, their_task = await people.park("approve", "a windmill", key=people.key("globex agent", tenant="globex"))
            for words in (("records", "show"), ("explain",)):
                refused = await people.command(*words, "--tenant", "globex", mine)
                missing = await people.command(*words, "--tenant", "globex", NOBODYS["intent"])
                assert refused.exit_code == missing.exit_code != 0
                assert refused.output.replace(mine, "") == missing.output.replace(NOBODYS["intent"], "")
            listed = await people.command("records", "list", "--tenant", "globex", "--state", "parked", "--json")
            assert [orjson.loads(line)["id"] for line in listed.output.splitlines()] == [theirs]
            assert mine not in (await people.command("records", "show", "--tenant", "globex", theirs)).output
            told: list[bytes] = []
            for _ in range(100):
                told = list(hooks.bodies)
                if len(told) == 2:
                    break
                await asyncio.sleep(0.05)
        ids = [{name for name in (my_task, their_task) if name.encode() in body} for body in told]
        assert sorted(map(len, ids)) == [1, 1]
        assert not any(word in body for body in told for word in (b"lighthouse", b"windmill"))


async def test_the_erasure_of_a_record_takes_what_was_kept_of_that_intent_alone(tmp_path: Path) -> None:
    async with hall(tmp_path) as people:
        mine, _ = await people.park("approve", "mine")
        other, task = await people.park("approve", "other")
        theirs, _ = await people.park("approve", "theirs", key=people.key("globex agent", tenant="globex"))
        assert (await people.command("records", "erase", "--tenant", "globex", mine)).exit_code != 0
        assert kept(people, mine)
        assert (await people.command("records", "erase", "--tenant", "acme", mine)).exit_code == 0
        assert not kept(people, mine)
        assert kept(people, other)
        assert kept(people, theirs)
        await people.accepted(task)
        assert (await people.outcome(other))["state"] == "completed"


def kept(people: Hall, intent: str) -> int:
    return len(people.query("SELECT kind FROM payloads WHERE intent_id = :id", id=intent))
