from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.configuration.forms import Shape
from gateway.configuration.models import KeysShape, RedactionOptions, ServerShape, TracesShape


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (ServerShape, {"listen": "[::1]:0"}),
        (ServerShape, {"listen": "localhost:65535"}),
        (TracesShape, {"link": "https://jaeger.example.com/trace/{trace_id}?uiEmbed"}),
        (KeysShape, {"api_key_hash": "env:A", "record_signing": "file:/run/secrets/seed"}),
        (RedactionOptions, {"patterns": {"EMPLOYEE_ID": "E-[0-9]{6}"}, "words": {"PROJECT": ("red falcon",)}, "countries": ("NO",)}),
    ],
)
def test_what_fits_is_taken(model: type[Shape], value: dict[str, Any]) -> None:
    assert set(value) <= model.model_validate(value).model_fields_set


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (ServerShape, {"listen": "localhost"}),
        (TracesShape, {"link": "https://jaeger.example.com/trace/"}),
        (TracesShape, {"link": "javascript:alert({trace_id})"}),
        (TracesShape, {"link": "https://jaeger.example.com/{trace_id} {trace_id}"}),
        (TracesShape, {"link": "https://jaeger.example.com/a b/{trace_id}"}),
        (ServerShape, {"listen": "localhost:٣"}),
        (ServerShape, {"listen": "local host:1"}),
        (ServerShape, {"listen": "localhost:1", "limits": {"json_depth": 201}}),
        (KeysShape, {"api_key_hash": "file:", "record_signing": "env:A"}),
        (RedactionOptions, {"patterns": {"employee": "x"}}),
        (RedactionOptions, {"words": {"SECRET": ("x",)}}),
        (RedactionOptions, {"words": {"PROJECT": ("x", "x")}}),
        (RedactionOptions, {"words": {"PROJECT": (" ",)}}),
        (RedactionOptions, {"enable": ("US_PASSPORT", "US_PASSPORT")}),
    ],
)
def test_what_does_not_fit_is_refused(model: type[Shape], value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(value)
