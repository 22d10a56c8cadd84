"""The forms that a value of ``config.yaml`` can have: names, URLs, references, durations. Each refuses in words of our own, which never quote a value."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gateway.configuration.secret import parse_env, postgres_url
from gateway.domain_tasks import QUEUE_PREFIX, REFUSE, RELEASE

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)
ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}\Z", re.ASCII)
PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)
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


def _found_category(value: str) -> str:
    _must(CATEGORY.match(value) is not None, "is not a category: capital letters and '_', beginning with a letter")
    return value


def _provider(value: str) -> str:
    _must(PROVIDER.match(value) is not None, "is not the name of a provider, such as anthropic, gemini or bedrock")
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


def _trace_link(value: str) -> str:
    _must(value.startswith(("http://", "https://")), "must begin with http:// or https://")
    _must(value.count("{trace_id}") == 1, "needs {trace_id} where the trace's id goes, such as https://jaeger.example.com/trace/{trace_id}")
    _must(value.isascii() and value.isprintable() and " " not in value, "must be a URL without spaces")
    return value


def _url_or_env(value: str) -> str:
    return value if parse_env(value) is not None else _url(value)


def is_origin(value: str) -> bool:
    """Whether ``value`` is an http(s) URL of a host and a port alone."""
    return is_url(value) and urlsplit(value).path in {"", "/"}


def _origin_or_env(value: str) -> str:
    _must(parse_env(value) is not None or is_origin(value), "is not a URL such as http://127.0.0.1:8181 (http or https, no path, user, query or fragment)")
    return value


def _reference(value: str) -> str:
    reference = parse_env(value)
    is_file = value.startswith("file:") and len(value) > len("file:") and "\0" not in value
    if reference is None and not is_file:
        raise PydanticCustomError("form", "needs a reference to a secret, env:NAME or file:PATH; a secret itself must not stand in this file")
    _must(reference is None or not reference.default, "has a secret as default in the clear; only the empty default (env:NAME:-) is taken")
    return value


def _database(value: str) -> str:
    _must(bool(value.strip()) and "\0" not in value, "is empty")
    if parse_env(value) is not None:
        return _reference(value)
    _must("://" not in value or is_postgres_url(value), "is neither a path nor a URL such as postgresql://USER@HOST:5432/NAME")
    if has_password(value):
        message = "has a password in the clear; put the whole URL into a variable or a file, and refer to it as env:NAME or file:PATH"
        raise PydanticCustomError("form", "{message}", {"message": message})
    return value


def is_postgres_url(value: str) -> bool:
    """Whether ``value`` is the URL of a PostgreSQL database."""
    try:
        postgres_url(value.encode())
    except ValueError:
        return False
    return True


def has_password(value: str) -> bool:
    """Whether a database's URL holds a password, before its host or among its options."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.password or any("password" in option for option in parse_qs(parts.query))))


def _schema_source(value: Any) -> Any:
    _must(
        isinstance(value, dict) or (isinstance(value, str) and bool(value.strip()) and "\0" not in value),
        "must be the path of a JSON file, or the schema as a mapping",
    )
    return value


def _last_resort(value: Any) -> Any:
    _must(
        value is None or isinstance(value, dict | tuple) or (isinstance(value, str) and bool(value.strip())),
        "must be text, or a mapping or list that is sent as JSON",
    )
    _must(is_json(value), "has a number that JSON has no way to write")
    return value


def is_json(value: object) -> bool:
    """Whether JSON can say ``value``, a tree of mappings, tuples and scalars: it has no infinite number."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _on_expiry(value: str) -> str:
    _must(
        value in {REFUSE, RELEASE} or (value.startswith(QUEUE_PREFIX) and NAME.match(value.removeprefix(QUEUE_PREFIX)) is not None),
        "must be refuse, release or queue:NAME",
    )
    return value


def _text(value: str) -> str:
    _must(bool(value.strip()) and "\0" not in value, "is empty")
    return value


def one_to_fifty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A form of lists. Looked at only where every item has its own form: one that has not would count as missing."""
    _must(0 < len(values) <= 50, "has to have 1 to 50 items")
    return values


def _no_twins(values: tuple[str, ...]) -> tuple[str, ...]:
    twins = sorted({value for value in values if values.count(value) > 1})
    _must(not twins, f"has {', '.join(twins)} twice")
    return values


Name = Annotated[str, AfterValidator(_name)]
Category = Annotated[str, AfterValidator(_category)]
FoundCategory = Annotated[str, AfterValidator(_found_category)]
FoundCategories = Annotated[tuple[FoundCategory, ...], AfterValidator(_no_twins)]
Provider = Annotated[str, AfterValidator(_provider)]
Database = Annotated[str, AfterValidator(_database)]
SchemaSource = Annotated[Any, AfterValidator(_schema_source)]
LastResort = Annotated[Any, AfterValidator(_last_resort)]
Listen = Annotated[str, AfterValidator(_listen)]
Url = Annotated[str, AfterValidator(_url)]
TraceLink = Annotated[str, AfterValidator(_trace_link)]
UrlOrEnv = Annotated[str, AfterValidator(_url_or_env)]
OriginOrEnv = Annotated[str, AfterValidator(_origin_or_env)]
OnExpiry = Annotated[str, AfterValidator(_on_expiry)]
Reference = Annotated[str, AfterValidator(_reference)]
Text = Annotated[str, AfterValidator(_text)]
Aliases = Annotated[tuple[Annotated[str, AfterValidator(_alias)], ...], AfterValidator(_no_twins)]
Categories = Annotated[tuple[Category, ...], AfterValidator(_no_twins)]
Texts = Annotated[tuple[Text, ...], AfterValidator(_no_twins)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Shape(BaseModel):
    """What all sections share: frozen, strict, no key that is not known."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def section(model: type[Shape], text: str) -> Any:
    """A part of the file that may be left out: its own defaults then."""
    return Field(default_factory=model, description=text)
