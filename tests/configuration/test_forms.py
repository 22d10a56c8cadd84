from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.configuration.forms import Database, FoundCategories, LastResort, Provider, SchemaSource, has_password, is_postgres_url, is_url


@pytest.mark.parametrize("url", ["http://127.0.0.1:9101/v1", "https://example.com", "http://[::1]:80/v1"])
def test_a_url_has_a_scheme_and_a_host(url: str) -> None:
    assert is_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "http://",
        "http://u:p@example.com",
        "http://example.com?q=1",
        "http://example.com#f",
        "http://h:99999",
        "http://[::1",
        "http://a b",
    ],
)
def test_anything_else_is_no_url(url: str) -> None:
    assert not is_url(url)


@pytest.mark.parametrize("url", ["postgresql://u@db.example.com/gateway", "postgres://[::1]:5432/gateway", "postgresql:///gateway?host=/run/postgresql"])
def test_a_database_url_has_a_host_and_a_name(url: str) -> None:
    assert is_postgres_url(url)


@pytest.mark.parametrize(
    "url",
    ["postgresql://", "postgresql://h", "postgresql:///gateway", "mysql://h/gateway", "postgresql://h:x/gateway", "postgresql://h/a b", "gateway.db", "ü"],
)
def test_anything_else_is_no_database_url(url: str) -> None:
    assert not is_postgres_url(url)


@pytest.mark.parametrize("url", ["postgresql://u:p@h/g", "postgresql://h/g?password=p", "postgresql://h/g?sslmode=require&sslpassword=p"])
def test_a_password_in_a_url_is_seen_wherever_it_stands(url: str) -> None:
    assert has_password(url)
    assert not has_password("postgresql://u@h/g?sslmode=require")


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Database, ".gateway/gateway.db"),
        (Database, "env:DATABASE_URL"),
        (Database, "file:secrets/url"),
        (Database, "postgresql://u@h/g"),
        (SchemaSource, "schemas/order.json"),
        (SchemaSource, {"type": "object"}),
        (LastResort, "Nobody is here."),
        (LastResort, {"status": ("a", 1, None)}),
        (LastResort, ()),
        (FoundCategories, ("SECRET", "US_SSN")),
        (Provider, "text-completion-openai"),
    ],
)
def test_what_fits_is_taken_as_it_is(form: Any, value: object) -> None:
    assert TypeAdapter(form).validate_python(value) == value


@pytest.mark.parametrize(
    ("form", "value", "said"),
    [
        (Database, " ", "is empty"),
        (Database, "mysql://h/g", "is neither a path nor a URL"),
        (Database, "postgresql://u:hunter2@h/g", "has a password in the clear"),
        (Database, "env:URL:-postgresql://u:hunter2@h/g", "has a secret as default in the clear"),
        (SchemaSource, 5, "must be the path of a JSON file"),
        (SchemaSource, ("a",), "must be the path of a JSON file"),
        (LastResort, " ", "must be text"),
        (LastResort, 5, "must be text"),
        (LastResort, {"x": float("inf")}, "has a number that JSON has no way to write"),
        (FoundCategories, ("us_ssn",), "is not a category"),
        (FoundCategories, ("US_SSN", "US_SSN"), "twice"),
        (Provider, "Anthropic", "is not the name of a provider"),
    ],
)
def test_what_does_not_fit_is_refused_without_quoting_it(form: Any, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(form).validate_python(value)
    messages = [detail["msg"] for detail in refused.value.errors(include_input=False)]
    assert any(said in message for message in messages)
    assert not any("hunter2" in message for message in messages)


@given(st.text(max_size=60) | st.from_regex(r"postgres(ql)?://[^ ]{0,40}", fullmatch=True))
def test_any_text_is_a_database_or_refused_and_a_password_never_passes(text: str) -> None:
    try:
        taken = TypeAdapter(Database).validate_python(text)
    except ValidationError:
        return
    assert taken == text
    assert text.startswith(("env:", "file:")) or not has_password(text)
