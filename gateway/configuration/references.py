"""What one part of the file says of another, or of the world outside: secrets, environment variables, targets of routes, schemas.

Works on the plain values, so that a wrong type elsewhere hides none of these problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.configuration.forms import is_origin, is_url
from gateway.configuration.problems import Where, dotted
from gateway.configuration.queue_checks import check_queues
from gateway.configuration.route_checks import check_routes
from gateway.configuration.schema_files import read_schemas
from gateway.configuration.secret import (
    Decode,
    Secret,
    UnresolvedError,
    at_least,
    ed25519_seed,
    header_value,
    lookup,
    parse_env,
    postgres_url,
    resolve,
    webhook_key,
)
from gateway.configuration.source import Document, at, mapping
from gateway.domain import Json

API_KEY_HASH_BYTES = 32
PLACEHOLDER_KEY_BYTES = 16
PAYLOAD_KEY_BYTES = 32
BUNDLE_KEY_BYTES = 16
OPA_URL: Where = ("policy", "opa", "url")
OPA_TOKEN: Where = ("policy", "opa", "token")
BUNDLE_TOKEN: Where = ("policy", "bundle", "token")
LOG_TOKEN: Where = ("decision_log", "token")
BUNDLE_KEY: Where = ("policy", "bundle_key")


class SecretReference(NamedTuple):
    """A place in the file that refers to a secret."""

    where: Where
    reference: str
    decode: Decode
    target: str | None
    """The target that it belongs to, if any."""
    local: bool = True
    """Whether any value of the right form will do, so that one can be drawn; not so where somebody else has to know it."""


@dataclass(slots=True, kw_only=True)
class Resolved:
    """What the references lead to."""

    secrets: dict[Where, Secret | None] = field(default_factory=dict)
    texts: dict[Where, str] = field(default_factory=dict)
    """Values that came from environment variables."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Optional targets that are not in use, with the reason."""
    schemas: dict[str, Json] = field(default_factory=dict)
    """Those of ``schemas`` that can be read."""


def resolve_all(document: Document, env: Mapping[str, str]) -> Resolved:
    """Follow every reference; each that leads nowhere is noted in ``document``."""
    resolved = Resolved()
    for place in secret_references(document):
        try:
            resolved.secrets[place.where] = _secret(document, place, env)
        except UnresolvedError as error:
            _miss(document, resolved, place.where, error)
    for where, text in _environment_texts(document):
        try:
            resolved.texts[where] = _environment_text(where, text, env)
        except UnresolvedError as error:
            _miss(document, resolved, where, error)
    _check_shared(document, resolved)
    resolved.schemas = read_schemas(document)
    check_routes(document)
    check_queues(document)
    _check_policy(document)
    _check_decision_log(document)
    return resolved


def secret_references(document: Document) -> Iterator[SecretReference]:
    """Every reference to a secret, in the order of the file's sections; what is no reference is left to the shape."""
    places: list[tuple[Where, Decode]] = [
        (("keys", "api_key_hash"), at_least(API_KEY_HASH_BYTES)),
        (("keys", "record_signing"), ed25519_seed),
        (("database",), postgres_url),
        (OPA_TOKEN, header_value),
        (BUNDLE_TOKEN, header_value),
        (LOG_TOKEN, header_value),
        (BUNDLE_KEY, at_least(BUNDLE_KEY_BYTES)),
        *(place for name, tenant in mapping(document.data.get("tenants")).items() for place in _tenant_places(name, mapping(tenant))),
        *((("queues", name, "webhook", "secret"), webhook_key) for name in mapping(document.data.get("queues"))),
        *((("targets", name, "api_key"), header_value) for name in mapping(document.data.get("targets"))),
    ]
    for where, decode in places:
        text = at(document, where)
        if isinstance(text, str) and (parse_env(text) or text.startswith("file:")):
            yield SecretReference(where, text, decode, str(where[1]) if where[0] == "targets" else None, _is_local(where))


