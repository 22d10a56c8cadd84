"""New tasks are told to the servers of their queues: signed, once, and whatever a server does, nothing else waits for it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.capabilities.records.signing import SigningKey
from gateway.capabilities.records.writer import RecordWriter
from gateway.capabilities.tasks.announcing import FIRST_RETRY_S, MAX_ATTEMPTS, MAX_RETRY_S, Announcer, retry_after_s, sign
from gateway.capabilities.tasks.facts import task_facts
from gateway.capabilities.tasks.store import TaskStore
from gateway.errors import RecordUnavailable
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_ledger import LedgerTransaction
from gateway.infrastructure.database_tasks import AnnouncementRow, TaskMove, TaskRow, announce, insert_task, record_move
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.webhook_client import POST_S, WebhookClient
from gateway.settings import Queue, Secret, Webhook
from tests.infrastructure.webhook_server import Message, WebhookServer, dead_url, webhook_server

SECRET = Secret(bytes(range(32)), "env:HOOK")
START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z."""
DAY_NS = 86_400_000_000_000


def queue(name: str, url: str | None) -> Queue:
    webhook = None if url is None else Webhook(url=url, secret=SECRET)
    return Queue(name=name, description="", due_s=60, expires_s=3_600, claim_s=60, on_expiry="refuse", teams=frozenset(), webhook=webhook)


def task(number: int, name: str = "reviews", **fields: Any) -> TaskRow:
    row = TaskRow(
        tenant="acme",
        id=f"tsk_{number}",
        intent_id=f"int_{number}",
        queue=name,
        mode="review",
        hook="answer",
        state="open",
        version=1,
        route="triage",
        requester="key_1",
        requester_name="Ada",
        created_ns=START_NS,
        due_ns=START_NS + 60_000_000_000,
        expires_ns=START_NS + DAY_NS,
        on_expiry="refuse",
        min_approvers=1,
        distinct_from="[]",
        claimed_by=None,
        claimed_name=None,
        claimed_until_ns=None,
        reasons="[]",
        signals="{}",
        confidence=0.25,
        policy_revision="0" * 64,
        scope_sha256="1" * 64,
        hold_sha256="2" * 64,
        outcome=None,
        moved=0,
    )
    return row._replace(**fields)


@dataclass(kw_only=True)
class Office:
    """A process of a gateway, as far as it announces. Its clock goes only as it is told."""

    database: Database
    writer: RecordWriter
    store: TaskStore
    metrics: Metrics
    now_ns: int = START_NS

    def announcer(self, *queues: Queue, post_s: float = POST_S) -> Announcer:
        by_name = {queue.name: queue for queue in queues}
        return Announcer(self.store, self.writer.move, by_name, WebhookClient(post_s=post_s), self.metrics, lambda: self.now_ns)

    async def add(self, *tasks: TaskRow, attempts: int = 0) -> None:
        """Tasks that have to be announced now."""

        def effect(ledger: LedgerTransaction) -> None:
            for row in tasks:
                insert_task(ledger.connection, row)
                announce(ledger.connection, AnnouncementRow(row.tenant, row.id, row.queue, self.now_ns, attempts))

        await self.writer.move(effect)

    async def note(self, *moves: TaskMove) -> None:
        """What happened to tasks."""

        def effect(ledger: LedgerTransaction) -> None:
            for move in moves:
                record_move(ledger.connection, move)

        await self.writer.move(effect)

    async def left(self, name: str = "reviews") -> list[AnnouncementRow]:
        """What has still to be told, whenever it is due."""
        return await asyncio.to_thread(self.store.announcements, name, self.now_ns + 365 * DAY_NS, 10_000)


@asynccontextmanager
async def office(address: Path | Secret, folder: Path) -> AsyncIterator[Office]:
    database = Database(address, durability="process")
    database.prepare()
    writer = RecordWriter(database, heads=folder / "heads", key=SigningKey(bytes(range(32))))
    await writer.start()
    try:
        yield Office(database=database, writer=writer, store=TaskStore(database), metrics=Metrics())
    finally:
        await writer.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path / "gateway.db", tmp_path) as made:
        yield made


@pytest.fixture
async def hooks() -> AsyncIterator[WebhookServer]:
    async with webhook_server() as server:
        yield server


def signature_of(message: Message) -> str:
    """Computed from the text of RFC 2104 and Standard Webhooks alone: H(K xor opad, H(K xor ipad, text))."""
    key = SECRET.reveal().ljust(64, b"\0")
    text = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + text).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    return f"v1,{base64.b64encode(outer).decode()}"


