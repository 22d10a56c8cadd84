"""What the rest of the gateway sees of the config: frozen, resolved, with nothing left to look up while a request runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway.configuration.compiled_options import ConfidenceWeights, NamedSchema
from gateway.configuration.compiled_queues import Queue, Waiting
from gateway.configuration.compiled_routes import Route, Target
from gateway.configuration.models import LogsShape as Logs
from gateway.configuration.models import RedactionOptions, ServerLimits
from gateway.configuration.models import TracesShape as Traces
from gateway.configuration.secret import Secret

__all__ = [
    "Keys",
    "LeftOut",
    "Listen",
    "Logs",
    "Opa",
    "Policy",
    "PolicyServer",
    "Records",
    "Redaction",
    "RedactionOptions",
    "Server",
    "ServerLimits",
    "Settings",
    "Telemetry",
    "Tenant",
    "Traces",
]


class Listen(NamedTuple):
    """An address to listen on. An IPv6 host stands without brackets."""

    host: str
    port: int


class LeftOut(NamedTuple):
    """A part of the config that is not in use: ``targets.openai``, because an environment variable is not set."""

    where: str
    why: str
    line: int = 1
    """Of the config file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the gateway listens, and what it takes."""

    listen: Listen
    limits: ServerLimits
    shutdown_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The gateway's own secrets."""

    api_key_hash: Secret
    record_signing: Secret
    """``reveal()`` gives the 32 bytes of an Ed25519 seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An organisation whose data no other tenant sees."""

    name: str
    placeholder_key: Secret
    redaction: RedactionOptions
    payload_keys: tuple[Secret, ...] = ()
    """The current one first; never empty where there are queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opa:
    """The OPA server that decides."""

    url: str
    token: Secret | None
    timeout_s: float
    fallback: bool
    """Whether the embedded engine decides while the server cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyServer:
    """A server that has the policy as an OPA bundle."""

    url: str
    poll_s: float
    token: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLog:
    """Where the decisions of policy go in OPA's format: to ``file`` or to ``url``."""

    file: Path | None
    url: str | None
    token: Secret | None
    batch: int
    poll_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyShadow:
    """A candidate policy that is asked beside the live one."""

    path: Path
    sample: float
    max_share: float
    queue_entries: int
    memo_entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Where the Rego is, and how it is reloaded and remembered."""

    path: Path
    bundle: PolicyServer | None
    """In place of ``path``."""
    bundle_key: Secret | None
    keep: Path
    reload_s: float
    trial_s: float
    timeout_s: float
    memo_entries: int
    opa: Opa | None
    """``None`` where the embedded engine decides."""
    shadow: PolicyShadow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """How findings are made, for all tenants."""

    memo_entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """How records are kept."""

    durability: str
    """``power`` or ``process``."""
    heads: Path
    retention_days: int
    gather_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Traces and logs."""

    traces: Traces
    logs: Logs


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole config. Paths are absolute or relative to the working directory, already joined to the config file's folder."""

    path: Path
    digest: str
    """SHA-256 over the bytes of the file: the config's version on records. Secrets are no part of it, only references are."""
    server: Server
    keys: Keys
    database: Path | Secret
    """The path of a SQLite file, or a ``postgresql://`` URL: ``text()`` gives it."""
    tenants: Mapping[str, Tenant]
    targets: Mapping[str, Target]
    schemas: Mapping[str, NamedSchema]
    """Those of ``schemas``, by name; the routes' are among them."""
    confidence: ConfidenceWeights
    routes: Mapping[str, Route]
    routes_by_name: Mapping[str, Route]
    """Routes by their name and by each of their aliases."""
    queues: Mapping[str, Queue]
    waiting: Waiting
    policy: Policy
    redaction: Redaction
    records: Records
    telemetry: Telemetry
    decision_log: DecisionLog | None
    left_out: tuple[LeftOut, ...]
    """Optional targets, and what of the routes leads to them, that are not in use here."""