def _tenant_places(name: str, tenant: Mapping[str, object]) -> Iterator[tuple[Where, Decode]]:
    yield ("tenants", name, "placeholder_key"), at_least(PLACEHOLDER_KEY_BYTES)
    yield ("tenants", name, "payload_key"), at_least(PAYLOAD_KEY_BYTES)
    older = tenant.get("older_payload_keys")
    for index in range(len(older) if isinstance(older, tuple) else 0):
        yield ("tenants", name, "older_payload_keys", index), at_least(PAYLOAD_KEY_BYTES)


def _is_local(where: Where) -> bool:
    """An older key is not drawn: only the one that was in use opens anything. A webhook's is, and then given to the receiver."""
    return where[0] in {"keys", "tenants", "queues"} and "older_payload_keys" not in where


def _secret(document: Document, place: SecretReference, env: Mapping[str, str]) -> Secret | None:
    secret = resolve(place.reference, document.path.parent, env, place.decode)
    if secret is None and place.target is None and place.where not in {OPA_TOKEN, BUNDLE_TOKEN, LOG_TOKEN}:
        raise UnresolvedError("is required, so an empty default cannot stand for it")
    return secret


def _environment_texts(document: Document) -> Iterator[tuple[Where, str]]:
    places: list[Where] = [("targets", name, key) for name in mapping(document.data.get("targets")) for key in ("base_url", "model")]
    places += [("queues", name, "webhook", "url") for name in mapping(document.data.get("queues"))]
    for where in (*places, OPA_URL):
        text = at(document, where)
        if isinstance(text, str) and parse_env(text):
            yield where, text


def _environment_text(where: Where, text: str, env: Mapping[str, str]) -> str:
    reference = parse_env(text)
    value = lookup(reference, env) if reference else text
    if where[-1] in {"base_url", "url"} and where != OPA_URL and not is_url(value):
        raise UnresolvedError(f"{text.partition(':-')[0]} does not hold a URL such as http://127.0.0.1:9101/v1 (http or https, no user, query or fragment)")
    if where == OPA_URL and not is_origin(value):
        raise UnresolvedError(f"{text.partition(':-')[0]} does not hold a URL such as http://127.0.0.1:8181 (http or https, no path, user, query or fragment)")
    if not value.strip() or not value.isprintable():
        raise UnresolvedError(f"{text.partition(':-')[0]} does not hold a name")
    return value


def _miss(document: Document, resolved: Resolved, where: Where, error: UnresolvedError) -> None:
    """Leave an optional target out where a variable is not set; anything else is a problem."""
    if error.unset and where[0] == "targets" and at(document, (*where[:2], "optional")) is True:
        resolved.left_out.setdefault(str(where[1]), error.what)
    else:
        document.problem(where, error.what, error.hint)


def _check_policy(document: Document) -> None:
    """The policy is in one place."""
    section = mapping(document.data.get("policy"))
    if section.get("bundle") is not None and "path" in section:
        document.problem(("policy", "bundle"), "stands beside policy.path, and only one of them can be the policy", "remove one")


def _check_decision_log(document: Document) -> None:
    """The decision log goes to one place."""
    section = document.data.get("decision_log")
    if section is not None and (at(document, ("decision_log", "file")) is None) == (at(document, ("decision_log", "url")) is None):
        document.problem(("decision_log",), "needs either file or url, to say where decisions go", "remove or add one")


def _check_shared(document: Document, resolved: Resolved) -> None:
    """No secret of a tenant is one of another's, whose data it would open, nor stands in two places, where changing it would change too much."""
    owner: dict[bytes, Where] = {}
    for where, secret in resolved.secrets.items():
        if secret is not None and where[0] == "tenants":
            first = owner.setdefault(secret.reveal(), where)
            if first != where:
                document.problem(where, f"is the same secret as {dotted(first)}", "give each tenant one of its own")
