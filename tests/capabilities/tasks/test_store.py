"""How tasks are listed and move, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.capabilities.intents import IllegalMoveError, IntentStore, StaleError, settle
from gateway.capabilities.tasks.store import (
    TaskStore,
    announce_later,
    announced,
    claim,
    decide,
    lapse,
    move_queue,
    new_approval_id,
    new_task_id,
    release,
    withdraw,
)
from gateway.domain import State
from gateway.domain_tasks import TASK_MOVES, Action, TaskState
from gateway.errors import InvalidRequest
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import Effect
from gateway.infrastructure.database_tasks import AnnouncementRow, TaskRow, insert_approval, insert_task
from gateway.settings import Secret
from tests.capabilities.waiting_rows import ANN, BOB, Desk, a_move, a_payload, a_task, an_approval, an_intent

WAITING = [state for state in TaskState if TASK_MOVES[state]]


@pytest.fixture
def database(address: Path | Secret) -> Database:
    database = Database(address, durability="process")
    database.prepare()
    return database


@pytest.fixture
def store(database: Database) -> TaskStore:
    return TaskStore(database)


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    desk = Desk(database)
    yield desk
    desk.close()


def claiming(name: str = "1", by: str = ANN, now_ns: int = 2_000, until_ns: int = 3_000) -> Effect[TaskRow]:
    return claim("acme", f"tsk_{name}", by=by, name=by.removeprefix("key_").title(), now_ns=now_ns, until_ns=until_ns)


def releasing(name: str = "1", by: str = ANN) -> Effect[TaskRow]:
    return release("acme", f"tsk_{name}", by=by, name="Ann", now_ns=2_000)


def deciding(name: str = "1", *, version: int = 1, by: str = ANN, complete: bool = True, **changes: Any) -> Effect[None]:
    fixed: dict[str, Any] = {"name": by, "now_ns": 3_000, "action": Action.ACCEPT, "approval": an_approval(name, by), "revoke": (), "payloads": ()}
    return decide("acme", f"tsk_{name}", version=version, by=by, complete=complete, ready_ns=3_500 if complete else None, **{**fixed, **changes})


def withdrawing(name: str = "1", *, version: int = 1, by: str = ANN, approval_id: str | None = None) -> Effect[None]:
    return withdraw("acme", f"tsk_{name}", version=version, approval_id=approval_id or an_approval(name, by).id, by=by, name="Ann", now_ns=3_000)


def moving(name: str = "1", *, version: int = 1, announce: bool = False) -> Effect[None]:
    fixed: dict[str, Any] = {"due_ns": 5_000, "expires_ns": 19_000, "on_expiry": "release", "now_ns": 9_000}
    return move_queue("acme", f"tsk_{name}", version=version, queue="leads", announce=announce, **fixed)


def lapsing(name: str = "1", *, version: int = 1) -> Effect[None]:
    return lapse("acme", f"tsk_{name}", version=version, now_ns=9_000, approval=an_approval(name, "gateway.expiry"), ready_ns=9_000)


def settling_as(state: TaskState) -> Callable[[str], Effect[None]]:
    fixed: dict[str, Any] = {"now_ns": 4_000, "http_status": 403, "answer": None, "expires_ns": 9_000}
    return lambda name: settle("acme", f"int_{name}", version=1, state=State.REFUSED, task_state=state, move=a_move(task=name), **fixed)


MAKING: list[tuple[TaskState, Callable[[str], Effect[Any]]]] = [
    (TaskState.CLAIMED, claiming),
    (TaskState.OPEN, releasing),
    (TaskState.DECIDED, deciding),
    (TaskState.OPEN, lambda name: deciding(name, complete=False)),
    (TaskState.OPEN, moving),
    (TaskState.EXPIRED, lapsing),
    *((state, settling_as(state)) for state in TaskState if not TASK_MOVES[state]),
]


def test_every_legal_move_can_be_made_and_no_other(desk: Desk, store: TaskStore) -> None:
    made = set[tuple[TaskState, TaskState]]()
    for number, ((after, making), before) in enumerate(product(MAKING, TaskState)):
        name = str(number)
        desk.stand(an_intent(name), a_task(name, before))
        old = store.get("acme", f"tsk_{name}")
        stuck = after not in TASK_MOVES[before] or (making is releasing and before is TaskState.OPEN)
        if stuck:
            # What settles an intent ends it though its task has ended before; every other move needs a task that waits.
            settles = making not in {claiming, releasing, deciding, moving, lapsing} and after is not TaskState.OPEN
            if not settles:
                with pytest.raises(StaleError) as caught:
                    desk.move(making(name))
                assert caught.value.state == before
            assert store.get("acme", f"tsk_{name}") == old
            continue
        desk.move(making(name))
        now = store.get("acme", f"tsk_{name}")
        assert now is not None
        assert (now.state, now.version, len(store.moves("acme", f"tsk_{name}"))) == (after, 2, 1)
        made.add((before, after))
    assert made == {(before, after) for before in TaskState for after in TASK_MOVES[before]}


@pytest.mark.parametrize("before", list(TaskState))
def test_an_approval_is_taken_back_only_while_its_task_waits(desk: Desk, store: TaskStore, database: Database, before: TaskState) -> None:
    desk.stand(an_intent(), a_task(state=before))
    with database.write() as connection:
        insert_approval(connection, an_approval())
        insert_approval(connection, an_approval(by=BOB))
    for foreign in (withdrawing(approval_id=an_approval(by=BOB).id), withdrawing(approval_id="apr_none"), withdrawing(version=2)):
        with pytest.raises(StaleError):
            desk.move(foreign)
    if before in WAITING:
        desk.move(withdrawing())
        with pytest.raises(StaleError):
            desk.move(withdrawing(version=2))
    else:
        with pytest.raises(StaleError):
            desk.move(withdrawing())
    row = store.get("acme", "tsk_1")
    assert row is not None
    assert (row.state, row.version, row.claimed_by) == (before, 2 if before in WAITING else 1, ANN if before is TaskState.CLAIMED else None)
    assert {each.by: each.revoked_ns for each in store.approvals("acme", "tsk_1")} == {ANN: 3_000 if before in WAITING else None, BOB: None}


@pytest.mark.parametrize("making", [deciding, withdrawing, moving, lapsing])
@pytest.mark.parametrize("version", [0, 2])
def test_who_saw_another_version_loses(desk: Desk, store: TaskStore, database: Database, making: Any, version: int) -> None:
    desk.stand(an_intent(), a_task())
    if making is withdrawing:
        with database.write() as connection:
            insert_approval(connection, an_approval())
    old = IntentStore(database).load("acme", "int_1")
    with pytest.raises(StaleError, match="version 1, not"):
        desk.move(making(version=version))
    assert IntentStore(database).load("acme", "int_1") == old
    assert store.moves("acme", "tsk_1") == []


@pytest.mark.parametrize("making", [claiming, releasing, deciding, withdrawing, moving, lapsing])
def test_what_is_not_there_cannot_move(desk: Desk, making: Any) -> None:
    with pytest.raises(StaleError) as caught:
        desk.move(making())
    assert caught.value.state is None


@pytest.mark.parametrize("making", [deciding, withdrawing, moving, lapsing])
@pytest.mark.parametrize("row", [an_intent(state=State.RUNNING), an_intent(state=State.CANCELLED), an_intent()._replace(task_id="tsk_later")])
def test_nothing_is_decided_about_an_intent_that_waits_no_longer_for_this_task(desk: Desk, making: Any, row: Any) -> None:
    desk.stand(row, a_task())
    with pytest.raises(StaleError, match="waits for it no longer"):
        desk.move(making())


def test_a_claim_is_one_persons_until_it_lapses(desk: Desk, store: TaskStore) -> None:
    desk.park()
    first = desk.move(claiming())
    assert (first.state, first.claimed_by, first.claimed_name, first.claimed_until_ns, first.version) == ("claimed", ANN, "Ann", 3_000, 2)
    for effect in (claiming(by=BOB), releasing(by=BOB), deciding(version=2, by=BOB, now_ns=2_999)):
        with pytest.raises(StaleError) as caught:
            desk.move(effect)
        assert (caught.value.state, caught.value.claimed_name) == ("claimed", "Ann")
    assert desk.move(claiming(now_ns=2_500, until_ns=4_000)).claimed_until_ns == 4_000
    assert desk.move(claiming(by=BOB, now_ns=4_000, until_ns=5_000)).claimed_by == BOB
    with pytest.raises(StaleError):
        desk.move(releasing())
    given_back = desk.move(releasing(by=BOB))
    assert (given_back.state, given_back.claimed_by, given_back.claimed_until_ns) == ("open", None, None)
    assert store.get("acme", "tsk_1") == given_back
    assert [move.move for move in store.moves("acme", "tsk_1")] == ["open", "claim", "claim", "claim", "release"]
    assert [move.seq for move in store.moves("acme", "tsk_1")] == [1, 2, 3, 4, 5]


def test_a_claim_that_has_lapsed_keeps_nobody_from_deciding(desk: Desk, store: TaskStore) -> None:
    desk.park()
    desk.move(claiming())
    desk.move(deciding(version=2, by=BOB, now_ns=3_000))
    row = store.get("acme", "tsk_1")
    assert row is not None
    assert (row.state, row.outcome, row.claimed_by) == ("decided", "accept", None)


def test_several_approvals_complete_a_decision_and_the_intent_is_ready(desk: Desk, store: TaskStore, database: Database) -> None:
    desk.park(announce=True)
    intents = IntentStore(database)
    desk.move(claiming())
    desk.move(deciding(version=2, complete=False, payloads=[a_payload("draft", sealed=b"edited")]))
    loaded = intents.load("acme", "int_1")
    assert loaded is not None
    assert loaded.task is not None
    assert (loaded.task.state, loaded.task.outcome, loaded.task.claimed_by, loaded.row.ready_ns, loaded.row.version) == ("open", None, None, None, 2)
    assert loaded.payloads["draft"].sealed == b"edited"
    assert store.announcements("approvals", 10_000, 10) != []
    desk.move(deciding(version=3, by=BOB, revoke=[an_approval().id]))
    loaded = intents.load("acme", "int_1")
    assert loaded is not None
    assert loaded.task is not None
    assert (loaded.task.state, loaded.row.state, loaded.row.ready_ns, loaded.row.version) == ("decided", "parked", 3_500, 3)
    assert {each.by: each.revoked_ns for each in loaded.approvals} == {ANN: 3_000, BOB: None}
    assert intents.ready(3_500, 10) == [("acme", "int_1")]
    assert store.announcements("approvals", 10_000, 10) == []
    facts = [orjson.loads(move.facts) for move in store.moves("acme", "tsk_1")][-1]
    assert facts == {"action": "accept", "approval": an_approval(by=BOB).id, "revoked": [an_approval().id], "complete": True}


def test_a_decision_that_does_not_fit_is_a_defect_of_who_made_it(desk: Desk, database: Database) -> None:
    desk.park()
    for wrong in ({"approval": an_approval("2")}, {"approval": an_approval(tenant="globex")}, {"complete": False, "ready_ns": 1}, {"ready_ns": None}):
        changes: dict[str, Any] = {"version": 1, "by": ANN, "name": "", "now_ns": 1, "action": Action.ACCEPT, "approval": None, "revoke": (), "payloads": ()}
        changes |= {"complete": True, "ready_ns": 1, **wrong}
        with pytest.raises(IllegalMoveError):
            decide("acme", "tsk_1", **changes)
    with pytest.raises(IllegalMoveError):
        lapse("acme", "tsk_1", version=1, now_ns=1, approval=an_approval("2"), ready_ns=1)
    old = IntentStore(database).load("acme", "int_1")
    for effect in (deciding(action=Action.EDIT), deciding(payloads=[a_payload("draft", "2")]), deciding(payloads=[a_payload("draft", tenant="globex")])):
        with pytest.raises(IllegalMoveError):
            desk.move(effect)
    assert IntentStore(database).load("acme", "int_1") == old


def test_a_task_that_moves_to_another_queue_has_the_times_of_that_one_and_is_told_there(desk: Desk, store: TaskStore) -> None:
    desk.park(announce=True)
    desk.move(claiming())
    desk.move(moving(version=2, announce=True))
    row = store.get("acme", "tsk_1")
    assert row is not None
    assert row == a_task()._replace(queue="leads", due_ns=5_000, expires_ns=19_000, on_expiry="release", version=3, moved=1)
    assert store.announcements("approvals", 10_000, 10) == []
    assert store.announcements("leads", 10_000, 10) == [AnnouncementRow("acme", "tsk_1", "leads", 9_000, 0)]
    assert orjson.loads(store.moves("acme", "tsk_1")[-1].facts) == {"from": "approvals", "to": "leads"}
    desk.move(moving(version=3))
    assert store.announcements("leads", 10_000, 10) == []


def test_an_expiry_that_releases_lets_the_intent_go_on_with_an_approval_in_nobodys_name(desk: Desk, store: TaskStore, database: Database) -> None:
    desk.park()
    assert store.lapsed(8_999, 10) == []
    assert [row.id for row in store.lapsed(9_000, 10)] == ["tsk_1"]
    desk.move(lapsing())
    loaded = IntentStore(database).load("acme", "int_1")
    assert loaded is not None
    assert loaded.task is not None
    assert (loaded.task.state, loaded.task.outcome, loaded.row.ready_ns) == ("expired", "release", 9_000)
    assert [each.by for each in loaded.approvals] == ["gateway.expiry"]
    assert store.lapsed(9_000, 10) == []


def test_one_process_at_a_time_announces(desk: Desk, store: TaskStore) -> None:
    desk.park(announce=True)
    desk.move(announce_later("acme", "tsk_1", "approvals", attempts=1, due_ns=5_000, seen_attempts=0))
    with pytest.raises(StaleError):
        desk.move(announce_later("acme", "tsk_1", "approvals", attempts=1, due_ns=5_000, seen_attempts=0))
    assert store.announcements("approvals", 4_999, 10) == []
    assert store.announcements("approvals", 5_000, 10) == [AnnouncementRow("acme", "tsk_1", "approvals", 5_000, 1)]
    desk.move(announced("acme", "tsk_1", "leads"))
    desk.move(announced("globex", "tsk_1", "approvals"))
    assert len(store.announcements("approvals", 5_000, 10)) == 1
    desk.move(announced("acme", "tsk_1", "approvals"))
    assert store.announcements("approvals", 5_000, 10) == []
    with pytest.raises(StaleError):
        desk.move(announce_later("acme", "tsk_1", "approvals", attempts=2, due_ns=5_000, seen_attempts=1))


def fill(database: Database, rows: list[TaskRow]) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM tasks")
        for row in rows:
            insert_task(connection, row)


def walk(store: TaskStore, limit: int, **filters: Any) -> list[str]:
    found, cursor = list[str](), None
    while True:
        page = store.page("acme", **{"states": WAITING, "queues": None, "due_before_ns": None, **filters}, cursor=cursor, limit=limit)
        assert len(page.items) == limit or page.cursor is None
        found += [row.id for row in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


ROWS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(list(TaskState)), st.sampled_from(["a", "b", "c"])), max_size=25)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=ROWS,
    limit=st.integers(1, 7),
    states=st.sets(st.sampled_from(list(TaskState))),
    queues=st.none() | st.sets(st.sampled_from("abc")),
    before=st.none() | st.integers(0, 6),
)
def test_pages_together_are_the_whole_list_in_order(
    database: Database,
    store: TaskStore,
    *,
    made: list[tuple[int, TaskState, str]],
    limit: int,
    states: set[TaskState],
    queues: set[str] | None,
    before: int | None,
) -> None:
    rows = [a_task(f"{number:02}", state)._replace(due_ns=due, queue=queue) for number, (due, state, queue) in enumerate(made)]
    fill(database, [*rows, *(row._replace(tenant="globex") for row in rows)])
    wanted = [row for row in rows if row.state in states and (queues is None or row.queue in queues) and (before is None or row.due_ns < before)]
    assert walk(store, limit, states=states, queues=queues, due_before_ns=before) == [row.id for row in sorted(wanted, key=lambda row: (row.due_ns, row.id))]


def test_a_page_goes_on_where_the_last_ended_whatever_came_and_went_meanwhile(database: Database, store: TaskStore) -> None:
    rows = [a_task(f"{number}")._replace(due_ns=number * 10) for number in range(1, 7)]
    fill(database, rows)
    first = store.page("acme", states=WAITING, queues=None, due_before_ns=None, cursor=None, limit=3)
    assert [row.due_ns for row in first.items] == [10, 20, 30]
    fill(database, [a_task("early")._replace(due_ns=5), *rows[3:], a_task("late")._replace(due_ns=45)])
    second = store.page("acme", states=WAITING, queues=None, due_before_ns=None, cursor=first.cursor, limit=3)
    assert [row.due_ns for row in second.items] == [40, 45, 50]


def test_another_tenants_cursor_is_only_a_place(database: Database, store: TaskStore) -> None:
    fill(database, [a_task(str(number), tenant=tenant)._replace(due_ns=number) for number in range(6) for tenant in ("acme", "globex")])
    theirs = store.page("globex", states=WAITING, queues=None, due_before_ns=None, cursor=None, limit=3).cursor
    found = store.page("acme", states=WAITING, queues=None, due_before_ns=None, cursor=theirs, limit=10)
    assert {row.tenant for row in found.items} == {"acme"}
    assert [row.due_ns for row in found.items] == [3, 4, 5]


def test_a_wrong_cursor_is_said_to_be_one(store: TaskStore) -> None:
    with pytest.raises(InvalidRequest) as caught:
        store.page("acme", states=WAITING, queues=None, due_before_ns=None, cursor="' OR 1=1", limit=3)
    assert (caught.value.http_status, caught.value.param) == (400, "cursor")
    assert "OR" not in caught.value.message


def test_no_tenant_sees_or_moves_what_is_anothers(desk: Desk, store: TaskStore, database: Database) -> None:
    desk.park(announce=True)
    with database.write() as connection:
        insert_approval(connection, an_approval())
    old = IntentStore(database).load("acme", "int_1")
    assert store.get("globex", "tsk_1") is None
    assert (store.moves("globex", "tsk_1"), store.approvals("globex", "tsk_1"), store.context("globex", "int_1")) == ([], [], None)
    assert store.page("globex", states=list(TaskState), queues=["approvals"], due_before_ns=None, cursor=None, limit=10).items == []
    foreign: list[Effect[Any]] = [
        claim("globex", "tsk_1", by=ANN, name="Ann", now_ns=1, until_ns=2),
        release("globex", "tsk_1", by=ANN, name="Ann", now_ns=1),
        withdraw("globex", "tsk_1", version=1, approval_id=an_approval().id, by=ANN, name="Ann", now_ns=1),
        move_queue("globex", "tsk_1", version=1, queue="b", due_ns=1, expires_ns=1, on_expiry="refuse", now_ns=1, announce=True),
        lapse("globex", "tsk_1", version=1, now_ns=1, approval=an_approval(tenant="globex"), ready_ns=1),
        announce_later("globex", "tsk_1", "approvals", attempts=1, due_ns=1, seen_attempts=0),
    ]
    for effect in foreign:
        with pytest.raises(StaleError) as caught:
            desk.move(effect)
        assert caught.value.state is None
    desk.park(tenant="globex")
    desk.move(withdrawn_elsewhere())
    assert IntentStore(database).load("acme", "int_1") == old


def withdrawn_elsewhere() -> Effect[None]:
    """A decision of the other tenant about its own task of the same name, which names this one's approval."""
    fixed: dict[str, Any] = {"by": ANN, "name": "Ann", "now_ns": 1, "action": Action.ACCEPT, "approval": None, "payloads": (), "complete": True, "ready_ns": 1}
    return decide("globex", "tsk_1", version=1, revoke=[an_approval().id], **fixed)


def test_a_persons_view_and_the_approvals_of_a_task_are_found(desk: Desk, store: TaskStore, database: Database) -> None:
    desk.park()
    with database.write() as connection:
        insert_approval(connection, an_approval(by=BOB)._replace(at_ns=4_000))
        insert_approval(connection, an_approval())
        insert_approval(connection, an_approval()._replace(id="apr_earlier", task_id="tsk_0"))
    assert store.context("acme", "int_1") == a_payload("context")
    assert [each.by for each in store.approvals("acme", "tsk_1")] == [ANN, BOB]


def test_ids_sort_by_time_and_are_never_the_same() -> None:
    for making, prefix in ((new_task_id, "tsk_"), (new_approval_id, "apr_")):
        found = [making(now_ns) for now_ns in (1_000_000, 2_000_000, 3_000_000_000_000_000_000)]
        assert found == sorted(found)
        assert all(each.startswith(prefix) and len(each) == 32 for each in found)
        assert making(1) != making(1)