async def test_a_task_is_told_once_signed_and_without_its_content(desk: Office, hooks: WebhookServer) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url))
    await desk.add(task(1))
    assert await announcer.step("reviews") is True
    assert await announcer.step("reviews") is None
    await announcer.close()
    (message,) = hooks.messages
    assert message.headers["webhook-signature"] == signature_of(message)
    assert (message.headers["webhook-id"], message.headers["webhook-timestamp"]) == ("msg_tsk_1_0", str(START_NS // 10**9))
    told = json.loads(message.body)
    assert (told["type"], told["timestamp"]) == ("task.opened", "2026-01-01T00:00:00Z")
    assert told["data"] == json.loads(json.dumps(task_facts(task(1), START_NS)))
    assert (told["data"]["id"], told["data"]["queue"], told["data"]["requester"]) == ("tsk_1", "reviews", {"id": "key_1", "name": "Ada"})
    assert await desk.left() == []


def test_the_signature_is_that_of_the_published_example() -> None:
    """Standard Webhooks, "Signature scheme": the example of the reference libraries."""
    webhook = Webhook(url="https://hooks.example.com", secret=Secret(base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "env:HOOK"))
    assert sign(webhook, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}') == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (500, "rejected"),
        (302, "rejected"),
        (429, "rejected"),
        ("hang", "timeout"),
        ("drip", "timeout"),
        ("cut", "unreachable"),
        ("endless head", "unreachable"),
    ],
)
async def test_what_a_server_does_not_take_is_sent_again_later_under_the_same_id(desk: Office, hooks: WebhookServer, behaviour: int | str, reason: str) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url), post_s=0.5)
    hooks.behave = [behaviour]
    await desk.add(task(1))
    assert await announcer.step("reviews") is False
    (row,) = await desk.left()
    assert (row.attempts, FIRST_RETRY_S * 0.75 <= (row.due_ns - START_NS) / 1e9 <= FIRST_RETRY_S * 1.25) == (1, True)
    assert f'announcements_failed_total{{queue="reviews",reason="{reason}"}} 1.0' in desk.metrics.render()[0].decode()
    assert await announcer.step("reviews") is None  # not before it is due
    desk.now_ns = row.due_ns
    assert await announcer.step("reviews") is True
    await announcer.close()
    first, again = hooks.messages
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert again.headers["webhook-timestamp"] == str(row.due_ns // 10**9)
    assert again.headers["webhook-signature"] == signature_of(again)
    assert await desk.left() == []


async def test_an_endless_answer_of_200_has_taken_it(desk: Office, hooks: WebhookServer) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url))
    hooks.behave = ["endless body"]
    await desk.add(task(1))
    assert await announcer.step("reviews") is True
    await announcer.close()
    assert await desk.left() == []


async def test_after_a_day_of_trying_it_is_given_up_with_a_line_in_the_log(desk: Office) -> None:
    announcer = desk.announcer(queue("reviews", dead_url()))
    await desk.add(task(1))
    with capture_logs() as lines:
        while rows := await desk.left():
            desk.now_ns = rows[0].due_ns
            await announcer.step("reviews")
    await announcer.close()
    (given_up,) = [line for line in lines if line["event"] == "announcement.given_up"]
    assert (given_up["task"], given_up["queue"], given_up["attempts"]) == ("tsk_1", "reviews", MAX_ATTEMPTS)
    assert 0.75 * DAY_NS < desk.now_ns - START_NS < 1.25 * DAY_NS
    assert "127.0.0.1" not in str(lines)


@pytest.mark.parametrize("changed", [{"state": "decided"}, {"state": "expired"}, {"state": "cancelled"}, {"queue": "elsewhere"}])
async def test_what_is_decided_or_elsewhere_by_now_is_not_told(desk: Office, hooks: WebhookServer, changed: dict[str, str]) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url))

    def effect(ledger: LedgerTransaction) -> None:
        insert_task(ledger.connection, task(1, **changed))
        announce(ledger.connection, AnnouncementRow("acme", "tsk_1", "reviews", START_NS, 0))
        announce(ledger.connection, AnnouncementRow("acme", "tsk_gone", "reviews", START_NS, 0))

    await desk.writer.move(effect)
    assert await announcer.step("reviews") is True
    await announcer.close()
    assert (hooks.messages, await desk.left()) == ([], [])


