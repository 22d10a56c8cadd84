"""What one part of the file says of another, or of the world outside: secrets, environment variables, targets of routes, names and aliases.

Works on the plain values, so that a wrong type elsewhere hides none of these problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.configuration.models import is_url
from gateway.configuration.problems import Where, dotted, nearest
from gateway.configuration.secret import Decode, Secret, UnresolvedError, at_least, ed25519_seed, header_value, lookup, parse_env, resolve
from gateway.configuration.source import Document

API_KEY_HASH_BYTES = 32
PLACEHOLDER_KEY_BYTES = 16


class SecretReference(NamedTuple):
    """A place in the file that refers to a secret."""

    where: Where
    reference: str
    decode: Decode
    target: str | None
    """The target that it belongs to, if any."""


@dataclass(slots=True, kw_only=True)
class Resolved:
    """What the references lead to."""

    secrets: dict[Where, Secret | None] = field(default_factory=dict)
    texts: dict[Where, str] = field(default_factory=dict)
    """Values that came from environment variables."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Optional targets that are not in use, with the reason."""


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
    _check_routes(document)
    return resolved


def secret_references(document: Document) -> Iterator[SecretReference]:
    """Every reference to a secret, in the order of the file's sections; what is no reference is left to the shape."""
    places: list[tuple[Where, Decode, str | None]] = [
        (("keys", "api_key_hash"), at_least(API_KEY_HASH_BYTES), None),
        (("keys", "record_signing"), ed25519_seed, None),
        *((("tenants", name, "placeholder_key"), at_least(PLACEHOLDER_KEY_BYTES), None) for name in _mapping(document.data.get("tenants"))),
        *((("targets", name, "api_key"), header_value, name) for name in _mapping(document.data.get("targets"))),
    ]
    for where, decode, target in places:
        text = _at(document, where)
        if isinstance(text, str) and (parse_env(text) or text.startswith("file:")):
            yield SecretReference(where, text, decode, target)


def _secret(document: Document, place: SecretReference, env: Mapping[str, str]) -> Secret | None:
    secret = resolve(place.reference, document.path.parent, env, place.decode)
    if secret is None and place.target is None:
        raise UnresolvedError("is required, so an empty default cannot stand for it")
    return secret


def _environment_texts(document: Document) -> Iterator[tuple[Where, str]]:
    for name in _mapping(document.data.get("targets")):
        for key in ("base_url", "model"):
            text = _at(document, ("targets", name, key))
            if isinstance(text, str) and parse_env(text):
                yield ("targets", name, key), text


def _environment_text(where: Where, text: str, env: Mapping[str, str]) -> str:
    reference = parse_env(text)
    value = lookup(reference, env) if reference else text
    if where[-1] == "base_url" and not is_url(value):
        raise UnresolvedError(f"{text.partition(':-')[0]} does not hold a URL such as http://127.0.0.1:9101/v1 (http or https, no user, query or fragment)")
    if not value.strip() or not value.isprintable():
        raise UnresolvedError(f"{text.partition(':-')[0]} does not hold a name")
    return value


def _miss(document: Document, resolved: Resolved, where: Where, error: UnresolvedError) -> None:
    """Leave an optional target out where a variable is not set; anything else is a problem."""
    name = str(where[1])
    if error.unset and where[0] == "targets" and _at(document, ("targets", name, "optional")) is True:
        resolved.left_out.setdefault(name, error.what)
    else:
        document.problem(where, error.what, error.hint)


def _check_shared(document: Document, resolved: Resolved) -> None:
    """No two tenants have one placeholder key: the same value would have the same placeholder with both."""
    owner: dict[bytes, Where] = {}
    for where, secret in resolved.secrets.items():
        if secret is not None and where[0] == "tenants":
            first = owner.setdefault(secret.reveal(), where)
            if first != where:
                document.problem(where, f"is the same secret as {dotted(first)}", "give each tenant one of its own")


def _check_routes(document: Document) -> None:
    """Every route leads to a target, and no name stands for two routes."""
    routes, targets = _mapping(document.data.get("routes")), _mapping(document.data.get("targets"))
    owner: dict[str, str] = {name: dotted(("routes", name)) for name in routes}
    for name in routes:
        target = _at(document, ("routes", name, "target"))
        if isinstance(target, str) and target not in targets:
            document.problem(("routes", name, "target"), f"no target named '{target}'", nearest(target, targets))
        aliases = _at(document, ("routes", name, "aliases"))
        for index, alias in enumerate(aliases if isinstance(aliases, tuple) else ()):
            where: Where = ("routes", name, "aliases", index)
            if not isinstance(alias, str):
                continue
            if alias in owner:
                document.problem(where, f"'{alias}' already names {owner[alias]}")
            else:
                owner[alias] = f"{dotted(where)} (line {document.line(where)})"


def _at(document: Document, where: Where) -> Any:
    value: Any = document.data
    for part in where:
        value = _mapping(value).get(part)
    return value


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
