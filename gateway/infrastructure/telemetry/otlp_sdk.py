"""The border to opentelemetry-sdk: OTLP in protobuf, over HTTP or gRPC, with the official exporters. Loaded only where the configuration asks for it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from itertools import chain

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.infrastructure.telemetry import traceparent
from gateway.infrastructure.telemetry.exporting import Outcome
from gateway.infrastructure.telemetry.semconv import ERROR_TYPE, error_code
from gateway.infrastructure.telemetry.spans import SCHEMA_URL, SCOPE, AttributeValue, Finished, Kind, Resource, Span

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_KINDS = {int(Kind.INTERNAL): SpanKind.INTERNAL, int(Kind.SERVER): SpanKind.SERVER, int(Kind.CLIENT): SpanKind.CLIENT}
_SdkValue = str | bool | int | float | tuple[str, ...]


class SdkSender:
    """Builds ``ReadableSpan``s and hands them to the official exporter, which retries on its own within ``timeout_s``."""

    batch_spans = 64
    """Protobuf encodes a request at once, 44 us a span, holding the GIL."""

    def __init__(self, endpoint: str, protocol: str, resource: Resource, timeout_s: float) -> None:
        # The exporters would log each failure with the collector's words; the gateway's own lines and counters say it.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._resource = SdkResource(resource.attributes(), SCHEMA_URL)
        self._scope = InstrumentationScope(SCOPE, resource.service_version, SCHEMA_URL)
        self._exporter: SpanExporter = (
            GrpcExporter(endpoint=endpoint, timeout=timeout_s) if protocol == "grpc" else HttpExporter(endpoint=f"{endpoint}/v1/traces", timeout=timeout_s)
        )

    def encode(self, trace: Finished) -> list[ReadableSpan]:
        """A trace as the SDK would have made it."""
        trace_id = int(trace.trace_id, 16)
        root = _context(trace_id, trace.root_id, remote=False)
        above = _context(trace_id, trace.parent_id, remote=True) if trace.parent_id else None
        spans = [self._span(trace_id, root, span) for span in trace.children]
        links = (Link(_context(trace_id, trace.link_id, remote=True)),) if trace.link_id else ()
        spans.append(self._span(trace_id, above, trace.root, links))
        return spans

    def _span(self, trace_id: int, parent: SpanContext | None, span: Span, links: tuple[Link, ...] = ()) -> ReadableSpan:
        name, start_ns, end_ns, attributes, error, span_id, kind = span
        values = {key: _value(value) for key, value in (attributes or {}).items() if value is not None}
        status = Status(StatusCode.UNSET)
        if error is not None:
            status = Status(StatusCode.ERROR, error_code(error))
            values.setdefault(ERROR_TYPE, error_code(error))
        return ReadableSpan(
            name=_clean(name),
            context=_context(trace_id, span_id or traceparent.new_span_id(), remote=False),
            parent=parent,
            resource=self._resource,
            attributes=values,
            links=links,
            kind=_KINDS[kind],
            status=status,
            start_time=start_ns,
            end_time=end_ns,
            instrumentation_scope=self._scope,
        )

    def send(self, pieces: Sequence[list[ReadableSpan]]) -> tuple[Outcome, int]:
        """One export; the SDK does not tell a refusal from a failure."""
        try:
            result = self._exporter.export(list(chain.from_iterable(pieces)))
        except Exception:  # noqa: BLE001 - border: whatever the exporters raise must not end the exporter's thread
            return Outcome.FAILED, 0
        return (Outcome.SENT if result is SpanExportResult.SUCCESS else Outcome.FAILED), 0

    def close(self) -> None:
        """Shut the exporter down; a request under way is given up."""
        self._exporter.shutdown()


def _context(trace_id: int, span_id: str, *, remote: bool) -> SpanContext:
    return SpanContext(trace_id, int(span_id, 16), is_remote=remote, trace_flags=_SAMPLED)


def _clean(text: str) -> str:
    """Protobuf takes no lone surrogates; one would cost the whole request."""
    return text.encode("utf-8", "replace").decode()


def _value(value: AttributeValue) -> _SdkValue:
    """What collectors can carry on: integers have 64 bits, and Jaeger's JSON has no infinity."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else "out of range"
    return tuple(_clean(str(item)) for item in value or ())
