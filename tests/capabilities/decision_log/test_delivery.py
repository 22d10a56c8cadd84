"""To a file that is rotated and to a server that is full: nothing is lost, and what is not taken is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.capabilities.decision_log.delivery import FileDelivery, ServerDelivery
from gateway.infrastructure.log_client import LogClient, LogClientError
from tests.capabilities.decision_log.log_server import LogServer


def some(count: int) -> list[dict[str, Any]]:
    return [{"decision_id": str(number), "input": {"text": "é\n"}, "result": {}} for number in range(count)]


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_file_has_a_line_for_each_event_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "decisions.jsonl"
    delivery = FileDelivery(path)
    assert await delivery.deliver(some(2)) == 0
    assert await delivery.deliver(some(1)) == 0
    await delivery.close()
    assert lines(path) == [*some(2), *some(1)]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_was_rotated_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    delivery = FileDelivery(path)
    await delivery.deliver(some(1))
    path.rename(tmp_path / "decisions.jsonl.1")
    await delivery.deliver(some(2))
    assert (lines(tmp_path / "decisions.jsonl.1"), lines(path)) == (some(1), some(2))


async def test_a_line_that_was_cut_stays_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b'{"decision_id": "1"}\n{"decisi')
    await FileDelivery(path).deliver(some(1))
    assert path.read_text().splitlines()[1] == '{"decisi'
    assert json.loads(path.read_text().splitlines()[2]) == some(1)[0]


async def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        await FileDelivery(tmp_path / "file" / "decisions.jsonl").deliver(some(1))


async def test_what_is_too_large_for_the_server_is_sent_in_halves(receiver: LogServer) -> None:
    receiver.max_events = 3
    delivery = ServerDelivery(LogClient(receiver.url))
    assert await delivery.deliver(some(10)) == 0
    await delivery.close()
    assert receiver.ids == [str(number) for number in range(10)]


async def test_an_event_that_is_too_large_by_itself_goes_without_input_and_result(receiver: LogServer) -> None:
    receiver.behave = [413]
    delivery = ServerDelivery(LogClient(receiver.url))
    assert await delivery.deliver(some(1)) == 1
    assert receiver.events == [{"decision_id": "0", "erased": ["/input", "/result"]}]
    receiver.behave = [413, 413]
    with pytest.raises(LogClientError) as caught:
        await delivery.deliver(some(1))
    await delivery.close()
    assert caught.value.reason == "rejected"
