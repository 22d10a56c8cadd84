from __future__ import annotations

import pytest

from gateway.configuration.problems import Where
from gateway.configuration.shape import keys_at


@pytest.mark.parametrize(
    ("where", "some"),
    [
        ((), {"server", "tenants"}),
        (("server", "limits"), {"body_bytes"}),
        (("targets", "x"), {"base_url"}),
        (("targets", "x", "price"), {"input_usd_per_mtok"}),
        (("tenants", "t", "redaction"), {"patterns"}),
        (("telemetry", "traces"), {"endpoint"}),
    ],
)
def test_known_keys_are_found_at_any_depth(where: Where, some: set[str]) -> None:
    assert some <= keys_at(where)


@pytest.mark.parametrize("where", [("targets",), ("tenants", "t", "redaction", "words"), ("nothing",), ("server", "listen")])
def test_where_names_are_free_no_key_is_known(where: Where) -> None:
    assert keys_at(where) == frozenset()
