"""The shape of ``config.yaml``: every key with its type, its default and its help. ``docs/configuration.md`` is checked against these models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gateway.configuration.forms import (
    Categories,
    Category,
    Database,
    Listen,
    Name,
    Reference,
    SchemaSource,
    Seconds,
    Shape,
    Text,
    Texts,
    TraceLink,
    Url,
    section,
)
from gateway.configuration.models_policy import PolicyShape
from gateway.configuration.models_queues import QueueShape, WaitingShape
from gateway.configuration.models_routing import ConfidenceShape, RouteShape, TargetShape


class ServerLimits(Shape):
    """What a request may be before anything else is looked at."""

    body_bytes: int = Field(4_194_304, ge=1_024, le=1 << 30, description="Largest request body, in bytes; larger is refused with 413.")
    header_bytes: int = Field(32_768, ge=1_024, le=1 << 20, description="Largest sum of all request headers, in bytes; larger is refused with 431.")
    json_depth: int = Field(64, ge=4, le=200, description="Deepest nesting of a JSON body; deeper is refused with 400.")
    in_flight: int = Field(1_024, ge=1, le=100_000, description="Intents that run at once; one more is refused with 429.")


class ServerShape(Shape):
    """Where the gateway listens."""

    listen: Listen = Field("127.0.0.1:8080", description="HOST:PORT to listen on; port 0 takes a free one.")
    limits: ServerLimits = section(ServerLimits, "What a request may be before anything else is looked at.")
    shutdown_s: Seconds = Field(20.0, description="Seconds in which running intents may finish when the gateway is told to stop.")


class KeysShape(Shape):
    """The gateway's own secrets."""

    api_key_hash: Reference = Field(description="Secret of at least 32 bytes with which API keys are hashed before they are stored.")
    record_signing: Reference = Field(description="Ed25519 seed (32 bytes, hexadecimal or base64) that signs the heads of the records.")


class RedactionOptions(Shape):
    """What a tenant adds to the built-in findings."""

    patterns: Mapping[Category, Text] = Field(
        default_factory=dict, description="Category to a google-re2 pattern of the tenant's own, such as EMPLOYEE_ID: 'E-[0-9]{6}'."
    )
    words: Mapping[Category, Texts] = Field(default_factory=dict, description="Category to a list of words or phrases, found as whole words in any case.")
    enable: Categories = Field((), description="Categories that otherwise need a cue word near them, such as US_PASSPORT, and are on without one here.")
    countries: Texts = Field((), description="Country packs to switch on, as ISO 3166 codes, such as DE.")


class TenantShape(Shape):
    """An organisation whose data no other tenant sees."""

    placeholder_key: Reference = Field(
        description="Secret of at least 16 bytes; the same value has the same placeholder within the tenant and another one outside."
    )
    payload_key: Reference | None = Field(
        None,
        description="Secret of at least 32 bytes with which what waits for a person, and kept answers, are encrypted and approvals signed. "
        "Required where there are queues.",
    )
    older_payload_keys: tuple[Reference, ...] = Field((), description="Earlier payload keys, for what is still kept under them.")
    redaction: RedactionOptions = section(RedactionOptions, "What this tenant adds to the built-in findings.")


class RedactionShape(Shape):
    """How findings are made, for all tenants."""

    memo_entries: int = Field(50_000, ge=0, le=10_000_000, description="Texts and messages whose findings are remembered, by a keyed digest; 0 for none.")


class RecordsShape(Shape):
    """How records are kept."""

    durability: Literal["power", "process"] = Field("power", description="What a record survives: loss of power (fsync) or only the end of the process.")
    heads: Text = Field(
        ".gateway/heads", description="Folder of the signed heads, relative to this file; keep it on another disk than the database where you can."
    )
    retention_days: int = Field(
        30, ge=1, le=36_500, description="Days after which `gateway records erase --expired` drops the content of a record, if policy set no other number."
    )
    gather_ms: float = Field(
        1.0, ge=0, le=50, allow_inf_nan=False, description="Milliseconds for which a commit waits for others, only while other intents run."
    )


class TracesShape(Shape):
    """Where traces go."""

    endpoint: Url | None = Field(None, description="OTLP endpoint, such as http://127.0.0.1:4318; without it no traces are sent.")
    protocol: Literal["http/json", "http/protobuf", "grpc"] = Field("http/json", description="How OTLP is spoken.")
    capture_content: bool = Field(False, description="true puts messages into traces, redacted as for the record.")
    link: TraceLink | None = Field(
        None, description="Where people look at a trace, with {trace_id} in it: https://jaeger.example.com/trace/{trace_id}. Explanations of records have it."
    )


class LogsShape(Shape):
    """How logs look."""

    format: Literal["console", "json"] = Field("console", description="For people, or a JSON object on each line.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least severe level that is written.")


class TelemetryShape(Shape):
    """Traces and logs; metrics are at /metrics."""

    traces: TracesShape = section(TracesShape, "Where traces go.")
    logs: LogsShape = section(LogsShape, "How logs look.")


class DecisionLogShape(Shape):
    """The decisions of policy in OPA's format, derived from the records. Either `file` or `url`."""

    file: Text | None = Field(None, description="File that lines of JSON are appended to, relative to this file.")
    url: Url | None = Field(None, description="Server that takes OPA's logs, such as http://127.0.0.1:8080/logs: arrays of JSON, compressed, are posted to it.")
    token: Reference | None = Field(None, description="Its bearer token, by reference; env:NAME:- says that there may be none.")
    batch: int = Field(500, ge=1, le=10_000, description="Decisions at most that are handed over at once.")
    poll_s: Seconds = Field(1.0, description="Seconds between looks for new records.")


class FileShape(Shape):
    """The whole of config.yaml."""

    server: ServerShape = section(ServerShape, "Where the gateway listens, and what it takes.")
    keys: KeysShape = Field(description="The gateway's own secrets, only by reference (env:NAME or file:PATH, relative to this file).")
    database: Database = Field(
        ".gateway/gateway.db",
        description="Where keys and records are: the path of a SQLite file, relative to this file, or PostgreSQL: env:NAME or file:PATH holding "
        "postgresql://USER:PASSWORD@HOST:5432/NAME, or that URL itself without a password.",
    )
    schemas: Mapping[Name, SchemaSource] = Field(
        default_factory=dict,
        description="JSON Schemas by name, for `routes.NAME.schema` and require_schema of policy: a JSON file's path, relative to this file, or the schema.",
    )
    confidence: ConfidenceShape = section(ConfidenceShape, "How the confidence in an answer is scored.")
    tenants: Mapping[Name, TenantShape] = Field(min_length=1, description="The tenants by name.")
    targets: Mapping[Name, TargetShape] = Field(min_length=1, description="The servers that can be called, by name.")
    routes: Mapping[Name, RouteShape] = Field(min_length=1, description="What callers can ask for, by name: the `model` of a request.")
    queues: Mapping[Name, QueueShape] = Field(
        default_factory=dict, description="Where what policy escalates waits for people, by name; without any, it is refused."
    )
    waiting: WaitingShape = section(WaitingShape, "How intents that wait for people are kept.")
    policy: PolicyShape = section(PolicyShape, "The Rego that decides.")
    redaction: RedactionShape = section(RedactionShape, "How findings are made, for all tenants.")
    records: RecordsShape = section(RecordsShape, "How records are kept.")
    decision_log: DecisionLogShape | None = Field(None, description="The decisions of policy in OPA's format, derived from the records.")
    telemetry: TelemetryShape = section(TelemetryShape, "Traces and logs; metrics are at /metrics.")
