"""Traces the cheap way: an intent's spans are plain tuples until a thread encodes them, so that a span costs the intent under a microsecond."""

from __future__ import annotations

import importlib
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.infrastructure.telemetry import traceparent
from gateway.infrastructure.telemetry.exporting import Exporter, Sender
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.infrastructure.telemetry.otlp_json import JsonSender
from gateway.infrastructure.telemetry.spans import CLIENT, INTERNAL, SERVER, Attributes, Finished, Resource, Span


class Protocol(StrEnum):
    """How spans travel to the collector."""

    HTTP_JSON = "http/json"
    HTTP_PROTOBUF = "http/protobuf"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions:
    """Where spans go and how much may wait."""

    service_version: str
    endpoint: str | None = None
    """Base URL of an OTLP collector, such as ``http://127.0.0.1:4318`` (for ``grpc`` its 4317); ``None`` sends nothing."""
    protocol: Protocol = Protocol.HTTP_JSON
    queue_spans: int = 16_384
    """Spans that may wait; what comes on top is dropped and counted."""
    gather_s: float = 0.2
    """How long spans gather before they are sent together."""
    timeout_s: float = 10.0
    """The longest that one request to the collector may take, in all."""
    instance_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Trace:
    """The spans of one intent, or of one of its segments between waits, being collected. Used by one task at a time."""

    __slots__ = ("_children", "_link_id", "_parent_id", "root_id", "trace_id")

    def __init__(self, parent: traceparent.Parent | None, before: traceparent.Parent | None = None) -> None:
        """Below ``parent``, or in the trace of the segment ``before`` it, to whose root its own is linked; else a new trace."""
        self._parent_id: str | None
        self._link_id = before.span_id if before is not None else None
        if before is not None:
            self.trace_id, self._parent_id = before.trace_id, None
        elif parent is None:
            self.trace_id = traceparent.new_trace_id()
            self._parent_id = None
        else:
            self.trace_id, self._parent_id = parent
        self.root_id = traceparent.new_span_id()
        self._children: list[Span] = []

    def add(self, name: str, start_ns: int, end_ns: int, attributes: Attributes | None = None, error: str | None = None, span_id: str | None = None) -> None:
        """Add a step: an INTERNAL span below the root.

        Args:
            name: One of ``semconv``'s.
            start_ns: Nanoseconds since the Unix epoch.
            end_ns: The same.
            attributes: Under ``semconv``'s names; not to be changed afterwards.
            error: The code of the error that ended the step, never an exception's message.
            span_id: Only where the id had to be known before, from ``new_span_id``.
        """
        self._children.append((name, start_ns, end_ns, attributes, error, span_id, INTERNAL))

    def add_client(
        self, name: str, start_ns: int, end_ns: int, attributes: Attributes | None = None, error: str | None = None, span_id: str | None = None
    ) -> None:
        """Add a call of another service: a CLIENT span below the root. ``span_id`` is the one whose ``traceparent`` was sent."""
        self._children.append((name, start_ns, end_ns, attributes, error, span_id, CLIENT))

    def new_span_id(self) -> str:
        """An id for a span that will be added later."""
        return traceparent.new_span_id()

    def traceparent(self, span_id: str | None = None) -> str:
        """The header that makes another service's spans children of ``span_id``, by default of the root."""
        return traceparent.render(self.trace_id, span_id or self.root_id)

    def finished(self, root: Span) -> Finished:
        """This trace, closed by its root span."""
        return Finished(self.trace_id, self._parent_id, root, self.root_id, self._children, self._link_id)


class Tracer:
    """Begins traces and hands finished ones to the exporter. ``begin``, ``resume`` and ``finish`` belong to the event loop's thread."""

    def __init__(self, options: TraceOptions, metrics: Metrics) -> None:
        self._exporter = Exporter(_sender(options), metrics, queue_spans=options.queue_spans, gather_s=options.gather_s) if options.endpoint else None

    def begin(self, header: str | None) -> Trace:
        """A trace that continues the caller's ``traceparent``, or a new one where there is none or it is invalid."""
        return Trace(traceparent.parse(header))

    def resume(self, header: str) -> Trace:
        """A later segment of an intent's trace, with a root span of its own that is linked to that of an earlier one.

        ``header`` is that one's ``Trace.traceparent()``. Nothing was held open for it meanwhile, so it may come from another process. One that is no
        ``traceparent`` gives a new trace.
        """
        return Trace(None, traceparent.parse(header))

    def finish(self, trace: Trace, name: str, start_ns: int, end_ns: int, attributes: Attributes | None = None, error: str | None = None) -> None:
        """Close the root span (SERVER) and queue the trace. Never blocks, never raises; a full queue drops the trace and counts its spans."""
        if self._exporter is not None:
            self._exporter.put(trace.finished((name, start_ns, end_ns, attributes, error, trace.root_id, SERVER)))

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what waits, for at most ``timeout_s`` seconds; the rest is counted as dropped. Blocks, so call it off the event loop."""
        if self._exporter is not None:
            self._exporter.close(timeout_s)


def _sender(options: TraceOptions) -> Sender[Any]:
    endpoint = (options.endpoint or "").rstrip("/")
    resource = Resource(options.service_version, options.instance_id)
    if options.protocol is Protocol.HTTP_JSON:
        return JsonSender(endpoint, resource, options.timeout_s)
    # The SDK, protobuf and grpc take 0.3 s and 30 MB to import, which the default protocol does not need.
    sdk = importlib.import_module("gateway.infrastructure.telemetry.otlp_sdk")
    sender: Sender[Any] = sdk.SdkSender(endpoint, options.protocol.value, resource, options.timeout_s)
    return sender
