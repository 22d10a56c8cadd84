"""The exporter against collectors that are dead, slow, refusing, resetting and coming back, on real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.infrastructure.telemetry.logs import configure_logging
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.tracing import TraceOptions, Tracer
from tests.infrastructure.telemetry.conftest import Read
from tests.servers.collector import collector

DROPPED = "gateway_telemetry_spans_dropped_total"
EXPORTED = "gateway_telemetry_spans_exported_total"
REASONS = ("queue_full", "unreachable", "rejected", "shutdown")


@contextmanager
def tracing(endpoint: str, metrics: Metrics, timeout_s: float = 5.0, queue_spans: int = 16_384) -> Iterator[Tracer]:
    tracer = Tracer(TraceOptions(service_version="1", endpoint=endpoint, timeout_s=timeout_s, gather_s=0.01, queue_spans=queue_spans), metrics)
    try:
        yield tracer
    finally:
        tracer.close(0.1)


def send(tracer: Tracer, traces: int, steps: int = 1) -> None:
    for _ in range(traces):
        trace = tracer.begin(None)
        for step in range(steps):
            trace.add(f"step {step}", 1, 2)
        tracer.finish(trace, "root", 1, 2)


def wait_until(read: Read, name: str, value: float, **labels: str) -> None:
    deadline = time.monotonic() + 15
    while read(name, **labels) < value:
        assert time.monotonic() < deadline, f"{name} is {read(name, **labels)}"
        time.sleep(0.01)


def test_many_traces_travel_in_few_requests_over_one_connection(metrics: Metrics, read: Read) -> None:
    with collector() as running, tracing(running.endpoint, metrics) as tracer:
        for _ in range(3):
            send(tracer, 500)
            running.wait_for(1000)
            time.sleep(0.05)
        spans = running.wait_for(3000)
        wait_until(read, EXPORTED, 3000)
        assert len({(span["traceId"], span["spanId"]) for span in spans}) == 3000
        assert (running.connections, len(running.bodies) <= 15) == (1, True)
        assert running.headers[0].items() >= {":path": "/v1/traces", "content-type": "application/json"}.items()


def test_closing_sends_what_waits(metrics: Metrics, read: Read) -> None:
    with collector() as running:
        tracer = Tracer(TraceOptions(service_version="1", endpoint=running.endpoint, gather_s=60), metrics)
        send(tracer, 10)
        tracer.close(10)
        assert len(running.spans()) == 20
        assert read(EXPORTED) == 20


def test_what_comes_after_closing_is_counted_as_dropped(metrics: Metrics, read: Read) -> None:
    with collector() as running:
        with tracing(running.endpoint, metrics) as tracer:
            pass
        send(tracer, 1)
    assert read(DROPPED, reason="queue_full") == 2


def test_a_dead_collector_costs_only_the_spans_and_they_are_counted(metrics: Metrics, read: Read) -> None:
    with collector() as gone:
        endpoint = gone.endpoint
    with tracing(endpoint, metrics, queue_spans=100) as tracer:
        send(tracer, 200)
        assert read(DROPPED, reason="queue_full") == 300
    assert read(EXPORTED) == 0
    assert sum(read(DROPPED, reason=reason) for reason in REASONS) == 400


def test_spans_that_waited_for_a_collector_to_come_back_arrive(metrics: Metrics, read: Read, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    with collector() as first:
        port, endpoint = first.port, first.endpoint
        with tracing(endpoint, metrics) as tracer:
            send(tracer, 1)
            first.wait_for(2)
            first.stop()
            send(tracer, 1)
            time.sleep(0.1)
            with collector(port) as second:
                second.wait_for(2)
                send(tracer, 1)
                second.wait_for(4)
                wait_until(read, EXPORTED, 6)
    assert sum(read(DROPPED, reason=reason) for reason in REASONS) == 0
    lines = capsys.readouterr().err
    assert lines.count("telemetry.collector_unreachable") == lines.count("telemetry.collector_recovered") == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_collector_that_asks_to_try_again_is_tried_again(metrics: Metrics, read: Read, status: int) -> None:
    with collector() as running, tracing(running.endpoint, metrics) as tracer:
        running.status = status
        send(tracer, 1)
        time.sleep(0.1)
        running.status = 200
        assert len(running.wait_for(2)) == 2
        wait_until(read, EXPORTED, 2)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
def test_what_a_collector_refuses_is_dropped_counted_and_not_sent_again(metrics: Metrics, read: Read, status: int) -> None:
    with collector() as running, tracing(running.endpoint, metrics) as tracer:
        running.status = status
        send(tracer, 1)
        wait_until(read, DROPPED, 2, reason="rejected")
        running.status = 200
        send(tracer, 1)
        assert len(running.wait_for(2)) == 2


def test_a_connection_that_is_reset_is_made_anew(metrics: Metrics, read: Read) -> None:
    with collector() as running, tracing(running.endpoint, metrics) as tracer:
        running.mode = "reset"
        send(tracer, 1)
        time.sleep(0.1)
        running.mode = "ok"
        assert len(running.wait_for(2)) == 2
        wait_until(read, EXPORTED, 2)


@pytest.mark.parametrize("mode", ["hang", "drip"])
def test_a_collector_that_never_answers_is_given_up_and_what_piles_up_is_bounded(metrics: Metrics, read: Read, mode: str) -> None:
    with collector() as running:
        running.mode = mode
        with tracing(running.endpoint, metrics, timeout_s=0.3, queue_spans=50) as tracer:
            send(tracer, 100)
            wait_until(read, DROPPED, 150, reason="queue_full")
            time.sleep(0.5)
            running.mode = "ok"
            running.released.set()
            wait_until(read, EXPORTED, 50)  # what the collector has, the queue lets go of a moment later
            send(tracer, 5)
            assert len(running.wait_for(60)) == 60


def test_closing_while_a_collector_hangs_ends_within_the_limit_and_counts_the_rest(metrics: Metrics, read: Read) -> None:
    with collector() as running:
        running.mode = "hang"
        tracer = Tracer(TraceOptions(service_version="1", endpoint=running.endpoint, timeout_s=60, gather_s=0.01), metrics)
        send(tracer, 10)
        time.sleep(0.1)
        before = time.monotonic()
        tracer.close(0.2)
        assert time.monotonic() - before < 5
        assert read(DROPPED, reason="shutdown") == 20
        tracer.close(0.2)
        time.sleep(0.2)
        assert sum(read(DROPPED, reason=reason) for reason in REASONS) == 20


def test_spans_that_a_collector_took_in_part_are_counted_apart(metrics: Metrics, read: Read) -> None:
    with collector() as running, tracing(running.endpoint, metrics) as tracer:
        running.answer = b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}'
        send(tracer, 5)
        wait_until(read, DROPPED, 3, reason="rejected")
        assert read(EXPORTED) == 7
