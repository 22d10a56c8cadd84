from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.configuration.forms import Shape, is_url
from gateway.configuration.models import KeysShape, RedactionOptions, ServerShape
from gateway.configuration.models_routing import TargetShape


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


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (ServerShape, {"listen": "[::1]:0"}),
        (ServerShape, {"listen": "localhost:65535"}),
        (KeysShape, {"api_key_hash": "env:A", "record_signing": "file:/run/secrets/seed"}),
        (RedactionOptions, {"patterns": {"EMPLOYEE_ID": "E-[0-9]{6}"}, "words": {"PROJECT": ("red falcon",)}, "countries": ("NO",)}),
        (TargetShape, {"base_url": "env:URL", "model": "m", "limits": {"connect_s": 1}}),
    ],
)
def test_what_fits_is_taken(model: type[Shape], value: dict[str, Any]) -> None:
    assert set(value) <= model.model_validate(value).model_fields_set


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (ServerShape, {"listen": "localhost"}),
        (ServerShape, {"listen": "localhost:٣"}),
        (ServerShape, {"listen": "local host:1"}),
        (ServerShape, {"listen": "localhost:1", "limits": {"json_depth": 201}}),
        (KeysShape, {"api_key_hash": "file:", "record_signing": "env:A"}),
        (RedactionOptions, {"patterns": {"employee": "x"}}),
        (RedactionOptions, {"words": {"SECRET": ("x",)}}),
        (RedactionOptions, {"words": {"PROJECT": ("x", "x")}}),
        (RedactionOptions, {"words": {"PROJECT": (" ",)}}),
        (RedactionOptions, {"enable": ("US_PASSPORT", "US_PASSPORT")}),
        (TargetShape, {"base_url": "http://example.com", "model": "m", "limits": {"connect_s": True}}),
        (TargetShape, {"base_url": "http://example.com", "model": "m", "limits": {"total_s": float("inf")}}),
    ],
)
def test_what_does_not_fit_is_refused(model: type[Shape], value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(value)
