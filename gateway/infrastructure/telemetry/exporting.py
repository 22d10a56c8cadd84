"""The queue between intents and the collector, and the thread that empties it.

A dead, slow or refusing collector costs intents nothing: the queue is bounded, what does not fit is dropped and counted, requests are
retried with growing pauses, and once the collector answers again everything flows as before.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Generic, Protocol, TypeVar

from gateway.infrastructure.telemetry.logs import get_logger
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.spans import Finished

P = TypeVar("P")

_SLICE_SPANS = 64
"""Spans encoded in one go: their encoding holds the GIL for well under a millisecond."""
_SLICE_PAUSE_S = 0.0005
"""Between slices; a sleep of zero would take the GIL straight back."""
_ATTEMPTS = 5
"""Times one request is sent before it is given up, so that one that a collector chokes on cannot stand in the way for ever."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 15.0

_log = get_logger()


class Outcome(Enum):
    """What became of a request: ``FAILED`` may succeed later, ``REFUSED`` never will."""

    SENT = "sent"
    FAILED = "failed"
    REFUSED = "refused"


class Sender(Protocol[P]):
    """Encodes traces and ships them. Used by the exporter's thread alone, but for ``close``."""

    batch_spans: int
    """The most spans that go into one request."""

    def encode(self, trace: Finished) -> P:
        """One trace, ready to be put into a request. Raises nothing."""

    def send(self, pieces: Sequence[P]) -> tuple[Outcome, int]:
        """Ship encoded traces in one request, within the sender's time limit; with the number of spans that the collector rejected. Raises nothing."""

    def close(self) -> None:
        """Give up the connection; may be called from any thread."""


class Exporter(Generic[P]):
    """A bounded queue of finished traces and its thread. ``put`` belongs to one thread."""

    def __init__(self, sender: Sender[P], metrics: Metrics, *, queue_spans: int, gather_s: float) -> None:
        self._sender = sender
        self._metrics = metrics
        self._queue_spans = queue_spans
        self._gather_s = gather_s
        self._queue: deque[Finished] = deque()
        # Each counter is written by one thread only (put's, and the exporter's), so that no lock stands in an intent's way.
        self._accepted = 0
        self._settled = 0
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._failures = 0
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="telemetry-exporter", daemon=True)
        self._thread.start()

    def put(self, trace: Finished) -> None:
        """Queue a trace, or drop and count it where the queue is full. Never blocks, never raises."""
        spans = len(trace.children) + 1
        if self._accepted - self._settled + spans > self._queue_spans or self._closing.is_set():
            self._metrics.spans_dropped("queue_full", spans)
            return
        self._accepted += spans
        self._queue.append(trace)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, timeout_s: float) -> None:
        """Send what waits for at most ``timeout_s`` seconds, then stop; what is left is counted as dropped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive() and not self._abandoned:
            self._abandoned = True
            # Counted before the sender is closed: that wakes the thread, which then settles what it was sending.
            self._metrics.spans_dropped("shutdown", self._accepted - self._settled)
            self._sender.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._closing.wait(self._gather_s)
            self._wake.clear()
            while self._queue and not self._abandoned:
                self._ship(*self._gather())
            if self._closing.is_set():
                self._sender.close()
                return

    def _gather(self) -> tuple[list[P], int]:
        """Encode traces for one request, slice by slice."""
        pieces: list[P] = []
        spans = sliced = 0
        while self._queue and spans < self._sender.batch_spans:
            trace = self._queue.popleft()
            pieces.append(self._sender.encode(trace))
            size = len(trace.children) + 1
            spans += size
            sliced += size
            if sliced >= _SLICE_SPANS:
                sliced = 0
                time.sleep(_SLICE_PAUSE_S)
        return pieces, spans

    def _ship(self, pieces: list[P], spans: int) -> None:
        """Send one request, again and again while there is hope; settle its spans in the counters."""
        reason = "unreachable"
        for _ in range(_ATTEMPTS):
            outcome, rejected = self._sender.send(pieces)
            if outcome is Outcome.SENT:
                self._recovered()
                self._metrics.spans_exported(spans - rejected)
                self._settle(spans, rejected, "rejected")
                return
            if outcome is Outcome.REFUSED:
                reason = "rejected"
                break
            self._failures += 1
            if self._failures == 1:
                _log.warning("telemetry.collector_unreachable")
            if self._closing.wait(self._pause()):
                break
        if reason == "rejected":
            _log.warning("telemetry.spans_rejected", spans=spans)
        self._settle(spans, spans, reason)

    def _settle(self, spans: int, dropped: int, reason: str) -> None:
        self._settled += spans
        if dropped and not self._abandoned:
            self._metrics.spans_dropped(reason, dropped)

    def _recovered(self) -> None:
        if self._failures:
            _log.info("telemetry.collector_recovered", failures=self._failures)
            self._failures = 0

    def _pause(self) -> float:
        """Doubles with every failure in a row, with jitter so that many gateways do not come back at once."""
        longest = min(_FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10), _LONGEST_PAUSE_S)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
