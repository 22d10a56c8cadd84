from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration.parts import parts_of
from gateway.configuration.source import Document

WriteConfig = Callable[..., Path]


def test_parts_are_found_although_the_rest_is_wrong(write_config: WriteConfig, good_text: str) -> None:
    path = write_config(good_text, ("server:", "policy: {path: rules}\nsever:"), ("    placeholder_key", "    redaction: {countries: [DE]}\n    placeholder"))
    parts = parts_of(Document(path))
    assert parts.policy == path.parent / "rules"
    assert {name: options.countries for name, options in parts.redaction.items()} == {"acme": ("DE",)}
    assert str(parts.problem(("tenants", "acme", "redaction", "countries"), "x", "y")) == f"{path}:9: tenants.acme.redaction.countries: x (y)"


@pytest.mark.parametrize(
    "text", ["policy: 5\n", "policy: {path: 5}\n", 'policy: {path: "a\\0"}\n', "tenants: {acme: {redaction: {countries: 5}}}\n", "tenants: [a]\n"]
)
def test_what_has_no_right_shape_is_left_to_the_shape(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    parts = parts_of(Document(path))
    assert (parts.policy, dict(parts.redaction)) == (tmp_path / "policies", {})
