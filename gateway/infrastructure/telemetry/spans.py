"""The shapes that a trace has between the intent that made it and the sender that ships it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

AttributeValue: TypeAlias = str | bool | int | float | Sequence[str] | None
Attributes: TypeAlias = Mapping[str, AttributeValue]
"""Names are those of ``semconv``. A ``None`` is left out. Not to be changed once it was handed over."""


class Kind(IntEnum):
    """OTLP's numbers of ``SpanKind``."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


INTERNAL, SERVER, CLIENT = int(Kind.INTERNAL), int(Kind.SERVER), int(Kind.CLIENT)

Span: TypeAlias = tuple[str, int, int, Attributes | None, str | None, str | None, int]
"""``(name, start_ns, end_ns, attributes, error, span_id, kind)``; times since the Unix epoch.

``error`` is a code; a span without an id gets one when it is sent."""


class Finished(NamedTuple):
    """A trace, or a segment of one, that is ready to be sent: ``root`` is the SERVER span, ``children`` hang below it."""

    trace_id: str
    parent_id: str | None
    root: Span
    root_id: str
    children: list[Span]
    link_id: str | None = None
    """Of a later segment: the root span of the one before it, in the same trace. Then there is no parent."""


class Resource(NamedTuple):
    """Who sends: the resource attributes that every span shares."""

    service_version: str
    instance_id: str
    service_name: str = "execution-gateway"

    def attributes(self) -> dict[str, str]:
        """Under the names of the conventions."""
        return {"service.name": self.service_name, "service.version": self.service_version, "service.instance.id": self.instance_id}


SCOPE = "gateway"
"""The instrumentation scope's name."""
SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
"""The conventions that the names follow."""
