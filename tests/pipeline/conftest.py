"""A whole gateway for tests of its path: real engine, database, provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.testing import LocalGateway, local_gateway


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalGateway]:
    """A gateway that allows everything and hides all that it finds, in front of a provider that echoes."""
    async with local_gateway(tmp_path) as gateway:
        yield gateway
