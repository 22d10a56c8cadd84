"""A whole gateway for tests of its surfaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.testing import LocalGateway, local_gateway


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    """A gateway that allows everything, in front of a provider that echoes."""
    async with local_gateway(tmp_path, changes={"policy:": "server: {limits: {body_bytes: 65536, header_bytes: 4096, json_depth: 16}}\npolicy:"}) as gateway:
        yield gateway
