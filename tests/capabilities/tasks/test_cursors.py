from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capabilities.tasks.cursors import cursor_after, place_of
from gateway.capabilities.tasks.store import new_task_id
from gateway.errors import InvalidRequest
from gateway.infrastructure.database_tasks import Place
from tests.capabilities.waiting_rows import a_task


@given(due_ns=st.integers(0, 2**63 - 1), now_ns=st.integers(0, 2**62))
def test_a_cursor_says_where_a_task_stands(due_ns: int, now_ns: int) -> None:
    row = a_task()._replace(due_ns=due_ns, id=new_task_id(now_ns))
    assert place_of(cursor_after(row)) == Place(due_ns, row.id)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "=",
        "!!!!",
        "a",
        "é",
        "\ud800",
        "\x00",
        "A" * 10_000,
        encoded("1:"),
        encoded(":tsk_1"),
        encoded("-1:tsk_1"),
        encoded("01:tsk_1"),
        encoded("1:tsk_1\n"),
        encoded("1:' OR 1=1 --"),
        encoded("1:tsk_é"),
        encoded(f"{2**63}:tsk_1"),
        encoded("1e3:tsk_1"),
        encoded("\u0661:tsk_1"),
        encoded("1:" + "x" * 65),
        encoded("1:tsk_1") + "=",
        encoded("1:tsk_1")[:-1] + "R",
        encoded("1:tsk_1") + "\n",
        base64.b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        place_of(cursor)
    assert (caught.value.http_status, caught.value.param) == (400, "cursor")
    assert not cursor or len(cursor) < 4 or cursor not in caught.value.message


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()) | st.text(alphabet="0123456789:tsk_").map(encoded))
def test_whatever_comes_is_a_place_or_refused(cursor: str) -> None:
    try:
        place = place_of(cursor)
    except InvalidRequest:
        return
    assert 0 <= place.due_ns < 2**63
    assert 0 < len(place.task_id) <= 64
