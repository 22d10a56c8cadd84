"""The shape of ``config.yaml``: every key with its type, its default and its help. ``docs/configuration.md`` is checked against these models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gateway.configuration.secret import parse_env

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)
ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}\Z", re.ASCII)
CATEGORY = re.compile(r"[A-Z][A-Z_]{0,62}\Z", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z|\[[0-9A-Fa-f:.]+\]\Z", re.ASCII)


def _must(good: bool, message: str) -> None:
    if not good:
        raise PydanticCustomError("form", "{message}", {"message": message})


def _name(value: str) -> str:
    _must(NAME.match(value) is not None, "is not a name: 1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
    return value


def _alias(value: str) -> str:
    _must(ALIAS.match(value) is not None, "is not an alias: 1 to 63 letters, digits, '.', '_', ':', '-', beginning with a letter or digit")
    return value


def _category(value: str) -> str:
    _must(CATEGORY.match(value) is not None and value != "SECRET", "is not a category: capital letters and '_', beginning with a letter, and not SECRET")
    return value


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    good = _HOST.match(host) is not None and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    _must(good, "is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return value


def is_url(value: str) -> bool:
    """Whether ``value`` is an http(s) URL with a host and no user, query or fragment."""
    try:
        parts = urlsplit(value)
        port_good = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment) and value.isascii() and value.isprintable() and " " not in value
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port_good and plain


def _url(value: str) -> str:
    _must(is_url(value), "is not a URL such as http://127.0.0.1:9101/v1 (http or https, no user, query or fragment)")
    return value


def _url_or_env(value: str) -> str:
    return value if parse_env(value) is not None else _url(value)


def _reference(value: str) -> str:
    reference = parse_env(value)
    is_file = value.startswith("file:") and len(value) > len("file:") and "\0" not in value
    if reference is None and not is_file:
        raise PydanticCustomError("form", "needs a reference to a secret, env:NAME or file:PATH; a secret itself must not stand in this file")
    _must(reference is None or not reference.default, "has a secret as default in the clear; only the empty default (env:NAME:-) is taken")
    return value


def _text(value: str) -> str:
    _must(bool(value.strip()) and "\0" not in value, "is empty")
    return value


def _no_twins(values: tuple[str, ...]) -> tuple[str, ...]:
    twins = sorted({value for value in values if values.count(value) > 1})
    _must(not twins, f"has {', '.join(twins)} twice")
    return values


Name = Annotated[str, AfterValidator(_name)]
Category = Annotated[str, AfterValidator(_category)]
Listen = Annotated[str, AfterValidator(_listen)]
Url = Annotated[str, AfterValidator(_url)]
UrlOrEnv = Annotated[str, AfterValidator(_url_or_env)]
Reference = Annotated[str, AfterValidator(_reference)]
Text = Annotated[str, AfterValidator(_text)]
Aliases = Annotated[tuple[Annotated[str, AfterValidator(_alias)], ...], AfterValidator(_no_twins)]
Categories = Annotated[tuple[Category, ...], AfterValidator(_no_twins)]
Texts = Annotated[tuple[Text, ...], AfterValidator(_no_twins)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Shape(BaseModel):
    """What all sections share: frozen, strict, no key that is not known."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def section(model: type[Shape], text: str) -> Any:
    """A part of the file that may be left out: its own defaults then."""
    return Field(default_factory=model, description=text)


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
    redaction: RedactionOptions = section(RedactionOptions, "What this tenant adds to the built-in findings.")


class TargetLimits(Shape):
    """How long, and how often at once, a target may be called."""

    connect_s: Seconds = Field(5.0, description="Seconds to connect.")
    first_token_s: Seconds = Field(60.0, description="Seconds from sending the request to the first byte of the answer.")
    total_s: Seconds = Field(600.0, description="Seconds for the whole call.")
    concurrent: int = Field(256, ge=1, le=100_000, description="Calls at once; one more is refused with 429.")


class PriceShape(Shape):
    """What a target's tokens cost."""

    input_usd_per_mtok: Usd = Field(description="US dollars for a million input tokens.")
    output_usd_per_mtok: Usd = Field(description="US dollars for a million output tokens.")


class TargetShape(Shape):
    """A server that speaks OpenAI's API, and the model to ask it for."""

    base_url: UrlOrEnv = Field(description="URL up to and including /v1, or env:NAME.")
    model: Text = Field(description="The model to ask for, or env:NAME or env:NAME:-DEFAULT.")
    api_key: Reference | None = Field(None, description="Reference to the provider's API key. env:NAME:- means none while the variable is not set.")
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="The parameter in which this server takes a cap on tokens; a cap that policy sets is sent under this name alone."
    )
    optional: bool = Field(False, description="true leaves the target and its routes out, visibly, while an environment variable that it refers to is not set.")
    limits: TargetLimits = section(TargetLimits, "How long, and how often at once, the target may be called.")
    price: PriceShape | None = Field(None, description="What its tokens cost; without it the price is looked up by `model` in litellm's table.")


class RouteShape(Shape):
    """A name that callers use as `model`."""

    target: Name = Field(description="The name of the target that serves this route.")
    aliases: Aliases = Field((), description="Other names that callers may use for it.")
    description: str = Field("", description="What it is for, for people.")


class PolicyShape(Shape):
    """The Rego that decides."""

    path: Text = Field("policies", description="Folder of the Rego files and their data.yaml, relative to this file.")
    reload_s: Seconds = Field(1.0, description="Seconds between looks for a change.")
    trial_s: Seconds = Field(10.0, description="Seconds in which a changed policy must compile and pass its trial, in a process of its own.")
    timeout_s: Seconds = Field(1.0, description="Seconds after which a decision comes too late and is a refusal.")
    memo_entries: int = Field(10_000, ge=0, le=1_000_000, description="Verdicts remembered by the input that was decided; 0 remembers none.")


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


class LogsShape(Shape):
    """How logs look."""

    format: Literal["console", "json"] = Field("console", description="For people, or a JSON object on each line.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least severe level that is written.")


class TelemetryShape(Shape):
    """Traces and logs; metrics are at /metrics."""

    traces: TracesShape = section(TracesShape, "Where traces go.")
    logs: LogsShape = section(LogsShape, "How logs look.")


class FileShape(Shape):
    """The whole of config.yaml."""

    server: ServerShape = section(ServerShape, "Where the gateway listens, and what it takes.")
    keys: KeysShape = Field(description="The gateway's own secrets, only by reference (env:NAME or file:PATH, relative to this file).")
    database: Text = Field(".gateway/gateway.db", description="SQLite file of keys and records, relative to this file.")
    tenants: Mapping[Name, TenantShape] = Field(min_length=1, description="The tenants by name.")
    targets: Mapping[Name, TargetShape] = Field(min_length=1, description="The servers that can be called, by name.")
    routes: Mapping[Name, RouteShape] = Field(min_length=1, description="What callers can ask for, by name: the `model` of a request.")
    policy: PolicyShape = section(PolicyShape, "The Rego that decides.")
    redaction: RedactionShape = section(RedactionShape, "How findings are made, for all tenants.")
    records: RecordsShape = section(RecordsShape, "How records are kept.")
    telemetry: TelemetryShape = section(TelemetryShape, "Traces and logs; metrics are at /metrics.")
