"""How intents that wait move, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.intents import (
    ABANDONED_KEEP_NS,
    IllegalMoveError,
    IntentStore,
    JoinError,
    StaleError,
    TakenError,
    begin,
    collected,
    finish,
    park,
    postpone,
    resume,
    settle,
    sweep_expired,
)
from gateway.capabilities.tasks.store import TaskStore, decide
from gateway.domain import MOVES, State
from gateway.domain_tasks import TASK_MOVES, Action, TaskState
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import IntentRow
from gateway.infrastructure.database_ledger import Effect
from gateway.infrastructure.database_tasks import insert_approval
from gateway.settings import Secret
from tests.capabilities.waiting_rows import ANN, BOB, Desk, a_move, a_payload, a_task, an_approval, an_intent

ROWS = [state for state in State if state is not State.RECEIVED]
"""An intent that was only received has no row."""
FINAL = [state for state in State if not MOVES[state]]


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    return database


@pytest.fixture
def store(database: Database) -> IntentStore:
    return IntentStore(database)


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    desk = Desk(database)
    yield desk
    desk.close()


def finishing(state: State, name: str = "1", **changes: Any) -> Effect[None]:
    end: dict[str, Any] = {"now_ns": 5_000, "http_status": 200, "answer": a_payload("answer", name), "expires_ns": 8_000, "keep_key": True}
    return finish("acme", f"int_{name}", state=state, **{**end, **changes})


def settling(state: State, name: str = "1", *, task_state: TaskState = TaskState.DECIDED, version: int = 1, **changes: Any) -> Effect[None]:
    end: dict[str, Any] = {"now_ns": 4_000, "http_status": 403, "answer": a_payload("answer", name), "expires_ns": 8_000, "move": a_move(task=name)}
    return settle("acme", f"int_{name}", version=version, state=state, task_state=task_state, **{**end, **changes})


def parking(name: str, version: int = 2) -> Effect[None]:
    return park(an_intent(name, version=version), task=a_task(name), payloads=[], announce=False, join_since_ns=None)


def resuming(name: str = "1", version: int = 1, approvals: tuple[str, ...] = ()) -> Effect[None]:
    return resume("acme", f"int_{name}", version=version, now_ns=4_000, trace="00-2-2-01", approvals=approvals)


Making = Callable[[str], Effect[None]]
MAKING: list[tuple[State, State, Making]] = [(State.RUNNING, State.PARKED, parking), (State.PARKED, State.RUNNING, resuming)]


def finishing_as(state: State) -> Making:
    return lambda name: finishing(state, name)


def settling_as(state: State) -> Making:
    return lambda name: settling(state, name)


for _state in State:
    MAKING += [(State.RUNNING, _state, finishing_as(_state)), (State.PARKED, _state, settling_as(_state))]


def test_every_legal_move_can_be_made_and_no_other(desk: Desk, store: IntentStore) -> None:
    made = set[tuple[State, State]]()
    for number, (needed, wanted, making) in enumerate(MAKING):
        for before in ROWS:
            name = f"{number}{before.value}"
            desk.stand(an_intent(name, before), None if making is parking else a_task(name))
            old = store.load("acme", f"int_{name}")
            if wanted not in MOVES[needed] or (making not in {parking, resuming} and MOVES[wanted]):
                with pytest.raises(IllegalMoveError):
                    making(name)
                continue
            if before is needed:
                desk.move(making(name))
                now = store.get("acme", f"int_{name}")
                assert now is not None
                assert (now.state, now.version) == (wanted, 2)
                made.add((before, wanted))
                continue
            with pytest.raises(StaleError) as caught:
                desk.move(making(name))
            assert caught.value.state == before
            assert store.load("acme", f"int_{name}") == old
    assert made == {(before, after) for before in ROWS for after in MOVES[before]}


@pytest.mark.parametrize("version", [0, 2, 7])
def test_who_saw_another_version_loses(desk: Desk, store: IntentStore, version: int) -> None:
    desk.park()
    desk.stand(an_intent("2", State.RUNNING, version=3))
    old = store.load("acme", "int_1")
    for effect in (resuming(version=version), settling(State.REFUSED, version=version), parking("2", version + 5)):
        with pytest.raises(StaleError, match="version"):
            desk.move(effect)
    assert store.load("acme", "int_1") == old


def test_what_is_not_there_cannot_move(desk: Desk) -> None:
    effects = (
        resuming(),
        settling(State.REFUSED),
        finishing(State.COMPLETED),
        parking("1"),
        postpone("acme", "int_1", ready_ns=1),
        collected("acme", "int_1", now_ns=1),
    )
    for effect in effects:
        with pytest.raises(StaleError) as caught:
            desk.move(effect)
        assert caught.value.state is None


def test_rows_that_do_not_belong_together_are_not_parked() -> None:
    wrong: list[dict[str, Any]] = [
        {"task": a_task("2")},
        {"task": a_task(tenant="globex")},
        {"task": a_task(state=TaskState.CLAIMED)},
        {"task": a_task()._replace(version=2)},
        {"payloads": [a_payload("call", "2")]},
        {"payloads": [a_payload("call", tenant="globex")]},
    ]
    for each in wrong:
        with pytest.raises(IllegalMoveError):
            park(an_intent(), **{"task": a_task(), "payloads": [], "announce": False, "join_since_ns": None, **each})
    for row in (an_intent(state=State.RUNNING), an_intent(state=State.REFUSED)):
        with pytest.raises(IllegalMoveError):
            park(row, task=a_task(), payloads=[], announce=False, join_since_ns=None)
    keyed = an_intent(state=State.RUNNING)._replace(idempotency_key="k")
    for row in (keyed._replace(state="parked"), keyed._replace(version=2), keyed._replace(idempotency_key=None)):
        with pytest.raises(IllegalMoveError):
            begin(row)
    for state in (TaskState.OPEN, TaskState.CLAIMED):
        with pytest.raises(IllegalMoveError):
            settling(State.REFUSED, task_state=state)


def test_what_was_parked_is_loaded_whole(desk: Desk, store: IntentStore, database: Database) -> None:
    desk.park(announce=True)
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row, loaded.task, loaded.approvals) == (an_intent(), a_task(), ())
    assert loaded.payloads == {kind: a_payload(kind) for kind in ("call", "draft", "context")}
    assert store.get("acme", "int_1") == an_intent()
    (move,) = TaskStore(database).moves("acme", "tsk_1")
    assert (move.seq, move.move, move.by) == (1, "open", "key_agent")
    assert [each.task_id for each in TaskStore(database).announcements("approvals", 1_000, 10)] == ["tsk_1"]
    assert store.load("acme", "int_2") is None


def test_an_intent_is_held_again_with_another_task(desk: Desk, store: IntentStore) -> None:
    desk.park()
    desk.move(settled_decision())
    desk.move(resuming(version=2, approvals=(an_approval().id,)))
    again = an_intent(version=4)._replace(task_id="tsk_b", holds=2, trace="00-3-3-01", created_ns=7, expires_ns=5)
    later = a_task()._replace(id="tsk_b", hook="answer")
    desk.move(park(again, task=later, payloads=[a_payload("draft", sealed=b"new")], announce=False, join_since_ns=None))
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert loaded.row == again._replace(created_ns=1_000, expires_ns=None)
    assert loaded.task == later
    assert loaded.payloads["draft"].sealed == b"new"
    assert [each.used_ns for each in loaded.approvals] == [4_000]


def settled_decision(ready_ns: int | None = 3_500) -> Effect[None]:
    return decide(
        "acme",
        "tsk_1",
        version=1,
        by=ANN,
        name="Ann",
        now_ns=3_000,
        action=Action.ACCEPT,
        approval=an_approval(),
        revoke=(),
        payloads=(),
        complete=ready_ns is not None,
        ready_ns=ready_ns,
    )


@pytest.mark.parametrize("field", ["used_ns", "revoked_ns", "intent_id", "tenant"])
def test_an_approval_that_does_not_stand_resumes_nothing(desk: Desk, store: IntentStore, database: Database, field: str) -> None:
    desk.park()
    changed: dict[str, Any] = {field: "other" if field in {"tenant", "intent_id"} else 1}
    bad = an_approval(by=BOB)._replace(**changed)
    with database.write() as connection:
        insert_approval(connection, an_approval())
        insert_approval(connection, bad)
    old = store.load("acme", "int_1")
    with pytest.raises(StaleError, match="approval"):
        desk.move(resuming(approvals=(an_approval().id, bad.id)))
    assert store.load("acme", "int_1") == old
    desk.move(resuming(approvals=(an_approval().id,)))
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row.state, loaded.row.trace, loaded.approvals[0].used_ns) == ("running", "00-2-2-01", 4_000)


def test_an_intent_that_ends_keeps_its_answer_alone(desk: Desk, store: IntentStore) -> None:
    desk.park()
    desk.move(resuming())
    desk.move(finishing(State.COMPLETED))
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row.state, loaded.row.http_status, loaded.row.expires_ns, loaded.row.changed_ns) == ("completed", 200, 8_000, 5_000)
    assert list(loaded.payloads) == ["answer"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_key_is_kept_or_free_again(desk: Desk, store: IntentStore, kept: bool) -> None:
    row = an_intent(state=State.RUNNING)._replace(idempotency_key="k", task_id=None)
    desk.move(begin(row))
    assert store.by_key("acme", "key_agent", "k") == row
    desk.move(finishing(State.FAILED, keep_key=kept, answer=None))
    found = store.by_key("acme", "key_agent", "k")
    assert (found is not None) == kept
    second = row._replace(id="int_2")
    if kept:
        with pytest.raises(TakenError) as caught:
            desk.move(begin(second))
        assert caught.value.row == found
    else:
        desk.move(begin(second))
        assert store.by_key("acme", "key_agent", "k") == second


def test_a_key_is_of_one_subject_and_free_when_its_intent_has_expired(desk: Desk, store: IntentStore) -> None:
    row = an_intent(state=State.RUNNING)._replace(idempotency_key="k", task_id=None)
    desk.move(begin(row))
    desk.move(begin(row._replace(id="int_2", subject="other")), begin(row._replace(tenant="globex")))
    desk.move(finishing(State.COMPLETED))
    with pytest.raises(TakenError):
        desk.move(begin(row._replace(id="int_3", created_ns=7_999)))
    desk.move(begin(row._replace(id="int_3", created_ns=8_000)))
    assert [found and found.id for found in (store.by_key("acme", subject, "k") for subject in ("key_agent", "other", "nobody"))] == ["int_3", "int_2", None]


def test_an_idempotent_intent_waits_like_any_other_and_nobody_joins_it(desk: Desk, store: IntentStore) -> None:
    desk.move(begin(an_intent(state=State.RUNNING)._replace(idempotency_key="k", task_id=None)))
    desk.move(parking("1"))
    row = store.by_key("acme", "key_agent", "k")
    assert row is not None
    assert (row.state, row.version, row.idempotency_key) == ("parked", 2, "k")
    assert store.same_call("acme", "key_agent", "call 1", 0) is None


def joining(name: str, since_ns: int | None = 500, **changes: Any) -> Effect[None]:
    row = an_intent(name)._replace(call_sha256="call 1", **changes)
    return park(row, task=a_task(name), payloads=[], announce=False, join_since_ns=since_ns)


def test_the_same_call_joins_what_waits_already(desk: Desk, store: IntentStore) -> None:
    desk.park(since_ns=0)
    with pytest.raises(JoinError) as caught:
        desk.move(joining("2"))
    assert caught.value.intent_id == "int_1"
    assert store.get("acme", "int_2") is None
    desk.move(joining("3", since_ns=1_001))
    desk.move(joining("4", since_ns=None, created_ns=2_000))
    desk.move(joining("5", subject="other"))
    newest = store.same_call("acme", "key_agent", "call 1", 0)
    assert newest is not None
    assert newest.id == "int_4"


@pytest.mark.parametrize("state", [state for state in State if state is not State.RECEIVED])
@pytest.mark.parametrize("fetched", [True, False])
def test_an_outcome_is_joined_until_it_was_fetched(desk: Desk, store: IntentStore, state: State, fetched: bool) -> None:
    desk.stand(an_intent(state=state))
    if state not in FINAL:
        with pytest.raises(StaleError, match="has not ended"):
            desk.move(collected("acme", "int_1", now_ns=6_000))
    elif fetched:
        desk.move(collected("acme", "int_1", now_ns=6_000))
        desk.move(collected("acme", "int_1", now_ns=7_000))
    found = store.same_call("acme", "key_agent", "call 1", 1_000)
    assert (found is None) == ((fetched and state in FINAL) or state is State.CANCELLED)
    assert store.same_call("acme", "key_agent", "call 1", 1_001) is None
    row = store.get("acme", "int_1")
    assert row is not None
    assert row.collected_ns == (6_000 if fetched and state in FINAL else None)


@pytest.mark.parametrize("before", list(TaskState))
@pytest.mark.parametrize("after", [state for state in TaskState if not TASK_MOVES[state]])
def test_an_intent_that_is_settled_takes_its_task_with_it(desk: Desk, store: IntentStore, database: Database, before: TaskState, after: TaskState) -> None:
    desk.stand(an_intent()._replace(ready_ns=3_000), a_task(state=before))
    desk.move(settling(State.CANCELLED, task_state=after))
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert loaded.task is not None
    assert (loaded.row.state, loaded.row.version, loaded.row.ready_ns) == ("cancelled", 2, None)
    assert loaded.task.state == (after if TASK_MOVES[before] else before)
    assert (loaded.task.claimed_by, loaded.task.outcome) == (None, "refuse" if TASK_MOVES[before] else None)
    assert [move.move for move in TaskStore(database).moves("acme", "tsk_1")] == ["refuse"]


def test_nobody_refuses_what_another_person_works_on(desk: Desk, store: IntentStore) -> None:
    desk.stand(an_intent(), a_task(state=TaskState.CLAIMED))
    with pytest.raises(StaleError) as caught:
        desk.move(settling(State.REFUSED, move=a_move(by=BOB)))
    assert (caught.value.state, caught.value.claimed_name) == ("claimed", "Ann")
    desk.move(settling(State.EXPIRED, task_state=TaskState.EXPIRED, move=a_move("expire", by="gateway.expiry")))
    assert store.ended([("acme", "int_1")]) == [("acme", "int_1")]


def test_a_decision_and_a_refusal_of_the_same_moment_are_never_both_heard(desk: Desk, store: IntentStore) -> None:
    desk.park()
    desk.move(settled_decision(ready_ns=None))
    with pytest.raises(StaleError, match="version 2, not 1"):
        desk.move(settling(State.REFUSED))
    desk.move(settling(State.REFUSED, version=2))
    with pytest.raises(StaleError):
        desk.move(settled_decision())
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row.state, loaded.task and loaded.task.state) == ("refused", "decided")


def test_what_is_ready_is_found_oldest_first_and_can_be_put_off(desk: Desk, store: IntentStore) -> None:
    for name, ready_ns in (("1", 300), ("2", 100), ("3", None), ("4", 200), ("5", 999)):
        desk.stand(an_intent(name)._replace(ready_ns=ready_ns))
    assert store.ready(300, 10) == [("acme", "int_2"), ("acme", "int_4"), ("acme", "int_1")]
    assert store.ready(300, 1) == [("acme", "int_2")]
    desk.move(postpone("acme", "int_2", ready_ns=400))
    desk.move(postpone("acme", "int_2", ready_ns=400))
    assert store.ready(300, 10) == [("acme", "int_4"), ("acme", "int_1")]
    with pytest.raises(StaleError, match="waits for a person"):
        desk.move(postpone("acme", "int_3", ready_ns=400))
    desk.move(resuming("4"))
    with pytest.raises(StaleError):
        desk.move(postpone("acme", "int_4", ready_ns=400))
    assert store.ready(400, 10) == [("acme", "int_1"), ("acme", "int_2")]


def test_what_has_ended_or_gone_is_told_for_many_at_once(desk: Desk, store: IntentStore) -> None:
    for state in ROWS:
        desk.stand(an_intent(state.value, state))
        desk.stand(an_intent(state.value, State.PARKED, tenant="globex"))
    places = [(tenant, f"int_{name}") for tenant in ("acme", "globex") for name in [*ROWS, *map(str, range(1_200))]]
    running = {("acme", "int_running"), ("acme", "int_parked"), *(("globex", f"int_{state}") for state in ROWS)}
    assert store.ended(places) == [place for place in places if place not in running]
    assert store.ended([]) == []


def counted(database: Database) -> dict[str, int]:
    with database.read() as connection:
        tables = ("intents", "payloads", "tasks", "task_moves", "approvals", "announcements")
        return {table: int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()) for table in tables}


def test_what_has_expired_goes_with_all_that_hangs_on_it(desk: Desk, store: IntentStore, database: Database) -> None:
    for name in ("1", "2", "3"):
        desk.park(name, announce=True)
        with database.write() as connection:
            insert_approval(connection, an_approval(name))
    desk.park("1", tenant="globex", announce=True)
    whole = counted(database)
    desk.move(settling(State.REFUSED, "1"))
    desk.move(settling(State.REFUSED, "2", expires_ns=9_000))
    assert desk.move(sweep_expired(7_999, 10)) == 0
    assert desk.move(sweep_expired(8_000, 10)) == 1
    assert store.get("acme", "int_1") is None
    left = counted(database)
    assert {name: whole[name] - left[name] for name in whole} == {"intents": 1, "payloads": 5, "tasks": 1, "task_moves": 0, "approvals": 1, "announcements": 2}
    assert desk.move(sweep_expired(10_000, 10)) == 1
    assert desk.move(sweep_expired(10**12, 10)) == 0
    assert counted(database) == {"intents": 2, "payloads": 6, "tasks": 2, "task_moves": 2, "approvals": 1, "announcements": 2}


def test_a_sweep_takes_so_many_at_once_the_longest_expired_first(desk: Desk, store: IntentStore) -> None:
    for number in range(5):
        desk.stand(an_intent(str(number), State.COMPLETED)._replace(expires_ns=5 - number))
    assert desk.move(sweep_expired(5, 2)) == 2
    assert [number for number in range(5) if store.get("acme", f"int_{number}")] == [0, 1, 2]
    assert desk.move(sweep_expired(4, 10)) == 2


def test_payloads_can_expire_before_their_intent(desk: Desk, store: IntentStore) -> None:
    payloads = [a_payload("call", expires_ns=100), a_payload("draft", expires_ns=200), a_payload("context")]
    desk.move(park(an_intent(), task=a_task(), payloads=payloads, announce=False, join_since_ns=None))
    assert desk.move(sweep_expired(100, 10)) == 1
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert sorted(loaded.payloads) == ["context", "draft"]


def test_an_intent_whose_process_died_is_told_of_for_a_while_and_keeps_no_content(desk: Desk, store: IntentStore, database: Database) -> None:
    desk.park()
    desk.move(resuming())
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE intents SET state = 'indeterminate', version = version + 1")
    assert desk.move(sweep_expired(10_000, 10)) == 0
    loaded = store.load("acme", "int_1")
    assert loaded is not None
    assert (loaded.row.expires_ns, loaded.payloads) == (10_000 + ABANDONED_KEEP_NS, {})
    assert desk.move(sweep_expired(10_000 + ABANDONED_KEEP_NS, 10)) == 1
    assert counted(database)["intents"] == counted(database)["tasks"] == 0


def test_no_tenant_sees_or_moves_what_is_anothers(desk: Desk, store: IntentStore) -> None:
    desk.park()
    desk.move(begin(an_intent("2", State.RUNNING)._replace(idempotency_key="k")))
    old = [store.load("acme", "int_1"), store.load("acme", "int_2")]
    assert store.get("globex", "int_1") is None
    assert store.load("globex", "int_1") is None
    assert store.by_key("globex", "key_agent", "k") is None
    assert store.same_call("globex", "key_agent", "call 1", 0) is None
    assert store.ended([("globex", "int_1")]) == [("globex", "int_1")]
    end: dict[str, Any] = {"now_ns": 4_000, "http_status": 403, "answer": None, "expires_ns": 0}
    foreign: list[Effect[None]] = [
        resume("globex", "int_1", version=1, now_ns=1, trace="", approvals=()),
        settle("globex", "int_1", version=1, state=State.REFUSED, task_state=TaskState.DECIDED, move=a_move(), **end),
        finish("globex", "int_2", state=State.COMPLETED, keep_key=True, **end),
        postpone("globex", "int_1", ready_ns=1),
        collected("globex", "int_2", now_ns=1),
    ]
    for effect in foreign:
        with pytest.raises(StaleError) as caught:
            desk.move(effect)
        assert caught.value.state is None
    desk.park(tenant="globex")
    desk.move(settle("globex", "int_1", version=1, state=State.REFUSED, task_state=TaskState.DECIDED, move=a_move(), **end), sweep_expired(0, 10))
    assert store.get("globex", "int_1") is None
    assert [store.load("acme", "int_1"), store.load("acme", "int_2")] == old


def test_one_effect_that_is_refused_undoes_itself_alone(desk: Desk, store: IntentStore) -> None:
    desk.park()
    row: IntentRow | None
    with pytest.raises(StaleError):
        desk.move(resuming(), resuming())
    row = store.get("acme", "int_1")
    assert row is not None
    assert (row.state, row.version) == ("running", 2)
