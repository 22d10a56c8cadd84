"""Settings: ``config.yaml``, compiled once at start. A request sees only what ``load`` returns.

``gateway.configuration`` has the steps; this module is all that the rest of the gateway needs of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.configuration.compiled import (
    Keys,
    LeftOut,
    Listen,
    Logs,
    Opa,
    Policy,
    PolicyServer,
    Records,
    Redaction,
    RedactionOptions,
    Server,
    ServerLimits,
    Settings,
    Telemetry,
    Tenant,
    Traces,
)
from gateway.configuration.compiled_options import Assessment, BreakerLimits, Condition, ConfidenceWeights, NamedSchema, Retries
from gateway.configuration.compiled_queues import Queue, Waiting, Webhook
from gateway.configuration.compiled_routes import Price, Repair, Route, RouteTarget, Target
from gateway.configuration.compiling import compile_settings
from gateway.configuration.models_routing import TargetLimits
from gateway.configuration.parts import Parts
from gateway.configuration.parts import parts_of as _parts_of
from gateway.configuration.problems import Problem, SettingsError, Where, dotted, nearest
from gateway.configuration.references import SecretReference, resolve_all, secret_references
from gateway.configuration.secret import Secret
from gateway.configuration.shape import check
from gateway.configuration.source import Document

__all__ = [
    "Assessment",
    "BreakerLimits",
    "Condition",
    "ConfidenceWeights",
    "Keys",
    "LeftOut",
    "Listen",
    "Logs",
    "NamedSchema",
    "Opa",
    "Parts",
    "Policy",
    "PolicyServer",
    "Price",
    "Problem",
    "Queue",
    "Records",
    "Redaction",
    "RedactionOptions",
    "Repair",
    "Retries",
    "Route",
    "RouteTarget",
    "Secret",
    "SecretReference",
    "Server",
    "ServerLimits",
    "Settings",
    "SettingsError",
    "Target",
    "TargetLimits",
    "Telemetry",
    "Tenant",
    "Traces",
    "Waiting",
    "Webhook",
    "Where",
    "dotted",
    "load",
    "nearest",
    "parts_of",
    "secrets_of",
]


def load(path: str | os.PathLike[str], env: Mapping[str, str] | None = None) -> Settings:
    """Read, check and compile the config at ``path``.

    Args:
        path: The config file. References and paths in it are relative to its folder.
        env: Where ``env:NAME`` is looked up; the process's environment by default.

    Raises:
        SettingsError: with every problem at once.
    """
    document = Document(Path(path))
    shape = check(document)
    resolved = resolve_all(document, os.environ if env is None else env)
    if shape is None or document.problems:
        raise SettingsError(document.problems)
    return compile_settings(document, shape, resolved)


def secrets_of(path: str | os.PathLike[str]) -> tuple[SecretReference, ...]:
    """Every reference to a secret in the config at ``path``, whether or not it leads to one yet.

    Raises:
        SettingsError: the file itself is wrong. What only the missing secrets make wrong is not looked at.
    """
    document = Document(Path(path))
    check(document)
    if document.problems:
        raise SettingsError(document.problems)
    return tuple(secret_references(document))


def parts_of(path: str | os.PathLike[str]) -> Parts:
    """What the config at ``path`` has compiled elsewhere: policy and redaction options, whatever else may be wrong with it.

    Raises:
        SettingsError: the file cannot be read at all.
    """
    return _parts_of(Document(Path(path)))
