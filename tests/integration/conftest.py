"""Real servers for integration tests; ``tests/servers/README.md`` tells how to get them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.jaeger_server import Jaeger, find_binary, jaeger


@pytest.fixture(scope="session", name="jaeger")
def running_jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A real Jaeger, one for the session; traces of different tests do not meet, since their ids differ. Mark such tests ``services``."""
    binary = find_binary()
    if binary is None:
        if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
            pytest.fail("no Jaeger: set JAEGER_BIN or put jaeger on PATH (tests/servers/get-jaeger builds it)")
        pytest.skip("no Jaeger: set JAEGER_BIN or put jaeger on PATH")
    with jaeger(binary, tmp_path_factory.mktemp("jaeger") / "jaeger.log") as running:
        yield running