async def test_a_task_that_came_by_another_queue_has_a_message_of_its_own(desk: Office, hooks: WebhookServer) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url))
    await desk.add(task(1, moved=1))
    moved = TaskMove("acme", "tsk_1", 1, START_NS + 60 * 10**9, "moved", "gateway.expiry", "", "{}")
    claimed = TaskMove("acme", "tsk_1", 2, START_NS + 90 * 10**9, "claimed", "key_2", "Bob", "{}")
    await desk.note(moved, claimed)
    await announcer.step("reviews")
    await announcer.close()
    (message,) = hooks.messages
    assert message.headers["webhook-id"] == "msg_tsk_1_1"
    assert json.loads(message.body)["timestamp"] == "2026-01-01T00:01:00Z"  # when it came into this queue


async def test_two_processes_send_each_announcement_once(address: Path | Secret, tmp_path: Path, hooks: WebhookServer) -> None:
    async with office(address, tmp_path / "a") as one, office(address, tmp_path / "b") as other:
        await one.add(*(task(number) for number in range(40)))
        announcers = [each.announcer(queue("reviews", hooks.url)) for each in (one, other)]
        while await asyncio.gather(*(announcer.step("reviews") for announcer in announcers)) != [None, None]:
            pass
        for announcer in announcers:
            await announcer.close()
        assert await one.left() == []
    assert sorted(message.headers["webhook-id"] for message in hooks.messages) == sorted(f"msg_tsk_{number}_0" for number in range(40))


async def test_who_has_read_the_same_row_but_comes_second_does_not_send(desk: Office, hooks: WebhookServer) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url))
    await desk.add(task(1))
    (row,) = await desk.left()
    hooks.behave = [500]
    assert await announcer._announce(row) is False
    assert await announcer._announce(row) is True  # as it was read before the first one took it
    await announcer.close()
    assert len(hooks.messages) == 1


async def test_a_server_that_hangs_is_in_no_other_queue_s_way(desk: Office, hooks: WebhookServer) -> None:
    async with webhook_server() as stuck:
        stuck.always = "hang"
        announcer = desk.announcer(queue("approvals", stuck.url), queue("reviews", hooks.url), queue("silent", None))
        await desk.add(*(task(number, "approvals") for number in range(300)))
        await desk.add(task(300), task(301, "silent"))
        announcer.start()
        await asyncio.wait_for(hooks.arrived.wait(), 20)
        await asyncio.wait_for(stuck.arrived.wait(), 20)
        await announcer.close()  # while it hangs
        assert [message.headers["webhook-id"] for message in hooks.messages] == ["msg_tsk_300_0"]
        assert len(stuck.messages) <= 4
        assert len(await desk.left("approvals")) == 300


async def test_one_message_that_is_never_taken_does_not_hold_up_the_others(desk: Office, hooks: WebhookServer) -> None:
    hooks.behave = [500]
    announcer = desk.announcer(queue("reviews", hooks.url))
    await desk.add(*(task(number) for number in range(12)))
    while await announcer.step("reviews"):
        pass
    await announcer.close()
    assert (len(hooks.messages), len(await desk.left())) == (12, 1)


async def test_it_goes_on_after_the_database_has_failed(desk: Office, hooks: WebhookServer) -> None:
    announcer = desk.announcer(queue("reviews", hooks.url))
    await desk.add(task(1))
    calls = list[int]()

    def failing(effect: Callable[[LedgerTransaction], Any]) -> asyncio.Future[Any]:
        calls.append(1)
        if len(calls) == 1:
            raise RecordUnavailable("the record cannot be written")
        return desk.writer.move(effect)

    announcer._move = failing
    announcer.start()
    await asyncio.wait_for(hooks.arrived.wait(), 20)
    await announcer.close()
    assert len(hooks.messages) == 1


async def test_without_webhooks_nothing_is_started(desk: Office) -> None:
    announcer = desk.announcer(queue("reviews", None))
    announcer.start()
    assert announcer._lanes == []
    await announcer.close()


@given(st.integers(1, 10_000), st.floats(0.75, 1.25))
def test_waits_double_up_to_an_hour_and_are_longer_than_a_try(attempts: int, drawn: float) -> None:
    wait = retry_after_s(attempts, lambda low, high: min(max(drawn, low), high))
    assert POST_S < FIRST_RETRY_S * 0.75 <= wait <= MAX_RETRY_S * 1.25
    assert wait == min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** (min(attempts, 100) - 1)) * drawn


def test_the_tries_take_about_a_day() -> None:
    waits = sum(retry_after_s(attempt, lambda low, high: (low + high) / 2) for attempt in range(1, MAX_ATTEMPTS))
    assert 23 * 3_600 < waits < 25 * 3_600
