"""An approval stands for one exact call under the rules that held it: what is expired, revoked, used, forged, moved or swapped lets nothing go on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.approvals import call_sha256
from gateway.settings import Secret
from gateway.testing import ALLOW_ALL
from tests.integration.people_stage import Hall, hall, policy, until

NO_ROOM = "{sweep_s: 60, poll_s: 0.05}"
Address = Path | Secret


COLUMNS = {
    "intent_id": "'int_0123456789ab0000000000000000'",
    "task_id": "'tsk_0123456789ab0000000000000000'",
    "hook": "'answer'",
    "by": "'somebodyelse'",
    "name": "'Somebody Else'",
    "roles": '\'["reviewer","admin"]\'',
    "teams": "'[\"payments\"]'",
    "mode": "'answer'",
    "action": "'answer'",
    "at_ns": "at_ns + 1",
    "scope_sha256": f"'{'0' * 64}'",
    "hold_sha256": f"'{'0' * 64}'",
    "policy_revision": "'another'",
    "expires_ns": "expires_ns + 1",
    "key_id": "'0123456789abcdef'",
    "mac": None,
    "used_ns": "1",
    "revoked_ns": "1",
}


async def changed(people: Hall, intent: str, column: str) -> None:
    value = COLUMNS[column]
    if value is None:
        mac = bytearray(people.query("SELECT mac FROM approvals WHERE intent_id = :id", id=intent)[0]["mac"])
        mac[0] ^= 1
        assert people.write("UPDATE approvals SET mac = :mac WHERE intent_id = :id", mac=bytes(mac), id=intent) == 1
        return
    assert people.write(f'UPDATE approvals SET "{column}" = {value} WHERE intent_id = :id', id=intent) == 1


async def test_an_approval_of_which_one_column_was_changed_lets_nothing_go_on(tmp_path: Path) -> None:
    """All columns in one database, each of an intent of its own."""
    async with hall(tmp_path, waiting=NO_ROOM) as people:
        parked = {column: await people.park("approve", f"change {column}") for column in COLUMNS}
        async with people.held_up():
            for _, task in parked.values():
                await people.accepted(task)
            for column, (intent, _) in parked.items():
                await changed(people, intent, column)
        for column, (intent, task) in parked.items():
            again = await people.held_again(intent, task)
            assert again != task, column
            assert people.facts(intent, "resumed")["approvals"] == [], column
        assert people.asked() == []
        # A person's word about what now waits is as good as ever.
        intent, task = parked["mac"]
        await people.accepted(await people.held_again(intent, task))
        assert (await people.outcome(intent))["state"] == "completed"
        assert len(people.asked()) == 1


def forged(people: Hall, source: str, target: dict[str, Any], **values: Any) -> None:
    """A copy of the approval of another intent in the name of this one."""
    row = people.query("SELECT * FROM approvals WHERE intent_id = :id", id=source)[0]
    row |= {"id": f"apr_{time.time_ns():032x}", "intent_id": target["id"], "task_id": target["task_id"], "used_ns": None, "revoked_ns": None, **values}
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(f":v_{name}" for name in row)
    people.write(f"INSERT INTO approvals ({names}) VALUES ({places})", **{f"v_{name}": value for name, value in row.items()})


async def test_an_approval_that_was_copied_to_another_intent_or_task_lets_nothing_go_on(tmp_path: Path) -> None:
    async with hall(tmp_path) as people:
        good, first = await people.park("approve", "the same words")
        await people.accepted(first)
        assert (await people.outcome(good))["state"] == "completed"
        asked = len(people.asked())
        target, task = await people.park("approve", "the same words")
        row = people.query("SELECT * FROM intents WHERE id = :id", id=target)[0]
        source = people.query("SELECT * FROM intents WHERE id = :id", id=good)[0]
        assert row["call_sha256"] == source["call_sha256"]
        forged(people, good, row)
        # And the task as if it had been decided.
        people.write("UPDATE tasks SET state = 'decided', outcome = 'accept' WHERE id = :id", id=task)
        people.write("UPDATE intents SET ready_ns = 1 WHERE id = :id", id=target)
        second = await people.held_again(target, task)
        # The approval is moved, row and all, with the id that it has.
        people.write("UPDATE approvals SET intent_id = :i, task_id = :t, used_ns = NULL WHERE intent_id = :g", i=target, t=second, g=good)
        people.write("UPDATE intents SET ready_ns = 1 WHERE id = :id", id=target)
        await people.held_again(target, second)
        assert len(people.asked()) == asked


async def test_an_approval_of_one_tenant_is_nothing_for_another(tmp_path: Path) -> None:
    async with hall(tmp_path) as people:
        good, first = await people.park("approve")
        await people.accepted(first)
        await people.outcome(good)
        key = people.key(tenant="globex")
        reply = await people.ask("approve", key=key)
        target, task = reply.headers["x-gateway-record"], reply.headers["x-gateway-task"]
        people.write("UPDATE approvals SET tenant = 'globex', intent_id = :i, task_id = :t, used_ns = NULL", i=target, t=task)
        people.write("UPDATE intents SET ready_ns = 1 WHERE id = :id", id=target)
        await people.held_again(target, task)
        assert len(people.asked()) == 1


@pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)
async def test_an_approval_is_used_once_whatever_is_written_into_its_row(tmp_path: Path, address: Address) -> None:
    async with hall(tmp_path, address) as people:
        intent, task = await people.park("review", "please", at=0)
        await people.accepted(task)
        assert (await people.outcome(intent))["state"] == "completed"
        # The intent is put back as if it had never gone on; what was kept of it is gone, and nothing is done again.
        people.write("UPDATE intents SET state = 'parked', ready_ns = 1 WHERE id = :id", id=intent)
        people.write("UPDATE approvals SET used_ns = NULL WHERE intent_id = :id", id=intent)
        await until(lambda: people.query("SELECT state FROM intents WHERE id = :id", id=intent)[0]["state"] != "parked")
        assert len(people.asked()) == 1
        assert people.query("SELECT state FROM intents WHERE id = :id", id=intent)[0]["state"] == "failed"


@pytest.mark.parametrize("who", ["reviewer", "reviewer's role", "caller"])
async def test_whoever_lost_their_key_before_the_intent_goes_on_is_not_heard(tmp_path: Path, who: str) -> None:
    async with hall(tmp_path, waiting=NO_ROOM) as people:
        intent, task = await people.park("approve")
        async with people.held_up():
            await people.accepted(task)
            key = people.key_id(people.key() if who == "caller" else people.reviewer())
            people.write(
                f"UPDATE keys SET {'roles' if who.endswith('role') else 'revoked_ns'} = :v WHERE id = :id", v="[]" if who.endswith("role") else 1, id=key
            )
            people.write("UPDATE marks SET token = :token", token=b"another")  # as the command does, so that gateways look
            people.one.gateway.services.keys.refresh()
        if who == "caller":
            await until(lambda: people.query("SELECT state FROM intents WHERE id = :id", id=intent)[0]["state"] == "refused")
            assert people.facts(intent, "closed")["reason"] == "key.revoked"
        else:
            again = await people.held_again(intent, task)
            shown = await people.call("GET", f"/v1/tasks/{again}", key=people.reviewer("Bob"))
            assert shown.json["approvals"] == []
        assert people.asked() == []
        await people.verified()


async def test_one_byte_of_difference_is_another_call(tmp_path: Path) -> None:
    base: dict[str, Any] = {"temperature": 0.5, "max_tokens": 10, "metadata": {"a": "b"}, "user": "x", "n": 1}
    other: list[dict[str, Any]] = [
        {"temperature": 0.6},
        {"max_tokens": 11},
        {"metadata": {"a": "c"}},
        {"user": "y"},
        {"seed": 1},
        {"stream": True},
        {"temperature": 0.50001},
    ]
    async with hall(tmp_path) as people:
        intent, task = await people.park("approve", "send 100", **base)
        joined = await people.ask("approve", "send 100", **base)
        assert joined.headers["x-gateway-task"] == task
        tasks = {task}
        for change in (*({**base, **one} for one in other), {**base, "words": "send 101"}, {**base, "words": "send 100 "}, {**base, "words": "s\u0435nd 100"}):
            words = change.pop("words", "send 100")
            reply = await people.ask("approve", words, **change)
            assert reply.headers["x-gateway-task"] not in tasks, change
            tasks.add(reply.headers["x-gateway-task"])
        await people.accepted(task)
        assert (await people.outcome(intent))["state"] == "completed"
        # Its answer was told: now the same call is a new one, too.
        assert (await people.ask("approve", "send 100", **base)).headers["x-gateway-task"] not in tasks
        assert len(people.asked()) == 1


async def test_another_callers_same_call_needs_its_own_approval(tmp_path: Path) -> None:
    async with hall(tmp_path) as people:
        intent, task = await people.park("approve")
        theirs, other = await people.park("approve", key=people.key("other agent"))
        assert (theirs, other) != (intent, task)
        await people.accepted(task)
        await people.outcome(intent)
        assert (await people.intent(theirs, key=people.key("other agent")))["state"] == "parked"


async def sealed_swap(people: Hall, source: str, target: str, kind: str) -> None:
    row = people.query("SELECT key_id, sealed FROM payloads WHERE intent_id = :id AND kind = :k", id=source, k=kind)[0]
    people.write("UPDATE payloads SET key_id = :key_id, sealed = :sealed WHERE intent_id = :id AND kind = :k", id=target, k=kind, **row)


@pytest.mark.parametrize(("route", "kind"), [("approve", "call"), ("review", "draft"), ("review", "call"), ("answer", "call")])
async def test_what_was_kept_of_another_intent_cannot_take_the_place_of_what_was_approved(tmp_path: Path, route: str, kind: str) -> None:
    async with hall(tmp_path, waiting=NO_ROOM) as people:
        intent, task = await people.park(route, "harmless")
        other, _ = await people.park(route, "harmful")
        asked = len(people.asked())
        async with people.held_up():
            await people.accepted(task, *(["answer"] if route == "answer" else []), **({"content": "x"} if route == "answer" else {}))
            await until(lambda: not len(people.one.gateway.services.background))
            await sealed_swap(people, other, intent, kind)
        await until(lambda: people.query("SELECT ready_ns FROM intents WHERE id = :id", id=intent)[0]["ready_ns"] > time.time_ns())  # put off, not lost
        assert (await people.intent(intent))["state"] == "parked"
        assert len(people.asked()) == asked
        shown = await people.decide(task)
        assert shown.status == 409


async def test_a_draft_put_back_as_it_was_before_an_edit_is_not_what_was_approved(tmp_path: Path) -> None:
    async with hall(tmp_path, waiting=NO_ROOM) as people:
        intent, task = await people.park("review", "the models words")
        before = people.query("SELECT key_id, sealed FROM payloads WHERE intent_id = :id AND kind = 'draft'", id=intent)[0]
        async with people.held_up():
            await people.accepted(task, "edit", content="the persons words")
            await until(lambda: not len(people.one.gateway.services.background))
            people.write("UPDATE payloads SET key_id = :key_id, sealed = :sealed WHERE intent_id = :id AND kind = 'draft'", id=intent, **before)
        again = await people.held_again(intent, task)
        shown = (await people.call("GET", f"/v1/tasks/{again}")).json
        assert shown["context"]["draft"]["choices"][0]["content"] == "the models words"
        assert people.facts(intent, "resumed")["approvals"] == []


TASK_FORGERIES = {
    "released by nobody": ("approve", "on_expiry = 'release', expires_ns = 1"),
    "decided": ("approve", "state = 'decided', outcome = 'accept'"),
    "expired": ("approve", "state = 'expired', outcome = 'release'"),
    "one of two is enough": ("four", "min_approvers = 1"),
    "one of two and expired": ("four", "state = 'expired', outcome = 'release'"),
    "none keeps away": ("distinct", "distinct_from = '[]'"),
    "another hold": ("approve", f"hold_sha256 = '{'0' * 64}'"),
    "another policy": ("approve", "policy_revision = 'another'"),
    "a person answers": ("approve", "mode = 'answer'"),
    "another hook": ("approve", "hook = 'answer', mode = 'review'"),
    "without end": ("brief", "expires_ns = 9000000000000000000"),
}


@pytest.mark.parametrize("forgery", TASK_FORGERIES)
async def test_a_task_whose_terms_were_changed_in_the_database_lets_nothing_go_on(tmp_path: Path, forgery: str) -> None:
    """Whoever can write to the database, but has no key, cannot have an approval made that policy did not ask for in this form."""
    route, change = TASK_FORGERIES[forgery]
    async with hall(tmp_path, waiting=NO_ROOM) as people:
        caller = people.key("Ada", "reviewer") if route == "distinct" else people.key()
        intent, task = await people.park(route, key=caller)
        if "expired" in forgery and route == "four":
            await people.accepted(task)
        assert people.write(f"UPDATE tasks SET {change} WHERE id = :id", id=task) == 1
        if "state =" in change:
            people.write("UPDATE intents SET ready_ns = 1 WHERE id = :id", id=intent)
        body = {"action": "answer", "content": "by hand"} if "mode = 'answer'" in change else {"action": "accept"}
        await people.call("POST", f"/v1/tasks/{task}/decide", body)
        for _ in range(3):
            await people.one.gateway.looking.sweeper.sweep()
            await until(lambda: not len(people.one.gateway.services.background))
        assert people.asked() == []
        assert people.state(intent) in {"parked", "refused", "expired", "failed"}


async def test_who_made_a_call_cannot_be_changed_in_the_database(tmp_path: Path) -> None:
    """Neither with the digest that fits the other subject: it needs no key to be computed."""
    async with hall(tmp_path) as people:
        intent, task = await people.park("approve")
        row = people.query("SELECT * FROM intents WHERE id = :id", id=intent)[0]
        other = people.key("somebody with more rights")
        body = {"model": "approve", "messages": [{"role": "user", "content": "please"}]}
        assert row["call_sha256"] == call_sha256(row["subject"], "chat", body)
        theirs = call_sha256(people.key_id(other), "chat", body)
        people.write("UPDATE intents SET subject = :s, call_sha256 = :c, ready_ns = 1 WHERE id = :id", s=people.key_id(other), c=theirs, id=intent)
        await until(lambda: people.query("SELECT ready_ns FROM intents WHERE id = :id", id=intent)[0]["ready_ns"] > 1)
        assert (await people.decide(task)).status == 503
        assert (people.state(intent), people.asked()) == ("parked", [])


async def test_what_people_were_shown_cannot_be_put_back_over_another_draft(tmp_path: Path) -> None:
    async with hall(tmp_path) as people:
        # Two persons are needed, so that one edits and the task is still open.
        await people.live({"answer.rego": policy("answer").replace('"mode":"review"', '"mode":"review","min_approvers":2')})
        intent, task = await people.park("review", "harmless")
        before = people.query("SELECT key_id, sealed FROM payloads WHERE intent_id = :id AND kind = 'context'", id=intent)[0]
        await people.accepted(task, "edit", content="harmful")
        people.write("UPDATE payloads SET key_id = :key_id, sealed = :sealed WHERE intent_id = :id AND kind = 'context'", id=intent, **before)
        shown = (await people.call("GET", f"/v1/tasks/{task}", key=people.reviewer("Bob"))).json
        assert shown["context"]["draft"]["choices"][0]["content"] == "harmless"
        refused = await people.decide(task, key=people.reviewer("Bob"), version=shown["version"])
        assert (refused.status, refused.json["error"]["code"]) == (409, "task_forged")
        assert (await people.decide(task, "refuse", key=people.reviewer("Bob"))).status == 200


@pytest.mark.parametrize("address", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)], indirect=True)
async def test_a_task_that_has_moved_to_another_queue_is_decided_or_released_as_that_one_says(tmp_path: Path, address: Address) -> None:
    queues = "{default: {on_expiry: 'queue:second'}, second: {expires_s: 3600}}"
    async with hall(tmp_path, address, queues=queues) as people:
        intent, task = await people.park("brief")
        await until(lambda: people.query("SELECT queue FROM tasks WHERE id = :id", id=task)[0]["queue"] == "second")
        await people.accepted(task, at=-1)
        assert (await people.outcome(intent))["state"] == "completed"
        await people.verified()


POLICIES_MEANWHILE = {
    "denies": (
        "refused",
        0,
        {"intent.rego": 'package gateway.intent\n\nimport rego.v1\n\nverdict := {"outcome": "deny", "reasons": [{"rule": "no", "message": "no"}]}\n'},
    ),
    "allows": ("completed", 1, {"intent.rego": ALLOW_ALL["intent.rego"]}),
    "holds for another reason": ("parked", 0, {"intent.rego": policy("intent", rule="another.reason")}),
    "holds for another queue": ("parked", 0, {"intent.rego": policy("intent", queue="second")}),
    "is written otherwise": ("completed", 1, {"intent.rego": policy("intent") + "\nunrelated := 1\n"}),
    "is broken": ("refused", 0, {"intent.rego": "package gateway.intent\n\nimport rego.v1\n\nverdict := 1 / 0\n"}),
}


@pytest.mark.parametrize("meanwhile", POLICIES_MEANWHILE)
async def test_a_policy_that_changed_meanwhile_is_asked_again(tmp_path: Path, meanwhile: str) -> None:
    state, asked, files = POLICIES_MEANWHILE[meanwhile]
    async with hall(tmp_path, waiting=NO_ROOM) as people:
        limits = people.one.gateway.services.limits
        intent, task = await people.park("approve")
        await people.live(files)
        await people.accepted(task)
        if state == "parked":
            again = await people.held_again(intent, task)
            assert len(people.asked()) == 0
            await people.accepted(again)
            state, asked = "completed", 1
        told = await people.outcome(intent)
        assert (told["state"], len(people.asked())) == (state, asked)
        assert limits.running == 0
        await people.verified()
