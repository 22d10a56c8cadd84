from __future__ import annotations

import pytest

from gateway.errors import RecordUnavailable
from gateway.infrastructure.telemetry.metrics import Metrics
from tests.capabilities.records.conftest import Shelf
from tests.servers.postgres_fixtures import Outage


def value(metrics: Metrics, series: str) -> float:
    lines = metrics.render()[0].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series + " "))


async def test_commits_their_entries_and_what_waits_show_in_the_metrics(shelf: Shelf) -> None:
    metrics = Metrics()
    writer = shelf.writer(metrics=metrics)
    await writer.start()
    writer.append(Shelf.opened("i1"), lazy=True)
    assert value(metrics, "gateway_record_queue_entries") == 1
    await writer.append(Shelf.closed("i1"))
    await writer.close()
    assert value(metrics, "gateway_record_queue_entries") == 0
    assert value(metrics, "gateway_record_batch_entries_sum") == 2
    assert value(metrics, "gateway_record_commit_duration_seconds_count") >= 1
    assert value(metrics, "gateway_record_commit_failures_total") == 0


async def test_a_commit_that_fails_is_counted_as_such(shelf: Shelf, outage: Outage) -> None:
    metrics = Metrics()
    writer = shelf.writer(metrics=metrics)
    await writer.start()
    with outage():
        with pytest.raises(RecordUnavailable):
            await writer.append(Shelf.opened("i1"))
        await writer.close()
    assert value(metrics, "gateway_record_commit_failures_total") == 1
    assert value(metrics, "gateway_record_batch_entries_sum") == 0
